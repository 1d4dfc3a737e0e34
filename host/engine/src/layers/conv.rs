//! Two-dimensional convolution.

use crate::{EngineError, weights::Scope};
use candle_core::{Result, Tensor};
use underpaint_kernels::{PackedConv, conv2d};

/// A convolution with square kernel and zero padding.
pub struct Conv2d {
    weight: PackedConv,
    bias: Option<Tensor>,
}

impl Conv2d {
    /// Reads `weight` `[out, in, k, k]` and `bias` `[out]`; a `weight` `[out, in]` is taken as a 1x1 kernel.
    pub fn load(scope: &Scope, stride: usize, padding: usize) -> std::result::Result<Self, EngineError> {
        let conv = Self::without_bias(scope, stride, padding)?;
        let bias = scope.tensor("bias", &[conv.channels()[1]])?;
        Ok(Self { bias: Some(bias), ..conv })
    }

    /// The same for a layer that has no `bias`.
    pub fn without_bias(scope: &Scope, stride: usize, padding: usize) -> std::result::Result<Self, EngineError> {
        let [out, inner, kh, kw] = match scope.dims::<4>("weight") {
            Ok(dims) => dims,
            Err(e) => match scope.dims::<2>("weight") {
                Ok([out, inner]) => [out, inner, 1, 1],
                Err(_) => return Err(e),
            },
        };
        if kh != kw || kh > 7 {
            return Err(scope.error("weight", format!("has a {kh}x{kw} kernel, a square one of at most 7 is needed")));
        }
        let weight = PackedConv::new(&scope.tensor("weight", &[out, inner, kh, kw])?, stride, padding)?;
        Ok(Self { weight, bias: None })
    }

    /// Channels in and out.
    pub fn channels(&self) -> [usize; 2] {
        [self.weight.in_channels(), self.weight.out_channels()]
    }

    /// `[B, in, H, W]` to `[B, out, H', W']`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        conv2d(x, &self.weight, self.bias.as_ref())
    }
}
