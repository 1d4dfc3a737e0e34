//! Texts bound to parts of the picture: attention coupling, also known as regional prompting.
//!
//! Decision: at every cross-attention the tokens of the picture look at each text by itself, and what they find is summed by how
//! much of a token's place each mask covers, as keys and values of different texts never compete in one softmax. Masks are
//! reduced to each level's size by exact area mean and never rounded. Where masks sum to more than 1 they share in proportion; what
//! they leave is the base text's. So a mask of 1 everywhere is that text's own picture, bit for bit.
//!
//! Only the last row, which is the prompt's, sees regions: what is not wanted is not wanted anywhere.

use crate::layers::{Seen, Weight, What};
use candle_core::{DType, Result as Computed, Tensor};
use underpaint_raster::Mask;

/// The regions of one picture at every size it is looked at.
#[derive(Clone, Debug)]
pub struct Regions {
    contexts: Vec<Tensor>,
    levels: Vec<Level>,
}

/// Shares at one size.
#[derive(Clone, Debug)]
struct Level {
    size: [usize; 2],
    base: Share,
    regions: Vec<Share>,
}

/// How much of the picture is a text's.
#[derive(Clone, Debug)]
enum Share {
    Nothing,
    All,
    /// `[rows, 1, h w, 1]`.
    Part(Tensor),
}

impl Regions {
    /// Each text `[1, M, D]` with its mask, 0 to 1 and of any size, for evaluations of `rows` at `sizes` `[h, w]`.
    pub fn new(regions: &[(Tensor, Mask)], rows: usize, sizes: &[[usize; 2]]) -> Computed<Self> {
        let level = |&[h, w]: &[usize; 2]| {
            let cells: Vec<_> = regions.iter().map(|(_, mask)| area_means(mask, [h, w])).collect();
            let sum = |i: usize| cells.iter().map(|cells| cells[i]).sum::<f64>();
            let sums: Vec<f64> = (0..h * w).map(sum).collect();
            let mut shares = Vec::with_capacity(regions.len());
            for ((context, _), cells) in regions.iter().zip(&cells) {
                let share = cells.iter().zip(&sums).map(|(cell, sum)| (cell / sum.max(1.0)) as f32).collect();
                shares.push(Share::new(share, 1, context)?);
            }
            let rest = sums.iter().map(|sum| (1.0 - sum).max(0.0) as f32);
            let blind = std::iter::repeat_n(1.0, rows.saturating_sub(1) * h * w);
            let base = match regions.first() {
                Some((context, _)) => Share::new(blind.chain(rest).collect(), rows, context)?,
                None => Share::All,
            };
            Ok(Level { size: [h, w], base, regions: shares })
        };
        let levels = sizes.iter().map(level).collect::<Computed<_>>()?;
        Ok(Self { contexts: regions.iter().map(|(context, _)| context.clone()).collect(), levels })
    }

    /// The same in `dtype`.
    pub(super) fn in_precision(&self, dtype: DType) -> Computed<Self> {
        let contexts = self.contexts.iter().map(|context| context.to_dtype(dtype)).collect::<Computed<_>>()?;
        let levels = self.levels.iter().map(|Level { size, base, regions }| {
            let regions = regions.iter().map(|share| share.in_precision(dtype)).collect::<Computed<_>>()?;
            Ok(Level { size: *size, base: base.in_precision(dtype)?, regions })
        });
        Ok(Self { contexts, levels: levels.collect::<Computed<_>>()? })
    }

    /// The texts to look at from `size`, `base` `[rows, N, D]` first.
    pub(super) fn texts<'a>(&'a self, base: &'a Tensor, size: [usize; 2]) -> Computed<Vec<Seen<'a>>> {
        let Some(level) = self.levels.iter().find(|level| level.size == size) else {
            candle_core::bail!("regions of a picture are not known at the size {size:?}");
        };
        let texts = [base].into_iter().chain(&self.contexts);
        let shares = [&level.base].into_iter().chain(&level.regions);
        let seen = texts.zip(shares).filter_map(|(text, share)| {
            let weight = match share {
                Share::Nothing => return None,
                Share::All => Weight::Same(1.0),
                Share::Part(share) => Weight::Each(share),
            };
            Some(Seen { what: What::Tokens(text), weight })
        });
        Ok(seen.collect())
    }
}

