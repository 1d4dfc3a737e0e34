//! Flowers: cut in a vase, as a meadow, or so close that they fill the picture.
//!
//! Decision: everything that grows is made of one form, the petal: a leaf, a blade, a tulip's cup and a rose's folds
//! are petals of other proportions. A blossom is petals in a frame that can be turned and seen at a slant.

use super::sky;
use super::still_life::{Studio, Turned, smooth};
use crate::color::{Rgb, hex, luma, mix, multiply, scale, to_oklab};
use crate::facts::{Bouquet, Facts, Hue, Shape};
use crate::light::Light;
use crate::noise::Noise;
use crate::rng::Rng;
use crate::sketch::{Sketch, Touch};
use std::f32::consts::{FRAC_PI_2, TAU};

/// Leaf greens, from warm to cool.
const GREENS: [u32; 4] = [0x6f8a38, 0x4f7a3c, 0x3f6b45, 0x5b7f5a];

/// Lays it in.
pub fn lay_in(facts: &Facts, sketch: &mut Sketch, rng: &mut Rng) {
    match facts.bouquet {
        Some(Bouquet::InVase) => in_vase(facts, sketch, rng),
        Some(Bouquet::Meadow) => meadow(facts, sketch, rng),
        _ => close_up(facts, sketch, rng),
    }
}

/// How a kind of blossom is built.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Narrow rays around a button.
    Daisy,
    /// A few broad, crumpled petals around a dark eye.
    Poppy,
    /// Folds within folds.
    Rose,
    /// A cup seen from the side.
    Tulip,
}

const KINDS: [Kind; 4] = [Kind::Daisy, Kind::Poppy, Kind::Rose, Kind::Tulip];

/// A colour in shadow, half-light and light.
#[derive(Clone, Copy)]
struct Paint([Rgb; 3]);

impl Paint {
    /// Petals of `hue`, warm in the light and cool in the shadow.
    fn petals(hue: Hue) -> Self {
        let c = hue.color();
        match hue {
            Hue::White => Self([hex(0xa0a8c0), hex(0xe4e2e0), hex(0xfffaf0)]),
            Hue::Yellow => Self([hex(0xb07a1e), c, hex(0xfbe98a)]),
            _ => Self([multiply(c, hex(0x7c6c98)), c, mix(c, hex(0xfff0d8), 0.34)]),
        }
    }

    /// Leaves of green `c`.
    fn leaves(c: Rgb) -> Self {
        Self([multiply(c, hex(0x66789a)), c, mix(c, hex(0xf4ecb0), 0.35)])
    }

    /// The colour at -1 (shadow) ..= 1 (light).
    fn at(&self, light: f32) -> Rgb {
        let [dark, half, lit] = self.0;
        if light < 0.0 { mix(half, dark, -light) } else { mix(half, lit, light) }
    }

    /// All of it changed by `f`.
    fn map(self, f: impl Fn(Rgb) -> Rgb) -> Self {
        Self(self.0.map(f))
    }
}

/// Where a blossom is, how large, how slanted (1 = face on) and how turned.
#[derive(Clone, Copy)]
struct Pose {
    at: [f32; 2],
    radius: f32,
    squash: f32,
    turn: f32,
}

impl Pose {
    /// Seen straight on.
    fn frontal(at: [f32; 2], radius: f32) -> Self {
        Self { at, radius, squash: 1.0, turn: 0.0 }
    }

    fn to_picture(self, [u, v]: [f32; 2]) -> [f32; 2] {
        let (sin, cos) = self.turn.sin_cos();
        let v = v * self.squash;
        [self.at[0] + self.radius * (u * cos - v * sin), self.at[1] + self.radius * (u * sin + v * cos)]
    }

    /// The way from the picture into the frame, made once for many points.
    fn to_local(self) -> impl Fn(f32, f32) -> [f32; 2] {
        let (sin, cos) = self.turn.sin_cos();
        let (size, flat) = (1.0 / self.radius, 1.0 / self.squash);
        move |x, y| {
            let (dx, dy) = ((x - self.at[0]) * size, (y - self.at[1]) * size);
            [dx * cos + dy * sin, (dy * cos - dx * sin) * flat]
        }
    }
}

