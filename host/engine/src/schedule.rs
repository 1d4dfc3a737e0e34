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
//! | euler_a | `EulerAncestralDiscreteScheduler` | the class has none: the timesteps and sigmas of euler |
//! | dpmpp_2s_a | there is none: the timesteps and sigmas of euler, the rule of k-diffusion | those of euler |
//! | ddim | `DDIMScheduler` (eta 0) | the class has none: `EulerDiscreteScheduler` with `timestep_spacing="leading"`, the same rule |
//! | dpmpp_2m | `DPMSolverMultistepScheduler` | `use_karras_sigmas=True`, `use_exponential_sigmas=True` |
//! | dpmpp_2m_sde | the same, `algorithm_type="sde-dpmsolver++"` | the same |
//!
//! A value the model's scheduler configuration does not name takes the class's default, as `from_config` does; single files
//! take SD 1.5's configuration. That includes diffusers' oddities, such as a single euler step starting at timestep 0. The training table is rounded to `f32` as PyTorch holds it, everything after that is `f64`.

use underpaint_plan::{Sampler, Scheduler};

/// How a model was trained, from `scheduler/scheduler_config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// Length of the training schedule, in timesteps.
    pub timesteps: usize,
    /// First and last beta.
    pub beta: [f64; 2],
    /// How betas run between them.
    pub betas: Betas,
    /// What the denoiser predicts.
    pub prediction: Prediction,
    /// Where inference timesteps are put, if the configuration says so.
    pub spacing: Option<Spacing>,
    /// Added to timesteps of the leading spacing.
    pub steps_offset: f64,
    /// DDIM: the last step goes to no noise at all rather than to the first training level.
    pub set_alpha_to_one: bool,
    /// DDIM: predicted latents are clipped to -1..=1, as only models of pixels want it.
    pub clip_sample: bool,
    /// The other samplers: the last step goes to the first training level rather than to no noise at all.
    pub final_sigma_min: bool,
}

/// How betas run from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Betas {
    /// Evenly in beta.
    Linear,
    /// Evenly in the root of beta; Stable Diffusion.
    ScaledLinear,
}

/// What the denoiser predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prediction {
    /// The noise.
    Epsilon,
    /// The velocity.
    Velocity,
}

/// Where inference timesteps are put in the training schedule (table 2 of arXiv:2305.08891).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// Evenly, both ends included.
    Linspace,
    /// Whole strides from the quiet end.
    Leading,
    /// Whole strides from the noisy end.
    Trailing,
}

impl Default for Training {
    /// Stable Diffusion 1.5 as published.
    fn default() -> Self {
        Self {
            timesteps: 1000,
            beta: [0.000_85, 0.012],
            betas: Betas::ScaledLinear,
            prediction: Prediction::Epsilon,
            spacing: None,
            steps_offset: 1.0,
            set_alpha_to_one: false,
            clip_sample: false,
            final_sigma_min: false,
        }
    }
}

/// One sampling step: from one noise level to the next. Sigma is noise per unit of signal, `sqrt((1 - ᾱ) / ᾱ)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// What the denoiser is told, 0..timesteps, may be fractional.
    pub timestep: f64,
    /// Noise level before the step.
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
        let spacing = training.spacing.unwrap_or(match sampler {
            Sampler::Ddim => Spacing::Leading,
            _ => Spacing::Linspace,
        });
        let spacing = match (sampler, scheduler) {
            (Sampler::Ddim, Scheduler::Karras | Scheduler::Exponential) => Spacing::Leading,
            _ => spacing,
        };
        let mut timesteps = training.spaced(sampler, spacing, steps);
        let mut sigmas: Vec<f64> = timesteps.iter().map(|&t| interpolate(&table, t)).collect();
        let whole = [table[table.len() - 1], table[0]];
        let [high, low] = if solver(sampler) { whole } else { [sigmas[0], sigmas[steps - 1]] };
        let curve = match scheduler {
            Scheduler::Normal => None,
            Scheduler::Karras => Some(karras(high, low, steps)),
            Scheduler::Exponential => Some(exponential(high, low, steps)),
        };
        if let Some(curve) = curve {
            sigmas = curve;
            // DPM-Solver's class wants whole timesteps: it rounds those of karras and cuts the others.
            let whole: fn(f64) -> f64 = if scheduler == Scheduler::Karras { f64::round_ties_even } else { f64::trunc };
            let exact = sigmas.iter().map(|&s| timestep_of(&table, s));
            timesteps = exact.map(|t| if solver(sampler) { whole(t) } else { t }).collect();
        }
        let mut next = sigmas[1..].to_vec();
        next.push(if training.final_sigma_min { table[0] } else { 0.0 });
        if sampler == Sampler::Ddim && scheduler == Scheduler::Normal {
            // diffusers' DDIM always goes down by one whole stride, wherever the next timestep lies.
            let stride = (training.timesteps / steps) as f64;
            let last = if training.set_alpha_to_one { 0.0 } else { table[0] };
            let level = |t: f64| if t < 0.0 { last } else { table[t as usize] };
            next = timesteps.iter().map(|t| level(t - stride)).collect();
        }
        let highest = sigmas[0];
        let leading = spacing == Spacing::Leading;
        let steps = timesteps.into_iter().zip(sigmas).zip(next);
        Self {
            steps: steps.map(|((timestep, sigma), next)| Step { timestep, sigma, next }).collect(),
            init_noise_sigma: if leading { highest.hypot(1.0) } else { highest },
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
}

