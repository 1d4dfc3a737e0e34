//! Two-dimensional convolution, NCHW.
//!
//! An implicit matrix product: rows are output channels (the weights, packed once), columns are pixels. The
//! picture's side is gathered panel by panel into a buffer that stays in the cache, so memory beyond the
//! output is a few hundred KiB per thread whatever the picture's size. With NCHW a panel's
//! columns are neighbouring pixels, which lie side by side in the input too: gathering is mostly copying.
use candle_core::{Result, Tensor};
use rayon::prelude::*;

use crate::gather::{Gather, Geometry};
use crate::gemm::{DEPTH, Left, TILE, depths, parts, tile, width};
use crate::kept::Kept;
use crate::output::{Shared, with_scratch};
use crate::simd::Isa;
use crate::tensor::{ours, tensor, with_optional, with_values};

/// A convolution's weights, laid out for this processor; they replace the tensor they were made from.
#[derive(Clone, Debug)]
pub struct PackedConv {
    weights: Weights,
    out: usize,
    channels: usize,
    kernel: (usize, usize),
    stride: usize,
    padding: usize,
}

#[derive(Clone, Debug)]
enum Weights {
    /// Strips of `isa.rows()` output channels, each `[sum][rows]`; the last padded with zeros.
    Packed(Isa, Kept),
    Plain(Tensor),
    /// `[out, height, width, in]`, `in` filled up to 16 bytes.
    #[cfg(feature = "cuda")]
    Turned(Tensor),
}

impl PackedConv {
    /// Packs `weight`, `[out, in, height, width]`; `padding` is on all four sides, in pixels.
    ///
    /// # Errors
    /// If the weight has not four dimensions, none of them 0, or the stride is 0.
    pub fn new(weight: &Tensor, stride: usize, padding: usize) -> Result<PackedConv> {
        let (out, channels, height, width) = weight.dims4()?;
        if weight.elem_count() == 0 || stride == 0 {
            candle_core::bail!(
                "a convolution of weights {:?} and stride {stride}; all must be at least 1",
                weight.dims()
            );
        }
        let weights = if ours(weight) {
            let isa = Isa::best();
            Weights::Packed(isa, Kept::new(with_values(weight, |w| Ok(pack(isa, w, out)))?))
        } else {
            on_a_card(weight)?
        };
        Ok(PackedConv { weights, out, channels, kernel: (height, width), stride, padding })
    }

    /// Packs another `weight` for the same stride and padding.
    ///
    /// # Errors
    /// As [`PackedConv::new`].
    pub fn repacked(&self, weight: &Tensor) -> Result<PackedConv> {
        PackedConv::new(weight, self.stride, self.padding)
    }

    /// How many channels come out.
    pub fn out_channels(&self) -> usize {
        self.out
    }

    /// Bytes the weights take.
    pub fn bytes(&self) -> usize {
        match &self.weights {
            Weights::Packed(_, kept) => kept.bytes(),
            #[cfg(feature = "cuda")]
            Weights::Turned(weight) => weight.elem_count() * weight.dtype().size_in_bytes(),
            Weights::Plain(weight) => weight.elem_count() * weight.dtype().size_in_bytes(),
        }
    }

    /// How many channels go in.
    pub fn in_channels(&self) -> usize {
        self.channels
    }
}

/// Convolves `x`, `[batch, in, height, width]`, to `[batch, out, height', width']`; `bias` is `[out]`.
///
/// # Errors
/// If the channels or the bias do not fit the weights, the picture with its padding is smaller than the
/// kernel, or `x` is on another device than the weights.
pub fn conv2d(x: &Tensor, w: &PackedConv, bias: Option<&Tensor>) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    if channels != w.channels {
        candle_core::bail!("a convolution of {} channels was given {channels}", w.channels);
    }
    if let Some(bias) = bias
        && bias.dims() != [w.out]
    {
        candle_core::bail!("a convolution to {} channels has a bias of shape {:?}", w.out, bias.dims());
    }
    let size = |len: usize, kernel: usize| (len + 2 * w.padding).checked_sub(kernel).map(|free| free / w.stride + 1);
    let (Some(h), Some(v)) = (size(height, w.kernel.0), size(width, w.kernel.1)) else {
        candle_core::bail!(
            "a {height}x{width} picture padded by {} is smaller than the {}x{} kernel",
            w.padding,
            w.kernel.0,
            w.kernel.1
        );
    };
    match &w.weights {
        #[cfg(feature = "cuda")]
        Weights::Turned(weight) => crate::nvidia::conv2d(x, weight, bias, w.stride, w.padding),
        Weights::Plain(weight) => {
            let y = plain(x, weight, w.stride, w.padding, COLUMNS)?;
            match bias {
                Some(bias) => y.broadcast_add(&bias.reshape((1, w.out, 1, 1))?),
                None => Ok(y),
            }
        }
        Weights::Packed(isa, weights) => {
            let pointwise = w.kernel == (1, 1) && w.stride == 1 && w.padding == 0;
            let (input, output) = if pointwise { ((1, height * width), (1, h * v)) } else { ((height, width), (h, v)) };
            let g = Geometry { batch, channels, input, output, kernel: w.kernel, stride: w.stride, padding: w.padding };
            let y = with_values(x, |x| with_optional(bias, |bias| Ok(convolve(*isa, &g, w.out, x, weights, bias))))?;
            tensor(y, (batch, w.out, h, v), x)
        }
    }
}

