//! DPM-Solver++(2M), multistep with midpoint (Lu et al. 2022, algorithm 2), of the plain and of the stochastic equation (its
//! appendix; diffusers, `sde-dpmsolver++`); the first step, one to no noise, and the last of fewer than 15 are of first order.
//!
//! Decision: one rule for both. With `eta` 1 a step forgets a part of its noise and takes as much fresh noise in; with 0 it forgets none. The
//! fresh noise continues the picture's own stream, as in diffusers' pipelines; k-diffusion would take it from a Brownian path.

use super::{Moment, Rule, Space};
use crate::EngineError;

/// The clean latents predicted one step ago, and the level they were predicted from.
pub struct Dpmpp2m {
    /// 0, or 1 for dpmpp_2m_sde, whose noise continues the picture's own stream.
    eta: f64,
    previous: Option<(Vec<f32>, f64)>,
}

impl Dpmpp2m {
    /// At the beginning of a picture.
    pub fn new(eta: f64) -> Self {
        Self { eta, previous: None }
    }
}

impl Rule for Dpmpp2m {
    fn space(&self) -> Space {
        Space::Variance
    }

    fn step(&mut self, at: Moment<'_>) -> Result<(), EngineError> {
        let first = at.is_short_last();
        let Moment { step, latents, seen, noise, .. } = at;
        let (space, eta) = (self.space(), self.eta);
        let clean = seen.clean;
        // The papers' exp(-h), for lambda = ln(signal / noise) = -ln(sigma).
        let ratio = step.next / step.sigma;
        let keep = (space.noise(step.next) / space.noise(step.sigma) * ratio.powf(eta)) as f32;
        let gain = (space.signal(step.next) * (1.0 - ratio.powf(1.0 + eta))) as f32;
        let correction = match &self.previous {
            Some((_, sigma)) if step.next > 0.0 && !first => (0.5 * ratio.ln() / (step.sigma / sigma).ln()) as f32,
            _ => 0.0,
        };
        let before = self.previous.as_ref().map_or(&clean, |(clean, _)| clean);
        for ((x, c), b) in latents.iter_mut().zip(&clean).zip(before) {
            *x = keep * *x + gain * (c + correction * (c - b));
        }
        if eta > 0.0 {
            // The last step adds none, but draws, as diffusers does.
            let lift = (space.noise(step.next) * (1.0 - ratio.powf(2.0 * eta)).sqrt()) as f32;
            latents.iter_mut().zip(noise.randn(clean.len())).for_each(|(x, n)| *x += lift * n);
        }
        self.previous = Some((clean, step.sigma));
        Ok(())
    }
}
