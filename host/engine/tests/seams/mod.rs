//! How visible the edges of tiles are.

use underpaint_engine::tiles::Tiling;

/// Largest gradient across a seam, in terms of the gradient beside it, against the same of the picture without tiles.
pub const GRADIENT_JUMP: f64 = 1.1;

/// Rows or columns of luma.
pub type Luma<'a> = dyn Fn(usize, usize) -> f32 + 'a;

/// Mean gradient within 2 pixels of the line `at`, over that of bands 8 to 16 pixels on both sides. `luma(i, j)` is pixel `j`
/// across the line of row `i` along it, of `rows`.
pub fn jump(luma: &Luma, rows: usize, at: usize) -> f64 {
    let mean = |across: &mut dyn Iterator<Item = usize>| {
        let across: Vec<usize> = across.collect();
        let gradients = across.iter().flat_map(|&j| (0..rows).map(move |i| (i, j)));
        let sum: f64 = gradients.map(|(i, j)| f64::from((luma(i, j) - luma(i, j - 1)).abs())).sum();
        sum / (across.len() * rows) as f64
    };
    mean(&mut (at - 2..at + 3)) / mean(&mut (at - 16..at - 8).chain(at + 9..at + 17))
}

/// Where tiles of `len` cells begin, cross over and end, in pixels of `factor` to the cell.
pub fn lines(tiling: &Tiling, len: usize, factor: usize) -> Vec<usize> {
    let spans: Vec<_> = tiling.tiles(1, len).into_iter().map(|tile| tile.columns).collect();
    let pairs = spans.windows(2).flat_map(|pair| {
        let (from, to) = (pair[1].start, pair[0].start + pair[0].len);
        [from * factor, (from + to) * factor / 2, to * factor]
    });
    pairs.filter(|at| (17..len * factor - 17).contains(at)).collect()
}
