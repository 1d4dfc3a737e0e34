//! Samplers, schedulers and the numbers that drive them.

/// The update rule. Names are k-diffusion's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sampler {
    /// First-order Euler steps.
    Euler,
    /// Euler with fresh noise at each step.
    EulerA,
    /// Denoising diffusion implicit model, eta 0.
    Ddim,
    /// Heun's second-order steps; two evaluations each.
    Heun,
    /// Linear multistep of fourth order.
    Lms,
    /// DPM-Solver++(2M), multistep.
    Dpmpp2m,
    /// DPM-Solver++(2M) with fresh noise at each step.
    Dpmpp2mSde,
    /// DPM-Solver++(2S) with fresh noise at each step; two evaluations each.
    Dpmpp2sA,
    /// DPM-Solver++ of the stochastic equation; two evaluations each.
    DpmppSde,
    /// DPM-Solver++(3M) of the stochastic equation, multistep.
    Dpmpp3mSde,
    /// Denoising diffusion probabilistic model: the training process backwards.
    Ddpm,
    /// UniPC of second order: a predictor and a corrector, multistep.
    Unipc,
    /// Diffusion exponential integrator of second order, multistep.
    Deis,
    /// Pseudo numerical method of fourth order, multistep.
    Ipndm,
    /// Latent consistency, for models distilled for it.
    Lcm,
    /// Trajectory consistency, for models distilled for it.
    Tcd,
}

/// The noise levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheduler {
    /// Levels as the model was trained, evenly spaced in timestep.
    Normal,
    /// Karras et al. 2022, rho 7.
    Karras,
    /// Evenly spaced in the logarithm of the level.
    Exponential,
    /// Evenly in timestep, the quiet end left out.
    SgmUniform,
    /// Whole timesteps, evenly from the noisy end.
    Simple,
    /// Timesteps by quantiles of a beta distribution, dense at both ends.
    Beta,
    /// Whole strides of timesteps from the quiet end.
    DdimUniform,
    /// Evenly spaced in the arc tangent of the level.
    KlOptimal,
    /// Align Your Steps: levels searched for the model's family.
    AlignYourSteps,
}

/// Everything the denoising loop needs, fully resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Update rule.
    pub sampler: Sampler,
    /// Noise levels.
    pub scheduler: Scheduler,
    /// Length of the schedule.
    pub steps: u32,
    /// First step that is really taken; 0 starts from pure noise.
    pub start_step: u32,
    /// Classifier-free guidance; at 1 or less the negative prompt is not evaluated.
    pub guidance_scale: f64,
    /// InstructPix2Pix: how strictly the picture is followed; below 1 there is no guidance at all.
    pub image_guidance_scale: f64,
    /// How much of the contrast that guidance adds is taken back, 0..=1 (section 3.4 of arXiv:2305.08891).
    pub guidance_rescale: f64,
    /// Seed of the first picture of the batch.
    pub seed: u64,
    /// Pictures to make; picture i uses `seed + i` (wrapping).
    pub batch: u32,
    /// As A1111 counts: 1 = none.
    pub clip_skip: u32,
}

/// One picture from pure noise: 20 steps of Euler over the model's own levels, guidance 7 (the picture's 1.5, as InstructPix2Pix has it),
/// seed 0. A [`Plan`](crate::Plan) resolves its own; this is for those who need numbers without a request.
impl Default for Sampling {
    fn default() -> Self {
        Self {
            sampler: Sampler::Euler,
            scheduler: Scheduler::Normal,
            steps: 20,
            start_step: 0,
            guidance_scale: 7.0,
            image_guidance_scale: 1.5,
            guidance_rescale: 0.0,
            seed: 0,
            batch: 1,
            clip_skip: 1,
        }
    }
}

impl Sampler {
    /// All of them, in the order shown to painters.
    pub const ALL: [Self; 16] = [
        Self::Euler,
        Self::EulerA,
        Self::Heun,
        Self::Lms,
        Self::Ddim,
        Self::Ddpm,
        Self::Dpmpp2m,
        Self::Dpmpp2mSde,
        Self::Dpmpp3mSde,
        Self::Dpmpp2sA,
        Self::DpmppSde,
        Self::Unipc,
        Self::Deis,
        Self::Ipndm,
        Self::Lcm,
        Self::Tcd,
    ];

    /// The name on the wire and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Euler => "euler",
            Self::EulerA => "euler_a",
            Self::Ddim => "ddim",
            Self::Heun => "heun",
            Self::Lms => "lms",
            Self::Dpmpp2m => "dpmpp_2m",
            Self::Dpmpp2mSde => "dpmpp_2m_sde",
            Self::Dpmpp2sA => "dpmpp_2s_a",
            Self::DpmppSde => "dpmpp_sde",
            Self::Dpmpp3mSde => "dpmpp_3m_sde",
            Self::Ddpm => "ddpm",
            Self::Unipc => "unipc",
            Self::Deis => "deis",
            Self::Ipndm => "ipndm",
            Self::Lcm => "lcm",
            Self::Tcd => "tcd",
        }
    }
}

impl Scheduler {
    /// All of them, in the order shown to painters.
    pub const ALL: [Self; 9] = [
        Self::Normal,
        Self::Karras,
        Self::Exponential,
        Self::SgmUniform,
        Self::Simple,
        Self::Beta,
        Self::DdimUniform,
        Self::KlOptimal,
        Self::AlignYourSteps,
    ];

    /// The name on the wire and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Karras => "karras",
            Self::Exponential => "exponential",
            Self::SgmUniform => "sgm_uniform",
            Self::Simple => "simple",
            Self::Beta => "beta",
            Self::DdimUniform => "ddim_uniform",
            Self::KlOptimal => "kl_optimal",
            Self::AlignYourSteps => "align_your_steps",
        }
    }
}
