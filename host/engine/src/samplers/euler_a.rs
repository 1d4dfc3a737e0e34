//! Euler with fresh noise: a step lands below the next level and is lifted back to it.

use super::{Moment, Rule, Space, towards};
use crate::EngineError;

/// No state; the noise continues the picture's own stream.
pub struct EulerA;

impl Rule for EulerA {
    fn space(&self) -> Space {
        Space::Signal
    }

    fn step(&mut self, at: Moment<'_>) -> Result<(), EngineError> {
        let Moment { step, latents, seen, noise, .. } = at;
        let (down, up) = split(step.sigma, step.next);
        let landed = towards(latents, &seen.clean, down / step.sigma);
        // The last step adds none, but draws, as diffusers does.
        let fresh = noise.randn(latents.len());
        for ((x, l), n) in latents.iter_mut().zip(landed).zip(fresh) {
            *x = l + n * up as f32;
        }
        Ok(())
    }
}

/// The level that an ancestral step between two levels lands on, and the noise that lifts it to the lower one: what a step of the training process
/// backwards would keep and add (DDPM's posterior, eta 1).
pub fn split(from: f64, to: f64) -> (f64, f64) {
    let (from, to) = (from.powi(2), to.powi(2));
    let up = to * (from - to) / from;
    ((to - up).sqrt(), up.sqrt())
}
