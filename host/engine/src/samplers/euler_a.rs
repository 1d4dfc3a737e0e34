//! Euler with fresh noise: a step lands below the next level and is lifted back to it.

use super::{Moment, Rule, Space};
use crate::{EngineError, schedule::Step};

/// No state; the noise continues the picture's own stream.
pub struct EulerA;

impl Rule for EulerA {
    fn space(&self) -> Space {
        Space::Signal
    }

    fn step(&mut self, at: Moment<'_>) -> Result<(), EngineError> {
        let Moment { step, latents, epsilon, noise, .. } = at;
        let (down, up) = split(step);
        let dt = (down - step.sigma) as f32;
        // The last step adds none, but draws, as diffusers does.
        let fresh = noise.randn(latents.len());
        for ((x, e), n) in latents.iter_mut().zip(epsilon).zip(fresh) {
            *x += e * dt;
            *x += n * up as f32;
        }
        Ok(())
    }
}

/// The level that an ancestral step lands on, and the noise that lifts it to the next one: what a step of the training process
/// backwards would keep and add (DDPM's posterior, eta 1).
pub fn split(step: Step) -> (f64, f64) {
    let (from, to) = (step.sigma.powi(2), step.next.powi(2));
    let up = to * (from - to) / from;
    ((to - up).sqrt(), up.sqrt())
}
