//! The second pass as the job's owner sees it: one stage of its own, so that no stage's steps go back.

use underpaint_raster::{Image, Job, Stage};

/// Refining picture `part` of `parts`. The steps of its denoising are those of [`Stage::Upscale`]; what comes before and
/// after them is not told.
pub struct Refining<'a> {
    /// The whole.
    pub job: &'a dyn Job,
    /// From 0.
    pub part: u32,
    /// All of them.
    pub parts: u32,
}

impl Job for Refining<'_> {
    fn is_cancelled(&self) -> bool {
        self.job.is_cancelled()
    }

    fn progress(&self, stage: Stage, step: u32, steps: u32) {
        if stage == Stage::Denoise {
            self.job.progress(Stage::Upscale, self.part * steps + step, self.parts * steps);
        }
    }

    fn wants_preview(&self) -> bool {
        self.job.wants_preview()
    }

    fn preview(&self, image: Image) {
        self.job.preview(image);
    }
}
