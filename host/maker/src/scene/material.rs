//! A surface that fills the picture: wood, marble, brick, grass, water, cloth, rust, stone, sand.
//!
//! Decision: each surface is a height and a local colour; the light grazes it from the side, so that relief is told by
//! light and shadow as a painter would tell it. The scale changes from seed to seed, from a near view to a wide one.

use super::still_life::smooth;
use crate::color::{Rgb, gradient, hex, luma, mix, multiply, scale, screen};
use crate::facts::{Facts, Hue, Material, Side};
use crate::noise::Noise;
use crate::rng::Rng;
use crate::sketch::{Sketch, Touch};
use std::f32::consts::{FRAC_PI_2, PI};

/// Lays it in.
pub fn lay_in(facts: &Facts, sketch: &mut Sketch, rng: &mut Rng) {
    let lamp = Lamp { side: if facts.light == Side::Left { -1.0 } else { 1.0 }, aspect: sketch.aspect };
    let hue = facts.ground;
    match facts.material.unwrap_or(Material::Stone) {
        Material::Wood => wood(hue.unwrap_or(Hue::Brown), lamp, sketch, rng),
        Material::Marble => marble(hue.unwrap_or(Hue::White), lamp, sketch, rng),
        Material::Brick => brick(hue.unwrap_or(Hue::Red), lamp, sketch, rng),
        Material::Grass => grass(lamp, sketch, rng),
        Material::Water => water(lamp, sketch, rng),
        Material::Cloth => cloth(hue.unwrap_or(Hue::Grey), lamp, sketch, rng),
        Material::Rust => rust(lamp, sketch, rng),
        Material::Stone if rng.chance(0.6) => cobbles(hue.unwrap_or(Hue::Grey), lamp, sketch, rng),
        Material::Stone => rock(hue.unwrap_or(Hue::Grey), lamp, sketch, rng),
        Material::Sand => sand(lamp, sketch, rng),
    }
}

/// Light that grazes the surface from one side and above.
#[derive(Clone, Copy)]
struct Lamp {
    side: f32,
    aspect: f32,
}

impl Lamp {
    /// `local` where the surface turns to the light by `relief` (-1 away ..= 1 towards): warm light, cool shadow; the
    /// whole picture is lighter on the light's side.
    fn on(self, local: Rgb, relief: f32, x: f32) -> Rgb {
        let near = self.side * (x / self.aspect - 0.5);
        let value = 0.92 + 0.45 * relief.clamp(-1.0, 1.0) + 0.22 * near;
        let lit = scale(local, value.max(0.12));
        let tint = mix(hex(0xc9d2f2), hex(0xfff2d8), 0.55 + 0.6 * relief + 0.3 * near);
        screen(multiply(lit, tint), [(relief - 0.55).max(0.0) * 0.2; 3])
    }

    /// The step towards the light: x and y.
    fn step(self, far: f32) -> [f32; 2] {
        [self.side * 0.8 * far, -0.6 * far]
    }
}

