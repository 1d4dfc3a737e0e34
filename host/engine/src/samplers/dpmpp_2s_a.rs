//! DPM-Solver++(2S) with fresh noise (Lu et al. 2022, algorithm 1; k-diffusion, `sample_dpmpp_2s_ancestral`): a step lands
//! below the next level, by way of a middle one, and is lifted back to it.

use super::{Moment, Rule, Space, euler_a::split};
use crate::EngineError;

/// No state; the noise continues the picture's own stream. Asks the denoiser twice a step.
pub struct Dpmpp2sA;

impl Rule for Dpmpp2sA {
    fn space(&self) -> Space {
        Space::Signal
    }

    fn step(&mut self, at: Moment<'_>) -> Result<(), EngineError> {
        let Moment { step, latents, epsilon, noise, again } = at;
        if step.next == 0.0 {
            let dt = -step.sigma as f32;
            latents.iter_mut().zip(epsilon).for_each(|(x, e)| *x += e * dt);
            return Ok(());
        }
        let (down, up) = split(step);
        // Half of the way in lambda = -ln(sigma).
        let middle = (step.sigma * down).sqrt();
        let clean = self.space().clean(latents, epsilon, step.sigma);
        let towards = |latents: &[f32], clean: &[f32], to: f64| -> Vec<f32> {
            let keep = to / step.sigma;
            // In f64: most of both terms cancels at high noise.
            latents.iter().zip(clean).map(|(x, c)| (*c as f64 + keep * (*x as f64 - *c as f64)) as f32).collect()
        };
        let there = towards(latents, &clean, middle);
        let epsilon = again(&there, middle)?;
        let clean = self.space().clean(&there, &epsilon, middle);
        let landed = towards(latents, &clean, down);
        let fresh = noise.randn(latents.len());
        for ((x, l), n) in latents.iter_mut().zip(landed).zip(fresh) {
            *x = l + n * up as f32;
        }
        Ok(())
    }
}