/// A petal, in the frame of a pose.
#[derive(Clone, Copy)]
struct Petal {
    base: [f32; 2],
    /// Which way it grows, radians.
    angle: f32,
    length: f32,
    width: f32,
    /// Where along it is broadest, 0..1.
    peak: f32,
    /// 0.5 = round tip, 1 and more = pointed.
    tip: f32,
    /// How far the tip hangs to a side, for its length.
    bend: f32,
}

impl Petal {
    /// A round one.
    fn new(base: [f32; 2], angle: f32, length: f32, width: f32) -> Self {
        Self { base, angle, length, width, peak: 0.6, tip: 0.5, bend: 0.0 }
    }

    /// Half its width at `s` along it, 0..=1 of the greatest.
    fn breadth_at(&self, s: f32) -> f32 {
        if s < self.peak {
            let p = s / self.peak;
            (p * (2.0 - p)).max(0.0).sqrt()
        } else {
            let q = (s - self.peak) / (1.0 - self.peak);
            (1.0 - q * q).max(0.0).powf(self.tip)
        }
    }

    /// Paints it; `f(s, v)` is the colour `s` = 0..1 along and `v` = -1..1 across.
    fn draw(&self, sketch: &mut Sketch, pose: Pose, f: impl Fn(f32, f32) -> Rgb) {
        let (sin, cos) = self.angle.sin_cos();
        let end = [self.base[0] + self.length * cos, self.base[1] + self.length * sin];
        let (a, b) = (pose.to_picture(self.base), pose.to_picture(end));
        let reach = (0.5 * self.width + self.bend.abs() * self.length) * pose.radius + 2.0 * sketch.px();
        let bounds = [a[0].min(b[0]) - reach, a[1].min(b[1]) - reach, a[0].max(b[0]) + reach, a[1].max(b[1]) + reach];
        let scale = pose.radius * sketch.h as f32;
        let angle = (b[1] - a[1]).atan2(b[0] - a[0]);
        let breadth = (self.width * pose.radius * 5.0).clamp(0.3, 1.0);
        let (to_local, most) = (pose.to_local(), 0.5 * self.width + 1.0 / scale);
        sketch.lay(bounds, |x, y| {
            let [u, v] = to_local(x, y);
            let (du, dv) = (u - self.base[0], v - self.base[1]);
            let s = (du * cos + dv * sin) / self.length;
            if !(0.0..=1.0).contains(&s) {
                return None;
            }
            let across = dv * cos - du * sin - self.bend * self.length * s * s;
            if across.abs() > most {
                return None;
            }
            let half = 0.5 * self.width * self.breadth_at(s);
            let cover = 0.5 + (half - across.abs()).min((1.0 - s) * self.length) * scale;
            // Thinner than a pixel is not wholly there.
            let cover = cover.min(2.0 * half * scale + 0.15);
            if cover <= 0.0 {
                return None;
            }
            let v = (across / half.max(1e-4)).clamp(-1.0, 1.0);
            Some(Touch::new(f(s, v)).cover(cover).angle(angle).breadth(breadth))
        });
    }
}

/// A blossom's paint and the light on it.
#[derive(Clone, Copy)]
struct Bloom {
    kind: Kind,
    paint: Paint,
    eye: Rgb,
    /// -1 if the light comes from the left, 1 from the right.
    side: f32,
}

impl Bloom {
    fn new(kind: Kind, hue: Hue, side: f32, rng: &mut Rng) -> Self {
        let eyes: &[u32] = match (kind, hue) {
            (Kind::Poppy, _) => &[0x2a2228, 0x2f2a20],
            (_, Hue::Yellow | Hue::Orange) => &[0x6a3c1e, 0x4a2c1a],
            _ => &[0xe2b02e, 0xd8962a, 0xc9a83a],
        };
        Self { kind, paint: Paint::petals(hue), eye: hex(*rng.pick(eyes)), side }
    }

    /// How much a petal growing towards `angle` in the picture turns to the light.
    fn facing(&self, angle: f32) -> f32 {
        0.6 * self.side * angle.cos() - 0.8 * angle.sin()
    }