/// Boards with grain, rings and knots, along or across the picture.
fn wood(hue: Hue, lamp: Lamp, sketch: &mut Sketch, rng: &mut Rng) {
    let local = match hue {
        Hue::Brown => hex(*rng.pick(&[0x9a6a3e, 0x80532f, 0xb07f4c])),
        Hue::Red => hex(0x96432e),
        Hue::Black => hex(0x35302e),
        _ => hue.color(),
    };
    let dark = multiply(local, hex(0x78604e));
    let light = mix(local, hex(0xf2dcb4), if hue == Hue::Black { 0.14 } else { 0.28 });
    let (noise, upright) = (Noise::new(rng.bits()), rng.chance(0.5));
    let board = rng.range(0.14, 0.40);
    let boards = (sketch.aspect.max(1.0) / board) as usize + 2;
    // Tone, shift along the grain, knot (along, across, size) of every board.
    let traits: Vec<[f32; 5]> = (0..boards)
        .map(|_| {
            let knot = if rng.chance(0.6) { rng.range(0.07, 0.13) } else { 0.0 };
            [
                rng.range(-0.16, 0.16),
                rng.range(0.0, 40.0),
                rng.unit() * sketch.aspect.max(1.0),
                rng.range(0.25, 0.75),
                knot,
            ]
        })
        .collect();
    let shift = rng.unit() * board;
    let rings = rng.range(4.5, 9.0);
    let gap = (0.016 * board).max(0.004);
    sketch.lay_all(|x, y| {
        let (along, across) = if upright { (y, x) } else { (x, y) };
        let at = (across + shift) / board;
        let [tone, offset, knot_at, knot_across, knot] = traits[(at as usize).min(boards - 1)];
        let f = at.fract();
        // Grain flows round the knot.
        let (ka, kc) = (along - knot_at, (f - knot_across) * board);
        let size = knot * board;
        let far2 = ka * ka * 0.3 + kc * kc;
        let round = if size > 0.0 { (-far2 / (12.0 * size * size)).exp() } else { 0.0 };
        let push = 0.9 * round * kc.signum() * (1.0 - (-kc.abs() / size.max(1e-3)).exp());
        let wander = noise.fbm(along * 0.9 + offset, f * 1.4 + offset, 2);
        let ring = (f * 1.2 + 0.9 * wander - 0.5 * push + offset) * rings;
        let band = ring - ring.floor();
        // A ring darkens slowly and ends sharply.
        let grain = band * band * if band > 0.9 { (1.0 - band) * 10.0 } else { 1.0 };
        let fibre = noise.at(along * 9.0 + offset, at * 55.0);
        let mut color = mix(mix(light, local, 0.3 + 1.4 * grain), dark, 0.75 * grain + 0.14 * fibre);
        color = scale(color, 1.0 + tone);
        if size > 0.0 {
            let r = far2.sqrt() / size;
            if r < 1.5 {
                let core = mix(dark, scale(dark, 0.45), 0.5 + 0.5 * (r * 9.0).sin());
                color = mix(color, core, ((1.5 - r) * 1.6).min(0.92));
            }
        }
        let edge = f.min(1.0 - f) * board;
        let toward = if upright { lamp.side } else { -1.0 };
        let bevel = ((3.0 * gap - edge) / (3.0 * gap)).max(0.0) * if f > 0.5 { toward } else { -toward };
        let color = lamp.on(color, 0.6 * bevel + 0.10 * fibre - 0.2 * grain, x);
        let cover = ((gap - edge) * 2.0 / gap).clamp(0.0, 1.0);
        let color = mix(color, scale(dark, 0.28), cover);
        let angle = 0.5 * wander * (1.0 - round) + if upright { FRAC_PI_2 } else { 0.0 };
        Some(Touch::new(color).angle(angle).breadth(0.7))
    });
}

