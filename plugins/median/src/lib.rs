//! Median: every pixel's colours become the middle ones of those around it.
//!
//! Specks and scratches smaller than half the window go, edges stay where they are. Each colour is taken on its own, in
//! a square window. Alpha stays as it is, and where a neighbour is fully transparent, the pixel's own colour counts in
//! its place.

#![recursion_limit = "256"]

mod network;

use network::{Order, median, median9, median25, sort3, sort5};
use underpaint_filter::simd::{Vector, f32x4, load, store, u8x16, u16x8};
use underpaint_filter::{About, Error, Filter, Padded, Param, Plan, Request, Sample, Tile, export, params};

export!(Median<u8>, Median<u16>, Median<f32>; timeout_ms = 30000);

params! {
    /// What the painter sets.
    pub struct Settings {
        /// The window reaches so far on every side: 1 is 3 by 3 pixels, 4 is 9 by 9.
        radius: i32 = Param::int("Radius", 2, 1..=4).unit("px"),
    }
}

/// One run's window.
pub struct Median<S> {
    /// 0 where a preview is so small that nothing is left of it.
    radius: usize,
    sample: std::marker::PhantomData<S>,
}

/// A sample type with its vector.
pub trait Ordered: Sample {
    /// As many as fit.
    type Vector: Order<Value = Self>;
}

impl Ordered for u8 {
    type Vector = u8x16;
}

impl Ordered for u16 {
    type Vector = u16x8;
}

impl Ordered for f32 {
    type Vector = f32x4;
}

impl<S: Ordered> Filter for Median<S> {
    type Sample = S;
    type Params = Settings;

    fn about() -> About {
        About::new("Median", "Takes away specks and scratches and leaves edges where they are.")
    }

    fn new(params: Settings, request: &mut Request<S>) -> Result<Self, Error> {
        let radius = (params.radius as f32 * request.scale + 0.5) as usize;
        Ok(Self { radius, sample: std::marker::PhantomData })
    }

    fn plan(&self) -> Plan {
        if self.radius == 0 { Plan::unchanged() } else { Plan::tiles((self.radius as u32).next_multiple_of(2)) }
    }

    fn process(&mut self, tile: Tile<S>) -> Result<Vec<S>, Error> {
        let rows = tile.padded();
        let window = Window { rows: &rows, height: tile.area.height as usize, halo: tile.halo() as usize };
        let made = match self.radius {
            1 => window.columns(sort3, |rows| median9(|i| load(&rows[i / 3][4 * (i % 3)..]))),
            2 => window.columns(sort5, |rows| median25(|i| load(&rows[i / 5][4 * (i % 5)..]))),
            3 => window.selected::<26>(3),
            _ => window.selected::<42>(4),
        };
        let mut made = rows.trimmed(made);
        beside_nothing(&tile, self.radius, &mut made);
        Ok(made)
    }
}

/// Values of a row that are sorted before medians are taken of them. Rows lie this far apart whatever the tile: where
/// each value of a window is, is then known when this is compiled, and one register finds them all.
const LINE: usize = 1040;

/// Sorts the first `count` columns, of values one below the other.
#[inline(never)]
fn sorted<S: Ordered, const SIDE: usize>(
    from: [&[S]; SIDE],
    count: usize,
    to: &mut [[S; LINE]; SIDE],
    sort: impl Fn([S::Vector; SIDE]) -> [S::Vector; SIDE],
) {
    let lanes = S::Vector::LANES;
    let one = |from: [&[S]; SIDE], to: &mut [[S; LINE]; SIDE], x: usize| {
        let sorted = sort(from.map(|row| load(&row[x..x + lanes])));
        sorted.into_iter().zip(to).for_each(|(v, to)| store(v, &mut to[x..x + lanes]));
    };
    let count = count.min(LINE);
    let from = from.map(|row| &row[..count]);
    let mut x = 0;
    while x + lanes <= count {
        one(from, to, x);
        x += lanes;
    }
    // The last vector once more, from where it ends with the row.
    if x < count {
        one(from, to, count - lanes);
    }
}

#[inline(never)]
fn medians<S: Ordered, const SIDE: usize>(
    columns: &[[S; LINE]; SIDE],
    out: &mut [[S; 16]],
    median: impl Fn(&[&[S]; SIDE]) -> S::Vector,
) {
    for (i, out) in out.iter_mut().enumerate().take(LINE / 16 - 1) {
        // One look whether all of it is there.
        let rows = columns.each_ref().map(|row| &row[i * 16..i * 16 + 32]);
        for part in (0..16).step_by(S::Vector::LANES) {
            let rows = rows.each_ref().map(|row| &row[part..]);
            store(median(&rows), &mut out[part..]);
        }
    }
}

/// Where windows are laid.
struct Window<'a, S: Sample> {
    rows: &'a Padded<'a, S>,
    height: usize,
    halo: usize,
}