/// As our kernel for the card has them, or candle's.
fn on_a_card(weight: &Tensor) -> Result<Weights> {
    #[cfg(feature = "cuda")]
    if let Some(turned) = crate::nvidia::conv_weights(weight)? {
        return Ok(Weights::Turned(turned));
    }
    Ok(Weights::Plain(weight.clone()))
}

/// Most values that candle's operations lay out for one product: as `f32` 512 MiB, where a whole picture of the autoencoder would
/// want 10 GB, and more than 2^32 values would be counted wrongly.
const COLUMNS: usize = 1 << 27;

/// With candle's operations, as many rows of the result at a time as `most` values of their neighbourhoods allow, or one.
fn plain(x: &Tensor, weight: &Tensor, stride: usize, padding: usize, most: usize) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    let (_, _, kh, kw) = weight.dims4()?;
    let size = |len: usize, kernel: usize| (len + 2 * padding - kernel) / stride + 1;
    let (h, v) = (size(height, kh), size(width, kw));
    let band = (most / (batch * v * channels * kh * kw).max(1)).max(1);
    if band >= h {
        return x.conv2d(weight, padding, stride, 1, 1);
    }
    let x = x.pad_with_zeros(2, padding, padding)?.pad_with_zeros(3, padding, padding)?;
    let bands = (0..h).step_by(band).map(|start| {
        let rows = (band.min(h - start) - 1) * stride + kh;
        x.narrow(2, start * stride, rows)?.conv2d(weight, 0, stride, 1, 1)
    });
    Tensor::cat(&bands.collect::<Result<Vec<_>>>()?, 2)
}

/// Weights `[out][sum]` as strips of rows, each `[sum][rows]`.
fn pack(isa: Isa, weight: &[f32], out: usize) -> Vec<f32> {
    let rows = isa.rows();
    let sum = weight.len() / out;
    let mut packed = vec![0.0; out.next_multiple_of(rows) * sum];
    packed.par_chunks_mut(rows * sum).zip(weight.par_chunks(rows * sum)).for_each(|(strip, channels)| {
        for (i, channel) in channels.chunks_exact(sum).enumerate() {
            for (k, &value) in channel.iter().enumerate() {
                strip[k * rows + i] = value;
            }
        }
    });
    packed
}

/// Panels of one task: [`DEPTH`] steps of 6 x 48 columns are 432 KiB, half of a core's second-level cache.
const PANELS: usize = 6;

