//! Normalisation, with the activation that follows it where there is one.

use crate::{EngineError, weights::Scope};
use candle_core::{Result, Tensor};
use underpaint_kernels::{group_norm, layer_norm};

/// Group normalisation over `[B, C, H, W]`, followed by SiLU if asked.
pub struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: usize,
    eps: f64,
    silu: bool,
}

impl GroupNorm {
    /// Reads `weight` and `bias` `[C]`; `C` must be a multiple of `groups`.
    pub fn load(scope: &Scope, groups: usize, eps: f64, silu: bool) -> std::result::Result<Self, EngineError> {
        let [channels] = scope.dims("weight")?;
        if groups == 0 || channels % groups != 0 {
            return Err(scope.error("weight", format!("has {channels} channels, which {groups} groups do not divide")));
        }
        let (weight, bias) = (scope.tensor("weight", &[channels])?, scope.tensor("bias", &[channels])?);
        Ok(Self { weight, bias, groups, eps, silu })
    }

    /// `[B, C, H, W]` to the same.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        group_norm(x, &self.weight, &self.bias, self.groups, self.eps, self.silu)
    }
}

/// Layer normalisation over the last dimension.
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// Reads `weight` and `bias` `[C]`.
    pub fn load(scope: &Scope, eps: f64) -> std::result::Result<Self, EngineError> {
        let [width] = scope.dims("weight")?;
        Ok(Self { weight: scope.tensor("weight", &[width])?, bias: scope.tensor("bias", &[width])?, eps })
    }

    /// `[.., C]` to the same.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm(x, &self.weight, &self.bias, self.eps)
    }
}