/// Polished stone: clouds, and veins that run one way and branch.
fn marble(hue: Hue, lamp: Lamp, sketch: &mut Sketch, rng: &mut Rng) {
    let (base, cloud, vein): (u32, u32, u32) = match hue {
        Hue::Black => (0x232428, 0x3a3b42, 0xe0d8c8),
        Hue::Green => (0x2f5f4a, 0x1d4034, 0xc8dcc4),
        Hue::Pink => (0xe0aaa6, 0xeccac0, 0x8a4e50),
        Hue::Grey => (0x85888c, 0xc0c1c0, 0x34363c),
        _ => (0xeeeae2, 0xd2d2d2, *rng.pick(&[0x6a6c74, 0x82786a, 0xa08454])),
    };
    let [base, cloud, vein] = [base, cloud, vein].map(hex);
    let noise = Noise::new(rng.bits());
    let (turn, size) = (rng.range(0.3, 1.2) * if rng.chance(0.5) { 1.0 } else { -1.0 }, rng.range(1.3, 2.8));
    let (sin, cos) = turn.sin_cos();
    let warp = rng.range(0.35, 0.6);
    sketch.lay_all(|x, y| {
        let (u, v) = ((x * cos + y * sin) * size * 0.55, (y * cos - x * sin) * size);
        let (wu, wv) = (noise.fbm(u + 3.0, v, 2), noise.at(u, v + 8.0));
        let jag = 0.16 * noise.at(u * 4.5 + 60.0, v * 4.5);
        let (u, v) = (u + warp * wu + jag, v + warp * wv - 0.5 * jag);
        let soft = noise.at(u * 1.5 + 11.0, v * 1.5);
        let main = 1.0 - noise.at(1.25 * u, 1.25 * v).abs();
        let fine = 1.0 - noise.at(u * 2.6 + 20.0, v * 2.6).abs();
        let hair = 1.0 - noise.at(u * 5.0 + 5.0, v * 4.0 + 40.0).abs();
        // Veins swell and fade.
        let strength = (0.75 + 0.9 * soft).clamp(0.15, 1.0);
        let lines = main.powi(22) * strength
            + 0.7 * fine.powi(26) * (0.4 + 1.4 * soft).clamp(0.0, 1.0)
            + 0.30 * hair.powi(14) * (0.2 - soft).clamp(0.0, 0.7);
        let halo = 0.32 * main.powi(8) * strength;
        let color = mix(mix(base, cloud, 0.5 + 0.9 * soft), vein, (lines + halo * 0.7).min(0.9));
        let sheen = 0.16 * (1.0 - ((x / lamp.aspect - 0.5 - 0.25 * lamp.side) + 0.3 * (y - 0.5)).abs() * 2.0);
        let color = lamp.on(color, 0.12 * soft + sheen, x);
        Some(Touch::new(color).angle(turn + 0.9 * wv).breadth(if lines > 0.3 { 0.45 } else { 1.1 }))
    });
}

/// Courses of bricks with mortar, every brick a little different.
fn brick(hue: Hue, lamp: Lamp, sketch: &mut Sketch, rng: &mut Rng) {
    let local = match hue {
        Hue::Red => hex(*rng.pick(&[0xa8493a, 0xb4573f, 0x9c3f36])),
        Hue::Yellow => hex(0xd2b060),
        Hue::White => hex(0xe2dcd0),
        _ => hue.color(),
    };
    let mortar =
        if luma(local) > 0.5 || rng.chance(0.3) { scale(mix(local, hex(0x6a625a), 0.6), 0.72) } else { hex(0xc2b8a6) };
    let (noise, tones) = (Noise::new(rng.bits()), Noise::new(rng.bits()));
    let course = rng.range(0.065, 0.15);
    let length = course * rng.range(2.1, 2.8);
    let joint = course * rng.range(0.055, 0.09);
    let shift = [rng.unit() * length, rng.unit() * course];
    let bond = if rng.chance(0.75) { 0.5 } else { 0.33 };
    let ragged = 0.012 * course.sqrt();
    let variety = rng.range(0.14, 0.30);
    sketch.lay_all(|x, y| {
        let wobble = noise.at(x * 26.0, y * 26.0) * ragged;
        let (bx, by) = (x + shift[0] + wobble, y + shift[1] + 0.6 * wobble);
        let row = (by / course).floor();
        let bx = bx + row * bond * length;
        let column = (bx / length).floor();
        let (u, v) = (bx - column * length, by - row * course);
        // Towards the nearest joint on each side.
        let (left, right, top, bottom) = (u, length - u, v, course - v);
        let edge = left.min(right).min(top).min(bottom) - joint;
        let tone = tones.at(column * 3.0 + 0.5, row * 5.0 + 0.5) * 1.6;
        let burnt = tones.at(column * 7.0 + 40.5, row * 3.0 + 0.5);
        let rough = noise.fbm(x * 14.0 + tone, y * 18.0, 2);
        let mut face = scale(local, 1.0 + variety * tone);
        face = mix(face, hex(0x3e3438), (burnt - 0.35).max(0.0) * 0.9);
        face = mix(face, hex(0xe6cfa8), (0.10 * -burnt + 0.16 * rough).max(0.0));
        let rim = 0.055 * course.max(0.08) + 0.003;
        let (near, far) = if lamp.side < 0.0 { (left, right) } else { (right, left) };
        let lift = |d: f32| (1.0 - (d - joint) / rim).clamp(0.0, 1.0);
        let bevel = (0.8 * lift(top) + 0.6 * lift(near) - 0.9 * lift(bottom) - 0.7 * lift(far)).clamp(-1.0, 0.8);
        let face = lamp.on(face, 0.75 * bevel + 0.22 * rough, x);
        // A brick throws its shadow on the joint below and beside it.
        let shaded = bottom < joint || far < joint;
        let bed = lamp.on(mortar, if shaded { 0.12 } else { -0.42 } + 0.2 * rough, x);
        let cover = (edge / (0.25 * joint) + 0.5).clamp(0.0, 1.0);
        Some(Touch::new(mix(bed, face, cover)).angle(0.3 * rough).breadth(0.6))
    });
}

