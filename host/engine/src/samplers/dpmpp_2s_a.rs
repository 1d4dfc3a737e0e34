//! DPM-Solver++(2S) with fresh noise (Lu et al. 2022, algorithm 1; k-diffusion, `sample_dpmpp_2s_ancestral`): a step lands
//! below the next level, by way of a middle one, and is lifted back to it.

use super::{Moment, Rule, Space, euler_a::split, towards};
use crate::EngineError;

/// No state; the noise continues the picture's own stream. Asks the denoiser twice a step.
pub struct Dpmpp2sA;

impl Rule for Dpmpp2sA {
    fn space(&self) -> Space {
        Space::Signal
    }

    fn step(&mut self, at: Moment<'_>) -> Result<(), EngineError> {
        let Moment { step, latents, seen, noise, again, .. } = at;
        if step.next == 0.0 {
            latents.copy_from_slice(&seen.clean);
            return Ok(());
        }
        let (down, up) = split(step.sigma, step.next);
        // Half of the way in lambda = -ln(sigma).
        let middle = (step.sigma * down).sqrt();
        let there = towards(latents, &seen.clean, middle / step.sigma);
        let seen = again(&there, middle)?;
        let landed = towards(latents, &seen.clean, down / step.sigma);
        let fresh = noise.randn(latents.len());
        for ((x, l), n) in latents.iter_mut().zip(landed).zip(fresh) {
            *x = l + n * up as f32;
        }
        Ok(())
    }
}
