//! Noise levels and timesteps of every sampling step.
//!
//! Decision: what a painter calls *normal*, *karras* and *exponential* is what diffusers computes when a pipeline's scheduler is replaced by
//! `X.from_config(pipe.scheduler.config)`, so that a request can be repeated there and compared:
//!
//! | sampler | scheduler class X | karras, exponential |
//! |---|---|---|
//! | euler | `EulerDiscreteScheduler` | `use_karras_sigmas=True`, `use_exponential_sigmas=True` |
//! | heun | `HeunDiscreteScheduler` | the same |
//! | lms | `LMSDiscreteScheduler` | the same |
//! | dpmpp_sde | `DPMSolverSDEScheduler`, `noise_sampler_seed` the picture's seed | the same |
//! | euler_a | `EulerAncestralDiscreteScheduler` | the class has none: the timesteps and sigmas of euler |
//! | dpmpp_2s_a, dpmpp_3m_sde | there is none: the timesteps and sigmas of euler, the rule of k-diffusion | those of euler |
//! | ipndm | `IPNDMScheduler` is for other models: the timesteps and sigmas of euler, its rule | those of euler |
//! | ddim | `DDIMScheduler` (eta 0) | the class has none: `EulerDiscreteScheduler` with `timestep_spacing="leading"`, the same rule |
//! | ddpm | `DDPMScheduler` | those of ddim, the same rule |
//! | lcm, tcd | `LCMScheduler`, `TCDScheduler` (eta 0.3): their own timesteps, whatever the spacing | those of ddim, the same rule |
//! | dpmpp_2m | `DPMSolverMultistepScheduler` | `use_karras_sigmas=True`, `use_exponential_sigmas=True` |
//! | dpmpp_2m_sde | the same, `algorithm_type="sde-dpmsolver++"` | the same |
//! | unipc | `UniPCMultistepScheduler` | the same |
//! | deis | `DEISMultistepScheduler` | the same |
//!
//! A value the model's scheduler configuration does not name takes the class's default, as `from_config` does; single files
//! take SD 1.5's configuration. That includes diffusers' oddities, such as a single euler step starting at timestep 0, or deis ending at the
//! first training level instead of at no noise. One is left out: classes that do not know `rescale_betas_zero_snr` would ignore it; here a
//! model's betas are its betas, whatever the sampler.
//!
//! The other levels were born in ComfyUI, and for every sampler they are its formulas, to no noise at all in the end: *simple*, *sgm_uniform*,
//! *ddim_uniform* and *beta* choose timesteps, *kl_optimal* and *align_your_steps* choose sigmas. Like there, *ddim_uniform* takes one step more
//! where the number asked for does not divide the training schedule, and *beta* fewer where timesteps coincide. What the denoiser is told is
//! not rounded to a whole timestep, as ComfyUI does, but lies between two of them, as in diffusers.
//!
//! The training table and the levels are rounded to `f32` as PyTorch holds them, everything between and after is `f64`.

mod levels;
mod training;

pub use training::{Aligned, Betas, Prediction, Spacing, Training};

use levels::{interpolate, log_interpolate, timestep_of};
use underpaint_plan::{Sampler, Sampling, Scheduler};

/// One sampling step: from one noise level to the next. Sigma is noise per unit of signal, `sqrt((1 - ᾱ) / ᾱ)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// What the denoiser is told, 0..timesteps, may be fractional.
    pub timestep: f64,
    /// Noise level before the step; infinite where there is no signal at all, which only samplers of unit variance meet.
    pub sigma: f64,
    /// Noise level after it.
    pub next: f64,
}

/// All steps of a schedule, noisiest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The steps.
    pub steps: Vec<Step>,
    /// Pure noise is scaled by this to become the first latents of the samplers that keep signal at unit scale.
    pub init_noise_sigma: f64,
    /// Sigma at every training timestep, rising.
    table: Vec<f64>,
}