/// Blades over darkness, seen from above: they bend all ways, the upper ones in the light.
fn grass(lamp: Lamp, sketch: &mut Sketch, rng: &mut Rng) {
    const GREENS: [u32; 5] = [0x4c7a2e, 0x5f8f38, 0x3f6e3a, 0x7ea244, 0x94a650];
    let noise = Noise::new(rng.bits());
    sketch.lay_all(|x, y| {
        let patch = noise.fbm(x * 6.0, y * 6.0, 3);
        Some(Touch::new(lamp.on(hex(0x1f3a22), 0.5 * patch - 0.2, x)).angle(-FRAC_PI_2 + patch).breadth(0.8))
    });
    let length = rng.range(0.13, 0.30);
    let width = length * rng.range(0.05, 0.075);
    let wind = rng.range(-0.5, 0.5);
    let count = (2.4 * sketch.aspect / (length * width)).min(1300.0) as usize;
    for i in 0..count {
        let up = i as f32 / count as f32;
        let foot = [rng.range(-0.05, 1.05) * sketch.aspect, rng.range(-0.02, 1.0 + length)];
        let patch = noise.fbm(foot[0] * 2.5 + 7.0, foot[1] * 2.5, 2);
        let lean = wind + 0.45 * rng.normal() + 0.8 * patch;
        let bend = lean + rng.range(-0.3, 0.7) * lean.signum();
        let long = length * rng.range(0.6, 1.15);
        let middle = [foot[0] + 0.55 * long * lean.sin(), foot[1] - 0.55 * long * lean.cos()];
        let tip = [middle[0] + 0.5 * long * bend.sin(), middle[1] - 0.5 * long * bend.cos()];
        let green = mix(hex(*rng.pick(&GREENS)), hex(0xb8a85c), if rng.chance(0.06) { 0.6 } else { 0.0 });
        let toward = 0.35 * lamp.side * lean.sin() + 0.30 * patch + 0.15 * rng.normal();
        let half = 0.5 * width * rng.range(0.7, 1.2);
        for (a, b, wa, wb, more) in
            [(foot, middle, half, 0.85 * half, -0.25), (middle, tip, 0.85 * half, 0.1 * half, 0.1)]
        {
            let color = lamp.on(scale(green, 0.50 + 0.66 * up), toward + more, foot[0]);
            let angle = (b[1] - a[1]).atan2(b[0] - a[0]);
            sketch.line(a, b, wa, wb, |_, _| Some(Touch::new(color).angle(angle).breadth(0.4)));
        }
    }
}

