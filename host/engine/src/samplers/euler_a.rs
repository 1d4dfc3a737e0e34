//! Euler with fresh noise: a step lands below the next level and is lifted back to it.

use super::{Rule, Space};
use crate::{noise::Noise, schedule::Step};

/// No state; the noise continues the picture's own stream.
pub struct EulerA;

impl Rule for EulerA {
    fn space(&self) -> Space {
        Space::Signal
    }

    fn step(&mut self, step: Step, latents: &mut [f32], epsilon: &[f32], noise: &mut Noise) {
        let (from, to) = (step.sigma.powi(2), step.next.powi(2));
        let up = to * (from - to) / from;
        let dt = ((to - up).sqrt() - step.sigma) as f32;
        let up = up.sqrt() as f32;
        // The last step adds none, but draws, as diffusers does.
        let fresh = noise.randn(latents.len());
        for ((x, e), n) in latents.iter_mut().zip(epsilon).zip(fresh) {
            *x += e * dt;
            *x += n * up;
        }
    }
}