    /// Paints a blossom; `dim` darkens what is far inside the bunch.
    fn draw(&self, sketch: &mut Sketch, pose: Pose, dim: f32, rng: &mut Rng) {
        let bloom = Self { paint: self.paint.map(|c| scale(c, dim)), ..*self };
        match self.kind {
            Kind::Daisy => bloom.daisy(sketch, pose, rng),
            Kind::Poppy => bloom.poppy(sketch, pose, rng),
            Kind::Rose => bloom.rose(sketch, pose, rng),
            Kind::Tulip => bloom.tulip(sketch, Pose { squash: 1.0, ..pose }, rng),
        }
    }

    fn daisy(&self, sketch: &mut Sketch, pose: Pose, rng: &mut Rng) {
        let rays = rng.int(11, 17);
        let width = rng.range(2.0, 2.6) / rays as f32 * 1.6;
        for layer in 0..2 {
            let back = layer == 0;
            for ray in 0..rays {
                let turn = (ray as f32 + 0.5 * layer as f32) / rays as f32 * TAU + 0.06 * rng.normal();
                let length = rng.range(0.86, 1.0) - if back { 0.0 } else { 0.06 };
                let petal = Petal { peak: 0.7, bend: 0.05 * rng.normal(), ..Petal::new([0.0; 2], turn, length, width) };
                let toward = 0.55 * self.facing(turn + pose.turn) + 0.15 * rng.normal() - if back { 0.55 } else { 0.0 };
                petal.draw(sketch, pose, |s, v| {
                    let groove = 0.2 * (v * 5.0).cos();
                    self.paint.at(toward + 1.1 * (s - 0.45) + groove - 0.35 * v * v)
                });
            }
        }
        self.button(sketch, pose, 0.27);
    }

    /// The domed eye in the middle.
    fn button(&self, sketch: &mut Sketch, pose: Pose, size: f32) {
        let r = size * pose.radius;
        let at = [pose.at[0], pose.at[1] - 0.25 * r * (1.0 - pose.squash)];
        let up = 0.6 + 0.4 * pose.squash;
        sketch.ellipse([at[0] - self.side * 0.1 * r, at[1] + 0.16 * r], [1.15 * r, 1.1 * r * up], |u, v| {
            Some(Touch::new(scale(self.paint.at(-1.0), 0.7)).cover(1.4 - 1.4 * u.hypot(v)).breadth(0.5))
        });
        sketch.ellipse(at, [r, r * up], |u, v| {
            let dome = 0.85 + 0.35 * (0.6 * self.side * u - 0.7 * v) - 0.25 * (u * u + v * v);
            let ring = 0.12 * (u.hypot(v) * 9.0).sin();
            Some(Touch::new(scale(self.eye, dome + ring)).angle(v.atan2(u) + FRAC_PI_2).breadth(0.4))
        });
    }

    fn poppy(&self, sketch: &mut Sketch, pose: Pose, rng: &mut Rng) {
        let start = rng.range(0.0, TAU);
        let noise = Noise::new(rng.bits());
        // Two behind, then the ones between.
        for (layer, turn) in [0.0, 2.0, 4.0, 1.0, 3.0, 5.0].into_iter().enumerate() {
            let angle = start + turn * TAU / 6.0 + 0.1 * rng.normal();
            let back = layer < 3;
            let (length, width) = (rng.range(0.9, 1.02) - if back { 0.0 } else { 0.08 }, rng.range(1.0, 1.2));
            let petal = Petal { peak: 0.68, tip: 0.42, ..Petal::new([0.0; 2], angle, length, width) };
            let toward = 0.55 * self.facing(angle + pose.turn) - if back { 0.35 } else { 0.0 };
            let row = layer as f32 * 7.0;
            petal.draw(sketch, pose, |s, v| {
                let crumple = 0.45 * noise.at(v * 3.5 + row, s * 1.4);
                let rim = 0.45 * smooth((s - 0.72) * 4.0);
                // The blotch at the foot of every petal.
                let blotch = smooth((0.34 + 0.06 * crumple - s) * 7.0) * 0.75;
                let color = self.paint.at(toward + 1.2 * (s - 0.55) + crumple + rim - 0.4 * v.abs().powi(3));
                mix(color, mix(self.eye, self.paint.at(-1.0), 0.35), blotch)
            });
        }
        self.button(sketch, pose, 0.16);
        // Stamens, where they are large enough to be seen.
        let stamens = if pose.radius > 0.12 { 17 } else { 0 };
        for i in 0..stamens {
            let (turn, far) = (i as f32 / 17.0 * TAU, rng.range(0.18, 0.28));
            let at = pose.to_picture([far * turn.cos(), far * turn.sin()]);
            let r = 0.022 * pose.radius + 0.0012;
            sketch.ellipse(at, [r, r], |_, _| Some(Touch::new(hex(0xc2a45e)).cover(0.7).breadth(0.3)));
        }
    }

