//! First-order Euler steps (Karras et al. 2022, algorithm 2 without churn).

use super::{Moment, Rule, Space, towards};
use crate::EngineError;

/// No state.
pub struct Euler;

impl Rule for Euler {
    fn space(&self) -> Space {
        Space::Signal
    }

    fn step(&mut self, at: Moment<'_>) -> Result<(), EngineError> {
        let Moment { step, latents, seen, .. } = at;
        let there = towards(latents, &seen.clean, step.next / step.sigma);
        latents.copy_from_slice(&there);
        Ok(())
    }
}
