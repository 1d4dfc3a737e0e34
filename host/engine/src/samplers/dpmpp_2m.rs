//! DPM-Solver++(2M), multistep with midpoint (Lu et al. 2022, algorithm 2); the first step and one to no noise are of first order.

use super::{Again, Rule, Space};
use crate::{EngineError, noise::Noise, schedule::Step};

/// The clean latents predicted one step ago, and the level they were predicted from.
#[derive(Default)]
pub struct Dpmpp2m {
    previous: Option<(Vec<f32>, f64)>,
}

impl Rule for Dpmpp2m {
    fn space(&self) -> Space {
        Space::Variance
    }

    fn step(
        &mut self,
        step: Step,
        latents: &mut [f32],
        epsilon: &[f32],
        _: &mut Noise,
        _: &mut Again<'_>,
    ) -> Result<(), EngineError> {
        let space = self.space();
        let clean = space.clean(latents, epsilon, step.sigma);
        // lambda = ln(signal / noise) = -ln(sigma); at no noise h is infinite and exp(-h) is 0.
        let h = step.sigma.ln() - step.next.ln();
        let keep = (space.noise(step.next) / space.noise(step.sigma)) as f32;
        let gain = (space.signal(step.next) * -(-h).exp_m1()) as f32;
        let correction = match &self.previous {
            Some((_, sigma)) if step.next > 0.0 => (0.5 * h / (sigma.ln() - step.sigma.ln())) as f32,
            _ => 0.0,
        };
        let before = self.previous.as_ref().map_or(&clean, |(clean, _)| clean);
        for ((x, c), b) in latents.iter_mut().zip(&clean).zip(before) {
            *x = keep * *x + gain * (c + correction * (c - b));
        }
        self.previous = Some((clean, step.sigma));
        Ok(())
    }
}
