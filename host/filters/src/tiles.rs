//! A picture as tiles: how a pass cuts it, what each tile is made from, and how what was made is put together again.
//!
//! A tile's part of the new picture is lent out before the pass begins, as one slice for each of its rows: cores never
//! wait for each other to write.

use crate::contract as wit;
use crate::error::Reason;
use crate::picture::{Value, View};
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use underpaint_raster::{Extent, Rect};

/// Side of the tiles of a survey, whatever [`Settings::tile`] is: sums of floats depend on how they are grouped.
pub(crate) const SURVEY_TILE: u32 = 256;

/// A pass with its tiles.
pub(crate) struct Pass<'a, S: Value> {
    pub index: u32,
    pub halo: u32,
    /// What the pass before made, or the picture.
    pub source: View<'a, S>,
    /// What the areas are measured in.
    pub extent: Extent,
    pub areas: &'a [Rect],
    pub next: AtomicU32,
    /// The first pass sees the picture as promised: no colour under alpha 0.
    pub blank: bool,
    /// The last pass of a result of the picture's size: pixels of alpha 0 stay.
    pub keep: bool,
    pub last: bool,
}

/// The areas of a pass, row by row. Those without a halo are whole rows where pixels stand alone: such a tile lies in
/// the picture as the filter wants it.
pub(crate) fn grid(pass: &wit::Pass, Extent { w, h }: Extent, tile: u32) -> Vec<Rect> {
    let tile = tile.max(1);
    let (width, height) = match pass {
        wit::Pass::WholePicture => (w, h),
        wit::Pass::Survey => (SURVEY_TILE, SURVEY_TILE),
        wit::Pass::Pointwise => (w, (u64::from(tile) * u64::from(tile) / u64::from(w)).clamp(1, u64::from(h)) as u32),
        wit::Pass::Tiles(_) => (tile, tile),
    };
    let columns = || (0..w).step_by(width as usize);
    let rows = (0..h).step_by(height as usize);
    rows.flat_map(|y| columns().map(move |x| Rect::new(x as i32, y as i32, width.min(w - x), height.min(h - y))))
        .collect()
}

/// The rows of every area, as parts of the new picture.
pub(crate) fn places<'a, S>(out: &'a mut [S], extent: Extent, areas: &[Rect]) -> Vec<Mutex<Vec<&'a mut [S]>>> {
    let mut places: Vec<Vec<&mut [S]>> = areas.iter().map(|area| Vec::with_capacity(area.h as usize)).collect();
    let mut start = 0;
    let mut lines = out.chunks_exact_mut(extent.w as usize * 4);
    while let Some(area) = areas.get(start) {
        let columns = areas[start..].iter().take_while(|a| a.y == area.y).count();
        for mut line in lines.by_ref().take(area.h as usize) {
            for index in start..start + columns {
                let (mine, rest) = line.split_at_mut(areas[index].w as usize * 4);
                places[index].push(mine);
                line = rest;
            }
        }
        start += columns;
    }
    places.into_iter().map(Mutex::new).collect()
}

impl<S: Value> Pass<'_, S> {
    /// What an area is made from, in pixels of the source; beyond its edges where the halo reaches over them.
    pub fn source(&self, area: Rect) -> Rect {
        let halo = i64::from(self.halo);
        let side = |start: i32, length: u32, is: u32, was: u32| {
            let (start, end, is, was) =
                (i64::from(start), i64::from(start) + i64::from(length), i64::from(is), i64::from(was));
            let (from, to) = if is == was { (start, end) } else { (start * was / is, (end * was + is - 1) / is) };
            ((from - halo) as i32, (to - from + 2 * halo) as u32)
        };
        let (x, w) = side(area.x, area.w, self.extent.w, self.source.extent.w);
        let (y, h) = side(area.y, area.h, self.extent.h, self.source.extent.h);
        Rect::new(x, y, w, h)
    }
}

/// Room for the pixels of a tile, kept from tile to tile.
pub(crate) struct Room<S> {
    pixels: Vec<S>,
    inputs: Vec<Vec<S>>,
}

