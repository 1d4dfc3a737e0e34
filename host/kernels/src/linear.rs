//! Linear layers: `y = x w^T + bias` over the last dimension.
//!
//! Rows of the product are rows of `x`, read in place; columns are output features, whose weights were packed
//! once into panels. A task takes a block of rows that stays in the second-level cache and streams the weights past it.
use candle_core::{D, Result, Tensor};
use rayon::prelude::*;

use crate::gemm::{DEPTH, Left, TILE, depths, parts, tile, width};
use crate::kept::Kept;
use crate::output::{Shared, with_scratch};
use crate::simd::Isa;
use crate::tensor::{ours, tensor, with_optional, with_values};

/// A linear layer's weights, laid out for this processor; they replace the tensor they were made from.
#[derive(Clone, Debug)]
pub struct PackedLinear {
    weights: Weights,
    out: usize,
    input: usize,
}

#[derive(Clone, Debug)]
enum Weights {
    /// Panels of `isa.columns()` features, each `[input][width]`; the last has just enough vectors.
    Packed(Isa, Kept),
    Plain(Tensor),
}

impl PackedLinear {
    /// Packs `weight`, `[out, in]`.
    ///
    /// # Errors
    /// If the weight has not two dimensions or one of them is 0.
    pub fn new(weight: &Tensor) -> Result<PackedLinear> {
        let (out, input) = weight.dims2()?;
        if weight.elem_count() == 0 {
            candle_core::bail!("a linear layer of weights {:?}; both must be at least 1", weight.dims());
        }
        let weights = if ours(weight) {
            let isa = Isa::best();
            Weights::Packed(isa, Kept::new(with_values(weight, |w| Ok(pack(isa, w, out, input)))?))
        } else {
            Weights::Plain(weight.clone())
        };
        Ok(PackedLinear { weights, out, input })
    }

    /// How many features come out.
    pub fn out_features(&self) -> usize {
        self.out
    }

    /// Bytes the weights take.
    pub fn bytes(&self) -> usize {
        match &self.weights {
            Weights::Packed(_, kept) => kept.bytes(),
            Weights::Plain(weight) => weight.elem_count() * weight.dtype().size_in_bytes(),
        }
    }

    /// How many features go in.
    pub fn in_features(&self) -> usize {
        self.input
    }
}

/// Maps `x`, `[.., in]`, to `[.., out]`; `bias` is `[out]`.
///
/// # Errors
/// If the last dimension or the bias does not fit the weights, or `x` is on another device than they are.
pub fn linear(x: &Tensor, w: &PackedLinear, bias: Option<&Tensor>) -> Result<Tensor> {
    let features = x.dim(D::Minus1)?;
    if features != w.input {
        candle_core::bail!("a linear layer of {} features was given {features}", w.input);
    }
    if let Some(bias) = bias
        && bias.dims() != [w.out]
    {
        candle_core::bail!("a linear layer to {} features has a bias of shape {:?}", w.out, bias.dims());
    }
    let mut shape = x.dims().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = w.out;
    }
    match &w.weights {
        Weights::Plain(weight) => {
            let rows = x.elem_count() / w.input;
            let y = x.reshape((rows, w.input))?.matmul(&weight.t()?)?;
            match bias {
                Some(bias) => add_bias(&y, bias)?.reshape(shape),
                None => y.reshape(shape),
            }
        }
        Weights::Packed(isa, weights) => {
            let y =
                with_values(x, |x| with_optional(bias, |bias| Ok(multiply(*isa, x, w.input, weights, w.out, bias))))?;
            tensor(y, shape, x)
        }
    }
}

/// Adds `bias` to every row, not on the CPU.
fn add_bias(y: &Tensor, bias: &Tensor) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if let Some(y) = crate::nvidia::add_row(y, bias)? {
        return Ok(y);
    }
    y.broadcast_add(bias)
}

/// Weights `[out][input]` as panels of columns, each `[input][width]`.
fn pack(isa: Isa, weight: &[f32], out: usize, input: usize) -> Vec<f32> {
    let columns = isa.columns();
    let mut packed = vec![0.0; out.next_multiple_of(isa.lanes()) * input];
    packed.par_chunks_mut(columns * input).zip(weight.par_chunks(columns * input)).for_each(|(panel, features)| {
        let width = panel.len() / input;
        for (j, feature) in features.chunks_exact(input).enumerate() {
            for (k, &value) in feature.iter().enumerate() {
                panel[k * width + j] = value;
            }
        }
    });
    packed
}

/// Rows of one task: with [`DEPTH`](crate::gemm::DEPTH) steps 384 KiB, half of a core's second-level cache.
const ROWS: usize = 256;

