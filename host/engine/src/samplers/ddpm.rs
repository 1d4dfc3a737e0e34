//! Denoising diffusion probabilistic model: the training process backwards, the smaller of its two variances (Ho et al. 2020, equation 7).
//! Between levels of any curve the same posterior holds.

use super::{Moment, Rule, Space};
use crate::EngineError;

/// No state; the noise continues the picture's own stream.
pub struct Ddpm;

impl Rule for Ddpm {
    fn space(&self) -> Space {
        Space::Variance
    }

    fn step(&mut self, at: Moment<'_>) -> Result<(), EngineError> {
        let Moment { step, latents, seen, noise, .. } = at;
        let space = self.space();
        // What a training step from the next level to this one would keep of the signal, and the variance it would add.
        let keep = space.signal(step.sigma) / space.signal(step.next);
        let added = 1.0 - keep.powi(2);
        let (before, after) = (space.noise(step.sigma).powi(2), space.noise(step.next).powi(2));
        let towards_clean = (space.signal(step.next) * added / before) as f32;
        let stay = (keep * after / before) as f32;
        let lift = (after / before * added).sqrt() as f32;
        // The last step adds none, but draws, as diffusers does.
        let fresh = noise.randn(latents.len());
        for ((x, c), n) in latents.iter_mut().zip(&seen.clean).zip(fresh) {
            *x = towards_clean * c + stay * *x + lift * n;
        }
        Ok(())
    }
}
