//! Group and layer normalisation, the first optionally with the SiLU that follows it.
//!
//! Mean and variance are taken block by block (mean first, then squared distances from it, both in the cache) and
//! merged in `f64` by Chan's formula: one pass over memory without the cancellation of `E[x^2] - E[x]^2`.
use candle_core::{D, DType, Result, Tensor};
use rayon::prelude::*;

use crate::activation::{Function, Silu};
use crate::simd::{Isa, Pass, Simd};
use crate::tensor::{ours, tensor, with_values};

/// Normalises `x`, `[batch, channels, ..]`, over each group of channels, then scales and shifts each channel by
/// `gamma` and `beta`, `[channels]`; with `silu`, applies that too.
///
/// # Errors
/// If `groups` does not divide the channels or `gamma` or `beta` has another shape.
pub fn group_norm(x: &Tensor, gamma: &Tensor, beta: &Tensor, groups: usize, eps: f64, silu: bool) -> Result<Tensor> {
    let [batch, channels, ..] = *x.dims() else {
        candle_core::bail!("group normalisation wants [batch, channels, ..], not {:?}", x.dims());
    };
    if groups == 0 || !channels.is_multiple_of(groups) {
        candle_core::bail!("{channels} channels cannot be normalised in {groups} groups");
    }
    check(gamma, beta, channels)?;
    if ours(x) {
        let y =
            with_affine(x, gamma, beta, eps, |x, affine| group_norm_of(Isa::best(), batch, x, affine, groups, silu))?;
        return tensor(y, x.shape(), x);
    }
    #[cfg(feature = "cuda")]
    if let Some(y) = crate::nvidia::group_norm(x, gamma, beta, groups, eps, silu)? {
        return Ok(y);
    }
    let rows = x.reshape((batch * groups, ()))?.to_dtype(DType::F32)?;
    let y = normalise(&rows, eps)?.reshape((batch, channels, ()))?.to_dtype(x.dtype())?;
    let y = y.broadcast_mul(&gamma.reshape((1, channels, 1))?)?.broadcast_add(&beta.reshape((1, channels, 1))?)?;
    let y = y.reshape(x.shape())?;
    if silu { y.silu() } else { Ok(y) }
}

/// Normalises `x`, `[.., channels]`, over its last dimension, then scales and shifts by `gamma` and `beta`, `[channels]`.
///
/// # Errors
/// If `x` has no dimension or `gamma` or `beta` has another shape.
pub fn layer_norm(x: &Tensor, gamma: &Tensor, beta: &Tensor, eps: f64) -> Result<Tensor> {
    let channels = x.dim(D::Minus1)?;
    check(gamma, beta, channels)?;
    if ours(x) {
        let y = with_affine(x, gamma, beta, eps, |x, affine| layer_norm_of(Isa::best(), x, affine))?;
        return tensor(y, x.shape(), x);
    }
    #[cfg(feature = "cuda")]
    if let Some(y) = crate::nvidia::layer_norm(x, gamma, beta, eps)? {
        return Ok(y);
    }
    let y = normalise(&x.to_dtype(DType::F32)?, eps)?.to_dtype(x.dtype())?;
    y.broadcast_mul(gamma)?.broadcast_add(beta)
}

fn check(gamma: &Tensor, beta: &Tensor, channels: usize) -> Result<()> {
    if gamma.dims() != [channels] || beta.dims() != [channels] {
        candle_core::bail!("normalising {channels} channels with weights {:?} and {:?}", gamma.dims(), beta.dims());
    }
    Ok(())
}

/// Mean 0 and variance 1 over the last dimension, with candle's operations.
fn normalise(x: &Tensor, eps: f64) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    centred.broadcast_div(&(variance + eps)?.sqrt()?)
}

/// What a normalisation does after it: per channel a factor and an offset.
#[derive(Clone, Copy)]
struct Affine<'a> {
    gamma: &'a [f32],
    beta: &'a [f32],
    eps: f64,
}

