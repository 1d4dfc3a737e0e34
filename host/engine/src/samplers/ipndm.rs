//! Improved pseudo numerical method of up to fourth order: the last predictions with the weights of Adams and Bashforth on even levels
//! (Zhang and Chen 2022, appendix; diffusers, `IPNDMScheduler`). The order grows from the first step that is taken.
//!
//! Decision: a step to no noise is of first order, as ComfyUI takes it: weights for even levels are far off there.

use super::{Moment, Rule, Space};
use crate::EngineError;
use std::collections::VecDeque;

/// Weights of the newest prediction and those before it, by order.
const WEIGHTS: [&[f64]; 4] = [
    &[1.0],
    &[3.0 / 2.0, -1.0 / 2.0],
    &[23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0],
    &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0],
];

/// The last predictions, newest first.
#[derive(Default)]
pub struct Ipndm {
    known: VecDeque<Vec<f32>>,
}

impl Rule for Ipndm {
    fn space(&self) -> Space {
        Space::Signal
    }

    fn step(&mut self, at: Moment<'_>) -> Result<(), EngineError> {
        let Moment { step, latents, seen, .. } = at;
        self.known.push_front(seen.noise);
        self.known.truncate(WEIGHTS.len());
        let order = if step.next > 0.0 { self.known.len() } else { 1 };
        for (weight, noise) in WEIGHTS[order - 1].iter().zip(&self.known) {
            let weight = (weight * (step.next - step.sigma)) as f32;
            latents.iter_mut().zip(noise).for_each(|(x, e)| *x += weight * e);
        }
        Ok(())
    }
}