fn convolve(isa: Isa, g: &Geometry, out: usize, x: &[f32], weights: &Kept, bias: Option<&[f32]>) -> Vec<f32> {
    let total = g.batch * g.pixels();
    let mut y = vec![0.0; total * out];
    let shared = Shared::new(&mut y);
    let (rows, columns) = (isa.rows(), isa.columns());
    let strips = out.div_ceil(rows);
    let blocks = total.div_ceil(columns).div_ceil(PANELS);
    let parts = parts(blocks, out, 160);
    (0..blocks * parts).into_par_iter().with_max_len(1).for_each(|task| {
        let (block, part) = (task / parts, task % parts);
        let first = block * PANELS * columns;
        // Each panel: its pixels and its width, which may be larger.
        let panels = || {
            let end = total.min(first + PANELS * columns);
            (first..end)
                .step_by(columns)
                .map(move |first| (first..total.min(first + columns), width(isa, first, total)))
        };
        with_scratch((PANELS * columns + rows) * DEPTH, |scratch| {
            let (scratch, space) = scratch.split_at_mut(PANELS * columns * DEPTH);
            for depth in depths(g.sum()) {
                for ((pixels, width), panel) in panels().zip(scratch.chunks_exact_mut(columns * DEPTH)) {
                    isa.run(Gather { geometry: g, x, pixels, depth: depth.clone(), panel, width });
                }
                for strip in part * strips / parts..(part + 1) * strips / parts {
                    let at = (strip * g.sum() + depth.start) * rows;
                    let values = weights.wide(at..at + depth.len() * rows, space);
                    let left = Left { values, row: 1, step: rows };
                    for ((pixels, width), panel) in panels().zip(scratch.chunks_exact(columns * DEPTH)) {
                        let mut sums = [0.0; TILE];
                        tile(isa, depth.len(), left, panel, width, &mut sums, false);
                        for (channel, sums) in (strip * rows..out).zip(sums.chunks_exact(width).take(rows)) {
                            let bias = bias.map_or(0.0, |bias| bias[channel]);
                            let start = (depth.start == 0).then_some(bias);
                            scatter(g, out, shared, channel, pixels.start, &sums[..pixels.len()], start);
                        }
                    }
                }
            }
        });
    });
    y
}