fn with_affine(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    eps: f64,
    f: impl FnOnce(&[f32], Affine<'_>) -> Vec<f32>,
) -> Result<Vec<f32>> {
    with_values(x, |x| with_values(gamma, |gamma| with_values(beta, |beta| Ok(f(x, Affine { gamma, beta, eps })))))
}

fn group_norm_of(isa: Isa, batch: usize, x: &[f32], a: Affine<'_>, groups: usize, silu: bool) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    // A group of one picture is one contiguous run of values, whatever follows the channels.
    let len = x.len() / (batch * groups).max(1);
    if len > 0 {
        let channels = a.gamma.len() / groups;
        y.par_chunks_mut(len).zip(x.par_chunks(len)).enumerate().for_each(|(i, (y, x))| {
            let first = i % groups * channels;
            let (gamma, beta) = (&a.gamma[first..first + channels], &a.beta[first..first + channels]);
            isa.run(Group { x, y, affine: Affine { gamma, beta, ..a }, silu });
        });
    }
    y
}

fn layer_norm_of(isa: Isa, x: &[f32], affine: Affine<'_>) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    let channels = affine.gamma.len();
    // Whole rows, about 64 KiB to a task.
    if let Some(rows) = (1_usize << 14).checked_div(channels) {
        let task = (rows + 1) * channels;
        y.par_chunks_mut(task).zip(x.par_chunks(task)).for_each(|(y, x)| isa.run(Rows { x, y, affine }));
    }
    y
}

/// One group of one picture: `affine.gamma.len()` channels.
struct Group<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
    affine: Affine<'a>,
    silu: bool,
}

impl Pass for Group<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let (mean, scale) = statistics(self.x, self.affine.eps);
        let plane = self.x.len() / self.affine.gamma.len();
        let planes = self.y.chunks_exact_mut(plane).zip(self.x.chunks_exact(plane));
        for ((y, x), (&gamma, &beta)) in planes.zip(self.affine.gamma.iter().zip(self.affine.beta)) {
            let gain = scale * gamma;
            if self.silu {
                y.iter_mut().zip(x).for_each(|(y, x)| *y = Silu::at::<S>(S::mul_add(x - mean, gain, beta)));
            } else {
                y.iter_mut().zip(x).for_each(|(y, x)| *y = S::mul_add(x - mean, gain, beta));
            }
        }
    }
}

/// Rows of `affine.gamma.len()` values.
struct Rows<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
    affine: Affine<'a>,
}

impl Pass for Rows<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Affine { gamma, beta, eps } = self.affine;
        for (y, x) in self.y.chunks_exact_mut(gamma.len()).zip(self.x.chunks_exact(gamma.len())) {
            let (mean, scale) = statistics(x, eps);
            for (((y, x), gamma), beta) in y.iter_mut().zip(x).zip(gamma).zip(beta) {
                *y = S::mul_add((x - mean) * scale, *gamma, *beta);
            }
        }
    }
}

/// The mean of `x` and the reciprocal of its standard deviation, `1 / sqrt(variance + eps)`.
#[inline(always)]
fn statistics(x: &[f32], eps: f64) -> (f32, f32) {
    const BLOCK: usize = 4096;
    let (mut count, mut mean, mut squares) = (0.0f64, 0.0f64, 0.0f64);
    for block in x.chunks(BLOCK) {
        let n = block.len() as f64;
        let local = sum(block, |x| x) / n;
        let centre = local as f32;
        let spread = sum(block, |x| (x - centre) * (x - centre));
        let distance = local - mean;
        squares += spread + distance * distance * count * n / (count + n);
        mean += distance * n / (count + n);
        count += n;
    }
    (mean as f32, (1.0 / (squares / count + eps).sqrt()) as f32)
}

