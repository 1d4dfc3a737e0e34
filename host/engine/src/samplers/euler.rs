//! First-order Euler steps (Karras et al. 2022, algorithm 2 without churn).

use super::{Again, Rule, Space};
use crate::{EngineError, noise::Noise, schedule::Step};

/// No state.
pub struct Euler;

impl Rule for Euler {
    fn space(&self) -> Space {
        Space::Signal
    }

    fn step(
        &mut self,
        step: Step,
        latents: &mut [f32],
        epsilon: &[f32],
        _: &mut Noise,
        _: &mut Again<'_>,
    ) -> Result<(), EngineError> {
        let dt = (step.next - step.sigma) as f32;
        for (x, e) in latents.iter_mut().zip(epsilon) {
            *x += e * dt;
        }
        Ok(())
    }
}
