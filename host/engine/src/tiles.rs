//! Large pictures in overlapping tiles, so that memory does not grow with the picture.
//!
//! Decision: where two tiles overlap, each keeps away from the other's border by a quarter of the overlap (what a network
//! makes near a border that is none is wrong), and they cross over evenly in the half between. The weights of all tiles sum to
//! 1 everywhere, so blending needs no second buffer, and where both tiles agree nothing is changed. Tiles are of equal size, as
//! small as the number of them allows.

use crate::EngineError;
use candle_core::{Device, Tensor};
use underpaint_raster::{Job, Rect, Share};

/// How a picture is cut, in cells: pixels of what goes in for an upscaler, latents for the autoencoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiling {
    /// Longest side of a tile, at least 1.
    pub tile: usize,
    /// How far neighbours overlap, at least; at most half a tile counts.
    pub overlap: usize,
}

/// One tile's part of an axis, in cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// First cell.
    pub start: usize,
    /// Number of cells.
    pub len: usize,
    /// Between which distances from `start` its weight rises.
    rise: Option<[f64; 2]>,
    /// Between which distances from `start` its weight falls.
    fall: Option<[f64; 2]>,
}

/// One tile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tile {
    /// Its number, row by row.
    pub index: usize,
    /// Its rows.
    pub rows: Span,
    /// Its columns.
    pub columns: Span,
}

impl Tiling {
    /// One tile, whatever the size.
    pub const WHOLE: Self = Self { tile: usize::MAX, overlap: 0 };

    /// True if `h` by `w` cells take more than one tile.
    pub fn divides(&self, h: usize, w: usize) -> bool {
        h.max(w) > self.tile
    }

    /// The tiles of `h` by `w` cells, row by row.
    pub fn tiles(&self, h: usize, w: usize) -> Vec<Tile> {
        let (rows, columns) = (self.spans(h), self.spans(w));
        let spans = rows.iter().flat_map(|&rows| columns.iter().map(move |&columns| (rows, columns)));
        spans.enumerate().map(|(index, (rows, columns))| Tile { index, rows, columns }).collect()
    }

    fn spans(&self, len: usize) -> Vec<Span> {
        let tile = self.tile.max(1);
        if len <= tile {
            return vec![Span { start: 0, len, rise: None, fall: None }];
        }
        let overlap = self.overlap.min(tile / 2);
        let n = (len - overlap).div_ceil(tile - overlap);
        let size = (len + (n - 1) * overlap).div_ceil(n);
        let start = |i: usize| i * (len - size) / (n - 1);
        // Where tile i crosses over to its successor, in the middle half of what they share.
        let cross = |i: usize| {
            let (from, to) = (start(i + 1) as f64, (start(i) + size) as f64);
            let quarter = (to - from) / 4.0;
            [from + quarter, to - quarter]
        };
        let near = |i: usize, at: [f64; 2]| at.map(|x| x - start(i) as f64);
        let span = |i: usize| Span {
            start: start(i),
            len: size,
            rise: (i > 0).then(|| near(i, cross(i - 1))),
            fall: (i + 1 < n).then(|| near(i, cross(i))),
        };
        (0..n).map(span).collect()
    }
}

impl Tile {
    /// The pixels under it, `factor` to a cell.
    pub fn rect(&self, factor: u32) -> Rect {
        let pixels = |cells: usize| cells as u32 * factor;
        let (x, y) = (pixels(self.columns.start), pixels(self.rows.start));
        Rect::new(x as i32, y as i32, pixels(self.columns.len), pixels(self.rows.len))
    }
}

impl Span {
    /// The weights of its values when each cell has become `scale` of them.
    fn window(&self, scale: usize) -> Vec<f32> {
        let ramp = |[from, to]: [f64; 2], at: f64| match to > from {
            true => ((at - from) / (to - from)).clamp(0.0, 1.0),
            false => f64::from(at >= from),
        };
        let weight = |at: f64| {
            let rise = self.rise.map_or(1.0, |ends| ramp(ends, at));
            (rise - self.fall.map_or(0.0, |ends| ramp(ends, at))) as f32
        };
        (0..self.len * scale).map(|i| weight((i as f64 + 0.5) / scale as f64)).collect()
    }
}