    fn rose(&self, sketch: &mut Sketch, pose: Pose, rng: &mut Rng) {
        const RINGS: [(u32, f32, f32); 5] =
            [(6, 1.0, 1.05), (5, 0.80, 0.95), (5, 0.60, 0.78), (4, 0.42, 0.62), (3, 0.25, 0.42)];
        let mut start = rng.range(0.0, TAU);
        for (ring, (count, reach, width)) in RINGS.into_iter().enumerate() {
            start += 0.6;
            for i in 0..count {
                let angle = start + i as f32 / count as f32 * TAU + 0.12 * rng.normal();
                let base = [-0.1 * reach * angle.cos(), -0.1 * reach * angle.sin()];
                let petal = Petal {
                    peak: 0.62,
                    tip: 0.4,
                    bend: 0.08,
                    ..Petal::new(base, angle, reach * rng.range(1.02, 1.14), width * rng.range(0.95, 1.15))
                };
                let toward = 0.5 * self.facing(angle + pose.turn) - 0.10 * ring as f32 + 0.1 * rng.normal();
                petal.draw(sketch, pose, |s, v| {
                    // Each fold is dark where it goes under the next and light on its turned rim.
                    let rim = 0.8 * smooth((s - 0.80) * 7.0);
                    self.paint.at(toward + 1.5 * (s - 0.68) + rim - 0.55 * v * v * v.abs() + 0.1 * v)
                });
            }
        }
        let r = 0.09 * pose.radius;
        sketch.ellipse(pose.at, [r, r * pose.squash], |u, v| {
            let wind = (u.hypot(v) * 6.0 - v.atan2(u)).sin();
            Some(Touch::new(self.paint.at(-0.7 + 0.4 * wind)).breadth(0.4))
        });
    }

    fn tulip(&self, sketch: &mut Sketch, pose: Pose, rng: &mut Rng) {
        let foot = [0.0, 0.95];
        // Angle from upright, length, width, light: two behind, the sides, the front.
        let open = rng.range(0.10, 0.22);
        let parts = [
            (-0.5 * open, 1.85, 0.75, -0.6),
            (0.6 * open, 1.8, 0.75, -0.5),
            (-1.5 * open, 1.8, 0.95, -0.05),
            (1.5 * open, 1.8, 0.95, -0.05),
            (0.15 * open, 1.66, 1.0, 0.15),
        ];
        for (lean, length, width, light) in parts {
            let lean = lean + 0.03 * rng.normal();
            let base = [foot[0] + 0.5 * lean, foot[1]];
            let petal =
                Petal { peak: 0.4, tip: 0.8, bend: -0.35 * lean, ..Petal::new(base, lean - FRAC_PI_2, length, width) };
            let toward = light + 0.9 * self.side * lean / open.max(0.1) * 0.4;
            petal.draw(sketch, pose, |s, v| {
                let round = 0.5 * self.side * v - 0.3 * v * v;
                let veins = 0.12 * (v * 11.0).cos() * s;
                let rim = 0.45 * v.abs().powi(6);
                self.paint.at(toward + round + veins - rim + 0.7 * (s - 0.45) + 0.3 * smooth((s - 0.85) * 6.0))
            });
        }
    }
}

