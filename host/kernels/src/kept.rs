//! Packed weights as they are kept: in 16 bits where that loses nothing.
//!
//! Decision: what is published is rounded to 16 bits, so the values themselves tell how wide they must be kept, whatever type
//! brought them here. Half the memory, the same results to the bit; a piece is widened into the cache just before it is used by
//! a few hundred rows, which costs about a hundredth of the product.
use std::ops::Range;
use std::sync::Arc;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use rayon::prelude::*;

/// Values that replace the tensor they were made from.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    F32(Arc<[f32]>),
    F16(Arc<[f16]>),
    BF16(Arc<[bf16]>),
}

/// Values looked at by one task.
const BLOCK: usize = 1 << 16;

impl Kept {
    /// Keeps `values` as narrow as all of them allow.
    pub(crate) fn new(values: Vec<f32>) -> Self {
        let all = |fits: fn(f32) -> bool| values.par_chunks(BLOCK).all(|block| block.iter().all(|&v| fits(v)));
        if all(|v| f16::from_f32(v).to_f32().to_bits() == v.to_bits()) {
            let mut narrow = vec![f16::ZERO; values.len()];
            narrow.convert_from_f32_slice(&values);
            Self::F16(narrow.into())
        } else if all(|v| v.to_bits() & 0xffff == 0) {
            Self::BF16(values.iter().map(|&v| bf16::from_bits((v.to_bits() >> 16) as u16)).collect())
        } else {
            Self::F32(values.into())
        }
    }

    /// The values of `range`, widened into the beginning of `space` if they are kept narrow.
    #[inline]
    pub(crate) fn wide<'a>(&'a self, range: Range<usize>, space: &'a mut [f32]) -> &'a [f32] {
        let space = &mut space[..range.len()];
        match self {
            Self::F32(values) => return &values[range],
            Self::F16(values) => values[range].convert_to_f32_slice(space),
            Self::BF16(values) => values[range].convert_to_f32_slice(space),
        }
        space
    }

    /// Bytes they take.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::F32(values) => size_of_val(&values[..]),
            Self::F16(values) => size_of_val(&values[..]),
            Self::BF16(values) => size_of_val(&values[..]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_and_nothing_is_wider_than_it_must_be() {
        let halves = vec![0.0, -0.0, 1.5, -65504.0, 5.9604645e-8, 0.33325195];
        let brains = vec![1.0, 3.3895314e38, 7.888609e-31, -2.0];
        let wide = vec![0.1, 1.0, -3.0];
        let infinite = vec![f32::INFINITY, 1.0];
        for (values, bytes) in [(halves, 2), (brains, 2), (wide, 4), (infinite, 2), (vec![65536.0, 0.1], 4)] {
            let kept = Kept::new(values.clone());
            assert_eq!(kept.bytes(), bytes * values.len(), "{values:?}");
            let mut space = vec![7.0; values.len() + 3];
            let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(kept.wide(1..values.len(), &mut space)), bits(&values[1..]));
        }
    }
}
