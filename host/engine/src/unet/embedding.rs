//! Numbers as features: the timestep, SDXL's sizes, and the linear layers that read them.

use super::UNetConfig;
use crate::layers::Linear;
use crate::{EngineError, weights::Scope};
use candle_core::{Result as Computed, Tensor};
use underpaint_kernels::silu;

/// Numbers as sines and cosines of falling frequency, computed in `f32` whatever the model's precision.
pub(crate) struct Sinusoids {
    frequencies: Vec<f32>,
    cosines_first: bool,
}

impl Sinusoids {
    /// `width` features for a number.
    pub(crate) fn new(width: usize, config: &UNetConfig) -> Self {
        let half = width / 2;
        // In f32 and in this order, as diffusers computes them: at timestep 999 the rounding shows in the fifth digit.
        let rate = |i: usize| (-(10000f64.ln()) as f32 * i as f32 / (half as f64 - config.freq_shift) as f32).exp();
        Self { frequencies: (0..half).map(rate).collect(), cosines_first: config.flip_sin_to_cos }
    }

    /// Features for a number.
    pub(crate) fn width(&self) -> usize {
        2 * self.frequencies.len()
    }

    /// The features of `number`.
    pub(crate) fn of(&self, number: f64) -> Vec<f32> {
        let sines = self.frequencies.iter().map(|rate| (number as f32 * rate).sin());
        let cosines = self.frequencies.iter().map(|rate| (number as f32 * rate).cos());
        if self.cosines_first { cosines.chain(sines).collect() } else { sines.chain(cosines).collect() }
    }
}

/// Features through two linear layers with SiLU between them: diffusers' `TimestepEmbedding`.
pub(crate) struct Embedding([Linear; 2]);

impl Embedding {
    /// Reads `linear_1` and `linear_2`.
    pub(crate) fn load(scope: &Scope) -> Result<Self, EngineError> {
        Ok(Self([Linear::load(&scope.at("linear_1"))?, Linear::load(&scope.at("linear_2"))?]))
    }

    /// Features it takes.
    pub(crate) fn width(&self) -> usize {
        self.0[0].features()[0]
    }

    /// `[B, width]` to `[B, T]`.
    pub(crate) fn forward(&self, features: &Tensor) -> Computed<Tensor> {
        self.0[1].forward(&silu(&self.0[0].forward(features)?)?)
    }
}
