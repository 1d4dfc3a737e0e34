//! Denoising diffusion implicit model, eta 0 (Song et al. 2020, equation 12).

use super::{Moment, Rule, Space};
use crate::EngineError;

/// No state but a setting.
pub struct Ddim {
    /// Clip the predicted clean latents to -1..=1; only models of pixels want it.
    pub clip: bool,
}

impl Rule for Ddim {
    fn space(&self) -> Space {
        Space::Variance
    }

    fn step(&mut self, at: Moment<'_>) -> Result<(), EngineError> {
        let Moment { step, latents, seen, .. } = at;
        let (signal, noise) = (self.space().signal(step.next) as f32, self.space().noise(step.next) as f32);
        for ((x, c), e) in latents.iter_mut().zip(&seen.clean).zip(&seen.noise) {
            // As diffusers: the clipped prediction with the noise as it was predicted.
            let clean = if self.clip { c.clamp(-1.0, 1.0) } else { *c };
            *x = signal * clean + noise * e;
        }
        Ok(())
    }
}
