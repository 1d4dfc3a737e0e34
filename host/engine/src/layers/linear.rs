//! The fully connected layer.

use crate::{EngineError, weights::Scope};
use candle_core::{Result, Tensor};
use std::cell::RefCell;
use std::rc::Rc;
use underpaint_kernels::{PackedLinear, linear};

/// `y = x Wᵀ + b`, with or without `b` as the file has it.
pub struct Linear {
    weight: Rc<RefCell<PackedLinear>>,
    bias: Option<Rc<RefCell<Tensor>>>,
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
        let weight = Rc::new(RefCell::new(PackedLinear::new(&scope.tensor("weight", &[out, inner])?)?));
        scope.exchangeable("weight", &[out, inner], weight.clone());
        let bias = if scope.contains("bias") { Some(scope.shared("bias", &[out])?) } else { None };
        Ok(Self { weight, bias })
    }

    /// Features in and out.
    pub fn features(&self) -> [usize; 2] {
        let weight = self.weight.borrow();
        [weight.in_features(), weight.out_features()]
    }

    /// `[.., in]` to `[.., out]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let bias = self.bias.as_ref().map(|bias| bias.borrow());
        linear(x, &self.weight.borrow(), bias.as_deref())
    }
}
