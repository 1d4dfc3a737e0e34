//! Diffusion exponential integrator of second order (Zhang and Chen 2022): the line through the last two predictions over log sigma,
//! integrated over the step in sigma. The first step, one to no noise, and the last of fewer than 15 are of first order, as in diffusers.

use super::{Moment, Rule, Space};
use crate::EngineError;

/// The noise predicted one step ago, and the level it was predicted at.
#[derive(Default)]
pub struct Deis {
    previous: Option<(Vec<f32>, f64)>,
}

impl Rule for Deis {
    fn space(&self) -> Space {
        Space::Variance
    }

    fn step(&mut self, at: Moment<'_>) -> Result<(), EngineError> {
        let first = at.is_short_last();
        let Moment { step, latents, seen, .. } = at;
        let (from, to) = (step.sigma, step.next);
        let weights = match &self.previous {
            Some((_, before)) if to > 0.0 && !first => {
                [weight(from, to, from, *before), weight(from, to, *before, from)]
            }
            _ => [to - from, 0.0],
        };
        let (divide, multiply) = (1.0 / self.space().signal(from), self.space().signal(to));
        let before = self.previous.as_ref().map_or(&seen.noise, |(noise, _)| noise);
        for ((x, e), b) in latents.iter_mut().zip(&seen.noise).zip(before) {
            *x = (multiply * (divide * *x as f64 + weights[0] * *e as f64 + weights[1] * *b as f64)) as f32;
        }
        self.previous = Some((seen.noise, from));
        Ok(())
    }
}

/// The integral over sigma, `from` to `to`, of the line in log sigma that is 1 at level `one` and 0 at level `zero`.
fn weight(from: f64, to: f64, one: f64, zero: f64) -> f64 {
    let integral = |t: f64| t * ((t / zero).ln() - 1.0) / (one / zero).ln();
    integral(to) - integral(from)
}