fn multiply(isa: Isa, x: &[f32], input: usize, weights: &Kept, out: usize, bias: Option<&[f32]>) -> Vec<f32> {
    let total = x.len() / input;
    let mut y = vec![0.0; total * out];
    let shared = Shared::new(&mut y);
    let (rows, columns) = (isa.rows(), isa.columns());
    let panels = out.div_ceil(columns);
    let blocks = total.div_ceil(ROWS);
    let parts = parts(blocks, panels, 2);
    (0..blocks * parts).into_par_iter().with_max_len(1).for_each(|task| {
        let (block, part) = (task / parts, task % parts);
        let block = block * ROWS..total.min((block + 1) * ROWS);
        // A last strip of fewer rows than a tile has is copied, so that the tile reads only what is there.
        let rest = block.len() % rows;
        with_scratch(rows * input + DEPTH * columns, |scratch| {
            let (last, space) = scratch.split_at_mut(rows * input);
            last.fill(0.0);
            last[..rest * input].copy_from_slice(&x[(block.end - rest) * input..block.end * input]);
            for depth in depths(input) {
                for panel in part * panels / parts..(part + 1) * panels / parts {
                    let first = panel * columns;
                    let width = width(isa, first, out);
                    let valid = width.min(out - first);
                    let at = first * input + depth.start * width;
                    let right = weights.wide(at..at + depth.len() * width, space);
                    for row in block.clone().step_by(rows) {
                        let from = if row + rows <= block.end { &x[row * input..] } else { &*last };
                        let mut sums = [0.0; TILE];
                        let left = Left { values: &from[depth.start..], row: input, step: 1 };
                        tile(isa, depth.len(), left, right, width, &mut sums, false);
                        for (row, sums) in (row..block.end).zip(sums.chunks_exact(width).take(rows)) {
                            // SAFETY: these features of these rows belong to one task, which holds one part at a time.
                            let to = unsafe { shared.part(row * out + first, valid) };
                            match (depth.start == 0, bias) {
                                (true, Some(bias)) => {
                                    to.iter_mut().zip(sums).zip(&bias[first..]).for_each(|((to, s), b)| *to = s + b)
                                }
                                (true, None) => to.copy_from_slice(&sums[..valid]),
                                (false, _) => to.iter_mut().zip(sums).for_each(|(to, s)| *to += s),
                            }
                        }
                    }
                }
            }
        });
    });
    y
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{assert_close, values};
    use candle_core::{DType, Device};

    /// rows, in, out.
    const CASES: [[usize; 3]; 9] = [
        [1, 1, 1],
        [2, 3, 5],
        [7, 40, 48],
        [8, 320, 64],
        [77, 768, 33],
        [300, 17, 100],
        [13, 1000, 50],
        [257, 385, 16],
        [1, 1280, 700],
    ];

    #[test]
    fn agrees_with_the_definition_on_every_instruction_set() {
        for isa in Isa::available() {
            for case in CASES {
                let [rows, input, out] = case;
                let (x, weight, bias) = (values(rows * input, 1), values(out * input, 2), values(out, 3));
                let packed = Kept::new(pack(isa, &weight, out, input));
                let y = multiply(isa, &x, input, &packed, out, Some(&bias));
                assert_close(
                    &y,
                    &crate::reference::linear(&x, &weight, &bias, input),
                    1e-5,
                    &format!("{isa:?} {case:?}"),
                );
            }
        }
    }

    #[test]
    fn keeps_leading_dimensions_and_types() {
        let tensor = |shape: &[usize], dtype| Tensor::ones(shape, dtype, &Device::Cpu).unwrap();
        let packed = PackedLinear::new(&tensor(&[5, 3], DType::F16)).unwrap();
        let y = linear(&tensor(&[2, 1, 4, 3], DType::F16), &packed, None).unwrap();
        assert_eq!((y.dims(), y.dtype()), (&[2, 1, 4, 5][..], DType::F16));
        assert_eq!(linear(&tensor(&[0, 3], DType::F32), &packed, None).unwrap().dims(), [0, 5]);
        assert_eq!(linear(&tensor(&[3], DType::F32), &packed, None).unwrap().to_vec1::<f32>().unwrap(), [3.0; 5]);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let tensor = |shape: &[usize]| Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
        assert!(PackedLinear::new(&tensor(&[5])).is_err());
        assert!(PackedLinear::new(&tensor(&[5, 0])).is_err());
        let packed = PackedLinear::new(&tensor(&[5, 3])).unwrap();
        assert!(linear(&tensor(&[2, 4]), &packed, None).is_err());
        assert!(linear(&tensor(&[]), &packed, None).is_err());
        assert!(linear(&tensor(&[2, 3]), &packed, Some(&tensor(&[1]))).is_err());
    }

    #[test]
    fn a_nan_stays_in_its_row() {
        let mut x = vec![1.0; 20 * 4];
        x[9 * 4] = f32::NAN;
        let packed = PackedLinear::new(&Tensor::ones((3, 4), DType::F32, &Device::Cpu).unwrap()).unwrap();
        let y = linear(&Tensor::from_vec(x, (20, 4), &Device::Cpu).unwrap(), &packed, None)
            .unwrap()
            .to_vec2::<f32>()
            .unwrap();
        assert!(y.iter().enumerate().all(|(i, row)| row.iter().all(|y| y.is_nan() == (i == 9))));
    }
}
