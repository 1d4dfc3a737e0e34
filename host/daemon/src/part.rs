//! One of several like pieces of work as the job's owner sees it: a stage that goes on from piece to piece, so that its steps
//! never go back.

use underpaint_raster::{Image, Job, Rect, Stage};

/// Piece `part` of `parts`. The steps of its `counted` stage are told as those of `stage`, behind the earlier pieces' and before
/// the later ones'; no other stage is told.
pub struct Part<'a> {
    /// The whole.
    pub job: &'a dyn Job,
    /// From 0.
    pub part: u32,
    /// All of them.
    pub parts: u32,
    /// Which of the piece's stages takes the time.
    pub counted: Stage,
    /// What it is to the whole.
    pub stage: Stage,
}

impl Job for Part<'_> {
    fn is_cancelled(&self) -> bool {
        self.job.is_cancelled()
    }

    fn progress(&self, stage: Stage, step: u32, steps: u32) {
        // A piece that only begins is where the one before it ended, of which more may be known than how many steps there are.
        if stage == self.counted && (step > 0 || self.part == 0) {
            self.job.progress(self.stage, self.part * steps + step, self.parts * steps);
        }
    }

    fn wants_preview(&self) -> bool {
        self.job.wants_preview()
    }

    fn preview(&self, image: Image) {
        self.job.preview(image);
    }

    fn preview_at(&self, image: Image, rect: Rect) {
        self.job.preview_at(image, rect);
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
    fn steps_go_on_from_piece_to_piece() {
        let told = Told::default();
        for part in 0..2 {
            let piece = Part { job: &told, part, parts: 2, counted: Stage::Denoise, stage: Stage::Upscale };
            for (stage, step, steps) in
                [(Stage::Encode, 1, 1), (Stage::Denoise, 0, 1), (Stage::Denoise, 1, 3), (Stage::Denoise, 3, 3)]
            {
                piece.progress(stage, step, steps);
            }
        }
        let steps = [(0, 2), (1, 6), (3, 6), (4, 6), (6, 6)].map(|(step, steps)| (Stage::Upscale, step, steps));
        assert_eq!(told.0.into_inner().unwrap(), steps);
    }
}
