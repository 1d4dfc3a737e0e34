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
        let Moment { step, latents, epsilon, .. } = at;
        let space = self.space();
        if self.clip {
            // As diffusers: the clipped prediction with the noise as it was predicted.
            let clean = space.clean(latents, epsilon, step.sigma).into_iter().map(|v| v.clamp(-1.0, 1.0));
            let (a, b) = (space.signal(step.next) as f32, space.noise(step.next) as f32);
            latents.iter_mut().zip(clean).zip(epsilon).for_each(|((x, c), e)| *x = a * c + b * e);
            return Ok(());
        }
        let (signal, noise) = (space.signal(step.sigma), space.noise(step.sigma));
        let keep = (space.signal(step.next) / signal) as f32;
        let shift = (space.noise(step.next) - space.signal(step.next) / signal * noise) as f32;
        for (x, e) in latents.iter_mut().zip(epsilon) {
            *x = keep * *x + shift * e;
        }
        Ok(())
    }
}