/// Makes `[1, channels, h scale, w scale]` of `h` by `w` cells, tile by tile: `make` gives as many planes of `rows scale` by
/// `columns scale` values for a tile and reports to the share of the job it is handed. A single tile is returned as made,
/// where it was made; several are put together on the CPU.
pub fn blend(
    [h, w]: [usize; 2],
    tiling: &Tiling,
    scale: usize,
    channels: usize,
    job: &dyn Job,
    mut make: impl FnMut(&Tile, &dyn Job) -> Result<Tensor, EngineError>,
) -> Result<Tensor, EngineError> {
    let tiles = tiling.tiles(h, w);
    if let [all] = tiles.as_slice() {
        return make(all, job);
    }
    let (height, width) = (h * scale, w * scale);
    let mut out = vec![0f32; channels * height * width];
    for (i, tile) in tiles.iter().enumerate() {
        let made = make(tile, &Share { job, part: i as u32, parts: tiles.len() as u32 })?;
        let values = made.flatten_all()?.to_vec1::<f32>()?;
        let (down, across) = (tile.rows.window(scale), tile.columns.window(scale));
        let (top, left) = (tile.rows.start * scale, tile.columns.start * scale);
        for (row, values) in values.chunks_exact(across.len()).enumerate() {
            let (channel, y) = (row / down.len(), row % down.len());
            let at = (channel * height + top + y) * width + left;
            for ((out, value), weight) in out[at..][..across.len()].iter_mut().zip(values).zip(&across) {
                *out += value * weight * down[y];
            }
        }
    }
    Ok(Tensor::from_vec(out, (1, channels, height, width), &Device::Cpu)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use underpaint_raster::Unattended;

    #[test]
    fn weights_sum_to_one_and_keep_away_from_borders_that_are_none() {
        for (tile, overlap) in [(1, 0), (1, 1), (2, 1), (7, 3), (8, 4), (16, 4), (64, 16), (10, 99)] {
            for (len, scale) in (1..200).flat_map(|len| [(len, 1), (len, 4)]) {
                let spans = Tiling { tile, overlap }.spans(len);
                let mut sums = vec![0f32; len * scale];
                for span in &spans {
                    assert!(span.len <= tile && span.start + span.len <= len, "{tile} {overlap} {len}");
                    let window = span.window(scale);
                    assert!(
                        window.iter().all(|w| (-1e-6..=1.000001).contains(w)),
                        "{tile} {overlap} {len}: {window:?}"
                    );
                    sums[span.start * scale..].iter_mut().zip(window).for_each(|(sum, w)| *sum += w);
                }
                assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-6), "{tile} {overlap} {len}: {sums:?}");
                for pair in spans.windows(2) {
                    let shared = pair[0].start + pair[0].len - pair[1].start;
                    assert!(shared >= overlap.min(tile / 2));
                    let unseen = shared * scale / 4;
                    assert!(pair[1].window(scale)[..unseen].iter().all(|w| *w == 0.0));
                    assert!(pair[0].window(scale).iter().rev().take(unseen).all(|w| w.abs() < 1e-6));
                }
            }
        }
    }

    #[test]
    fn tiles_that_agree_give_back_the_whole() {
        let (h, w, scale) = (23, 37, 2);
        let value = |c: usize, y: usize, x: usize| (c * 7919 + y * 101 + x) as f32;
        let make = |tile: &Tile, _: &dyn Job| {
            let cells = |span: Span| span.start * scale..(span.start + span.len) * scale;
            let mut data = Vec::new();
            for (c, y) in (0..3).flat_map(|c| cells(tile.rows).map(move |y| (c, y))) {
                data.extend(cells(tile.columns).map(|x| value(c, y, x)));
            }
            Ok(Tensor::from_vec(data, (1, 3, tile.rows.len * scale, tile.columns.len * scale), &Device::Cpu)?)
        };
        let whole = blend([h, w], &Tiling { tile: 10, overlap: 4 }, scale, 3, &Unattended, make).unwrap();
        assert_eq!(whole.dims(), [1, 3, h * scale, w * scale]);
        for (i, got) in whole.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().enumerate() {
            let (c, y, x) = (i / (h * w * 4), i / (w * 2) % (h * 2), i % (w * 2));
            assert!((got - value(c, y, x)).abs() <= value(c, y, x) * 1e-6, "{c} {y} {x}: {got}");
        }
    }
}
