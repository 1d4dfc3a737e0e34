//! What may flow backwards through the pipeline: progress and cancellation, nothing else.

use crate::{Image, Rect};
use serde::{Deserialize, Serialize};

/// Which part of a job is under way. Within one stage steps never go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Reading a model from disk.
    Load,
    /// Filling masked pixels from their surroundings.
    Infill,
    /// Text and pictures into embeddings and latents.
    Encode,
    /// Sampling steps.
    Denoise,
    /// Latents into pixels.
    Decode,
    /// Enlarging.
    Upscale,
    /// Third-party filters.
    Filter,
}

/// The job was cancelled; what was computed so far is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

/// The running job as the pipeline sees it. Long loops call [`Job::step`] at least every 50 ms.
pub trait Job: Sync {
    /// True once the owner no longer wants the result.
    fn is_cancelled(&self) -> bool;

    /// `step` of `steps` in `stage` are done.
    fn progress(&self, stage: Stage, step: u32, steps: u32);

    /// True if a preview now would be shown; making one costs time.
    fn wants_preview(&self) -> bool {
        false
    }

    /// A small picture of the state so far (longest side at most 512 px).
    fn preview(&self, _image: Image) {}

    /// As [`Job::preview`], cut to what will be painted and as transparent, with its place in canvas pixels.
    fn preview_at(&self, image: Image, _rect: Rect) {
        self.preview(image);
    }

    /// Reports progress and stops the caller with `?` if the job was cancelled.
    fn step(&self, stage: Stage, step: u32, steps: u32) -> Result<(), Cancelled> {
        if self.is_cancelled() {
            return Err(Cancelled);
        }
        self.progress(stage, step, steps);
        Ok(())
    }
}

/// A job on the way to another: what a wrapper does not change goes on to [`Wrapper::owner`] as it came.
pub trait Wrapper: Sync {
    /// The job as its owner sees it.
    fn owner(&self) -> &dyn Job;

    /// As [`Job::progress`].
    fn progress(&self, stage: Stage, step: u32, steps: u32) {
        self.owner().progress(stage, step, steps);
    }

    /// As [`Job::wants_preview`].
    fn wants_preview(&self) -> bool {
        self.owner().wants_preview()
    }

    /// As [`Job::preview`].
    fn preview(&self, image: Image) {
        self.owner().preview(image);
    }

    /// As [`Job::preview_at`].
    fn preview_at(&self, image: Image, rect: Rect) {
        self.owner().preview_at(image, rect);
    }
}

impl<T: Wrapper> Job for T {
    fn is_cancelled(&self) -> bool {
        self.owner().is_cancelled()
    }

    fn progress(&self, stage: Stage, step: u32, steps: u32) {
        Wrapper::progress(self, stage, step, steps);
    }

    fn wants_preview(&self) -> bool {
        Wrapper::wants_preview(self)
    }

    fn preview(&self, image: Image) {
        Wrapper::preview(self, image);
    }

    fn preview_at(&self, image: Image, rect: Rect) {
        Wrapper::preview_at(self, image, rect);
    }
}

/// One of several equal parts of a job: the steps of a stage go on where the part before it ended, so that they never go back.
pub struct Share<'a> {
    /// The whole.
    pub job: &'a dyn Job,
    /// From 0.
    pub part: u32,
    /// All of them.
    pub parts: u32,
}

impl Wrapper for Share<'_> {
    fn owner(&self) -> &dyn Job {
        self.job
    }

    fn progress(&self, stage: Stage, step: u32, steps: u32) {
        // A part that only begins is where the one before it ended, of which more may be known than how many steps there are.
        if step > 0 || self.part == 0 {
            self.job.progress(stage, self.part * steps + step, self.parts * steps);
        }
    }
}

/// A job nobody watches and nobody cancels: for tests and benchmarks.
pub struct Unattended;

impl Job for Unattended {
    fn is_cancelled(&self) -> bool {
        false
    }
    fn progress(&self, _: Stage, _: u32, _: u32) {}
}
