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

    /// Width of keys and values, all heads together.
    pub fn width(&self) -> usize {
        self.query.features()[1]
    }

    /// `x` `[B, N, C]` looks at `context` `[B, M, D]`; `causal` hides later tokens.
    pub fn forward(&self, x: &Tensor, context: &Tensor, causal: bool) -> Result<Tensor> {
        let q = self.split(&self.query.forward(x)?)?;
        let (k, v) = (self.split(&self.key.forward(context)?)?, self.split(&self.value.forward(context)?)?);
        self.join(&attend(&q, &k, &v, causal)?)
    }

    /// `x` `[B, N, C]` looks at each of `seen` by itself; what it finds is summed by weight. What stands for fewer than `B`
    /// rows is seen by the last of them.
    pub fn look(&self, x: &Tensor, seen: &[Seen<'_>]) -> Result<Tensor> {
        let q = self.split(&self.query.forward(x)?)?;
        let rows = q.dim(0)?;
        let mut sum: Option<Tensor> = None;
        for Seen { what, weight } in seen {
            let (k, v) = match what {
                What::Tokens(tokens) => (self.key.forward(tokens)?, self.value.forward(tokens)?),
                What::Projected { keys, values } => ((*keys).clone(), (*values).clone()),
            };
            let Some(blind) = rows.checked_sub(k.dim(0)?) else {
                candle_core::bail!("{rows} rows cannot look at the {} of {:?}", k.dim(0)?, k.shape());
            };
            let seeing = q.narrow(0, blind, rows - blind)?;
            let mut y = attend(&seeing, &self.split(&k)?, &self.split(&v)?, false)?;
            y = match weight {
                Weight::Same(1.0) => y,
                Weight::Same(weight) => (y * f64::from(*weight))?,
                Weight::Each(weights) => y.broadcast_mul(weights)?,
            };
            if blind > 0 {
                y = y.pad_with_zeros(0, blind, 0)?;
            }
            sum = Some(match sum {
                Some(sum) => (sum + y)?,
                None => y,
            });
        }
        match sum {
            Some(y) => self.join(&y),
            None => self.join(&q.zeros_like()?),
        }
    }

    /// `[B, N, C]` to `[B, heads, N, D]`.
    fn split(&self, t: &Tensor) -> Result<Tensor> {
        let (b, n, c) = t.dims3()?;
        t.reshape((b, n, self.heads, c / self.heads))?.transpose(1, 2)
    }

    /// `[B, heads, N, D]` through the output projection.
    fn join(&self, y: &Tensor) -> Result<Tensor> {
        let (b, _, n, _) = y.dims4()?;
        self.out.forward(&y.transpose(1, 2)?.reshape((b, n, self.width()))?)
    }
}

/// One of the things cross-attention looks at. What is attended to is data: another context, or keys and values that
/// somebody else made (IP-Adapter's decoupled cross-attention), is another entry.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Where keys and values come from.
    pub what: What<'a>,
    /// How much what is found counts.
    pub weight: Weight<'a>,
}

/// How much what is found counts.
#[derive(Clone, Copy, Debug)]
pub enum Weight<'a> {
    /// The same for every token that looks.
    Same(f32),
    /// `[1 or rows that see it, 1, N, 1]`: for each by itself.
    Each(&'a Tensor),
}

/// Where keys and values come from.
#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// `[B, M, D]`, through the layer's own projections.
    Tokens(&'a Tensor),
    /// `[B, M, width]` each, made before.
    Projected {
        /// One for each token.
        keys: &'a Tensor,
        /// One for each token.
        values: &'a Tensor,
    },
}

/// Scaled dot-product attention over `[B, heads, N, D]`.
pub fn attend(q: &Tensor, k: &Tensor, v: &Tensor, causal: bool) -> Result<Tensor> {
    let (_, _, _, d) = q.dims4()?;
    attention(q, k, v, 1.0 / (d as f32).sqrt(), causal)
}
