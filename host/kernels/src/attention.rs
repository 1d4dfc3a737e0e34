//! Scaled dot-product attention without the matrix of all scores.
//!
//! A task takes a tile of queries and walks the keys in blocks, keeping per query the running maximum, sum and
//! weighted values (Milakov and Gimelshein 2018, the scheme of flash attention). Everything is kept transposed,
//! queries side by side in vector lanes: scores come out of one product as the panel the
//! next one wants, and the softmax runs down columns without ever crossing lanes.
use candle_core::{CpuStorage, D, DType, Layout, Result, Storage, Tensor};
use rayon::prelude::*;

use crate::activation::exp;
use crate::gemm::{Left, tile, width};
use crate::output::{Shared, with_scratch};
use crate::simd::{Isa, Pass, Simd};
use crate::tensor::{ours, tensor};

/// `softmax(q k^T scale) v` for each batch and head: `q` is `[batch, heads, queries, d]`, `k` and `v`
/// `[batch, heads, keys, d]`; with `causal`, query `i` sees keys `0..=i`.
///
/// The inputs may be views with any strides. The result is `[batch, heads, queries, d]` too, but lies in memory as
/// `[batch, queries, heads, d]`, so that putting the heads together again (`transpose(1, 2)`, `flatten_from(2)`) copies nothing.
/// Memory beyond it: a copy of `k` and `v`. Without keys the result is NaN, as a softmax over nothing is.
///
/// # Errors
/// If the shapes do not agree or the tensors are on different devices.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, scale: f32, causal: bool) -> Result<Tensor> {
    let (batch, heads, _, d) = q.dims4()?;
    let keys = k.dim(D::Minus2)?;
    if k.dims() != [batch, heads, keys, d] || v.dims() != k.dims() {
        candle_core::bail!("attention of queries {:?} to keys {:?} with values {:?}", q.dims(), k.dims(), v.dims());
    }
    #[cfg(feature = "cuda")]
    if let Some(y) = crate::nvidia::attention(q, k, v, scale, causal)? {
        return Ok(y);
    }
    if !ours(q) {
        return plain(q, k, v, scale, causal);
    }
    on(Isa::best(), q, k, v, scale, causal)
}

/// On the CPU, with one instruction set; the shapes agree.
fn on(isa: Isa, q: &Tensor, k: &Tensor, v: &Tensor, scale: f32, causal: bool) -> Result<Tensor> {
    let (batch, heads, queries, d) = q.dims4()?;
    let keys = k.dim(D::Minus2)?;
    let sizes = Sizes { batch, heads, queries, keys, d };
    let k = spread(k, keys.next_multiple_of(isa.rows()), d)?;
    let v = spread(v, keys, d.next_multiple_of(isa.rows()))?;
    let y = with_rows(q, |q| Ok(attend(isa, sizes, &q, &k, &v, scale, causal)))?;
    tensor(y, (batch, queries, heads, d), q)?.transpose(1, 2)
}

/// Most scores that candle's operations hold at a time: 256 MiB as `f32`, of which four copies are alive at the widest moment.
const SCORES: usize = 1 << 26;

/// With candle's operations, as many queries at a time as [`SCORES`] allows.
fn plain(q: &Tensor, k: &Tensor, v: &Tensor, scale: f32, causal: bool) -> Result<Tensor> {
    sliced(q, k, v, scale, causal, SCORES)
}

/// The same with at most `most` scores at a time, or those of one query.
fn sliced(q: &Tensor, k: &Tensor, v: &Tensor, scale: f32, causal: bool, most: usize) -> Result<Tensor> {
    let (batch, heads, queries, _) = q.dims4()?;
    let rows = (most / (batch * heads * k.dim(2)?).max(1)).max(1);
    let (turned, v) = (k.transpose(2, 3)?.contiguous()?, v.contiguous()?);
    let slice = |start: usize| {
        let q = q.narrow(2, start, rows.min(queries - start))?.contiguous()?;
        let scores = (q * f64::from(scale))?.matmul(&turned)?.to_dtype(DType::F32)?;
        let scores = if causal { scores.broadcast_add(&later(&scores, start)?)? } else { scores };
        let weights = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
        let weights = weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)?;
        weights.to_dtype(v.dtype())?.matmul(&v)
    };
    match rows >= queries {
        true => slice(0),
        false => Tensor::cat(&(0..queries).step_by(rows).map(slice).collect::<Result<Vec<_>>>()?, 2),
    }
}