/// Adds one channel's sums over neighbouring pixels, which may belong to several pictures, to the output, or
/// begins it with sum and bias.
#[inline(always)]
fn scatter(
    g: &Geometry,
    out: usize,
    y: Shared<'_>,
    channel: usize,
    pixel: usize,
    mut sums: &[f32],
    start: Option<f32>,
) {
    let (mut picture, mut pixel) = (pixel / g.pixels(), pixel % g.pixels());
    while !sums.is_empty() {
        let (now, later) = sums.split_at(sums.len().min(g.pixels() - pixel));
        // SAFETY: these pixels of this channel belong to one task, which holds one part at a time.
        let to = unsafe { y.part((picture * out + channel) * g.pixels() + pixel, now.len()) };
        match start {
            Some(bias) => to.iter_mut().zip(now).for_each(|(to, now)| *to = now + bias),
            None => to.iter_mut().zip(now).for_each(|(to, now)| *to += now),
        }
        (picture, pixel, sums) = (picture + 1, 0, later);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{Conv, assert_close, values};
    use candle_core::{DType, Device};

    /// batch, channels, height, width, out, kernel, stride, padding.
    const CASES: [[usize; 8]; 20] = [
        [1, 1, 1, 1, 1, 1, 1, 0],
        [1, 1, 1, 1, 1, 3, 1, 1],
        [2, 3, 2, 2, 5, 3, 1, 1],
        [2, 4, 8, 8, 8, 3, 1, 1],
        [2, 5, 8, 8, 9, 3, 2, 1],
        [1, 7, 5, 9, 13, 3, 1, 1],
        [2, 6, 12, 20, 17, 3, 1, 1],
        [1, 3, 31, 33, 4, 3, 1, 1],
        [2, 9, 33, 7, 3, 3, 2, 1],
        [1, 50, 16, 16, 24, 3, 1, 1],
        [1, 100, 7, 24, 33, 3, 1, 1],
        [3, 48, 9, 8, 16, 1, 1, 0],
        [2, 13, 5, 5, 10, 1, 2, 0],
        [1, 8, 6, 6, 8, 1, 1, 1],
        [1, 2, 10, 11, 6, 5, 1, 2],
        [1, 2, 10, 40, 6, 4, 3, 0],
        [1, 3, 3, 17, 2, 3, 1, 0],
        [1, 2, 9, 3, 2, 3, 1, 3],
        [1, 4, 64, 64, 8, 3, 1, 1],
        [4, 1, 3, 16, 350, 3, 1, 1],
    ];

    #[test]
    fn agrees_with_the_definition_on_every_instruction_set() {
        for isa in Isa::available() {
            for case in CASES {
                let [batch, channels, h, w, out, kernel, stride, padding] = case;
                let reference = Conv { batch, channels, size: (h, w), out, kernel: (kernel, kernel), stride, padding };
                let x = values(batch * channels * h * w, 1);
                let weight = values(out * channels * kernel * kernel, 2);
                let bias = values(out, 3);
                let device = Device::Cpu;
                let mut packed = PackedConv::new(
                    &Tensor::from_slice(&weight, (out, channels, kernel, kernel), &device).unwrap(),
                    stride,
                    padding,
                )
                .unwrap();
                packed.weights = Weights::Packed(isa, Kept::new(pack(isa, &weight, out)));
                let input = Tensor::from_slice(&x, (batch, channels, h, w), &device).unwrap();
                let y = conv2d(&input, &packed, Some(&Tensor::from_slice(&bias, out, &device).unwrap())).unwrap();
                let y = y.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                assert_close(&y, &reference.apply(&x, &weight, &bias), 1e-5, &format!("{isa:?} {case:?}"));
            }
        }
    }

    #[test]
    fn takes_views_other_types_and_no_bias_and_empty_batches() {
        let device = Device::Cpu;
        let x = Tensor::from_vec(values(2 * 9 * 7 * 6, 4), (2, 9, 7, 6), &device).unwrap();
        let weight = Tensor::from_vec(values(5 * 9 * 9, 5), (5, 9, 3, 3), &device).unwrap();
        let packed = PackedConv::new(&weight, 1, 1).unwrap();
        let y = conv2d(&x, &packed, None).unwrap();
        let view = x.transpose(2, 3).unwrap().contiguous().unwrap().transpose(2, 3).unwrap();
        let same = conv2d(&view, &packed, None).unwrap();
        let difference = (&y - &same).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert_eq!(difference, 0.0);
        let second = conv2d(&x.narrow(0, 1, 1).unwrap(), &packed, None).unwrap();
        let difference = (y.narrow(0, 1, 1).unwrap() - second)
            .unwrap()
            .abs()
            .unwrap()
            .max_all()
            .unwrap()
            .to_scalar::<f32>()
            .unwrap();
        assert!(difference < 1e-5);
        let half = conv2d(&x.to_dtype(DType::BF16).unwrap(), &packed, None).unwrap();
        assert_eq!((half.dtype(), half.dims()), (DType::BF16, y.dims()));
        let none = Tensor::zeros((0, 9, 7, 6), DType::F32, &device).unwrap();
        assert_eq!(conv2d(&none, &packed, None).unwrap().dims(), [0, 5, 7, 6]);
    }

    #[test]
    fn bands_of_candles_operations_agree_with_ours() {
        let device = Device::Cpu;
        for [batch, channels, h, w, out, kernel, stride, padding] in CASES {
            let x = Tensor::from_vec(values(batch * channels * h * w, 1), (batch, channels, h, w), &device).unwrap();
            let weight = values(out * channels * kernel * kernel, 2);
            let weight = Tensor::from_vec(weight, (out, channels, kernel, kernel), &device).unwrap();
            let ours = conv2d(&x, &PackedConv::new(&weight, stride, padding).unwrap(), None).unwrap();
            let ours: Vec<f64> = ours.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap();
            for most in [1, 3 * batch * w * channels * kernel * kernel, usize::MAX] {
                let y = plain(&x, &weight, stride, padding, most).unwrap();
                assert_close(&y.flatten_all().unwrap().to_vec1().unwrap(), &ours, 1e-5, &format!("{kernel} {most}"));
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let tensor = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        assert!(PackedConv::new(&tensor(&[2, 2]), 1, 1).is_err());
        assert!(PackedConv::new(&tensor(&[0, 2, 3, 3]), 1, 1).is_err());
        assert!(PackedConv::new(&tensor(&[2, 2, 3, 3]), 0, 1).is_err());
        let packed = PackedConv::new(&tensor(&[2, 2, 3, 3]), 1, 0).unwrap();
        assert!(conv2d(&tensor(&[1, 3, 4, 4]), &packed, None).is_err());
        assert!(conv2d(&tensor(&[1, 2, 2, 4]), &packed, None).is_err());
        assert!(conv2d(&tensor(&[1, 2, 4, 4]), &packed, Some(&tensor(&[3]))).is_err());
        assert!(conv2d(&tensor(&[2, 4, 4]), &packed, None).is_err());
    }

    #[test]
    fn a_nan_reaches_every_pixel_whose_kernel_sees_it() {
        let mut x = vec![0.0; 9 * 9];
        x[4 * 9 + 4] = f32::NAN;
        let x = Tensor::from_vec(x, (1, 1, 9, 9), &Device::Cpu).unwrap();
        let packed = PackedConv::new(&Tensor::ones((1, 1, 3, 3), DType::F32, &Device::Cpu).unwrap(), 1, 1).unwrap();
        let y = conv2d(&x, &packed, None).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let seen = |i: usize| (i / 9).abs_diff(4) <= 1 && (i % 9).abs_diff(4) <= 1;
        assert!(y.iter().enumerate().all(|(i, y)| y.is_nan() == seen(i)));
    }
}
