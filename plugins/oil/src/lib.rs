//! Oil paint: flat strokes that follow the forms, edges that stay sharp.
//!
//! The anisotropic Kuwahara filter (Kyprianidis, Kang and Döllner 2009) with the polynomial weights of Kyprianidis,
//! Semmo, Kang and Döllner 2010: around every pixel lies an ellipse along the form, as the structure tensor tells it,
//! cut into eight soft sectors; the new colour is the mean of the sectors' means, of which the even ones count most. A
//! sector across an edge is not even, so colours do not mix over edges.
//!
//! Decision: the window falls off as (1 - d²)² where the papers have a Gaussian: it ends with the ellipse.

use std::f32::consts::FRAC_1_SQRT_2;
use underpaint_filter::math::{gaussian, smooth};
use underpaint_filter::{About, Error, Filter, Param, Pass, Plan, Request, Tile, export, params};

export!(Oil; timeout_ms = 60000);

params! {
    /// What the painter sets.
    pub struct Settings {
        /// Half the width of a stroke.
        brush: f32 = Param::float("Brush", 5.0, 1.5..=16.0).step(0.5).unit("px"),
        /// How much longer strokes are where there is a direction to follow; 0 dabs.
        length: f32 = Param::float("Stroke length", 100.0, 0.0..=100.0).step(1.0).unit("%"),
        /// How clearly strokes end at edges.
        sharpness: f32 = Param::float("Sharpness", 60.0, 0.0..=100.0).step(1.0).unit("%"),
        /// How calmly neighbouring strokes follow each other.
        flow: f32 = Param::float("Flow", 2.5, 0.5..=8.0).step(0.5).unit("px"),
        /// Paints over what is painted: flatter, more like gouache.
        layers: i32 = Param::int("Layers", 1, 1..=4),
    }
}

/// One run.
pub struct Oil {
    brush: f32,
    length: f32,
    /// What a sector's variance is multiplied by.
    hardness: f32,
    /// Half of the kernel that directions are smoothed with.
    flow: Vec<f32>,
    window: Window,
    layers: usize,
}

/// Sectors of an ellipse.
const SECTORS: usize = 8;

/// Where the polynomial that weighs a sector begins behind the centre, and how wide it is: it falls to 0 at 3π/8 from
/// the sector's middle, for points at distance 1.
const BEHIND: f32 = 1.0 / 3.0;
const WIDTH: f32 = (BEHIND + 0.382_683_43) / (0.923_879_5 * 0.923_879_5);

impl Filter for Oil {
    type Sample = f32;
    type Params = Settings;

    fn about() -> About {
        About::new("Oil paint", "Paints the picture anew in strokes that follow its forms and keep its edges.")
    }

    fn new(settings: Settings, request: &mut Request<f32>) -> Result<Self, Error> {
        let sharpness = settings.sharpness * 0.01;
        Ok(Self {
            brush: (settings.brush * request.scale).max(1.0),
            length: settings.length * 0.01,
            hardness: 30.0 + 2000.0 * sharpness * sharpness,
            window: Window::new(),
            flow: gaussian((settings.flow * request.scale).max(0.3)),
            layers: settings.layers as usize,
        })
    }

    fn plan(&self) -> Plan {
        let halo = self.reach() + self.flow.len();
        Plan::passes(vec![Pass::Tiles { halo: halo as u32 }; self.layers])
    }

    fn process(&mut self, tile: Tile<f32>) -> Result<Vec<f32>, Error> {
        let forms = self.forms(&tile);
        let mut out = tile.area_pixels();
        let width = tile.area.width as usize;
        let source = tile.pixels.as_chunks::<4>().0;
        let halo = tile.halo() as usize;
        let stride = tile.source.width as usize;
        for (i, pixel) in out.chunks_exact_mut(4).enumerate() {
            if pixel[3] > 0.0 {
                let at = (i / width + halo) * stride + i % width + halo;
                let rgb = self.stroke(forms[i], source, stride, at);
                pixel[..3].copy_from_slice(&rgb);
            }
        }
        Ok(out)
    }
}

/// The ellipse of a stroke: what a step to the right and a step down are in it, where its edge is at distance 1; and
/// how far it reaches in pixels.
#[derive(Clone, Copy)]
struct Form {
    right: [f32; 2],
    down: [f32; 2],
    reach: [i32; 2],
}

/// How much a point of the unit disc counts in each of the sectors, for cells of a square around it: strokes ask this
/// some hundred times for every pixel.
struct Window(Vec<[f32; SECTORS]>);