impl<S: Ordered> Window<'_, S> {
    /// Medians of windows `SIDE` wide: every column is sorted once for all windows that it is in.
    #[inline(always)]
    fn columns<const SIDE: usize>(
        &self,
        sort: impl Fn([S::Vector; SIDE]) -> [S::Vector; SIDE],
        median: impl Fn(&[&[S]; SIDE]) -> S::Vector,
    ) -> Vec<S> {
        let made = self.rows.made;
        let first = 4 * (self.halo - SIDE / 2);
        let mut out = vec![S::default(); made * self.height];
        let mut columns = [[S::default(); LINE]; SIDE];
        for (y, out) in out.chunks_exact_mut(made).enumerate() {
            let top = y + self.halo - SIDE / 2;
            for (x, out) in out.chunks_mut(LINE - 16).enumerate() {
                let x = first + x * (LINE - 16);
                let from: [&[S]; SIDE] = std::array::from_fn(|i| &self.rows.row(top + i)[x..]);
                sorted(from, out.len() + 4 * (SIDE - 1), &mut columns, &sort);
                medians(&columns, out.as_chunks_mut().0, &median);
            }
        }
        self.with_alpha(out)
    }

    /// Medians of windows of any size.
    fn selected<const HALF: usize>(&self, radius: usize) -> Vec<S> {
        let side = 2 * radius + 1;
        let Padded { stride, made: width, .. } = *self.rows;
        let mut out = vec![S::default(); width * self.height];
        for (y, out) in out.chunks_exact_mut(width).enumerate() {
            let start = (y + self.halo - radius) * stride + 4 * (self.halo - radius);
            for (x, out) in out.chunks_exact_mut(S::Vector::LANES).enumerate() {
                let window = &self.rows.values()[start + x * S::Vector::LANES..];
                let value = |i: usize| load::<S::Vector>(&window[i / side * stride + i % side * 4..]);
                store(median::<S::Vector, HALF>(side * side, value), out);
            }
        }
        self.with_alpha(out)
    }

    fn with_alpha(&self, mut out: Vec<S>) -> Vec<S> {
        for (y, out) in out.chunks_exact_mut(self.rows.made).enumerate() {
            let from = &self.rows.row(y + self.halo)[4 * self.halo..];
            out.as_chunks_mut::<4>().0.iter_mut().zip(from.as_chunks::<4>().0).for_each(|(out, was)| out[3] = was[3]);
        }
        out
    }
}

/// Makes those pixels anew whose window shows a fully transparent one, one after the other: they are few.
fn beside_nothing<S: Sample>(tile: &Tile<S>, radius: usize, made: &mut [S]) {
    let nothing = S::default();
    if !tile.pixels.as_chunks::<4>().0.iter().fold(false, |found, p| found | (p[3] == nothing)) {
        return;
    }
    let radius = radius as i32;
    let width = tile.area.width as usize;
    let mut window = Vec::with_capacity(81);
    for (i, out) in made.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let (x, y) = ((i % width) as i32, (i / width) as i32);
        if out[3] == nothing {
            continue;
        }
        window.clear();
        let places = (-radius..=radius).flat_map(|dy| (-radius..=radius).map(move |dx| (x + dx, y + dy)));
        window.extend(places.map(|(x, y)| tile.at(x, y)));
        if window.iter().all(|p| p[3] > nothing) {
            continue;
        }
        let own = tile.at(x, y);
        window.iter_mut().filter(|p| p[3] == nothing).for_each(|p| *p = own);
        for (c, out) in out[..3].iter_mut().enumerate() {
            let order = |a: &[S; 4], b: &[S; 4]| a[c].partial_cmp(&b[c]).unwrap_or(std::cmp::Ordering::Equal);
            let middle = window.len() / 2;
            *out = window.select_nth_unstable_by(middle, order).1[c];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Median, Ordered};
    use underpaint_filter::testing::{self, Case};

    fn in_any_tiles<S: Ordered>() {
        let picture = testing::picture::<S>(90, 61);
        for radius in 1..=4 {
            Case::<Median<S>>::new(90, 61).with("radius", radius).check(&picture);
        }
    }

    #[test]
    fn the_same_in_any_tiles() {
        in_any_tiles::<u8>();
        in_any_tiles::<u16>();
        in_any_tiles::<f32>();
    }

    /// Against sorting every window.
    fn is_the_middle<S: Ordered>() {
        let (w, h) = (37i32, 23i32);
        let value = |i: u32| S::from_unit((i.wrapping_mul(2_654_435_761) >> 20) as f32 / 4095.0);
        let picture: Vec<S> = (0..(w * h * 4) as u32).map(|i| if i % 4 == 3 { S::MAX } else { value(i) }).collect();
        for radius in 1..=4i32 {
            let case = Case::<Median<S>>::new(w as u32, h as u32).with("radius", radius);
            let made = case.run(&picture, 16).unwrap().pixels;
            for (i, is) in made.iter().enumerate() {
                let (x, y, c) = (i as i32 / 4 % w, i as i32 / 4 / w, i % 4);
                let at = |x: i32, y: i32| picture[(y.clamp(0, h - 1) * w + x.clamp(0, w - 1)) as usize * 4 + c];
                let mut window: Vec<S> =
                    (-radius..=radius).flat_map(|dy| (-radius..=radius).map(move |dx| at(x + dx, y + dy))).collect();
                window.sort_by(|a, b| a.partial_cmp(b).unwrap());
                assert_eq!(*is, window[window.len() / 2], "radius {radius}, ({x}, {y}), channel {c}");
            }
        }
    }

    #[test]
    fn the_middle_of_the_window() {
        is_the_middle::<u8>();
        is_the_middle::<u16>();
        is_the_middle::<f32>();
    }

    /// Beside what is transparent, colours stay.
    #[test]
    fn nothing_dark_creeps_in() {
        let picture: Vec<u8> =
            (0..16 * 8).flat_map(|i| if i % 16 == 7 { [200, 90, 30, 128] } else { [0; 4] }).collect();
        let made = Case::<Median<u8>>::new(16, 8).run(&picture, 256).unwrap().pixels;
        assert_eq!(made, picture);
    }
}
