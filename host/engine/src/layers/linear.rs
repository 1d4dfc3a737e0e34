//! The fully connected layer.

use crate::{EngineError, weights::Scope};
use candle_core::{Result, Tensor};
use underpaint_kernels::{PackedLinear, linear};

/// `y = x Wᵀ + b`, with or without `b` as the file has it.
pub struct Linear {
    weight: PackedLinear,
    bias: Option<Tensor>,
}

impl Linear {
    /// Reads `weight` `[out, in]` (or a 1x1 convolution's `[out, in, 1, 1]`) and `bias` `[out]` if it is there.
    pub fn load(scope: &Scope) -> std::result::Result<Self, EngineError> {
        let [out, inner] = match scope.dims::<2>("weight") {
            Ok(dims) => dims,
            Err(e) => match scope.dims::<4>("weight") {
                Ok([out, inner, 1, 1]) => [out, inner],
                _ => return Err(e),
            },
        };
        let weight = PackedLinear::new(&scope.tensor("weight", &[out, inner])?)?;
        let bias = if scope.contains("bias") { Some(scope.tensor("bias", &[out])?) } else { None };
        Ok(Self { weight, bias })
    }

    /// Features in and out.
    pub fn features(&self) -> [usize; 2] {
        [self.weight.in_features(), self.weight.out_features()]
    }

    /// `[.., in]` to `[.., out]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        linear(x, &self.weight, self.bias.as_ref())
    }
}