/// Minus infinity where a key comes later than its query, the first of which is `start`; for scores of `[.., queries, keys]`.
fn later(scores: &Tensor, start: usize) -> Result<Tensor> {
    let (n, m) = (scores.dim(2)?, scores.dim(3)?);
    let at = |i: usize, j: usize| if j > start + i { f32::NEG_INFINITY } else { 0.0 };
    Tensor::from_vec((0..n).flat_map(|i| (0..m).map(move |j| at(i, j))).collect::<Vec<f32>>(), (n, m), scores.device())
}

#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    heads: usize,
    queries: usize,
    keys: usize,
    d: usize,
}

/// The rows of a view `[batch, heads, n, d]` whose last dimension is contiguous.
struct Rows<'a> {
    values: &'a [f32],
    layout: &'a Layout,
}

impl Rows<'_> {
    fn row(&self, batch: usize, head: usize, n: usize) -> &[f32] {
        let stride = self.layout.stride();
        let start = self.layout.start_offset() + batch * stride[0] + head * stride[1] + n * stride[2];
        &self.values[start..start + self.layout.dims()[3]]
    }
}

/// Calls `f` with the rows of a tensor on the CPU, as `f32`, copying only what has no contiguous rows.
fn with_rows<R>(x: &Tensor, f: impl FnOnce(Rows<'_>) -> Result<R>) -> Result<R> {
    let x = x.to_dtype(DType::F32)?;
    let x = if x.stride().last() == Some(&1) { x } else { x.contiguous()? };
    let (storage, layout) = x.storage_and_layout();
    match &*storage {
        Storage::Cpu(CpuStorage::F32(values)) => f(Rows { values, layout }),
        _ => candle_core::bail!("a kernel for the CPU was given a tensor on another device"),
    }
}

/// A copy of `x`, `[batch, heads, n, d]`, with `rows` rows of `wide` values to each head, padded with zeros.
fn spread(x: &Tensor, rows: usize, wide: usize) -> Result<Vec<f32>> {
    let (batch, heads, n, d) = x.dims4()?;
    with_rows(x, |x| {
        let mut copy = vec![0.0; batch * heads * rows * wide];
        if !copy.is_empty() {
            copy.par_chunks_mut(rows * wide).enumerate().for_each(|(i, copy)| {
                for (row, copy) in copy.chunks_exact_mut(wide).take(n).enumerate() {
                    copy[..d].copy_from_slice(x.row(i / heads, i % heads, row));
                }
            });
        }
        Ok(copy)
    })
}

/// Keys of one block: their scores with 48 queries are 48 KiB; shorter sums would spend more on loading and storing tiles.
const KEYS: usize = 256;

/// Columns of the widest tile of any instruction set.
const WIDEST: usize = 48;

/// The running state of a tile of queries: `[d][width]`, and `[width]` twice.
struct State<'a> {
    values: &'a mut [f32],
    maximum: &'a mut [f32],
    sum: &'a mut [f32],
}

