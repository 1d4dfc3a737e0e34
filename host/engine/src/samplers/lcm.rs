//! Latent consistency (Luo et al. 2023, algorithm 1): the denoiser, distilled to see the end from anywhere, is believed, and what it sees
//! is noised anew to the next level.
//!
//! Decision: the boundary weights of the paper, which at timestep 0 would return the latents as they are, are left out as ComfyUI does. At
//! the timesteps of lcm's own schedule they are 0 and 1 to the fifth digit, and on other curves they would waste the last step.

use super::{Moment, Rule, Space};
use crate::EngineError;

/// No state; the noise continues the picture's own stream.
pub struct Lcm;

impl Rule for Lcm {
    fn space(&self) -> Space {
        Space::Variance
    }

    fn step(&mut self, at: Moment<'_>) -> Result<(), EngineError> {
        let Moment { step, latents, seen, noise, .. } = at;
        latents.copy_from_slice(&seen.clean);
        if step.next > 0.0 {
            let noised = self.space().add_noise(&seen.clean, &noise.randn(latents.len()), step.next);
            latents.copy_from_slice(&noised);
        }
        Ok(())
    }
}