/// Clear water seen from above: a net of light that the ripples cast, over blue that deepens.
fn water(lamp: Lamp, sketch: &mut Sketch, rng: &mut Rng) {
    const WATERS: [[u32; 3]; 4] = [
        [0x0f5f86, 0x2a93ae, 0xc8f2ea],
        [0x174a7c, 0x2f7fb4, 0xcbe8f6],
        [0x1a6a6c, 0x3fa79a, 0xdcf6dc],
        [0x20566e, 0x4f97a6, 0xf0f6e6],
    ];
    let [deep, shallow, light] = rng.pick(&WATERS).map(hex);
    let size = rng.range(0.10, 0.24);
    let stretch = rng.range(1.0, 1.7);
    let noise = Noise::new(rng.bits());
    let cells = [Cells::new(sketch.aspect / stretch, size, rng), Cells::new(sketch.aspect / stretch, size * 0.55, rng)];
    sketch.lay_all(|x, y| {
        let (wu, wv) = (noise.at(x * 6.0, y * 8.0), noise.at(x * 6.0 + 20.0, y * 8.0));
        let (u, v) = (x / stretch + 0.30 * size * wu, y + 0.30 * size * wv);
        let [coarse, fine] = [0, 1].map(|i: usize| {
            let near = cells[i].nearest(u, v);
            (near.second - near.first) / cells[i].size
        });
        let pool = 0.5 + 0.7 * noise.at(x * 1.8 + 9.0, y * 2.1) + 0.35 * lamp.side * (x / lamp.aspect - 0.5);
        let net = (-coarse * 9.0).exp() * (0.55 + 0.6 * pool).max(0.1) + 0.38 * (-fine * 8.0).exp() * pool.max(0.0);
        let glow = 0.30 * (-coarse * 2.6).exp();
        let color = mix(deep, shallow, pool + glow + 0.25 * wu);
        let color = mix(color, light, (net + 0.5 * glow * pool).clamp(0.0, 0.95));
        Some(Touch::new(color).angle(0.9 * wu).breadth(if net > 0.4 { 0.4 } else { 0.9 }))
    });
}

/// Soft folds that run one way, gather and end, lit from the side.
fn cloth(hue: Hue, lamp: Lamp, sketch: &mut Sketch, rng: &mut Rng) {
    let local = match hue {
        Hue::Black => hex(0x323238),
        Hue::White => hex(0xe6e2d8),
        _ => hue.color(),
    };
    let noise = Noise::new(rng.bits());
    let turn = rng.range(-0.9, 0.9) + FRAC_PI_2;
    let (sin, cos) = turn.sin_cos();
    let folds = rng.range(2.8, 6.0);
    // Where the folds gather, outside the picture.
    let gather = rng.range(0.0, 0.55);
    let height = |x: f32, y: f32| {
        let (along, across) = (x * cos + y * sin, y * cos - x * sin);
        let spread = across * folds / (1.0 + gather * along).max(0.3);
        let sway = noise.at(along * 1.1, spread * 0.3);
        let a = noise.at(spread + 0.9 * sway, along * 0.8 + 4.0);
        // A crest is round, a valley is sharp.
        let b = 1.0 - noise.at(spread * 1.7 + 30.0 + 1.2 * sway, along * 0.9).abs();
        0.75 * a + 0.55 * b * b
    };
    let far = 0.028;
    let [sx, sy] = lamp.step(far);
    let dark = if hue == Hue::White { 0.56 } else { 0.36 };
    sketch.lay_all(|x, y| {
        let (here, there) = (height(x, y), height(x + sx, y + sy));
        // The surface falls towards the light: it is lit.
        let slope = (here - there) / (far * folds) * 1.9;
        let lit = 0.5 + 0.5 * (slope / (1.0 + slope * slope).sqrt());
        let deep = (0.55 + 0.45 * here).clamp(0.25, 1.0);
        let value = (dark + (1.12 - dark) * lit * (1.6 - 0.6 * lit)) * (0.80 + 0.2 * deep);
        let color = scale(local, value);
        let sheen = (lit - 0.72).max(0.0);
        let color = mix(color, hex(0xfff4e0), sheen * if hue == Hue::Black { 1.5 } else { 1.1 });
        let color = multiply(color, mix(hex(0xc6cdf0), hex(0xfff4de), 0.25 + lit));
        let near = 1.0 + 0.14 * lamp.side * (x / lamp.aspect - 0.5);
        Some(Touch::new(scale(color, near)).angle(turn).breadth(1.0))
    });
}

