//! The matrix product: one tile at a time, and how tasks are cut.
//!
//! A tile is `isa.rows()` x `width` values, `width` being one to three vectors. Its left operand may have
//! any strides, so rows of an activation, packed weights and a transposed value matrix are all read
//! in place. Its right operand is a *panel*: for each step of the sum, `width` neighbouring columns.
//! The sum is cut into blocks of [`DEPTH`] so that operands stay in the caches (a left strip of 8 rows is
//! 12 KiB, a panel of 48 columns 72 KiB).
use crate::simd::Isa;

/// Steps of the sum taken at once.
pub(crate) const DEPTH: usize = 384;

/// The values of the largest tile of any instruction set.
pub(crate) const TILE: usize = 8 * 48;

/// The left operand of a tile: row `i`, step `k` of the sum is at `i * row + k * step`, for all `isa.rows()` rows.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    pub values: &'a [f32],
    pub row: usize,
    pub step: usize,
}

/// `tile = left * panel`, or `tile += left * panel`, over `depth` steps.
///
/// `panel` is `[depth][width]`, `tile` `[isa.rows()][width]`.
///
/// # Panics
/// If a slice is too short or `width` is not one to three vectors: a mistake in this crate.
#[inline(always)]
pub(crate) fn tile(isa: Isa, depth: usize, left: Left<'_>, panel: &[f32], width: usize, tile: &mut [f32], add: bool) {
    let vectors = width / isa.lanes();
    assert!((1..=3).contains(&vectors) && vectors * isa.lanes() == width);
    assert!(depth == 0 || left.values.len() > (isa.rows() - 1) * left.row + (depth - 1) * left.step);
    assert!(panel.len() >= depth * width && tile.len() >= isa.rows() * width);
    // SAFETY: the three assertions are the contract.
    unsafe {
        isa.tile(depth, left.values.as_ptr(), (left.row, left.step), panel.as_ptr(), vectors, tile.as_mut_ptr(), add)
    }
}

/// The blocks of a sum of `total` steps, of nearly equal size, none above [`DEPTH`].
pub(crate) fn depths(total: usize) -> impl Iterator<Item = std::ops::Range<usize>> + Clone {
    let blocks = total.div_ceil(DEPTH);
    (0..blocks).map(move |i| i * total / blocks..(i + 1) * total / blocks)
}

/// The width, in values, of the panel that begins at column `first` of `columns`: full, or just
/// enough vectors for the rest.
pub(crate) fn width(isa: Isa, first: usize, columns: usize) -> usize {
    (columns - first).min(isa.columns()).next_multiple_of(isa.lanes())
}

/// Into how many parts to cut the second dimension of a product whose first is cut into `blocks`, so that all threads
/// have work to the end; no part is smaller than `least` of `len`.
pub(crate) fn parts(blocks: usize, len: usize, least: usize) -> usize {
    let wanted = 4 * rayon::current_num_threads();
    wanted.div_ceil(blocks.max(1)).min(len / least.max(1)).max(1)
}