impl Share {
    /// `shares` of `rows`, as precise and where `like` is.
    fn new(shares: Vec<f32>, rows: usize, like: &Tensor) -> Computed<Self> {
        if shares.iter().all(|share| *share == 0.0) {
            return Ok(Self::Nothing);
        }
        if shares.iter().all(|share| *share == 1.0) {
            return Ok(Self::All);
        }
        let tokens = shares.len() / rows;
        let shares = Tensor::from_vec(shares, (rows, 1, tokens, 1), like.device())?;
        Ok(Self::Part(shares.to_dtype(like.dtype())?))
    }

    fn in_precision(&self, dtype: DType) -> Computed<Self> {
        Ok(match self {
            Self::Part(share) => Self::Part(share.to_dtype(dtype)?),
            whole => whole.clone(),
        })
    }
}

/// The mean of `mask` over each of `h` by `w` equal parts, row by row; pixels that lie in several count with their share.
fn area_means(mask: &Mask, [h, w]: [usize; 2]) -> Vec<f64> {
    let extent = mask.extent();
    let values: Vec<f64> = mask.data().iter().map(|v| f64::from(*v)).collect();
    // Turned over in between, and back.
    means(&means(&values, extent.w as usize, w), extent.h as usize, h)
}

/// Rows of `from` values as columns of `to` means.
fn means(values: &[f64], from: usize, to: usize) -> Vec<f64> {
    let rows = values.len() / from.max(1);
    let mut out = vec![0.0; rows * to];
    for (y, row) in values.chunks_exact(from.max(1)).enumerate() {
        for x in 0..to {
            // In units of 1 / to of a pixel all borders are whole numbers.
            let (start, end) = (x * from, (x + 1) * from);
            let pixels = start / to..end.div_ceil(to);
            let part = |i: usize| row[i] * (end.min((i + 1) * to) - start.max(i * to)) as f64;
            out[x * rows + y] = pixels.map(part).sum::<f64>() / from as f64;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use underpaint_raster::Extent;

    #[test]
    fn masks_are_reduced_by_area() {
        let mask = Mask::from_data(Extent::new(3, 2), vec![1.0, 0.0, 0.5, 0.0, 0.0, 1.0]);
        for (size, means) in [
            ([2, 3], vec![1.0, 0.0, 0.5, 0.0, 0.0, 1.0]),
            ([1, 1], vec![2.5 / 6.0]),
            ([2, 2], vec![2.0 / 3.0, 1.0 / 3.0, 0.0, 2.0 / 3.0]),
            ([1, 3], vec![0.5, 0.0, 0.75]),
        ] {
            let ours = area_means(&mask, size);
            assert!(ours.iter().zip(&means).all(|(a, b)| (a - b).abs() < 1e-12), "{size:?}: {ours:?}");
        }
        for (side, to) in [(72, 5), (40, 3), (1000, 7), (7, 7), (3, 5)] {
            let ours = area_means(&Mask::new(Extent::new(side, side), 1.0), [to, to]);
            assert!(ours.iter().all(|mean| *mean == 1.0), "{side} to {to}");
        }
    }

    #[test]
    fn what_masks_leave_is_the_base_texts() {
        let context = Tensor::zeros((1, 1, 1), candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
        let mask = |values: [f32; 3]| Mask::from_data(Extent::new(3, 1), values.to_vec());
        let (first, second) = (mask([0.25, 1.0, 0.0]), mask([0.25, 1.0, 1.0]));
        let both = [(context.clone(), first), (context, second)];
        let regions = Regions::new(&both, 2, &[[1, 3]]).unwrap();
        let Level { base, regions, .. } = &regions.levels[0];
        for (share, values) in [
            (base, vec![1.0, 1.0, 1.0, 0.5, 0.0, 0.0]),
            (&regions[0], vec![0.25, 0.5, 0.0]),
            (&regions[1], vec![0.25, 0.5, 1.0]),
        ] {
            let Share::Part(share) = share else { panic!("{share:?}") };
            assert_eq!(share.flatten_all().unwrap().to_vec1::<f32>().unwrap(), values);
        }
    }
}
