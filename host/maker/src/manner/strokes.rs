//! The brush of oil and impasto: strokes laid from large to small, each only where it brings the canvas nearer to the
//! sketch.
//!
//! Decision: after Hertzmann (1998), but a stroke is one parabola of bristles and not a spline, so that a pixel costs
//! a handful of multiplications. Quiet areas keep the broad strokes of the first layer; edges and small things get
//! small strokes.

use crate::color::{Rgb, hex, luma, mix};
use crate::rng::Rng;
use crate::sketch::Sketch;

/// One pass over the canvas with one brush.
pub(super) struct Layer {
    /// Half the brush's width in pixels, on a picture with a short side of 256.
    pub radius: f32,
    /// Longest stroke to either side of its middle, in radii.
    pub reach: f32,
    /// How far the canvas may be off the sketch (0..=1) without a stroke being laid; 0 lays strokes everywhere.
    pub tolerance: f32,
}

/// How a painter handles the brush.
pub(super) struct Handling {
    /// Factor on all radii.
    pub size: f32,
    /// Distance between strokes in radii.
    pub spacing: f32,
    /// How much neighbouring strokes differ in value and warmth.
    pub play: f32,
    /// How much bristles show within a stroke.
    pub bristle: f32,
    /// How much of a stroke's end is dry, 0..1.
    pub dry: f32,
    /// How much strokes may bend.
    pub bend: f32,
}

/// A canvas with wet paint on it.
pub(super) struct Canvas {
    w: usize,
    h: usize,
    /// Colours, row by row.
    pub color: Vec<Rgb>,
    /// Thickness of the paint, row by row.
    height: Vec<f32>,
    /// Loads of paint on bristles, 0..1; every stroke begins elsewhere in it.
    bristles: [f32; BRISTLES],
}

/// Length of the bristle table, a power of two.
const BRISTLES: usize = 256;

/// A stroke: a parabola through `at`, all in pixels.
pub(super) struct Stroke {
    /// Its middle.
    pub at: [f32; 2],
    /// Its direction there.
    pub angle: f32,
    /// Sideways per squared distance from the middle.
    pub bend: f32,
    /// Length before and after the middle.
    pub reach: [f32; 2],
    /// Half its width.
    pub radius: f32,
    /// Whether it stops at the border of a shape instead of running dry.
    pub stopped: bool,
}

impl Stroke {
    /// Where the stroke is `u` after its middle and `v` beside it.
    fn point(&self, u: f32, v: f32) -> [f32; 2] {
        let (sin, cos) = self.angle.sin_cos();
        let v = v + self.bend * u * u;
        [self.at[0] + u * cos - v * sin, self.at[1] + u * sin + v * cos]
    }

    /// Calls `f(pixel, along, across)` for every pixel it touches: pixels from the stroke's start, and -1..=1 (a
    /// little more at the soft sides).
    pub fn each(&self, w: usize, h: usize, mut f: impl FnMut(usize, f32, f32)) {
        let [back, ahead] = self.reach;
        let ends = [self.point(-back, 0.0), self.at, self.point(ahead, 0.0)];
        let pad = self.radius + 1.0 + self.bend.abs() * back.max(ahead).powi(2) * 0.25;
        let span = |axis: usize, most: usize| {
            let low = ends.iter().map(|e| e[axis]).fold(f32::MAX, f32::min) - pad;
            let high = ends.iter().map(|e| e[axis]).fold(f32::MIN, f32::max) + pad;
            low.clamp(0.0, most as f32) as usize..high.clamp(0.0, most as f32) as usize
        };
        let (columns, rows) = (span(0, w), span(1, h));
        let (sin, cos) = self.angle.sin_cos();
        let (narrow, edge) = (1.0 / self.radius, 1.0 + 0.5 / self.radius);
        // The band the parabola bows within: -1 or 1 times its furthest bow, and the brush's width.
        let bow = self.bend * back.max(ahead).powi(2);
        let band = [bow.min(0.0) - self.radius - 0.5, bow.max(0.0) + self.radius + 0.5];
        for y in rows {
            let dy = y as f32 + 0.5 - self.at[1];
            let along = between(cos, dy * sin, [-back, ahead]);
            let beside = between(-sin, dy * cos, band);
            let column = |dx: f32| (dx + self.at[0]).clamp(columns.start as f32, columns.end as f32) as usize;
            let (left, right) = (column(along[0].max(beside[0]) - 0.5), column(along[1].min(beside[1]) + 0.5));
            for x in left..right {
                let dx = x as f32 + 0.5 - self.at[0];
                let u = dx * cos + dy * sin;
                let across = (dy * cos - dx * sin - self.bend * u * u) * narrow;
                if across.abs() < edge && u > -back && u < ahead {
                    f(y * w + x, u + back, across);
                }
            }
        }
    }
}

