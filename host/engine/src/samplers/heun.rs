//! Second-order steps by Heun's trapezoid (Karras et al. 2022, algorithm 1 without churn); the last, to no noise, is Euler's.

use super::{Moment, Rule, Space, towards};
use crate::EngineError;

/// No state. Asks the denoiser twice a step.
pub struct Heun;

impl Rule for Heun {
    fn space(&self) -> Space {
        Space::Signal
    }

    fn step(&mut self, at: Moment<'_>) -> Result<(), EngineError> {
        let Moment { step, latents, seen, again, .. } = at;
        let dt = (step.next - step.sigma) as f32;
        let there = towards(latents, &seen.clean, step.next / step.sigma);
        if step.next == 0.0 {
            latents.copy_from_slice(&there);
            return Ok(());
        }
        let second = again(&there, step.next)?.noise;
        for ((x, a), b) in latents.iter_mut().zip(&there).zip(second) {
            *x = 0.5 * (a + (*x + b * dt));
        }
        Ok(())
    }
}