impl<S> Default for Room<S> {
    fn default() -> Self {
        Self { pixels: Vec::new(), inputs: Vec::new() }
    }
}

impl<S: Value> Room<S> {
    /// Calls `f` with the pixels of `rect` and those of the inputs.
    pub fn with<'i, T>(
        &mut self,
        pass: &Pass<'_, S>,
        rect: Rect,
        inputs: impl Iterator<Item = &'i [S]>,
        f: impl FnOnce(&[S], &[wit::PixelsParam<'_>]) -> T,
    ) -> T {
        let extent = pass.source.extent;
        let mut used = 0;
        for values in inputs {
            if used == self.inputs.len() {
                self.inputs.push(Vec::new());
            }
            cut(View { extent, data: values }, rect, &mut self.inputs[used]);
            blank(&mut self.inputs[used]);
            used += 1;
        }
        let inputs: Vec<wit::PixelsParam<'_>> = self.inputs[..used].iter().map(|values| S::lower(values)).collect();
        // Whole rows of the picture are a tile already.
        let whole_rows = rect.x == 0 && rect.w == extent.w && rect.y >= 0 && rect.bottom() <= i64::from(extent.h);
        if whole_rows {
            let row = extent.w as usize * 4;
            let lie = &pass.source.data[rect.y as usize * row..][..rect.h as usize * row];
            if !pass.blank || !shows_colour_under_alpha_0(lie) {
                return f(lie, &inputs);
            }
        }
        cut(pass.source, rect, &mut self.pixels);
        if pass.blank {
            blank(&mut self.pixels);
        }
        f(&self.pixels, &inputs)
    }
}

/// The pixels of `rect`; outside of the picture its edge is repeated.
pub(crate) fn cut<S: Value>(picture: View<'_, S>, rect: Rect, out: &mut Vec<S>) {
    let Extent { w, h } = picture.extent;
    let (left, right) = (i64::from(rect.x), rect.right());
    let (w, h) = (i64::from(w), i64::from(h));
    // How many pixels of a row lie outside the picture on the left, inside, and outside on the right.
    let (from, to) = (left.clamp(0, w) as usize * 4, right.clamp(0, w) as usize * 4);
    let (before, after) =
        ((-left).clamp(0, i64::from(rect.w)) as usize, (right - w).clamp(0, i64::from(rect.w)) as usize);
    out.clear();
    out.reserve(rect.w as usize * rect.h as usize * 4);
    for y in i64::from(rect.y)..rect.bottom() {
        let y = y.clamp(0, h - 1) as usize;
        let row = &picture.data[y * w as usize * 4..][..w as usize * 4];
        (0..before).for_each(|_| out.extend_from_slice(&row[..4]));
        out.extend_from_slice(&row[from..to]);
        (0..after).for_each(|_| out.extend_from_slice(&row[row.len() - 4..]));
    }
}

pub(crate) fn shows_colour_under_alpha_0<S: Value>(values: &[S]) -> bool {
    let zero = S::default();
    values
        .chunks_exact(4)
        .fold(false, |found, p| found | ((p[3] == zero) & ((p[0] != zero) | (p[1] != zero) | (p[2] != zero))))
}

/// As filters were promised.
pub(crate) fn blank<S: Value>(values: &mut [S]) {
    if shows_colour_under_alpha_0(values) {
        let zero = S::default();
        values.chunks_exact_mut(4).filter(|pixel| pixel[3] == zero).for_each(|pixel| pixel.fill(zero));
    }
}

/// Writes a made tile to its place. What is not a number is refused; after the last pass values are clamped to their
/// range and pixels of alpha 0 in `keep` stay as they are there.
pub(crate) fn paste<S: Value>(
    rows: &mut [&mut [S]],
    area: Rect,
    made: &[S],
    keep: Option<View<'_, S>>,
    last: bool,
) -> Result<(), Reason> {
    let row = area.w as usize * 4;
    let expected = row * area.h as usize;
    if made.len() != expected {
        let Rect { w, h, .. } = area;
        return Err(Reason::BadOutput(format!("{} values for a tile of {w}x{h}, which has {expected}", made.len())));
    }
    let zero = S::default();
    for (line, (out, new)) in rows.iter_mut().zip(made.chunks_exact(row)).enumerate() {
        let y = area.y as usize + line;
        let old = keep.map(|View { extent, data }| &data[(y * extent.w as usize + area.x as usize) * 4..][..row]);
        // What a filter leaves under alpha 0 does not matter where it is not shown.
        let shown = |i: usize| old.is_none_or(|old| old[i | 3] > zero);
        let numbers = new.iter().fold(true, |all, v| all & v.is_number());
        if !numbers && let Some(i) = (0..row).find(|&i| !new[i].is_number() && shown(i)) {
            let x = area.x as usize + i / 4;
            return Err(Reason::BadOutput(format!(
                "the value {} at pixel ({x}, {y}); numbers must be finite",
                new[i].unit()
            )));
        }
        match old {
            Some(old) if old.chunks_exact(4).fold(false, |found, p| found | (p[3] == zero)) => {
                for ((out, old), new) in out.chunks_exact_mut(4).zip(old.chunks_exact(4)).zip(new.chunks_exact(4)) {
                    let pixel = if old[3] > zero { new } else { old };
                    out.iter_mut().zip(pixel).for_each(|(out, v)| *out = v.clamped());
                }
            }
            _ if last => out.iter_mut().zip(new).for_each(|(out, v)| *out = v.clamped()),
            _ => out.copy_from_slice(new),
        }
    }
    Ok(())
}
#[cfg(test)]
mod tests {
    use super::{Pass, View, cut, grid, places, wit};
    use std::sync::atomic::AtomicU32;
    use underpaint_raster::{Extent, Rect};