/// The interval of `x` for which `slope * x + offset` is within `bounds`; all there is for a slope of almost 0.
fn between(slope: f32, offset: f32, [low, high]: [f32; 2]) -> [f32; 2] {
    const ALL: [f32; 2] = [-1e6, 1e6];
    if slope.abs() < 1e-3 {
        return ALL;
    }
    let (a, b) = ((low - offset) / slope, (high - offset) / slope);
    [a.min(b), a.max(b)]
}

impl Canvas {
    /// A canvas for `sketch`, toned with `ground`.
    pub fn new(sketch: &Sketch, ground: Rgb, rng: &mut Rng) -> Self {
        let n = sketch.w * sketch.h;
        // Bristles stick together in tufts.
        let loads: [f32; BRISTLES] = std::array::from_fn(|_| rng.unit());
        let bristles = std::array::from_fn(|i| {
            let tuft = loads[(i / 3 * 7) % BRISTLES];
            0.55 * loads[i] + 0.45 * tuft
        });
        Self { w: sketch.w, h: sketch.h, color: vec![ground; n], height: vec![0.0; n], bristles }
    }

    /// Paints one layer in random order.
    pub fn layer(&mut self, sketch: &Sketch, layer: &Layer, hand: &Handling, rng: &mut Rng) {
        let radius = layer.radius * hand.size * super::mark_scale(sketch);
        let cell = (radius * hand.spacing).max(1.5);
        let columns = (self.w as f32 / cell).ceil() as usize;
        let rows = (self.h as f32 / cell).ceil() as usize;
        let mut order: Vec<usize> = (0..columns * rows).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, rng.int(0, i as u32) as usize);
        }
        for i in order {
            let corner = [(i % columns) as f32 * cell, (i / columns) as f32 * cell];
            let Some(pixel) = self.target(sketch, corner, cell, layer.tolerance, rng) else { continue };
            let stroke = self.stroke(sketch, pixel, radius, layer.reach, hand, rng);
            let color = around(sketch, pixel, stroke.radius);
            if self.gains(sketch, &stroke, color) {
                let play = hand.play * (radius / (radius + 3.0));
                self.lay(&stroke, varied(color, play, rng), hand, rng);
            }
        }
    }

    /// Where in a cell to lay a stroke: anywhere in the first layer, later where the canvas is most off; None if it
    /// is near enough.
    fn target(&self, sketch: &Sketch, corner: [f32; 2], cell: f32, tolerance: f32, rng: &mut Rng) -> Option<usize> {
        let clip = |v: f32, most: usize| (v as usize).min(most - 1);
        if tolerance == 0.0 {
            let x = clip(corner[0] + cell * rng.unit(), self.w);
            return Some(clip(corner[1] + cell * rng.unit(), self.h) * self.w + x);
        }
        // Large cells are looked at from further away.
        let step = (cell * 0.125).max(1.0) as usize;
        let (mut sum, mut count, mut worst, mut pixel) = (0.0, 0.0, 0.0, 0);
        for y in (clip(corner[1], self.h)..=clip(corner[1] + cell, self.h)).step_by(step) {
            for x in (clip(corner[0], self.w)..=clip(corner[0] + cell, self.w)).step_by(step) {
                let i = y * self.w + x;
                let off = distance2(self.color[i], sketch.color[i]);
                (sum, count) = (sum + off, count + 1.0);
                if off > worst {
                    (worst, pixel) = (off, i);
                }
            }
        }
        // The smallest brushes see a single wrong pixel too.
        let glaring = cell < 6.0 && worst > 9.0 * tolerance * tolerance;
        (glaring || sum > tolerance * tolerance * count).then_some(pixel)
    }

    /// A stroke through `pixel` along the sketch's angle, as long as the sketch keeps about one colour.
    fn stroke(&self, sketch: &Sketch, pixel: usize, radius: f32, reach: f32, hand: &Handling, rng: &mut Rng) -> Stroke {
        let radius = (radius * sketch.breadth[pixel].clamp(0.3, 1.8)).max(0.8);
        let at = [(pixel % self.w) as f32 + 0.5, (pixel / self.w) as f32 + 0.5];
        let way = if radius < 4.5 { border(sketch, pixel) } else { None };
        let angle = way.unwrap_or(sketch.angle[pixel]) + 0.12 * (radius / 5.0).clamp(0.3, 1.0) * rng.normal();
        let longest = (radius * reach * rng.range(0.7, 1.2)).max(2.5);
        let mut stroke = Stroke { at, angle, bend: 0.0, reach: [longest; 2], radius, stopped: false };
        // The brush bends as the angles ahead and behind ask it to.
        let turn = |u: f32| {
            let turned = sketch.angle[self.pixel(stroke.point(u, 0.0))] - sketch.angle[pixel];
            turned.sin().clamp(-0.5, 0.5)
        };
        let turned = (turn(longest) - turn(-longest)) * 0.5 + hand.bend * rng.normal();
        stroke.bend = turned.clamp(-0.5, 0.5) / (2.0 * longest);
        let color = sketch.color[pixel];
        let run = |sign: f32| {
            let mut u = 0.0;
            while u < longest {
                let i = self.pixel(stroke.point(sign * (u + radius * 0.5), 0.0));
                let off = distance2(sketch.color[i], color);
                if off > 0.004 && off > distance2(sketch.color[i], self.color[i]) {
                    break;
                }
                u += radius.max(1.5) * 0.5;
            }
            u.max(radius * 0.6).max(1.0)
        };
        stroke.reach = [run(-1.0), run(1.0)];
        stroke.stopped = stroke.reach[1] < longest;
        // A brush may be pulled either way.
        if rng.chance(0.5) {
            stroke.stopped = stroke.reach[0] < longest;
            stroke.angle += std::f32::consts::PI;
            stroke.bend = -stroke.bend;
            stroke.reach.reverse();
        }
        stroke
    }

    /// The pixel at a point, the nearest one if the point is outside.
    fn pixel(&self, [x, y]: [f32; 2]) -> usize {
        let clip = |v: f32, most: usize| (v.max(0.0) as usize).min(most - 1);
        clip(y, self.h) * self.w + clip(x, self.w)
    }

    /// Whether the stroke brings the canvas nearer to the sketch, seen at some points of it.
    fn gains(&self, sketch: &Sketch, stroke: &Stroke, color: Rgb) -> bool {
        let mut gain = 0.0;
        for u in [-0.8 * stroke.reach[0], 0.0, 0.8 * stroke.reach[1]] {
            for v in [-0.75, 0.0, 0.75] {
                let i = self.pixel(stroke.point(u, v * stroke.radius));
                gain += distance2(sketch.color[i], self.color[i]) - distance2(sketch.color[i], color);
            }
        }
        gain > 0.0
    }

    /// Lays the stroke: a ragged start, bristles, a dry end, paint pushed to the sides.
    fn lay(&mut self, stroke: &Stroke, color: Rgb, hand: &Handling, rng: &mut Rng) {
        let Self { w, h, color: colors, height, bristles } = self;
        let first = rng.int(0, BRISTLES as u32 - 1) as usize;
        // Bristles are a little over a pixel wide.
        let count = stroke.radius * 0.8;
        let radius = stroke.radius;
        let soft = 1.0 / (0.7 * radius).max(1.0);
        let length = stroke.reach[0] + stroke.reach[1];
        let dry = if stroke.stopped { 0.0 } else { hand.dry * (radius / 4.0).min(1.0) };
        let wet = length * (1.0 - dry * rng.range(0.3, 1.0));
        let drying = 1.0 / (length - wet).max(1.0);
        let contrast = hand.bristle * (radius / 4.0).min(1.0);
        stroke.each(*w, *h, |i, along, across| {
            let place = (across + 1.1) * count;
            let bristle = place as usize;
            let (a, b) = (bristles[(first + bristle) % BRISTLES], bristles[(first + bristle + 1) % BRISTLES]);
            let load = a + (b - a) * (place - bristle as f32);
            let side = ((1.0 - across.abs()) * radius + 0.5).min(1.0);
            let start = (along * soft - 0.25 * load - across * across * 0.35).clamp(0.0, 1.0);
            let dryness = (along - wet) * drying;
            let end = ((load + 0.05 - dryness) * 4.0).clamp(0.0, 1.0);
            let cover = side * start * if dryness > 0.0 { end } else { 1.0 };
            let value = 1.0 + contrast * (load - 0.5);
            colors[i] = mix(colors[i], color.map(|v| v * value), cover);
            let edge = across * across;
            let thick = radius.min(6.0) * (0.35 + 0.5 * load * hand.bristle.min(0.3) * 4.0 + 0.4 * edge * edge);
            height[i] += (thick + 0.25 * height[i] - height[i]) * cover;
        });
    }

    /// The canvas lit from above and one side (`from` -1 left, 1 right): ridges catch light and cast small shadows.
    pub fn lit(self, from: f32, strength: f32) -> Vec<Rgb> {
        let Self { w, h, mut color, height, .. } = self;
        for y in 0..h {
            let above = y.saturating_sub(1) * w;
            let below = (y + 1).min(h - 1) * w;
            for x in 0..w {
                let (left, right) = (x.saturating_sub(1), (x + 1).min(w - 1));
                let down = height[below + x] - height[above + x];
                let across = height[y * w + right] - height[y * w + left];
                let slope = (down * 0.8 - from * across * 0.6) * strength;
                // A soft limit keeps the sharpest ridges from going white.
                let shine = slope / (1.0 + 3.0 * slope.abs());
                let c = &mut color[y * w + x];
                // Dark paint shines less.
                let glint = shine * (0.3 + 0.7 * luma(*c));
                *c = if shine > 0.0 { mix(*c, [1.0, 0.99, 0.96], glint) } else { c.map(|v| v * (1.0 + 1.3 * shine)) };
            }
        }
        color
    }
}