/// A leaf from `base` towards `angle`, its halves lit differently.
fn leaf(sketch: &mut Sketch, base: [f32; 2], angle: f32, size: [f32; 2], paint: Paint, side: f32, rng: &mut Rng) {
    let [length, width] = size;
    let petal = Petal {
        peak: 0.38,
        tip: 0.9,
        bend: rng.range(-0.22, 0.22),
        ..Petal::new([0.0; 2], angle, 1.0, width / length)
    };
    let turned = side * if angle.cos() > 0.0 { 0.4 } else { -0.4 } - 0.2 * angle.sin() + 0.25 * rng.normal();
    petal.draw(sketch, Pose::frontal(base, length), |s, v| {
        let half = if v * angle.cos() < 0.0 { 0.35 } else { -0.35 };
        let rib = if v.abs() < 0.1 { 0.3 } else { 0.0 };
        paint.at(turned + half + rib + 0.4 * (s - 0.5))
    });
}

fn in_vase(facts: &Facts, sketch: &mut Sketch, rng: &mut Rng) {
    let studio = Studio::new(facts, rng);
    studio.lay_in(sketch, rng);
    let hue = facts.petals.unwrap_or(Hue::Pink);
    let aspect = sketch.aspect;
    let middle = aspect * 0.5 + rng.range(-0.05, 0.05) * aspect;
    let foot = (studio.edge + 0.21).min(0.94) + rng.range(-0.02, 0.02);
    let height = rng.range(0.27, 0.36);
    let shape = if rng.chance(0.75) { Shape::Vase } else { Shape::Cylinder };
    let radius = height * if shape == Shape::Vase { rng.range(0.34, 0.46) } else { rng.range(0.22, 0.32) };
    let vase = Turned::new(shape, [middle, foot], radius, height, studio.tilt, rng).hollow();
    let glaze = pottery(studio.wall, rng);
    vase.cast(sketch, &studio);
    vase.contact(sketch, 1.08);
    let kind = *rng.pick(&KINDS);
    let bloom = Bloom::new(kind, hue, studio.side, rng);
    let heads = bunch(kind, aspect, middle, foot - height, rng);
    vase.draw(sketch, &studio, glaze, 0.55, rng);
    let (mouth, [rx, _]) = vase.mouth();
    let paint = Paint::leaves(hex(*rng.pick(&GREENS)));
    for pose in &heads {
        let lip = [mouth[0] + (pose.at[0] - mouth[0]) * 0.3 * rx / 0.2, mouth[1]];
        let lip = [lip[0].clamp(mouth[0] - 0.8 * rx, mouth[0] + 0.8 * rx), lip[1]];
        stem(sketch, lip, pose.at, 0.006, paint, studio.side);
    }
    for _ in 0..rng.int(9, 14) {
        let angle = -FRAC_PI_2 + rng.range(-1.5, 1.5);
        let (far, length) = (rng.range(0.0, 0.16), rng.range(0.11, 0.2));
        let base = [mouth[0] + far * angle.cos(), mouth[1] - 0.01 + far * angle.sin()];
        leaf(
            sketch,
            base,
            angle + rng.range(-0.5, 0.5),
            [length, length * rng.range(0.25, 0.42)],
            paint,
            studio.side,
            rng,
        );
    }
    let last = heads.len().max(2) - 1;
    for (i, pose) in heads.iter().enumerate() {
        bloom.draw(sketch, *pose, 0.80 + 0.22 * i as f32 / last as f32, rng);
    }
}

/// Glazes that take no part in the picture's colours, apart from the wall in lightness.
fn pottery(wall: Rgb, rng: &mut Rng) -> Rgb {
    const GLAZES: [u32; 5] = [0xe6e0d2, 0x5d6a74, 0x3a3a40, 0xa89c88, 0x8a9696];
    let start = rng.int(0, 4) as usize;
    let apart = |i: &usize| (luma(hex(GLAZES[(start + i) % 5])) - luma(wall)).abs() > 0.14;
    hex(GLAZES[(start + (0..5).find(apart).unwrap_or(0)) % 5])
}