    /// Whatever the pass, the areas cover every pixel once, in the order of the rows that are lent out for them.
    #[test]
    fn areas_tile_the_picture() {
        let passes = [wit::Pass::Pointwise, wit::Pass::Tiles(3), wit::Pass::WholePicture, wit::Pass::Survey];
        for (pass, (w, h), tile) in passes.iter().flat_map(|p| {
            [((1, 1), 256), ((300, 7), 32), ((7, 300), 97), ((513, 511), 256)].map(|(size, tile)| (p, size, tile))
        }) {
            let extent = Extent::new(w, h);
            let areas = grid(pass, extent, tile);
            let mut out = vec![0u8; extent.area() as usize * 4];
            for (place, area) in places(&mut out, extent, &areas).iter().zip(&areas) {
                let mut rows = place.lock().unwrap();
                assert_eq!(rows.len(), area.h as usize);
                for row in rows.iter_mut() {
                    assert_eq!(row.len(), area.w as usize * 4);
                    row.iter_mut().for_each(|v| *v += 1);
                }
            }
            assert!(out.iter().all(|&v| v == 1), "{pass:?} {w}x{h}");
        }
    }

    /// A halo wider than the picture repeats its edge as often as need be.
    #[test]
    fn edges_are_repeated() {
        let data: Vec<u8> = (0..2 * 4).collect();
        let mut out = Vec::new();
        cut(View { extent: Extent::new(2, 1), data: &data }, Rect::new(-3, -1, 7, 2), &mut out);
        let row = [0, 0, 0, 0, 1, 1, 1].map(|x| x * 4u8);
        assert_eq!(out.iter().step_by(4).copied().collect::<Vec<_>>(), [row, row].concat());
    }

    /// The part of the picture that an area of a larger or smaller result shows.
    #[test]
    fn sources_of_resized_areas() {
        let data = vec![0u8; 10 * 10 * 4];
        let pass = |w, h, halo| Pass {
            index: 0,
            halo,
            source: View { extent: Extent::new(10, 10), data: &data },
            extent: Extent::new(w, h),
            areas: &[],
            next: AtomicU32::new(0),
            blank: false,
            keep: false,
            last: true,
        };
        assert_eq!(pass(20, 30, 0).source(Rect::new(3, 3, 5, 5)), Rect::new(1, 1, 3, 2));
        assert_eq!(pass(5, 10, 2).source(Rect::new(1, 0, 2, 10)), Rect::new(0, -2, 8, 14));
    }
}
