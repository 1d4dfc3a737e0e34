//! The update rules, one file each.
//!
//! Decision: between two evaluations of the denoiser the latents of one picture are a plain `f32` slice, so a rule is a few
//! lines of arithmetic that knows no tensor, no device and no model. A rule of second order asks for the denoiser [`Again`].
//! Coefficients are `f64`.

mod ddim;
mod dpmpp_2m;
mod dpmpp_2s_a;
mod euler;
mod euler_a;
mod heun;
mod lms;

use crate::EngineError;
use crate::noise::Noise;
use crate::schedule::{Step, Training};
use underpaint_plan::Sampler;

/// The scale a sampler keeps its latents at, for signal `x0`, unit noise `n` and level `sigma`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// `x0 + sigma n`: the signal keeps its scale (k-diffusion).
    Signal,
    /// `(x0 + sigma n) / sqrt(1 + sigma²)`: the variance keeps its scale (DDPM).
    Variance,
}

/// The noise predicted in these latents, of the rule's space, at this level.
pub type Again<'a> = dyn FnMut(&[f32], f64) -> Result<Vec<f32>, EngineError> + 'a;

/// What a rule has at hand for one step of one picture.
pub struct Moment<'a> {
    /// From which level to which.
    pub step: Step,
    /// `[C, h, w]`, flat, in the rule's space.
    pub latents: &'a mut [f32],
    /// The noise predicted in them, as long as they are.
    pub epsilon: &'a [f32],
    /// The picture's own stream.
    pub noise: &'a mut Noise,
    /// The denoiser, for rules that ask it in the middle of a step.
    pub again: &'a mut Again<'a>,
}

/// One update rule.
pub trait Rule {
    /// The scale of the latents it works on.
    fn space(&self) -> Space;

    /// Moves the latents from `step.sigma` to `step.next`.
    ///
    /// # Errors
    /// Only those of `again`.
    fn step(&mut self, at: Moment<'_>) -> Result<(), EngineError>;
}

/// The rule of that name, at the beginning of a picture.
pub fn rule(sampler: Sampler, training: &Training) -> Box<dyn Rule> {
    match sampler {
        Sampler::Euler => Box::new(euler::Euler),
        Sampler::EulerA => Box::new(euler_a::EulerA),
        Sampler::Ddim => Box::new(ddim::Ddim { clip: training.clip_sample }),
        Sampler::Heun => Box::new(heun::Heun),
        Sampler::Lms => Box::new(lms::Lms::default()),
        Sampler::Dpmpp2m => Box::new(dpmpp_2m::Dpmpp2m::new(0.0)),
        Sampler::Dpmpp2mSde => Box::new(dpmpp_2m::Dpmpp2m::new(1.0)),
        Sampler::Dpmpp2sA => Box::new(dpmpp_2s_a::Dpmpp2sA),
    }
}

impl Space {
    /// What one unit of signal becomes at level `sigma`.
    pub fn signal(self, sigma: f64) -> f64 {
        match self {
            Self::Signal => 1.0,
            Self::Variance => 1.0 / sigma.hypot(1.0),
        }
    }

    /// What one unit of noise becomes at level `sigma`.
    pub fn noise(self, sigma: f64) -> f64 {
        sigma * self.signal(sigma)
    }

    /// `clean` latents with unit `noise` at level `sigma`.
    pub fn add_noise(self, clean: &[f32], noise: &[f32], sigma: f64) -> Vec<f32> {
        let (a, b) = (self.signal(sigma) as f32, self.noise(sigma) as f32);
        clean.iter().zip(noise).map(|(x, n)| a * x + b * n).collect()
    }

    /// The clean latents `latents` would have if `epsilon` were exactly their noise.
    pub fn clean(self, latents: &[f32], epsilon: &[f32], sigma: f64) -> Vec<f32> {
        let (a, b) = (1.0 / self.signal(sigma), self.noise(sigma));
        latents.iter().zip(epsilon).map(|(x, e)| ((*x as f64 - b * *e as f64) * a) as f32).collect()
    }
}
