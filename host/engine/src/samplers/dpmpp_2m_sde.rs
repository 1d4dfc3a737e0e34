//! DPM-Solver++(2M) of the stochastic equation (Lu et al. 2022, appendix; diffusers, `sde-dpmsolver++` with midpoint): each
//! step forgets a part of its noise and takes as much fresh noise in.

use super::{Again, Rule, Space};
use crate::{EngineError, noise::Noise, schedule::Step};

/// The clean latents predicted one step ago, and the level they were predicted from; the noise continues the picture's own
/// stream.
#[derive(Default)]
pub struct Dpmpp2mSde {
    previous: Option<(Vec<f32>, f64)>,
}

impl Rule for Dpmpp2mSde {
    fn space(&self) -> Space {
        Space::Variance
    }

    fn step(
        &mut self,
        step: Step,
        latents: &mut [f32],
        epsilon: &[f32],
        noise: &mut Noise,
        _: &mut Again<'_>,
    ) -> Result<(), EngineError> {
        let space = self.space();
        let clean = space.clean(latents, epsilon, step.sigma);
        let h = step.sigma.ln() - step.next.ln();
        let forgotten = -(-2.0 * h).exp_m1();
        let keep = (space.noise(step.next) / space.noise(step.sigma) * (-h).exp()) as f32;
        let gain = (space.signal(step.next) * forgotten) as f32;
        let lift = (space.noise(step.next) * forgotten.sqrt()) as f32;
        let correction = match &self.previous {
            Some((_, sigma)) if step.next > 0.0 => (0.5 * h / (sigma.ln() - step.sigma.ln())) as f32,
            _ => 0.0,
        };
        // The last step adds none, but draws, as diffusers does.
        let fresh = noise.randn(latents.len());
        let before = self.previous.as_ref().map_or(&clean, |(clean, _)| clean);
        for (((x, c), b), n) in latents.iter_mut().zip(&clean).zip(before).zip(fresh) {
            *x = keep * *x + gain * (c + correction * (c - b)) + lift * n;
        }
        self.previous = Some((clean, step.sigma));
        Ok(())
    }
}
