//! Normalisation, with the activation that follows it where there is one.

use crate::{EngineError, weights::Scope};
use candle_core::{Result, Tensor};
use std::cell::RefCell;
use std::rc::Rc;
use underpaint_kernels::{group_norm, layer_norm};

/// Group normalisation over `[B, C, H, W]`, followed by SiLU if asked.
pub struct GroupNorm {
    weight: Rc<RefCell<Tensor>>,
    bias: Rc<RefCell<Tensor>>,
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
        let (weight, bias) = (scope.shared("weight", &[channels])?, scope.shared("bias", &[channels])?);
        Ok(Self { weight, bias, groups, eps, silu })
    }

    /// `[B, C, H, W]` to the same.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        group_norm(x, &self.weight.borrow(), &self.bias.borrow(), self.groups, self.eps, self.silu)
    }
}

/// Layer normalisation over the last dimension.
pub struct LayerNorm {
    weight: Rc<RefCell<Tensor>>,
    bias: Rc<RefCell<Tensor>>,
    eps: f64,
}

impl LayerNorm {
    /// Reads `weight` and `bias` `[C]`.
    pub fn load(scope: &Scope, eps: f64) -> std::result::Result<Self, EngineError> {
        let [width] = scope.dims("weight")?;
        Ok(Self { weight: scope.shared("weight", &[width])?, bias: scope.shared("bias", &[width])?, eps })
    }

    /// `[.., C]` to the same.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm(x, &self.weight.borrow(), &self.bias.borrow(), self.eps)
    }
}
