//! Bilateral smoothing: every pixel becomes the mean of those around it that look like it.
//!
//! A neighbour counts by its distance and by the difference of its colour, each through a Gaussian (Tomasi and
//! Manduchi, "Bilateral filtering for gray and color images", 1998), and by its alpha. Noise and texture go, edges
//! stay. Neighbours are those in a circle; colours differ by their Euclidean distance in sRGB-encoded RGB. Alpha
//! stays as it is.
//!
//! Decision: always in floats and four pixels at a time, channel by channel: colour differences then need no sums
//! within a vector. Both Gaussians are one power of two, since their exponents add.

use underpaint_filter::simd::{f32x4, load, select, store};
use underpaint_filter::{About, Error, Filter, Param, Plan, Request, Sample, Tile, export, params};

export!(Bilateral<u8>, Bilateral<u16>, Bilateral<f32>);

params! {
    /// What the painter sets.
    pub struct Settings {
        /// How far around a pixel is looked; 0 leaves the picture as it is. Time grows with its square.
        radius: f32 = Param::float("Radius", 4.0, 0.0..=12.0).step(0.5).unit("px"),
        /// How different colours may be and still be mixed: little keeps faint edges, much keeps only strong ones.
        tolerance: f32 = Param::float("Tolerance", 0.12, 0.01..=1.0),
    }
}

/// One run's kernel.
pub struct Bilateral<S> {
    reach: usize,
    taps: Vec<Tap>,
    /// Of the squared difference of two colours: its part in the exponent.
    falloff: f32,
    sample: std::marker::PhantomData<S>,
}

/// A neighbour: how far away it is among the planes, and the exponent of 2 for its distance.
struct Tap {
    away: isize,
    exponent: f32,
}

impl<S: Sample> Filter for Bilateral<S> {
    type Sample = S;
    type Params = Settings;

    fn about() -> About {
        About::new("Bilateral smoothing", "Smooths noise and texture and leaves edges sharp.")
    }

    fn new(params: Settings, request: &mut Request<S>) -> Result<Self, Error> {
        let radius = params.radius * request.scale;
        // e^(-v²/2σ²) as a power of 2.
        let falloff = |sigma: f32| -std::f32::consts::LOG2_E / (2.0 * sigma * sigma);
        let reach = radius as isize;
        let around = (-reach..=reach).flat_map(|y| (-reach..=reach).map(move |x| (x, y)));
        let within = around.filter(|(x, y)| (x * x + y * y) as f32 <= radius * radius);
        let distance = falloff((radius * 0.5).max(0.1));
        let away = |x: isize, y: isize| y * ROW as isize + x;
        let taps = within.map(|(x, y)| Tap { away: away(x, y), exponent: (x * x + y * y) as f32 * distance }).collect();
        Ok(Self { reach: reach as usize, taps, falloff: falloff(params.tolerance), sample: std::marker::PhantomData })
    }

    fn plan(&self) -> Plan {
        if self.reach == 0 { Plan::unchanged() } else { Plan::tiles((self.reach as u32).next_multiple_of(2)) }
    }

    fn process(&mut self, tile: Tile<S>) -> Result<Vec<S>, Error> {
        let rows = tile.padded();
        let halo = tile.halo() as usize;
        let mut made = vec![S::default(); rows.made * tile.area.height as usize];
        for left in (0..rows.made / 4).step_by(STRIP) {
            let width = STRIP.min(rows.made / 4 - left);
            let source = rows.values().chunks_exact(rows.stride).map(|row| &row[4 * left..][..4 * (width + 2 * halo)]);
            let planes = Planes::of(source);
            for (y, out) in made.chunks_exact_mut(rows.made).enumerate() {
                let out = &mut out[4 * left..][..4 * width];
                self.means(&planes, (y + halo) * ROW + halo, out);
            }
        }
        Ok(rows.trimmed(made))
    }
}

impl<S: Sample> Bilateral<S> {
    /// A row of pixels, of which the first is `at` among the planes.
    ///
    /// A function of its own: in a larger one, wasmtime has no register left for where memory begins.
    #[inline(never)]
    fn means(&self, planes: &Planes, at: usize, out: &mut [S]) {
        let mut pixels = [0.0; 16];
        for (x, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let mean = f32x4::transpose(self.mean(planes, at + 4 * x));
            mean.iter().zip(pixels.as_chunks_mut::<4>().0).for_each(|(&pixel, out)| store(pixel, out));
            out.iter_mut().zip(pixels).for_each(|(out, v)| *out = S::from_unit(v));
        }
    }

