//! The update rules, one file each.
//!
//! Decision: between two evaluations of the denoiser the latents of one picture are a plain `f32` slice, so a rule is a few
//! lines of arithmetic that knows no tensor, no device and no model. A rule of second order asks for the denoiser [`Again`].
//! Coefficients are `f64`.

mod ddim;
mod ddpm;
mod deis;
mod dpmpp_2m;
mod dpmpp_2s_a;
mod dpmpp_3m_sde;
mod dpmpp_sde;
mod euler;
mod euler_a;
mod heun;
mod ipndm;
mod lcm;
mod lms;
mod tcd;
mod unipc;

use crate::EngineError;
use crate::brownian::Brownian;
use crate::noise::Noise;
use crate::schedule::{Prediction, Schedule, Step, Training};
use underpaint_plan::Sampler;

/// The scale a sampler keeps its latents at, for signal `x0`, unit noise `n` and level `sigma`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// `x0 + sigma n`: the signal keeps its scale (k-diffusion).
    Signal,
    /// `(x0 + sigma n) / sqrt(1 + sigma²)`: the variance keeps its scale (DDPM).
    Variance,
}

/// What the denoiser takes latents for; each as long as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The clean latents, at unit scale.
    pub clean: Vec<f32>,
    /// The unit noise.
    pub noise: Vec<f32>,
}

/// What the denoiser sees in these latents, of the rule's space, at this level.
pub type Again<'a> = dyn FnMut(&[f32], f64) -> Result<Seen, EngineError> + 'a;

/// What a rule has at hand for one step of one picture.
pub struct Moment<'a> {
    /// From which level to which.
    pub step: Step,
    /// Which step of the schedule that is, counted from 0.
    pub number: usize,
    /// All of them.
    pub schedule: &'a Schedule,
    /// `[C, h, w]`, flat, in the rule's space.
    pub latents: &'a mut [f32],
    /// What the denoiser sees in them.
    pub seen: Seen,
    /// The picture's own stream.
    pub noise: &'a mut Noise,
    /// The denoiser, for rules that ask it in the middle of a step.
    pub again: &'a mut Again<'a>,
}

impl Moment<'_> {
    /// The last step of the schedule.
    fn is_last(&self) -> bool {
        self.number + 1 == self.schedule.steps.len()
    }

    /// The last step of a short schedule, which diffusers' solvers take at first order.
    fn is_short_last(&self) -> bool {
        self.is_last() && self.schedule.steps.len() < 15
    }

    /// The path that stochastic rules take their noise from, begun if it has not been. It spans the whole schedule, also if a picture starts in
    /// the middle of it, and has the picture's seed.
    fn path<'p>(&self, path: &'p mut Option<Brownian>) -> &'p Brownian {
        path.get_or_insert_with(|| Brownian::new(self.noise.seed(), self.schedule.range(), self.latents.len()))
    }
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
        Sampler::DpmppSde => Box::new(dpmpp_sde::DpmppSde::default()),
        Sampler::Dpmpp3mSde => Box::new(dpmpp_3m_sde::Dpmpp3mSde::default()),
        Sampler::Ddpm => Box::new(ddpm::Ddpm),
        Sampler::Unipc => Box::new(unipc::Unipc::default()),
        Sampler::Deis => Box::new(deis::Deis::default()),
        Sampler::Ipndm => Box::new(ipndm::Ipndm::default()),
        Sampler::Lcm => Box::new(lcm::Lcm),
        Sampler::Tcd => Box::new(tcd::Tcd),
    }
}

/// Latents of [`Space::Signal`] with what `clean` leaves as their noise multiplied by `keep`. In `f64`: at high noise most of both terms
/// cancels.
fn towards(latents: &[f32], clean: &[f32], keep: f64) -> Vec<f32> {
    latents.iter().zip(clean).map(|(x, c)| (*c as f64 + keep * (*x as f64 - *c as f64)) as f32).collect()
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
        match self {
            Self::Signal => sigma,
            Self::Variance => 1.0 / (1.0 / sigma).hypot(1.0),
        }
    }

    /// What brings latents at level `sigma` to the scale the denoiser knows, which is that of unit variance.
    pub fn to_denoiser(self, sigma: f64) -> f64 {
        match self {
            Self::Signal => Self::Variance.signal(sigma),
            Self::Variance => 1.0,
        }
    }

    /// `clean` latents with unit `noise` at level `sigma`.
    pub fn add_noise(self, clean: &[f32], noise: &[f32], sigma: f64) -> Vec<f32> {
        let (a, b) = (self.signal(sigma) as f32, self.noise(sigma) as f32);
        clean.iter().zip(noise).map(|(x, n)| a * x + b * n).collect()
    }

    /// What a denoiser that answers with `predicted` sees in `latents` at level `sigma`. In `f64`: at high noise most of both terms cancels.
    pub fn seen(self, prediction: Prediction, latents: &[f32], predicted: Vec<f32>, sigma: f64) -> Seen {
        let (a, b) = (self.signal(sigma), self.noise(sigma));
        let each = |each: fn(f64, f64, f64, f64) -> f64| -> Vec<f32> {
            latents.iter().zip(&predicted).map(|(x, p)| each(*x as f64, *p as f64, a, b) as f32).collect()
        };
        match prediction {
            Prediction::Epsilon => Seen { clean: each(|x, e, a, b| (x - b * e) / a), noise: predicted },
            Prediction::Velocity => {
                // Latents and velocity turned by the angle whose tangent is sigma (Salimans and Ho 2022, appendix D).
                Seen {
                    clean: each(|x, v, a, b| (a * x / a.hypot(b) - b * v) / a.hypot(b)),
                    noise: each(|x, v, a, b| (b * x / a.hypot(b) + a * v) / a.hypot(b)),
                }
            }
        }
    }
}