/// Heads of a bunch in a loose dome, those at its back first.
fn bunch(kind: Kind, aspect: f32, middle: f32, mouth: f32, rng: &mut Rng) -> Vec<Pose> {
    let count = rng.int(5, 12);
    let spread = 0.38_f32.min(0.40 * aspect);
    let rise = (mouth - 0.08).min(0.54);
    let size =
        rng.range(0.9, 1.1) * if count < 8 { 0.118 } else { 0.098 } * if kind == Kind::Tulip { 0.8 } else { 1.0 };
    let size = size.min(0.15 * aspect);
    let turn = rng.unit();
    let mut heads: Vec<(f32, Pose)> = (0..count)
        .map(|i| {
            // A sunflower's seeds spread evenly over a disc.
            let far = ((i as f32 + 0.5) / count as f32).sqrt();
            let angle = (i as f32 * 0.618_034 + turn) * TAU;
            let (dx, dy) = (far * angle.cos(), far * angle.sin());
            let at = [middle + spread * 0.8 * dx + 0.012 * rng.normal(), mouth - rise * (0.54 + 0.36 * -dy)];
            let lean = 0.5 * dx + 0.1 * rng.normal();
            let pose =
                Pose { at, radius: size * rng.range(0.82, 1.15), squash: 1.0 - 0.4 * far * rng.unit(), turn: lean };
            (far, pose)
        })
        .collect();
    heads.sort_by(|a, b| b.0.total_cmp(&a.0));
    heads.into_iter().map(|(_, pose)| pose).collect()
}

/// A stem that bows from `a` up to `b`.
fn stem(sketch: &mut Sketch, a: [f32; 2], b: [f32; 2], width: f32, paint: Paint, side: f32) {
    let bow = [a[0] + 0.35 * (b[0] - a[0]), 0.5 * (a[1] + b[1])];
    for (from, to) in [(a, bow), (bow, b)] {
        let angle = (to[1] - from[1]).atan2(to[0] - from[0]);
        let slant = (to[0] - from[0]) / (to[1] - from[1]).abs().max(1e-3) * (to[1] - from[1]).signum();
        sketch.line(from, to, 0.5 * width, 0.45 * width, |x, y| {
            let lit = side * (x - from[0] - slant * (y - from[1])) / width;
            Some(Touch::new(paint.at(lit.clamp(-0.8, 0.6) - 0.1)).angle(angle).breadth(0.35))
        });
    }
}

fn close_up(facts: &Facts, sketch: &mut Sketch, rng: &mut Rng) {
    let hue = facts.petals.unwrap_or(Hue::Pink);
    let ground = facts.ground.unwrap_or(Hue::Green);
    let side = if facts.light == crate::facts::Side::Left { -1.0 } else { 1.0 };
    blurred(ground, hue, sketch, side, rng);
    let kind = *rng.pick(&KINDS);
    let bloom = Bloom::new(kind, hue, side, rng);
    let paint = Paint::leaves(hex(*rng.pick(&GREENS)));
    let poses = large(kind, sketch.aspect, rng);
    for pose in &poses {
        let foot = [pose.at[0] + rng.range(-0.12, 0.12), 1.1];
        stem(sketch, pose.at, foot, 0.05 * pose.radius + 0.008, paint, side);
        for _ in 0..rng.int(1, 3) {
            let lift = rng.range(0.5, 1.2) * pose.radius;
            let angle = FRAC_PI_2 + rng.range(-2.1, 2.1);
            let length = pose.radius * rng.range(0.8, 1.2);
            let base = [pose.at[0], (pose.at[1] + lift).min(1.0)];
            leaf(sketch, base, angle, [length, 0.34 * length], paint, side, rng);
        }
    }
    for pose in &poses {
        bloom.draw(sketch, *pose, 1.0, rng);
    }
}

/// Soft patches of the ground's hue, darker or lighter than the petals if they are alike.
fn blurred(ground: Hue, petals: Hue, sketch: &mut Sketch, side: f32, rng: &mut Rng) {
    let base = ground.color();
    let [l, a, b] = to_oklab(base);
    let [pl, pa, pb] = to_oklab(petals.color());
    let alike = (l - pl).abs() + 2.0 * (a - pa).hypot(b - pb) < 0.22;
    let level = if alike { 0.62 } else { 0.86 };
    let (noise, aspect) = (Noise::new(rng.bits()), sketch.aspect);
    let detail = rng.range(1.6, 2.8);
    sketch.lay_all(|x, y| {
        let patch = noise.fbm(x * detail, y * detail, 2);
        let glow = noise.at(x * detail * 1.3 + 31.0, y * detail * 1.3);
        let lit = 0.5 + 0.5 * side * (2.0 * x / aspect - 1.0) * 0.6 - 0.25 * (y - 0.5);
        let value = level * (0.62 + 0.36 * lit + 0.34 * patch);
        let warm = mix(hex(0xc8d0f4), hex(0xfff0d0), 0.5 + 0.7 * glow);
        Some(Touch::new(multiply(scale(base, value), warm)).breadth(1.6).angle(2.0 * patch))
    });
}