fn attend(isa: Isa, s: Sizes, q: &Rows<'_>, k: &[f32], v: &[f32], scale: f32, causal: bool) -> Vec<f32> {
    let (rows, columns) = (isa.rows(), isa.columns());
    let mut y = vec![0.0; s.batch * s.heads * s.queries * s.d];
    let shared = Shared::new(&mut y);
    let tiles = s.queries.div_ceil(columns);
    let (padded_keys, padded_d) = (s.keys.next_multiple_of(rows), s.d.next_multiple_of(rows));
    (0..s.batch * s.heads * tiles).into_par_iter().for_each(|task| {
        let (head, first) = (task / tiles, task % tiles * columns);
        let (k, v) = (&k[head * padded_keys * s.d..], &v[head * s.keys * padded_d..]);
        let (batch, head) = (head / s.heads, head % s.heads);
        let width = width(isa, first, s.queries);
        let valid = width.min(s.queries - first);
        // Keys that the last query of the tile sees.
        let seen = if causal { s.keys.min(first + valid) } else { s.keys };
        with_scratch((s.d + KEYS + padded_d + 2) * width, |scratch| {
            let (panel, scratch) = scratch.split_at_mut(s.d * width);
            let (scores, scratch) = scratch.split_at_mut(KEYS * width);
            let (values, scratch) = scratch.split_at_mut(padded_d * width);
            let (maximum, sum) = scratch.split_at_mut(width);
            panel.fill(0.0);
            for lane in 0..valid {
                for (panel, q) in panel.chunks_exact_mut(width).zip(q.row(batch, head, first + lane)) {
                    panel[lane] = q * scale;
                }
            }
            values.fill(0.0);
            maximum.fill(f32::NEG_INFINITY);
            sum.fill(0.0);
            let mut state = State { values, maximum, sum };
            for key in (0..seen).step_by(KEYS) {
                let n = KEYS.min(seen - key);
                for i in (0..n).step_by(rows) {
                    let left = Left { values: &k[(key + i) * s.d..], row: s.d, step: 1 };
                    tile(isa, s.d, left, panel, width, &mut scores[i * width..], false);
                }
                let scores = &mut scores[..n * width];
                if causal {
                    for (key, scores) in (key..).zip(scores.chunks_exact_mut(width)) {
                        let hidden = key.saturating_sub(first).min(width);
                        scores[..hidden].fill(f32::NEG_INFINITY);
                    }
                }
                isa.run(Softmax { scores, state: &mut state, width });
                for i in (0..padded_d).step_by(rows) {
                    let left = Left { values: &v[key * padded_d + i..], row: 1, step: padded_d };
                    tile(isa, n, left, scores, width, &mut state.values[i * width..], true);
                }
            }
            for lane in 0..valid {
                // SAFETY: the values of these queries of this head belong to one task, which holds one part at a time.
                let to = unsafe { shared.part(((batch * s.queries + first + lane) * s.heads + head) * s.d, s.d) };
                for (to, values) in to.iter_mut().zip(state.values.chunks_exact(width)) {
                    *to = values[lane] / state.sum[lane];
                }
            }
        });
    });
    y
}

/// Turns a block of scores, `[keys][width]`, into weights under the maximum so far, and brings the state under it.
struct Softmax<'a, 'b> {
    scores: &'a mut [f32],
    state: &'a mut State<'b>,
    width: usize,
}

