//! DPM-Solver++ of the stochastic equation, by way of a middle level (Lu et al. 2022; k-diffusion, `sample_dpmpp_sde`, eta 1, r 1/2;
//! diffusers, `DPMSolverSDEScheduler`).
//!
//! Decision: levels pass through `f32` logarithms and back, as in the references. They lose a digit there, which to the path is another time,
//! and the noise would be another by a thousandth.

use super::{Moment, Rule, Space, euler_a::split, towards};
use crate::{EngineError, brownian::Brownian};

/// The path its noise is taken from. Asks the denoiser twice a step.
#[derive(Default)]
pub struct DpmppSde {
    path: Option<Brownian>,
}

impl Rule for DpmppSde {
    fn space(&self) -> Space {
        Space::Signal
    }

    fn step(&mut self, at: Moment<'_>) -> Result<(), EngineError> {
        let path = at.path(&mut self.path);
        let Moment { step, latents, seen, again, .. } = at;
        if step.next == 0.0 {
            latents.copy_from_slice(&seen.clean);
            return Ok(());
        }
        let (here, there) = (lambda(step.sigma), lambda(step.next));
        let middle = level(here + (there - here) * 0.5);
        let moved = |clean: &[f32], to: f64| -> Vec<f32> {
            let (down, up) = split(step.sigma, to);
            let landed = towards(latents, clean, down / step.sigma);
            landed.iter().zip(path.noise(level(here), to)).map(|(l, n)| l + n * up as f32).collect()
        };
        let seen = again(&moved(&seen.clean, middle), middle)?;
        let landed = moved(&seen.clean, level(there));
        latents.copy_from_slice(&landed);
        Ok(())
    }
}

/// Minus the logarithm of a level.
fn lambda(level: f64) -> f32 {
    -(level.ln() as f32)
}

/// The level whose logarithm that is.
fn level(lambda: f32) -> f64 {
    (-lambda as f64).exp() as f32 as f64
}
