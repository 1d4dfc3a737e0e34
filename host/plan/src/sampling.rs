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
    /// Seed of the first picture of the batch.
    pub seed: u64,
    /// Pictures to make; picture i uses `seed + i` (wrapping).
    pub batch: u32,
    /// As A1111 counts: 1 = none.
    pub clip_skip: u32,
}

impl Sampler {
    /// All of them, in the order shown to painters.
    pub const ALL: [Self; 8] =
        [Self::Euler, Self::EulerA, Self::Heun, Self::Lms, Self::Ddim, Self::Dpmpp2m, Self::Dpmpp2mSde, Self::Dpmpp2sA];

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
        }
    }
}

impl Scheduler {
    /// All of them, in the order shown to painters.
    pub const ALL: [Self; 3] = [Self::Normal, Self::Karras, Self::Exponential];

    /// The name on the wire and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Karras => "karras",
            Self::Exponential => "exponential",
        }
    }
}
