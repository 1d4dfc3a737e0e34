//! First-order Euler steps (Karras et al. 2022, algorithm 2 without churn).

use super::{Moment, Rule, Space};
use crate::EngineError;

/// No state.
pub struct Euler;

impl Rule for Euler {
    fn space(&self) -> Space {
        Space::Signal
    }

    fn step(&mut self, at: Moment<'_>) -> Result<(), EngineError> {
        let Moment { step, latents, epsilon, .. } = at;
        let dt = (step.next - step.sigma) as f32;
        for (x, e) in latents.iter_mut().zip(epsilon) {
            *x += e * dt;
        }
        Ok(())
    }
}