/// Iron whose paint is eaten: orange and brown over grey-blue, with streaks running down.
fn rust(lamp: Lamp, sketch: &mut Sketch, rng: &mut Rng) {
    let metal = hex(*rng.pick(&[0x6e7f8c, 0x5d7480, 0x7f8c90, 0x4f6470]));
    let stops: [(f32, Rgb); 4] =
        [(0.0, hex(0xd98a44)), (0.3, hex(0xb7602c)), (0.62, hex(0x84401f)), (1.0, hex(0x43261c))];
    let noise = Noise::new(rng.bits());
    let (size, amount) = (rng.range(2.0, 4.2), rng.range(-0.08, 0.12));
    let far = 0.012;
    let [sx, sy] = lamp.step(far);
    let depth = |x: f32, y: f32| 0.8 * noise.fbm(x * size, y * size, 2) + amount;
    sketch.lay_all(|x, y| {
        let grit = noise.at(x * 60.0, y * 60.0);
        let body = depth(x, y);
        let eaten = body + 0.22 * noise.at(x * size * 4.6 + 9.0, y * size * 4.6) + 0.05 * grit;
        // Streaks: columns of rust that fade downwards below what is eaten.
        let column = noise.at(x * size * 6.0, y * 0.9 + 5.0);
        let above = noise.at(x * size, (y - 0.08) * size) + amount;
        let streak = smooth(column * 1.6 + 0.35) * smooth(above * 3.5 + 0.2) * 0.65;
        let wear = noise.at(x * 9.0 + 30.0, y * 4.0);
        let plate = mix(scale(metal, 1.0 + 0.16 * wear), hex(0xb98458), (0.2 * wear).max(0.0));
        let plate = mix(plate, hex(0xa35a2c), streak);
        let crust = gradient(&stops, (eaten * 2.1 + 0.22 * grit + 0.08).max(0.0));
        let inside = ((eaten + 0.04 * grit) * 28.0 + 0.5).clamp(0.0, 1.0);
        // The paint's broken edge throws a shadow into the rust and catches the light on the other side.
        let relief = ((body - depth(x + sx, y + sy)) * 14.0).clamp(-1.0, 1.0);
        let rim = (1.0 - (eaten * 14.0).abs()).max(0.0);
        let color = mix(plate, crust, inside);
        let lift = relief * (0.25 * inside + 0.9 * rim) + 0.14 * grit * inside;
        let angle = if inside > 0.5 { 3.0 * wear } else { FRAC_PI_2 };
        Some(Touch::new(lamp.on(color, lift, x)).angle(angle).breadth(0.75))
    });
    if rng.chance(0.4) {
        rivets(metal, lamp, sketch, rng);
    }
}

/// A seam of two plates with a row of rivets.
fn rivets(metal: Rgb, lamp: Lamp, sketch: &mut Sketch, rng: &mut Rng) {
    let (y, r) = (rng.range(0.15, 0.85), rng.range(0.016, 0.028));
    let seam = y + 2.6 * r;
    sketch.line([-0.1, seam], [sketch.aspect + 0.1, seam], 0.004, 0.004, |_, _| {
        Some(Touch::new(hex(0x2a211f)).cover(0.8).breadth(0.4))
    });
    let gap = rng.range(6.0, 9.0) * r;
    let count = (sketch.aspect / gap) as usize + 1;
    for i in 0..count {
        let at = [(i as f32 + 0.4) * gap, y];
        let local = mix(metal, hex(0x8a4a28), rng.range(0.3, 0.9));
        sketch.ellipse([at[0] - 0.35 * lamp.side * r, at[1] + 0.35 * r], [1.15 * r, 1.15 * r], |u, v| {
            Some(Touch::new(hex(0x2a1d18)).cover(1.3 - 1.3 * u.hypot(v)).breadth(0.4))
        });
        sketch.ellipse(at, [r, r], |u, v| {
            Some(Touch::new(lamp.on(local, 0.9 * (0.7 * lamp.side * u - 0.7 * v), at[0])).breadth(0.4))
        });
    }
}

