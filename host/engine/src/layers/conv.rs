//! Two-dimensional convolution.

use crate::{EngineError, weights::Scope};
use candle_core::{Result, Tensor};
use std::cell::RefCell;
use std::rc::Rc;
use underpaint_kernels::{PackedConv, conv2d};

/// A convolution with square kernel and zero padding.
pub struct Conv2d {
    weight: Rc<RefCell<PackedConv>>,
    bias: Option<Rc<RefCell<Tensor>>>,
}

impl Conv2d {
    /// Reads `weight` `[out, in, k, k]` and `bias` `[out]`; a `weight` `[out, in]` is taken as a 1x1 kernel.
    pub fn load(scope: &Scope, stride: usize, padding: usize) -> std::result::Result<Self, EngineError> {
        let conv = Self::without_bias(scope, stride, padding)?;
        let bias = scope.shared("bias", &[conv.channels()[1]])?;
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
        let shape = [out, inner, kh, kw];
        let weight = PackedConv::new(&scope.tensor("weight", &shape)?, stride, padding)?;
        let weight = Rc::new(RefCell::new(weight));
        scope.exchangeable("weight", &shape, weight.clone());
        Ok(Self { weight, bias: None })
    }

    /// Channels in and out.
    pub fn channels(&self) -> [usize; 2] {
        let weight = self.weight.borrow();
        [weight.in_channels(), weight.out_channels()]
    }

    /// `[B, in, H, W]` to `[B, out, H', W']`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let bias = self.bias.as_ref().map(|bias| bias.borrow());
        conv2d(x, &self.weight.borrow(), bias.as_deref())
    }
}
