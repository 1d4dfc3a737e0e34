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

/// A job nobody watches and nobody cancels: for tests and benchmarks.
pub struct Unattended;

impl Job for Unattended {
    fn is_cancelled(&self) -> bool {
        false
    }
    fn progress(&self, _: Stage, _: u32, _: u32) {}
}