/// One to three large blossoms; the largest in front.
fn large(kind: Kind, aspect: f32, rng: &mut Rng) -> Vec<Pose> {
    let room = aspect.min(1.25);
    let size = if kind == Kind::Tulip { 0.72 } else { 1.0 };
    let places: &[([f32; 2], f32)] = match rng.int(1, 3) {
        1 => &[([0.52, 0.47], 0.42)],
        2 => &[([0.72, 0.30], 0.26), ([0.38, 0.58], 0.36)],
        _ => &[([0.24, 0.27], 0.23), ([0.77, 0.36], 0.26), ([0.45, 0.68], 0.32)],
    };
    let mirrored = rng.chance(0.5);
    let turned = |rng: &mut Rng| if kind == Kind::Tulip { 0.12 * rng.normal() } else { rng.range(-0.5, 0.5) };
    places
        .iter()
        .map(|([x, y], radius)| Pose {
            at: [aspect * (if mirrored { 1.0 - x } else { *x } + rng.range(-0.05, 0.05)), y + rng.range(-0.05, 0.05)],
            radius: radius * room * size * rng.range(0.9, 1.12),
            squash: rng.range(0.72, 1.0),
            turn: turned(rng),
        })
        .collect()
}

/// Ground below `horizon` at depth 1 (feet) .. 0 (horizon).
fn meadow(facts: &Facts, sketch: &mut Sketch, rng: &mut Rng) {
    let light = Light::new(facts, rng);
    sky::lay_in(facts, &light, sketch, rng);
    let horizon = facts.horizon.unwrap_or(0.5);
    let hue = facts.petals.unwrap_or(Hue::Red);
    let grass = hex(*rng.pick(&[0x7f9a40, 0x6b8a3e, 0x8c9a4a, 0x5f8646]));
    let petals = Paint::petals(hue);
    meadow_ground(sketch, &light, horizon, grass, petals, rng);
    // Poppies have dark eyes, which would spoil a pale meadow.
    let pale = matches!(hue, Hue::White | Hue::Yellow);
    let kind = *rng.pick(if pale {
        &[Kind::Daisy, Kind::Daisy, Kind::Tulip]
    } else {
        &[Kind::Daisy, Kind::Poppy, Kind::Tulip]
    });
    let lit = |c: Rgb, near: f32| light.on(c, 0.55, 0.9 * (1.0 - near) * (1.0 - near));
    let bloom =
        Bloom { paint: petals.map(|c| mix(light.on(c, 0.7, 0.0), c, 0.3)), ..Bloom::new(kind, hue, light.side, rng) };
    let blades = Paint::leaves(light.on(grass, 0.5, 0.0));
    // Row by row towards the viewer: nearer rows are fewer, larger, taller.
    let rows = 26;
    for row in 0..rows {
        let near = ((row as f32 + 0.5) / rows as f32).powf(1.6);
        let y = horizon + (1.0 - horizon) * (0.02 + 1.02 * near);
        let size = (0.004 + 0.040 * near) * rng.range(0.9, 1.1);
        let gap = size * rng.range(2.4, 3.6);
        let mut x = -rng.unit() * gap;
        while x < sketch.aspect + gap {
            let at = [x + 0.3 * gap * rng.normal(), y + 0.5 * size * rng.normal()];
            if near > 0.2 {
                tuft(sketch, at, size * 2.6, blades, rng);
            }
            if rng.chance(0.75) {
                meadow_flower(sketch, bloom, at, size, near, lit(petals.at(rng.range(-0.5, 0.8)), near), blades, rng);
            }
            x += gap * rng.range(0.6, 1.5);
        }
    }
}

