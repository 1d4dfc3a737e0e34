//! Attention, to oneself or to a context.

use super::Linear;
use crate::{EngineError, weights::Scope};
use candle_core::{Result, Tensor};
use underpaint_kernels::attention;

/// Multi-head attention with diffusers' names `to_q`, `to_k`, `to_v`, `to_out.0`.
pub struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    heads: usize,
}

impl Attention {
    /// Reads the four projections; the inner width must be a multiple of `heads`.
    pub fn load(scope: &Scope, heads: usize) -> std::result::Result<Self, EngineError> {
        Self::load_named(scope, heads, ["to_q", "to_k", "to_v", "to_out.0"])
    }

    /// The same with other `names` for query, key, value and output projection.
    pub fn load_named(scope: &Scope, heads: usize, names: [&str; 4]) -> std::result::Result<Self, EngineError> {
        let [query, key, value, out] = names.map(|name| Linear::load(&scope.at(name)));
        let (query, key, value, out) = (query?, key?, value?, out?);
        let [_, inner] = query.features();
        if heads == 0 || inner % heads != 0 {
            return Err(scope.error(names[0], format!("is {inner} wide, which {heads} heads do not divide")));
        }
        if key.features()[1] != inner || value.features()[1] != inner || out.features()[0] != inner {
            return Err(scope.error(names[1], "does not fit the width of the query"));
        }
        Ok(Self { query, key, value, out, heads })
    }

    /// Width of the context it attends to.
    pub fn context_width(&self) -> usize {
        self.key.features()[0]
    }

    /// `x` `[B, N, C]` looks at `context` `[B, M, D]`; `causal` hides later tokens.
    pub fn forward(&self, x: &Tensor, context: &Tensor, causal: bool) -> Result<Tensor> {
        let (b, n, _) = x.dims3()?;
        let split = |t: Tensor| {
            let (b, n, c) = t.dims3()?;
            t.reshape((b, n, self.heads, c / self.heads))?.transpose(1, 2)
        };
        let q = split(self.query.forward(x)?)?;
        let k = split(self.key.forward(context)?)?;
        let v = split(self.value.forward(context)?)?;
        let y = attend(&q, &k, &v, causal)?;
        self.out.forward(&y.transpose(1, 2)?.reshape((b, n, self.query.features()[1]))?)
    }
}

/// Scaled dot-product attention over `[B, heads, N, D]`.
pub fn attend(q: &Tensor, k: &Tensor, v: &Tensor, causal: bool) -> Result<Tensor> {
    let (_, _, _, d) = q.dims4()?;
    attention(q, k, v, 1.0 / (d as f32).sqrt(), causal)
}