/// Round stones set close, dark between.
fn cobbles(hue: Hue, lamp: Lamp, sketch: &mut Sketch, rng: &mut Rng) {
    let local = stone_color(hue);
    let size = rng.range(0.10, 0.26);
    let stretch = rng.range(1.0, 1.5);
    let cells = Cells::new(sketch.aspect / stretch, size, rng);
    let noise = Noise::new(rng.bits());
    sketch.lay_all(|x, y| {
        let rough = noise.fbm(x * 9.0, y * 9.0, 2);
        let (u, v) = (x / stretch + 0.10 * size * rough, y + 0.10 * size * noise.at(x * 11.0 + 50.0, y * 11.0));
        let near = cells.nearest(u, v);
        let gap = (near.second - near.first) / size;
        let [tone, warm] = cells.tones[near.id];
        let stone = mix(
            scale(local, 1.0 + 0.26 * tone),
            if warm > 0.0 { hex(0xb09070) } else { hex(0x70808c) },
            0.35 * warm.abs(),
        );
        let (dx, dy) = ((u - near.at[0]) / size, (v - near.at[1]) / size);
        let round = (1.0 - gap * 1.5).clamp(0.0, 1.0);
        let steep = 0.35 + 1.5 * round * round;
        let relief = (steep * (lamp.side * 0.8 * dx - 0.75 * dy) + 0.28 * rough).clamp(-1.0, 1.0);
        let face = lamp.on(stone, 0.85 * relief, x);
        let bed = lamp.on(mix(hex(0x2c2824), local, 0.08), 0.2 * rough - 0.3, x);
        let cover = smooth((gap - 0.07) / 0.10);
        Some(Touch::new(mix(bed, face, cover)).angle(1.6 * tone + 0.5 * dx).breadth(0.65))
    });
}

fn stone_color(hue: Hue) -> Rgb {
    match hue {
        Hue::Black => hex(0x3c3c42),
        Hue::Brown => hex(0x8a6a4c),
        _ => hue.color(),
    }
}

/// A broken face of rock: facets, ledges and cracks.
fn rock(hue: Hue, lamp: Lamp, sketch: &mut Sketch, rng: &mut Rng) {
    let local = stone_color(hue);
    let noise = Noise::new(rng.bits());
    let size = rng.range(1.6, 3.4);
    let cells = Cells::new(sketch.aspect, 0.75 / size, rng);
    let tilt = rng.range(-0.6, 0.6);
    let (sin, cos) = tilt.sin_cos();
    let far = 0.014;
    let [sx, sy] = lamp.step(far);
    let height = |x: f32, y: f32| {
        let (u, v) = (x * cos + y * sin, y * cos - x * sin);
        noise.ridged(u * size * 1.5, v * size * 2.6, 2)
    };
    sketch.lay_all(|x, y| {
        let here = height(x, y);
        let rough = (here - 0.72) * 1.4;
        let near = cells.nearest(x + 0.08 * rough, y + 0.14 * rough);
        let gap = (near.second - near.first) * size;
        // Every facet faces some way of its own.
        let [facet, tint] = cells.tones[near.id];
        let relief = (here - height(x + sx, y + sy)) * 9.0;
        let stone = mix(scale(local, 0.95 + 0.5 * rough), hex(0xa89070), (0.22 * tint).max(0.0));
        let face = lamp.on(stone, (0.45 * facet + 0.6 * relief).clamp(-0.95, 0.95), x);
        let crack = smooth((0.05 + 0.05 * facet - gap) * 16.0);
        let color = mix(face, scale(mix(local, hex(0x1c1a1e), 0.8), 0.55), 0.85 * crack);
        Some(Touch::new(color).angle(tilt + PI * facet).breadth(0.9))
    });
}