/// A ground the sketch sits well on: an earth or grey, drawn towards the sketch's mean colour.
pub(super) fn toned_ground(sketch: &Sketch, rng: &mut Rng) -> Rgb {
    let earth = *rng.pick(&[hex(0xa5673f), hex(0xb08a55), hex(0x8a7a68), hex(0x7d5a4c), hex(0x8f8d86)]);
    mix(earth, super::mean(sketch), 0.5)
}

/// The sketch's colour around a pixel, as a brush of `radius` would pick it up.
fn around(sketch: &Sketch, pixel: usize, radius: f32) -> Rgb {
    let reach = (radius * 0.3) as usize;
    if reach == 0 {
        return sketch.color[pixel];
    }
    let (x, y) = (pixel % sketch.w, pixel / sketch.w);
    let row = y * sketch.w;
    let (left, right) = (row + x.saturating_sub(reach), row + (x + reach).min(sketch.w - 1));
    let (top, bottom) = (y.saturating_sub(reach) * sketch.w + x, (y + reach).min(sketch.h - 1) * sketch.w + x);
    let sum = [left, right, top, bottom].iter().fold(sketch.color[pixel], |s, &i| {
        let c = sketch.color[i];
        [s[0] + c[0], s[1] + c[1], s[2] + c[2]]
    });
    sum.map(|v| v * 0.2)
}