impl Pass for Softmax<'_, '_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let (scores, state, width) = (self.scores, self.state, self.width);
        let maximum = &mut state.maximum[..width];
        let sum = &mut state.sum[..width];
        let mut before = [0.0; WIDEST];
        let before = &mut before[..width];
        before.copy_from_slice(maximum);
        for scores in scores.chunks_exact(width) {
            for (maximum, &score) in maximum.iter_mut().zip(scores) {
                *maximum = if score > *maximum { score } else { *maximum };
            }
        }
        if before != maximum {
            for (before, &mut maximum) in before.iter_mut().zip(&mut *maximum) {
                *before = exp::<S>(*before - maximum);
            }
            for (sum, factor) in sum.iter_mut().zip(&*before) {
                *sum *= factor;
            }
            for values in state.values.chunks_exact_mut(width) {
                for (value, factor) in values.iter_mut().zip(&*before) {
                    *value *= factor;
                }
            }
        }
        for scores in scores.chunks_exact_mut(width) {
            for ((score, &mut maximum), sum) in scores.iter_mut().zip(&mut *maximum).zip(&mut *sum) {
                *score = exp::<S>(*score - maximum);
                *sum += *score;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{assert_close, values};
    use candle_core::Device;

    /// batch, heads, queries, keys, d.
    const CASES: [[usize; 5]; 9] = [
        [1, 1, 1, 1, 1],
        [1, 2, 3, 5, 7],
        [2, 2, 49, 77, 40],
        [1, 1, 77, 77, 64],
        [1, 3, 130, 300, 8],
        [2, 1, 48, 128, 16],
        [1, 1, 20, 129, 160],
        [1, 1, 60, 40, 513],
        [1, 1, 5, 260, 33],
    ];

    fn heads(x: &[f32], batch: usize, heads: usize, n: usize, d: usize) -> Tensor {
        Tensor::from_slice(x, (batch, heads, n, d), &Device::Cpu).unwrap()
    }

    #[test]
    fn agrees_with_the_definition_on_every_instruction_set() {
        for isa in Isa::available() {
            for (case, causal) in CASES.into_iter().flat_map(|case| [(case, false), (case, true)]) {
                let [batch, h, queries, keys, d] = case;
                // Large scores, so that the running maximum matters.
                let scale = 4.0 / (d as f32).sqrt();
                let (q, k, v) = (
                    values(batch * h * queries * d, 1),
                    values(batch * h * keys * d, 2),
                    values(batch * h * keys * d, 3),
                );
                let want: Vec<f64> = (0..batch * h)
                    .flat_map(|i| {
                        let (n, m) = (i * queries * d..(i + 1) * queries * d, i * keys * d..(i + 1) * keys * d);
                        crate::reference::attention(&q[n], &k[m.clone()], &v[m], d, f64::from(scale), causal)
                    })
                    .collect();
                let (q, k, v) =
                    (heads(&q, batch, h, queries, d), heads(&k, batch, h, keys, d), heads(&v, batch, h, keys, d));
                let y = on(isa, &q, &k, &v, scale, causal).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
                assert_close(&y, &want, 1e-5, &format!("{isa:?} {case:?} causal {causal}"));
                let y = plain(&q, &k, &v, scale, causal).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
                assert_close(&y, &want, 1e-5, &format!("candle {case:?} causal {causal}"));
                for most in [1, batch * h * keys * 7] {
                    let y = sliced(&q, &k, &v, scale, causal, most).unwrap();
                    assert_eq!(y.dims(), [batch, h, queries, d]);
                    let y = y.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                    assert_close(&y, &want, 1e-5, &format!("candle {case:?} causal {causal}, {most} scores at a time"));
                }
            }
        }
    }

    #[test]
    fn splitting_and_joining_heads_copies_nothing() {
        let (batch, n, h, d) = (2, 10, 3, 5);
        let x = Tensor::from_vec(values(batch * n * h * d, 7), (batch, n, h * d), &Device::Cpu).unwrap();
        let split = x.reshape((batch, n, h, d)).unwrap().transpose(1, 2).unwrap();
        let y = attention(&split, &split, &split, 0.5, false).unwrap();
        assert!(y.transpose(1, 2).unwrap().is_contiguous());
        let copy = split.contiguous().unwrap();
        let same = attention(&copy, &copy, &copy, 0.5, false).unwrap();
        assert_eq!((y - same).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap(), 0.0);
    }

    #[test]
    fn edges() {
        let tensor = |shape: &[usize]| Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
        let q = tensor(&[1, 2, 3, 4]);
        assert!(attention(&q, &tensor(&[1, 2, 3, 5]), &tensor(&[1, 2, 3, 5]), 1.0, false).is_err());
        assert!(attention(&q, &tensor(&[1, 2, 3, 4]), &tensor(&[1, 2, 4, 4]), 1.0, false).is_err());
        assert!(attention(&tensor(&[2, 3, 4]), &q, &q, 1.0, false).is_err());
        let none = tensor(&[1, 2, 0, 4]);
        assert_eq!(attention(&none, &q, &q, 1.0, false).unwrap().dims(), [1, 2, 0, 4]);
        let y = attention(&q, &none, &none, 1.0, false).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(y.iter().all(|y| y.is_nan()));
        let nan = (&q * f64::NAN).unwrap();
        for (q, k, v) in [(&nan, &q, &q), (&q, &nan, &q), (&q, &q, &nan)] {
            let y = attention(q, k, v, 1.0, false).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert!(y.iter().all(|y| y.is_nan()));
        }
    }
}
