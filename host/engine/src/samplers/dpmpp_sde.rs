//! DPM-Solver++ of the stochastic equation, by way of a middle level (Lu et al. 2022; k-diffusion, `sample_dpmpp_sde`, eta 1, r 1/2;
//! diffusers, `DPMSolverSDEScheduler`).

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
        let moved = |clean: &[f32], to: f64| -> Vec<f32> {
            let (down, up) = split(step.sigma, to);
            let landed = towards(latents, clean, down / step.sigma);
            landed.iter().zip(path.noise(step.sigma, to)).map(|(l, n)| l + n * up as f32).collect()
        };
        // Half of the way in lambda = -ln(sigma).
        let middle = (step.sigma * step.next).sqrt();
        let seen = again(&moved(&seen.clean, middle), middle)?;
        let landed = moved(&seen.clean, step.next);
        latents.copy_from_slice(&landed);
        Ok(())
    }
}