impl Training {
    /// Sigma at every training timestep, rising.
    fn sigmas(&self) -> Vec<f64> {
        let mut alpha = 1f64;
        let keep = |beta: f32| {
            alpha *= (1.0 - beta) as f64;
            let alpha = alpha as f32;
            ((1.0 - alpha) / alpha).sqrt() as f64
        };
        self.beta_table().into_iter().map(keep).collect()
    }

    fn beta_table(&self) -> Vec<f32> {
        let [first, last] = self.beta;
        match self.betas {
            Betas::Linear => linspace_f32(first, last, self.timesteps),
            Betas::ScaledLinear => {
                linspace_f32(first.sqrt(), last.sqrt(), self.timesteps).iter().map(|b| b * b).collect()
            }
        }
    }

    /// Timesteps by spacing, falling. DDIM's and DPM-Solver's classes round to whole timesteps, the latter leaves out the end.
    fn spaced(&self, sampler: Sampler, spacing: Spacing, steps: usize) -> Vec<f64> {
        let n = self.timesteps as f64;
        let solver = solver(sampler);
        let whole = sampler == Sampler::Ddim || solver;
        let timesteps: Vec<f64> = match spacing {
            Spacing::Linspace => {
                let points = if solver { steps + 1 } else { steps };
                // Stride first, as NumPy's linspace has it: halves are rounded below, so the last bit decides.
                let stride = if points == 1 { 0.0 } else { (n - 1.0) / (points - 1) as f64 };
                let at = |i: usize| i as f64 * stride;
                let rounded = |t: f64| if whole { t.round_ties_even() } else { t };
                (points - steps..points).rev().map(|i| rounded(at(i))).collect()
            }
            Spacing::Leading => {
                let skipped = usize::from(solver);
                let stride = (self.timesteps / (steps + skipped)) as f64;
                (skipped..steps + skipped).rev().map(|i| i as f64 * stride + self.steps_offset).collect()
            }
            Spacing::Trailing => {
                (0..steps).map(|i| (n - i as f64 * (n / steps as f64)).round_ties_even() - 1.0).collect()
            }
        };
        timesteps.into_iter().map(|t| t.clamp(0.0, n - 1.0)).collect()
    }
}

/// Those with the levels of diffusers' DPM-Solver class.
fn solver(sampler: Sampler) -> bool {
    matches!(sampler, Sampler::Dpmpp2m | Sampler::Dpmpp2mSde)
}

/// `torch.linspace` in f32: from both ends towards the middle.
fn linspace_f32(first: f64, last: f64, n: usize) -> Vec<f32> {
    let (first, last) = (first as f32, last as f32);
    let step = (last - first) / (n.max(2) - 1) as f32;
    (0..n)
        .map(|i| if i < n / 2 { step.mul_add(i as f32, first) } else { (-step).mul_add((n - 1 - i) as f32, last) })
        .collect()
}

/// The table's value at a fractional index.
fn interpolate(table: &[f64], at: f64) -> f64 {
    let low = (at as usize).min(table.len() - 1);
    let high = (low + 1).min(table.len() - 1);
    table[low] + (table[high] - table[low]) * (at - low as f64)
}

/// Karras et al. 2022, equation 5, rho 7.
fn karras(high: f64, low: f64, steps: usize) -> Vec<f64> {
    const RHO: f64 = 7.0;
    let (high, low) = (high.powf(1.0 / RHO), low.powf(1.0 / RHO));
    let ramp = |i: usize| if steps == 1 { 0.0 } else { i as f64 / (steps - 1) as f64 };
    (0..steps).map(|i| (high + ramp(i) * (low - high)).powf(RHO)).collect()
}

/// Evenly spaced in log sigma.
fn exponential(high: f64, low: f64, steps: usize) -> Vec<f64> {
    let (high, low) = (high.ln(), low.ln());
    let ramp = |i: usize| if steps == 1 { 0.0 } else { i as f64 / (steps - 1) as f64 };
    (0..steps).map(|i| (high + ramp(i) * (low - high)).exp()).collect()
}

/// The fractional training timestep whose noise level is `sigma`, interpolated in log sigma. The table's logarithms are rounded to
/// `f32`, as diffusers has them: where timesteps are cut to whole ones, the last bit decides.
fn timestep_of(table: &[f64], sigma: f64) -> f64 {
    let low = table.partition_point(|&s| s <= sigma).saturating_sub(1).min(table.len() - 2);
    let log = |i: usize| (table[i] as f32).ln() as f64;
    let (a, b) = (log(low), log(low + 1));
    let w = ((a - sigma.max(1e-10).ln()) / (a - b)).clamp(0.0, 1.0);
    low as f64 + w
}