/// Grass that lightens and cools into the distance, with drifts of flowers too far to be told apart.
fn meadow_ground(sketch: &mut Sketch, light: &Light, horizon: f32, grass: Rgb, petals: Paint, rng: &mut Rng) {
    let noise = Noise::new(rng.bits());
    let hedge = rng.range(0.006, 0.016);
    let wood = light.on(mix(grass, hex(0x35523f), 0.7), -0.2, 0.75);
    sketch.below(
        |x| horizon - hedge * (0.55 + 0.45 * noise.fbm(x * 9.0, 3.0, 3)),
        |_, _, down| (down < 0.03).then_some(Touch::new(wood).breadth(0.6).angle(FRAC_PI_2)),
    );
    let depth = 1.0 - horizon;
    sketch.below(
        |_| horizon,
        |x, _, down| {
            let near = down / depth;
            let far = 1.0 / (near + 0.06);
            let drift = noise.fbm(x * 3.0 * far.sqrt(), far * 3.0, 2);
            let patch = noise.fbm(x * 8.0 + 7.0, near * 22.0 / (0.2 + near), 2);
            let local = scale(mix(grass, hex(0x4a5f30), (0.5 * near + 0.25 * patch).max(0.0)), 1.0 + 0.16 * patch);
            let tinted = mix(local, petals.at(0.1), 0.62 * smooth(drift * 1.8 + 0.45) * (1.0 - 0.85 * near));
            let color = light.on(tinted, 0.45 + 0.4 * patch - 0.25 * near, (1.0 - near).powi(3));
            let upright = -FRAC_PI_2 * smooth(near * 2.5) + 0.3 * patch;
            Some(Touch::new(color).angle(upright).breadth(0.5 + 0.7 * near))
        },
    );
}

/// A few blades.
fn tuft(sketch: &mut Sketch, at: [f32; 2], height: f32, paint: Paint, rng: &mut Rng) {
    for _ in 0..2 {
        let angle = -FRAC_PI_2 + 0.3 * rng.normal();
        let petal = Petal { peak: 0.3, tip: 1.0, bend: 0.2 * rng.normal(), ..Petal::new([0.0; 2], angle, 1.0, 0.09) };
        let (foot, tone) = ([at[0] + 0.3 * height * rng.normal(), at[1] + 0.5 * height], rng.range(-0.9, 0.5));
        petal.draw(sketch, Pose::frontal(foot, height * rng.range(0.7, 1.1)), |s, _| paint.at(tone + 0.5 * s - 0.2));
    }
}

/// One flower of a meadow: a dab far away, petals close by.
#[expect(clippy::too_many_arguments, reason = "a flower is just that: where, how large, which colours")]
fn meadow_flower(
    sketch: &mut Sketch,
    bloom: Bloom,
    at: [f32; 2],
    size: f32,
    near: f32,
    color: Rgb,
    blades: Paint,
    rng: &mut Rng,
) {
    if near < 0.22 {
        let flat = rng.range(0.5, 0.8);
        sketch.ellipse(at, [size * 0.75, size * 0.75 * flat], |_, _| Some(Touch::new(color).breadth(0.35)));
        return;
    }
    stem(sketch, [at[0] + 0.2 * size * rng.normal(), at[1] + 3.0 * size], at, 0.10 * size + 0.001, blades, bloom.side);
    let pose = Pose {
        at,
        radius: size * rng.range(0.7, 1.05) * if bloom.kind == Kind::Tulip { 0.8 } else { 1.0 },
        squash: rng.range(0.42, 0.75),
        turn: 0.25 * rng.normal(),
    };
    if near < 0.55 {
        // Half far: one shape with a lit and a shadowed half.
        let (light, dark) = (bloom.paint.at(0.5), bloom.paint.at(-0.6));
        let ry = pose.radius * if bloom.kind == Kind::Tulip { 1.1 } else { pose.squash };
        sketch.ellipse(at, [pose.radius, ry], |u, v| {
            let lit = 0.5 + 0.4 * bloom.side * u - 0.6 * v;
            Some(Touch::new(mix(mix(dark, light, lit), color, 0.4)).breadth(0.4))
        });
        if bloom.kind != Kind::Tulip {
            let r = 0.28 * pose.radius;
            sketch.ellipse(at, [r, r * 0.8], |_, _| Some(Touch::new(bloom.eye).breadth(0.3)));
        }
        return;
    }
    bloom.draw(sketch, pose, rng.range(0.85, 1.0), rng);
}
