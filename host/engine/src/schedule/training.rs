//! How a model was trained: its betas, and what its denoiser predicts.

/// How a model was trained, from `scheduler/scheduler_config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// Length of the training schedule, in timesteps.
    pub timesteps: usize,
    /// First and last beta.
    pub beta: [f64; 2],
    /// How betas run between them.
    pub betas: Betas,
    /// The betas are rescaled so that nothing of the signal is left at the last timestep (algorithm 1 of arXiv:2305.08891).
    pub zero_snr: bool,
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
    /// The samplers whose diffusers class has a choice: the last step goes to the first training level rather than to no noise at all.
    pub final_sigma_min: bool,
    /// Whose levels *align_your_steps* takes.
    pub aligned: Aligned,
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

impl Prediction {
    /// diffusers' name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Epsilon => "epsilon",
            Self::Velocity => "v_prediction",
        }
    }
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

/// The models whose best levels were searched for (Sabour et al. 2024, Align Your Steps; published for ten steps).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aligned {
    /// Stable Diffusion 1.x, and 2.x for want of its own.
    Sd1,
    /// Stable Diffusion XL.
    Sdxl,
}

impl Default for Training {
    /// Stable Diffusion 1.5 as published.
    fn default() -> Self {
        Self {
            timesteps: 1000,
            beta: [0.000_85, 0.012],
            betas: Betas::ScaledLinear,
            zero_snr: false,
            prediction: Prediction::Epsilon,
            spacing: None,
            steps_offset: 1.0,
            set_alpha_to_one: false,
            clip_sample: false,
            final_sigma_min: false,
            aligned: Aligned::Sd1,
        }
    }
}

impl Training {
    /// Sigma at every training timestep, rising, each a value of `f32` as PyTorch holds it.
    pub(super) fn sigmas(&self) -> Vec<f64> {
        let mut betas = self.beta_table();
        if self.zero_snr {
            rescale(&mut betas);
        }
        let mut kept = products(&betas);
        if let (true, Some(last)) = (self.zero_snr, kept.last_mut()) {
            // A level without any signal has no sigma; as diffusers' Euler this takes next to none.
            *last = 1.0 / 16_777_216.0;
        }
        kept.into_iter().map(|alpha| ((1.0 - alpha) / alpha).sqrt() as f64).collect()
    }

    fn beta_table(&self) -> Vec<f32> {
        let [first, last] = self.beta;
        match self.betas {
            Betas::Linear => linspace(first, last, self.timesteps),
            Betas::ScaledLinear => linspace(first.sqrt(), last.sqrt(), self.timesteps).iter().map(|b| b * b).collect(),
        }
    }
}

/// `torch.cumprod(1 - betas)`: what is left of the signal's variance.
fn products(betas: &[f32]) -> Vec<f32> {
    let mut alpha = 1f64;
    let keep = |beta: &f32| {
        alpha *= (1.0 - beta) as f64;
        alpha as f32
    };
    betas.iter().map(keep).collect()
}

/// Shifts and stretches the signal that is left so that the first timestep keeps its own and the last has none.
fn rescale(betas: &mut [f32]) {
    let roots: Vec<f32> = products(betas).into_iter().map(f32::sqrt).collect();
    let (first, last) = (roots[0], roots[roots.len() - 1]);
    let stretch = first / (first - last);
    let mut before = 1.0;
    for (beta, root) in betas.iter_mut().zip(roots) {
        let root = (root - last) * stretch;
        let kept = root * root;
        *beta = 1.0 - kept / before;
        before = kept;
    }
}

/// `torch.linspace` in f32: from both ends towards the middle.
fn linspace(first: f64, last: f64, n: usize) -> Vec<f32> {
    let (first, last) = (first as f32, last as f32);
    let step = (last - first) / (n.max(2) - 1) as f32;
    (0..n)
        .map(|i| if i < n / 2 { step.mul_add(i as f32, first) } else { (-step).mul_add((n - 1 - i) as f32, last) })
        .collect()
}