impl Schedule {
    /// The schedule of `steps` steps (1..=timesteps) for this pair.
    pub fn new(training: &Training, sampler: Sampler, scheduler: Scheduler, steps: usize) -> Self {
        let table = training.sigmas();
        let layout = layout(sampler);
        let curved = matches!(scheduler, Scheduler::Karras | Scheduler::Exponential);
        let strided = matches!(layout, Layout::Whole | Layout::Distilled);
        let spacing = match training.spacing {
            _ if strided && curved => Spacing::Leading,
            Some(spacing) => spacing,
            None if strided => Spacing::Leading,
            None => Spacing::Linspace,
        };
        let spaced = || match layout {
            Layout::Distilled if !curved => training.distilled(steps),
            _ => training.spaced(spacing, steps, layout != Layout::Between, layout == Layout::Solver),
        };
        let ends = || match layout {
            Layout::Solver => [table[table.len() - 1], table[0]],
            _ => {
                let timesteps = spaced();
                [timesteps[0], timesteps[steps - 1]].map(|t| interpolate(&table, t))
            }
        };
        let by_timestep = |timesteps: Vec<f64>, sigma: fn(&[f64], f64) -> f64| {
            let sigmas = timesteps.iter().map(|&t| sigma(&table, t)).collect();
            (timesteps, sigmas)
        };
        let by_sigma = |sigmas: Vec<f64>, rounded: fn(f64) -> f64| {
            (sigmas.iter().map(|&s| rounded(timestep_of(&table, s))).collect::<Vec<f64>>(), sigmas)
        };
        // DPM-Solver's class wants whole timesteps: it rounds those of karras and cuts the others.
        let whole = |rounded: fn(f64) -> f64| if layout == Layout::Solver { rounded } else { |t| t };
        let (timesteps, sigmas): (Vec<f64>, Vec<f64>) = match scheduler {
            Scheduler::Normal => by_timestep(spaced(), interpolate),
            Scheduler::Karras => {
                let [high, low] = ends();
                by_sigma(levels::karras(high, low, steps), whole(f64::round_ties_even))
            }
            Scheduler::Exponential => {
                let [high, low] = ends();
                by_sigma(levels::exponential(high, low, steps), whole(f64::trunc))
            }
            Scheduler::SgmUniform => by_timestep(training.sgm_uniform(steps), log_interpolate),
            Scheduler::Simple => by_timestep(training.simple(steps), interpolate),
            Scheduler::Beta => by_timestep(training.beta(steps), interpolate),
            Scheduler::DdimUniform => by_timestep(training.ddim_uniform(steps), interpolate),
            Scheduler::KlOptimal => by_sigma(levels::kl_optimal(table[table.len() - 1], table[0], steps), |t| t),
            Scheduler::AlignYourSteps => by_sigma(training.aligned.levels(steps), |t| t),
        };
        let mut sigmas: Vec<f64> = sigmas.into_iter().map(|sigma| sigma as f32 as f64).collect();
        if training.zero_snr && strided && scheduler == Scheduler::Normal && timesteps[0] as usize + 1 == table.len() {
            // Those classes reckon without sigma, and begin without any signal.
            sigmas[0] = f64::INFINITY;
        }
        let mut next = sigmas[1..].to_vec();
        next.push(if ends_noisy(training, sampler, scheduler) { table[0] } else { 0.0 });
        if sampler == Sampler::Ddim && scheduler == Scheduler::Normal {
            // diffusers' DDIM always goes down by one whole stride, wherever the next timestep lies.
            let stride = (training.timesteps / steps) as f64;
            let last = if training.set_alpha_to_one { 0.0 } else { table[0] };
            let level = |t: f64| if t < 0.0 { last } else { table[t as usize] };
            next = timesteps.iter().map(|t| level(t - stride)).collect();
        }
        let highest = sigmas[0];
        let steps = timesteps.into_iter().zip(sigmas).zip(next);
        Self {
            steps: steps.map(|((timestep, sigma), next)| Step { timestep, sigma, next }).collect(),
            init_noise_sigma: if spacing == Spacing::Leading { highest.hypot(1.0) } else { highest },
            table,
        }
    }

    /// What the denoiser is told at level `sigma` during step `i`: the next step's timestep at the next step's level, else the
    /// one between training timesteps.
    pub fn timestep(&self, i: usize, sigma: f64) -> f64 {
        match self.steps.get(i + 1) {
            Some(next) if next.sigma == sigma => next.timestep,
            _ => timestep_of(&self.table, sigma),
        }
    }

    /// The noise level of a whole training timestep.
    pub fn level(&self, timestep: usize) -> f64 {
        self.table[timestep.min(self.table.len() - 1)]
    }

    /// The first step that a request takes. Steps are counted from the quiet end, since a schedule may have others than asked for.
    pub fn first(&self, sampling: &Sampling) -> usize {
        let taken = sampling.steps.saturating_sub(sampling.start_step).max(1) as usize;
        if sampling.start_step == 0 { 0 } else { self.steps.len().saturating_sub(taken) }
    }

    /// The quietest level above none, and the noisiest.
    pub fn range(&self) -> [f64; 2] {
        let levels = || self.steps.iter().flat_map(|step| [step.sigma, step.next]).filter(|&sigma| sigma > 0.0);
        [levels().fold(f64::INFINITY, f64::min), levels().fold(0.0, f64::max)]
    }
}

/// How the classes of diffusers lay out timesteps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Euler's and its kin: between training timesteps.
    Between,
    /// DDIM's and DDPM's: whole ones.
    Whole,
    /// LCM's and TCD's: some of those the teacher was asked at.
    Distilled,
    /// DPM-Solver's and its kin: whole ones without the quiet end; curves span the whole table.
    Solver,
}

fn layout(sampler: Sampler) -> Layout {
    match sampler {
        Sampler::Euler | Sampler::EulerA | Sampler::Heun | Sampler::Lms | Sampler::Ipndm => Layout::Between,
        Sampler::Dpmpp2sA | Sampler::DpmppSde | Sampler::Dpmpp3mSde => Layout::Between,
        Sampler::Ddim | Sampler::Ddpm => Layout::Whole,
        Sampler::Lcm | Sampler::Tcd => Layout::Distilled,
        Sampler::Dpmpp2m | Sampler::Dpmpp2mSde | Sampler::Unipc | Sampler::Deis => Layout::Solver,
    }
}

/// True if diffusers' class leaves the noise of the first training level in the picture.
fn ends_noisy(training: &Training, sampler: Sampler, scheduler: Scheduler) -> bool {
    match (sampler, scheduler) {
        (Sampler::Euler | Sampler::Dpmpp2m | Sampler::Dpmpp2mSde | Sampler::Unipc, scheduler) => {
            training.final_sigma_min && diffusers(scheduler)
        }
        (Sampler::Deis, scheduler) => diffusers(scheduler),
        (Sampler::Tcd, scheduler) => scheduler == Scheduler::Normal,
        _ => false,
    }
}

/// Levels that are diffusers' rather than ComfyUI's.
fn diffusers(scheduler: Scheduler) -> bool {
    matches!(scheduler, Scheduler::Normal | Scheduler::Karras | Scheduler::Exponential)
}
