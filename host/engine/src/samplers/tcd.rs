//! Trajectory consistency (Zheng et al. 2024, strategic stochastic sampling): a step goes down past the next level, along the trajectory
//! that was distilled, and comes back up with fresh noise.
//!
//! Decision: how far past is the paper's share of the next timestep on every curve, at the whole training timestep below.

use super::{Moment, Rule, Space};
use crate::EngineError;

/// The share, 0 to go to the next level at once, 1 to go to no noise; diffusers' default.
const GAMMA: f64 = 0.3;

/// No state; the noise continues the picture's own stream.
pub struct Tcd;

impl Rule for Tcd {
    fn space(&self) -> Space {
        Space::Variance
    }

    fn step(&mut self, at: Moment<'_>) -> Result<(), EngineError> {
        let Moment { step, number, schedule, latents, seen, noise, .. } = at;
        let space = self.space();
        let to = schedule.steps.get(number + 1).map_or(0.0, |step| step.timestep);
        let past = schedule.level(((1.0 - GAMMA) * to) as usize).min(step.next);
        let landed = space.add_noise(&seen.clean, &seen.noise, past);
        latents.copy_from_slice(&landed);
        if past < step.next {
            let keep = space.signal(step.next) / space.signal(past);
            let (keep, lift) = (keep as f32, (1.0 - keep.powi(2)).sqrt() as f32);
            latents.iter_mut().zip(noise.randn(landed.len())).for_each(|(x, n)| *x = keep * *x + lift * n);
        }
        Ok(())
    }
}