/// Which way a border between light and dark runs past a pixel, if one does: small brushes follow it.
fn border(sketch: &Sketch, pixel: usize) -> Option<f32> {
    let (w, x, y) = (sketch.w, pixel % sketch.w, pixel / sketch.w);
    let (left, right) = (x.saturating_sub(1), (x + 1).min(w - 1));
    let (top, bottom) = (y.saturating_sub(1), (y + 1).min(sketch.h - 1));
    let at = |x: usize, y: usize| luma(sketch.color[y * w + x]);
    let (nw, ne, sw, se) = (at(left, top), at(right, top), at(left, bottom), at(right, bottom));
    let (across, down) =
        (ne + se - nw - sw + at(right, y) - at(left, y), sw + se - nw - ne + at(x, bottom) - at(x, top));
    (across.hypot(down) > 0.35).then(|| across.atan2(-down))
}

/// `color` a little lighter or darker, warmer or cooler, greener or redder.
fn varied(color: Rgb, play: f32, rng: &mut Rng) -> Rgb {
    let (value, warmth, tint) = (play * rng.normal(), 0.5 * play * rng.normal(), 0.3 * play * rng.normal());
    // Darks vary less, or they would look dusty.
    let body = 0.35 + 0.65 * luma(color);
    let shift = [value + warmth - tint, value + tint, value - warmth - tint];
    [0, 1, 2].map(|k| (color[k] + shift[k] * body).clamp(0.0, 1.0))
}

/// Squared mean difference of two colours, 0..=1.
fn distance2(a: Rgb, b: Rgb) -> f32 {
    let [r, g, b] = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    (r * r + g * g + b * b) * (1.0 / 3.0)
}
