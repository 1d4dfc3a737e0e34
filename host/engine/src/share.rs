//! The progress of one of several equal parts of a stage, so that steps of a stage never go back.

use underpaint_raster::{Job, Stage};

/// `part` of `parts` of what `job` does in a stage; counts on where the part before it ended.
pub struct Share<'a> {
    /// The whole.
    pub job: &'a dyn Job,
    /// From 0.
    pub part: u32,
    /// All of them.
    pub parts: u32,
}

impl Job for Share<'_> {
    fn is_cancelled(&self) -> bool {
        self.job.is_cancelled()
    }

    fn progress(&self, stage: Stage, step: u32, steps: u32) {
        self.job.progress(stage, self.part * steps + step, self.parts * steps);
    }
}
