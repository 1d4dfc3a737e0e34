//! The second pass as the job's owner sees it: its steps are those of enlarging, from picture to picture of a batch.

use underpaint_raster::{Job, Share, Stage, Wrapper};

/// The second pass over one picture of a batch. Its denoising takes the time; its other stages, which the first pass had too, are
/// not told.
pub struct Refining<'a>(pub Share<'a>);

impl Wrapper for Refining<'_> {
    fn owner(&self) -> &dyn Job {
        &self.0
    }

    fn progress(&self, stage: Stage, step: u32, steps: u32) {
        if stage == Stage::Denoise {
            self.owner().progress(Stage::Upscale, step, steps);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Told(Mutex<Vec<(Stage, u32, u32)>>);

    impl Job for Told {
        fn is_cancelled(&self) -> bool {
            false
        }
        fn progress(&self, stage: Stage, step: u32, steps: u32) {
            self.0.lock().unwrap().push((stage, step, steps));
        }
    }

    #[test]
    fn steps_go_on_from_picture_to_picture() {
        let told = Told::default();
        for part in 0..2 {
            let picture: &dyn Job = &Refining(Share { job: &told, part, parts: 2 });
            for (stage, step, steps) in
                [(Stage::Encode, 1, 1), (Stage::Denoise, 0, 1), (Stage::Denoise, 1, 3), (Stage::Denoise, 3, 3)]
            {
                picture.progress(stage, step, steps);
            }
        }
        let steps = [(0, 2), (1, 6), (3, 6), (4, 6), (6, 6)].map(|(step, steps)| (Stage::Upscale, step, steps));
        assert_eq!(told.0.into_inner().unwrap(), steps);
    }
}