impl Window {
    /// Cells from the middle to the edge.
    const HALF: usize = 32;

    fn new() -> Self {
        let place = |i: usize| (i as f32 + 0.5) / Self::HALF as f32 - 1.0;
        let side = 2 * Self::HALF;
        Self((0..side * side).map(|i| Self::weights(place(i % side), place(i / side))).collect())
    }

    /// Of a point with |u| and |v| below 1.
    fn at(&self, u: f32, v: f32) -> &[f32; SECTORS] {
        let cell = |v: f32| ((v + 1.0) * Self::HALF as f32) as usize;
        &self.0[(cell(v) * 2 * Self::HALF + cell(u)).min(self.0.len() - 1)]
    }

    fn weights(u: f32, v: f32) -> [f32; SECTORS] {
        // Along and across the middle of each sector, which lie 45° apart.
        let (s, d) = ((u + v) * FRAC_1_SQRT_2, (v - u) * FRAC_1_SQRT_2);
        let along = [u, s, v, d, -u, -s, -v, -d];
        let across = [v, d, -u, -s, -v, -d, u, s];
        let mut weights = [0.0f32; SECTORS];
        for k in 0..SECTORS {
            let t = (along[k] + BEHIND - WIDTH * across[k] * across[k]).max(0.0);
            weights[k] = t * t;
        }
        let sum: f32 = weights.iter().sum();
        let inside = (1.0 - u * u - v * v).max(0.0);
        weights.map(|weight| weight * inside * inside / sum)
    }
}

impl Oil {
    /// How far the longest stroke reaches.
    fn reach(&self) -> usize {
        (self.brush * (1.0 + self.length)).ceil() as usize
    }

    /// The stroke's ellipse at every pixel of the area.
    fn forms(&self, tile: &Tile<f32>) -> Vec<Form> {
        let kernel = self.flow.len() - 1;
        let (margin, w, h) = (kernel as i32, tile.area.width as i32, tile.area.height as i32);
        let mut tensor = Vec::with_capacity(((w + 2 * margin) * (h + 2 * margin)) as usize);
        // Colour times opacity, so that what nobody sees is black and alike.
        let at = |x: i32, y: i32| {
            let [r, g, b, a] = tile.at(x, y);
            [r * a, g * a, b * a]
        };
        for y in -margin..h + margin {
            for x in -margin..w + margin {
                let around = [-1, 0, 1].map(|dy| [-1, 0, 1].map(|dx| at(x + dx, y + dy)));
                let mut sums = [0.0f32; 3];
                let [[a, b, c], [d, _, f], [g, h, i]] = around;
                for k in 0..3 {
                    // Sobel's.
                    let dx = (c[k] + 2.0 * f[k] + i[k] - a[k] - 2.0 * d[k] - g[k]) * 0.25;
                    let dy = (g[k] + 2.0 * h[k] + i[k] - a[k] - 2.0 * b[k] - c[k]) * 0.25;
                    sums[0] += dx * dx;
                    sums[1] += dx * dy;
                    sums[2] += dy * dy;
                }
                tensor.push(sums);
            }
        }
        smooth(&tensor, (w + 2 * margin) as usize, &self.flow).into_iter().map(|tensor| self.form(tensor)).collect()
    }

    fn form(&self, [e, f, g]: [f32; 3]) -> Form {
        let root = ((e - g) * (e - g) + 4.0 * f * f).sqrt();
        // The tensor's vectors lie across the form with the larger value and along it with the smaller.
        let (sum, across) = (e + g, 0.5 * (e + g + root));
        let (x, y) = if f.abs() > 1e-12 {
            (across - e, -f)
        } else if e <= g {
            (1.0, 0.0)
        } else {
            (0.0, 1.0)
        };
        let norm = (x * x + y * y).sqrt();
        let (cos, sin) = if norm > 0.0 { (x / norm, y / norm) } else { (1.0, 0.0) };
        let directed = if sum > 1e-9 { root / sum * self.length } else { 0.0 };
        let (long, wide) = (self.brush * (1.0 + directed), self.brush / (1.0 + directed));
        let reach = |a: f32, b: f32| (long * long * a * a + wide * wide * b * b).sqrt() as i32;
        Form {
            right: [cos / long, -sin / wide],
            down: [sin / long, cos / wide],
            reach: [reach(cos, sin), reach(sin, cos)],
        }
    }