/// The sum of `f` over `x`, in 32 partial sums so that it vectorises.
#[inline(always)]
fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f64 {
    let mut sums = [0.0f32; 32];
    let (blocks, rest) = x.as_chunks::<32>();
    for block in blocks {
        for (sum, &x) in sums.iter_mut().zip(block) {
            *sum += f(x);
        }
    }
    sums.iter().map(|&sum| f64::from(sum)).sum::<f64>() + rest.iter().map(|&x| f64::from(f(x))).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{assert_close, normalise as want, values};
    use candle_core::Device;

    /// batch, channels, values per channel, groups, mean of the input.
    const CASES: [(usize, usize, usize, usize, f32); 7] = [
        (1, 1, 1, 1, 0.0),
        (2, 6, 35, 3, 0.0),
        (1, 32, 64, 32, 5.0),
        (2, 320, 100, 32, 0.0),
        (1, 4, 5000, 2, -100.0),
        (3, 10, 7, 1, 0.0),
        (1, 64, 4096, 32, 1.0),
    ];

    #[test]
    fn group_norm_agrees_with_the_definition_on_every_instruction_set() {
        for isa in Isa::available() {
            for case in CASES {
                let (batch, channels, plane, groups, offset) = case;
                let x: Vec<f32> = values(batch * channels * plane, 1).iter().map(|x| x + offset).collect();
                let (gamma, beta) = (values(channels, 2), values(channels, 3));
                let mut y: Vec<f64> = x.chunks_exact(channels / groups * plane).flat_map(|x| want(x, 1e-5)).collect();
                for (i, y) in y.iter_mut().enumerate() {
                    let channel = i / plane % channels;
                    *y = *y * f64::from(gamma[channel]) + f64::from(beta[channel]);
                }
                let affine = Affine { gamma: &gamma, beta: &beta, eps: 1e-5 };
                assert_close(
                    &group_norm_of(isa, batch, &x, affine, groups, false),
                    &y,
                    1e-5,
                    &format!("{isa:?} {case:?}"),
                );
                y.iter_mut().for_each(|y| *y /= 1.0 + (-*y).exp());
                assert_close(
                    &group_norm_of(isa, batch, &x, affine, groups, true),
                    &y,
                    1e-5,
                    &format!("{isa:?} {case:?} silu"),
                );
            }
        }
    }

    #[test]
    fn layer_norm_agrees_with_the_definition_on_every_instruction_set() {
        for isa in Isa::available() {
            for (rows, channels) in [(1, 1), (3, 7), (77, 768), (5, 1280), (2, 20_000)] {
                let (x, gamma, beta) = (values(rows * channels, 1), values(channels, 2), values(channels, 3));
                let mut y: Vec<f64> = x.chunks_exact(channels).flat_map(|x| want(x, 1e-6)).collect();
                for (i, y) in y.iter_mut().enumerate() {
                    *y = *y * f64::from(gamma[i % channels]) + f64::from(beta[i % channels]);
                }
                let got = layer_norm_of(isa, &x, Affine { gamma: &gamma, beta: &beta, eps: 1e-6 });
                assert_close(&got, &y, 1e-5, &format!("{isa:?} {rows}x{channels}"));
            }
        }
    }

    #[test]
    fn candles_operations_agree_with_ours() {
        let x = Tensor::from_vec(values(60, 1), (2, 30), &Device::Cpu).unwrap();
        let y = normalise(&x, 1e-5).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let expected: Vec<f64> = values(60, 1).chunks(30).flat_map(|x| want(x, 1e-5)).collect();
        assert_close(&y, &expected, 1e-5, "candle");
    }

    #[test]
    fn edges() {
        let tensor = |shape: &[usize]| Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
        let (four, x) = (tensor(&[4]), tensor(&[1, 4, 2, 2]));
        assert!(group_norm(&x, &four, &four, 3, 1e-5, false).is_err());
        assert!(group_norm(&x, &four, &four, 0, 1e-5, false).is_err());
        assert!(group_norm(&x, &tensor(&[3]), &four, 2, 1e-5, false).is_err());
        assert!(group_norm(&four, &four, &four, 2, 1e-5, false).is_err());
        assert!(layer_norm(&x, &four, &four, 1e-5).is_err());
        assert_eq!(group_norm(&tensor(&[0, 4, 2, 2]), &four, &four, 2, 1e-5, true).unwrap().elem_count(), 0);
        assert_eq!(group_norm(&tensor(&[2, 4, 0]), &four, &four, 2, 1e-5, true).unwrap().elem_count(), 0);
        let none = tensor(&[0]);
        assert_eq!(layer_norm(&tensor(&[3, 0]), &none, &none, 1e-5).unwrap().elem_count(), 0);
        let nan = (x * f64::NAN).unwrap();
        let y = group_norm(&nan, &four, &four, 2, 1e-5, true).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(y.iter().all(|y| y.is_nan()));
    }
}