/// Wind ripples that fork and swing, warm in the light and cool in the hollow.
fn sand(lamp: Lamp, sketch: &mut Sketch, rng: &mut Rng) {
    let local = hex(*rng.pick(&[0xdcb983, 0xd0a871, 0xe4cb9c, 0xc99a66]));
    let noise = Noise::new(rng.bits());
    // Ripples lie across the light.
    let turn = -lamp.side * rng.range(0.35, 1.0);
    let (sin, cos) = turn.sin_cos();
    let waves = rng.range(5.0, 13.0);
    sketch.lay_all(|x, y| {
        let (u, v) = (x * cos + y * sin, y * cos - x * sin);
        let swing = noise.fbm(u * 2.0, v * 1.3, 2);
        let fork = noise.at(u * 6.0 + 30.0, v * 4.0);
        let phase = v * waves + 2.2 * swing + 0.22 * fork;
        let f = phase - phase.floor();
        // Long slope up, short slope down.
        let (long, top) = (0.60 + 0.08 * fork, 0.08 * fork);
        let high = if f < long { f / long } else { (1.0 - f) / (1.0 - long) };
        let down = if f < long { 0.0 } else { (PI * (f - long) / (1.0 - long)).sin() };
        let amount = (0.8 + 0.6 * noise.at(u * 1.8 + 70.0, v * 1.8)).clamp(0.3, 1.15);
        let grain = noise.at(x * 90.0, y * 90.0);
        let relief = amount * (0.5 * high * high * (1.0 - down) - 0.66 * down) + 0.10 * grain + top;
        let color = lamp.on(local, relief + 0.16 * swing, x);
        Some(Touch::new(color).angle(turn + 0.7 * swing).breadth(0.7))
    });
}

/// Points scattered one to a square, to part a surface into stones or a net.
struct Cells {
    columns: usize,
    rows: usize,
    /// The side of a square.
    size: f32,
    points: Vec<[f32; 2]>,
    /// Two accidents of every point, -1..1: how a stone differs from its neighbours.
    tones: Vec<[f32; 2]>,
}

/// What of the cells is nearest to a place.
struct Nearest {
    /// Distance to the nearest point and to the second.
    first: f32,
    second: f32,
    /// The nearest point and its number.
    at: [f32; 2],
    id: usize,
}

impl Cells {
    /// Points over `0..width`, `0..1` and a margin.
    fn new(width: f32, size: f32, rng: &mut Rng) -> Self {
        let (columns, rows) = ((width / size) as usize + 5, (1.0 / size) as usize + 5);
        let point = |i: usize, rng: &mut Rng| {
            let (column, row) = ((i % columns) as f32 - 2.0, (i / columns) as f32 - 2.0);
            [(column + rng.range(0.08, 0.92)) * size, (row + rng.range(0.08, 0.92)) * size]
        };
        let points: Vec<_> = (0..columns * rows).map(|i| point(i, rng)).collect();
        let tones = points.iter().map(|_| [rng.range(-1.0, 1.0), rng.range(-1.0, 1.0)]).collect();
        Self { columns, rows, size, points, tones }
    }

    fn nearest(&self, x: f32, y: f32) -> Nearest {
        let cell = |v: f32, most: usize| ((v / self.size + 2.0).max(1.0) as usize).min(most - 2);
        let (column, row) = (cell(x, self.columns), cell(y, self.rows));
        let mut found = Nearest { first: f32::MAX, second: f32::MAX, at: [0.0; 2], id: 0 };
        for r in row - 1..=row + 1 {
            for id in r * self.columns + column - 1..=r * self.columns + column + 1 {
                let [px, py] = self.points[id];
                let far = (x - px) * (x - px) + (y - py) * (y - py);
                if far < found.first {
                    found = Nearest { first: far, second: found.first, at: [px, py], id };
                } else if far < found.second {
                    found.second = far;
                }
            }
        }
        Nearest { first: found.first.sqrt(), second: found.second.sqrt(), ..found }
    }
}