    /// The colour of a stroke around a pixel.
    fn stroke(&self, form: Form, pixels: &[[f32; 4]], stride: usize, at: usize) -> [f32; 3] {
        let mut sums = [[0.0f32; SECTORS]; 5];
        for dy in -form.reach[1]..=form.reach[1] {
            let row = at.wrapping_add_signed(dy as isize * stride as isize);
            for dx in -form.reach[0]..=form.reach[0] {
                let (x, y) = (dx as f32, dy as f32);
                let u = x * form.right[0] + y * form.down[0];
                let v = x * form.right[1] + y * form.down[1];
                if u * u + v * v >= 1.0 {
                    continue;
                }
                let weights = self.window.at(u, v);
                let [r, g, b, a] = pixels[row.wrapping_add_signed(dx as isize)];
                let squares = r * r + g * g + b * b;
                for k in 0..SECTORS {
                    let weight = weights[k] * a;
                    sums[0][k] += weight * r;
                    sums[1][k] += weight * g;
                    sums[2][k] += weight * b;
                    sums[3][k] += weight;
                    sums[4][k] += weight * squares;
                }
            }
        }
        let (mut rgb, mut total) = ([0.0; 3], 0.0);
        for k in (0..SECTORS).filter(|&k| sums[3][k] > 1e-6) {
            let mean = [0, 1, 2].map(|c| sums[c][k] / sums[3][k]);
            let squares = mean[0] * mean[0] + mean[1] * mean[1] + mean[2] * mean[2];
            let variance = (sums[4][k] / sums[3][k] - squares).max(0.0);
            let uneven = self.hardness * variance;
            let fourth = uneven * uneven * uneven * uneven;
            let weight = 1.0 / (1.0 + fourth);
            (0..3).for_each(|c| rgb[c] += weight * mean[c]);
            total += weight;
        }
        if total > 0.0 { rgb.map(|v| v / total) } else { [pixels[at][0], pixels[at][1], pixels[at][2]] }
    }
}

#[cfg(test)]
mod tests {
    use super::Oil;
    use underpaint_filter::testing::{self, Case};

    #[test]
    fn the_same_in_any_tiles_and_at_every_end() {
        let picture = testing::picture(50, 36);
        let case = || Case::<Oil>::new(50, 36);
        case().check(&picture);
        for (name, ends) in
            [("brush", [1.5, 16.0]), ("length", [0.0, 100.0]), ("sharpness", [0.0, 100.0]), ("flow", [0.5, 8.0])]
        {
            ends.iter().for_each(|&end| case().with(name, end).check(&picture));
        }
        case().with("layers", 3).with("brush", 2.0).check(&picture);
        case().scale(0.1).check(&picture);
    }

    /// An edge stays an edge: grains on either side go, the step does not.
    #[test]
    fn evens_out_grain_and_keeps_edges() {
        let noise = underpaint_filter::Noise::new(3);
        let mut picture = Vec::new();
        for i in 0..64 * 48 {
            let (x, y) = (i % 64, i / 64);
            let v = if x < 32 { 0.25 } else { 0.75 } + 0.04 * noise.normal(x, y, 0);
            picture.extend([v, v, v, 1.0]);
        }
        let made = Case::<Oil>::new(64, 48).run(&picture, 64).unwrap().pixels;
        let value = |x: usize, y: usize| made[(y * 64 + x) * 4];
        for y in 8..40 {
            assert!(value(31, y) < 0.35 && value(32, y) > 0.65, "row {y}: {} {}", value(31, y), value(32, y));
            for x in (8..24).chain(40..56) {
                let should = if x < 32 { 0.25 } else { 0.75 };
                assert!((value(x, y) - should).abs() < 0.06, "({x}, {y}) is {}", value(x, y));
            }
        }
    }

    #[test]
    fn alpha_0_does_not_bleed_and_flat_colour_stays() {
        let mut picture = [0.7, 0.5, 0.3, 1.0].repeat(40 * 40);
        picture.chunks_exact_mut(4).enumerate().filter(|(i, _)| i % 40 > 25).for_each(|(_, p)| p.fill(0.0));
        let made = Case::<Oil>::new(40, 40).run(&picture, 64).unwrap().pixels;
        for pixel in made.chunks(4).filter(|p| p[3] > 0.0) {
            assert!((0..3).all(|c| (pixel[c] - [0.7, 0.5, 0.3][c]).abs() < 1e-4), "{pixel:?}");
        }
    }
}
