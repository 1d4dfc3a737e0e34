//! The gated feed-forward of transformer blocks.

use super::Linear;
use crate::{EngineError, weights::Scope};
use candle_core::{Result, Tensor};
use underpaint_kernels::geglu;

/// `out(a * gelu(b))` with `[a, b] = proj(x)`; the exact (erf) GELU, as diffusers has it.
pub struct GeGlu {
    proj: Linear,
    out: Linear,
}

impl GeGlu {
    /// Reads diffusers' `net.0.proj` and `net.2`.
    pub fn load(scope: &Scope) -> std::result::Result<Self, EngineError> {
        let (proj, out) = (Linear::load(&scope.at("net.0.proj"))?, Linear::load(&scope.at("net.2"))?);
        if proj.features()[1] != 2 * out.features()[0] {
            return Err(scope.error("net.0.proj.weight", "is not twice as wide as net.2 takes"));
        }
        Ok(Self { proj, out })
    }

    /// `[B, N, C]` to the same.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.out.forward(&geglu(&self.proj.forward(x)?)?)
    }
}