    /// Four pixels, as channels.
    #[inline(always)]
    fn mean(&self, planes: &Planes, at: usize) -> [f32x4; 4] {
        let zero = f32x4::splat(0.0);
        let falloff = f32x4::splat(self.falloff);
        let [r, g, b, alpha] = planes.at(at);
        let (mut sum_r, mut sum_g, mut sum_b, mut weights) = (zero, zero, zero, zero);
        for tap in &self.taps {
            let [r2, g2, b2, a2] = planes.at(at.wrapping_add_signed(tap.away));
            let (dr, dg, db) = (r2 - r, g2 - g, b2 - b);
            let difference = dr * dr + dg * dg + db * db;
            let weight = (difference * falloff + f32x4::splat(tap.exponent)).exp2() * a2;
            sum_r = sum_r + r2 * weight;
            sum_g = sum_g + g2 * weight;
            sum_b = sum_b + b2 * weight;
            weights = weights + weight;
        }
        // The pixel itself is among them, so that nothing but a transparent one weighs nothing.
        let shown = |sum: f32x4| select(zero.lt(weights), sum / weights, zero);
        [shown(sum_r), shown(sum_g), shown(sum_b), alpha]
    }
}

/// Pixels that are made from one set of planes, side by side.
const STRIP: usize = 256;

/// Values of a channel in a row, the widest strip with its halo; and of all four.
const LINE: usize = 288;
const ROW: usize = 4 * LINE;

/// Channels of a part of a tile, each on its own: for every row red, green, blue and alpha, one after the other. They lie
/// this far apart whatever the tile: one look tells that all of a neighbour is there, and one register finds it.
struct Planes(Vec<f32>);

impl Planes {
    fn of<'a, S: Sample>(rows: impl Iterator<Item = &'a [S]>) -> Self {
        let mut planes = Vec::new();
        for row in rows {
            let start = planes.len();
            planes.resize(start + ROW, 0.0);
            let [r, g, b, a] = std::array::from_fn(|c| start + c * LINE);
            for (x, pixels) in row.as_chunks::<16>().0.iter().enumerate() {
                let unit = pixels.map(S::to_unit);
                let pixel = |i: usize| load::<f32x4>(&unit[4 * i..]);
                let channels = f32x4::transpose([pixel(0), pixel(1), pixel(2), pixel(3)]);
                channels.into_iter().zip([r, g, b, a]).for_each(|(v, line)| store(v, &mut planes[line + 4 * x..]));
            }
        }
        Self(planes)
    }

    #[inline(always)]
    fn at(&self, at: usize) -> [f32x4; 4] {
        let Some(there) = self.0[at..].first_chunk::<{ 3 * LINE + 4 }>() else { unreachable!("a tap beyond the halo") };
        [0, LINE, 2 * LINE, 3 * LINE].map(|line| load(&there[line..]))
    }
}

#[cfg(test)]
mod tests {
    use super::Bilateral;
    use underpaint_filter::Sample;
    use underpaint_filter::testing::{self, Case};

    fn in_any_tiles<S: Sample>() {
        let picture = testing::picture::<S>(90, 61);
        for radius in [1.0, 2.0, 5.5] {
            Case::<Bilateral<S>>::new(90, 61).with("radius", radius).check(&picture);
        }
    }

    #[test]
    fn the_same_in_any_tiles() {
        in_any_tiles::<u8>();
        in_any_tiles::<u16>();
        in_any_tiles::<f32>();
    }

    /// Noise of a tenth goes, a step of a half stays.
    #[test]
    fn noise_goes_and_edges_stay() {
        let side = 32;
        let value =
            |x: u32, y: u32| (if x < 16 { 0.2 } else { 0.7 }) + if (x + y).is_multiple_of(2) { 0.05 } else { -0.05 };
        let picture: Vec<f32> = (0..side * side)
            .flat_map(|i| {
                let v = value(i % side, i / side);
                [v, v, v, 1.0]
            })
            .collect();
        let made = Case::<Bilateral<f32>>::new(side, side).with("tolerance", 0.25).run(&picture, 256).unwrap().pixels;
        for y in 8..24 {
            let at = |x: u32| made[((y * side + x) * 4) as usize];
            assert!((at(8) - 0.2).abs() < 0.01 && (at(15) - 0.2).abs() < 0.02, "{} {}", at(8), at(15));
            assert!((at(24) - 0.7).abs() < 0.01 && (at(16) - 0.7).abs() < 0.02, "{} {}", at(24), at(16));
        }
        let flat = [0.3, 0.6, 0.9, 0.5].repeat(20 * 20);
        let made = Case::<Bilateral<f32>>::new(20, 20).run(&flat, 256).unwrap().pixels;
        assert!(made.iter().zip(&flat).all(|(is, was)| (is - was).abs() < 1e-6));
    }
}
