//! Buildings against the sky: an old town or tall blocks in layers of distance, with water, roofs or a street before
//! them.
//!
//! Decision: a town is a silhouette first. Each layer is one mass of blocks with a light and a shaded side; windows
//! are few and count only when there are lamps behind them.

use super::things;
use super::{field, sky};
use crate::color::{Rgb, hex, mix, scale};
use crate::facts::{Distance, Facts};
use crate::light::Light;
use crate::noise::Noise;
use crate::rng::Rng;
use crate::sketch::{Sketch, Touch};
use std::f32::consts::FRAC_PI_2;

/// Walls of an old town in daylight.
const PLASTER: [Rgb; 6] = [hex(0xd9c3a0), hex(0xc99f7c), hex(0xe2d5bd), hex(0xb98a72), hex(0xcdb58a), hex(0xa9a49c)];
/// Walls of tall blocks in daylight.
const BLOCK: [Rgb; 5] = [hex(0x9aa3ad), hex(0x8592a0), hex(0xb3a99c), hex(0x7d868c), hex(0xa68f80)];
/// Roofs.
const TILES: [Rgb; 4] = [hex(0xa85a40), hex(0x8f4f3e), hex(0x6a6a72), hex(0xb56f4c)];

/// Half of a street's breadth between its fronts, seen from eye height 1.
const STREET: f32 = 1.5;

/// What a building ends in.
#[derive(Clone, Copy, PartialEq)]
enum Top {
    Flat,
    Gable,
    Hip,
    Stepped,
}

/// One building of a layer.
#[derive(Clone, Copy)]
struct Building {
    left: f32,
    right: f32,
    eave: f32,
    foot: f32,
    top: Top,
    wall: Rgb,
    roof: Rgb,
}

/// Lays it in.
pub fn lay_in(facts: &Facts, sketch: &mut Sketch, rng: &mut Rng) {
    let light = Light::new(facts, rng);
    sky::lay_in(facts, &light, sketch, rng);
    let horizon = facts.horizon.unwrap_or(0.5);
    let modern = rng.chance(0.5);
    let lamp = things::lit_windows(facts);
    // Towers may rise far above the horizon, but leave the sky its share.
    let room = horizon * if modern { rng.range(0.5, 0.75) } else { rng.range(0.36, 0.55) };
    let layers = rng.int(2, 3);
    for i in 0..layers {
        let near = i as f32 / (layers - 1) as f32;
        let far = 0.68 * (1.0 - near) + 0.08;
        let height = room * if modern { 1.0 - 0.5 * near } else { 1.0 - 0.3 * near };
        for building in row(rng, sketch.aspect, horizon, height, modern) {
            raise(sketch, &light, rng, building, (far, lamp));
        }
    }
    // House fronts along a street would hide what stands in the sky.
    let before = rng.int(0, if facts.accent.is_some() { 1 } else { 2 });
    let ground = field::Ground {
        far_edge: horizon,
        noise: Noise::new(rng.bits()),
        local: [hex(0x9a948c), hex(0x847f7a)],
        patches: 0.5,
    };
    let tower = |distance: Distance| {
        move |_: f32, _: Distance| match distance {
            Distance::Close => horizon + 0.02,
            Distance::Distant => horizon + 0.004,
        }
    };
    let distance = facts.accent.map_or(Distance::Distant, |a| a.distance);
    match before {
        0 => {
            things::place(facts, &light, sketch, rng, tower(distance));
            river(sketch, &light, rng, horizon, lamp);
        }
        1 => {
            sketch.below(|_| horizon, |x, y, _| Some(ground.touch(&light, x, y, None)));
            things::place(facts, &light, sketch, rng, tower(distance));
            roofs(sketch, &light, rng, horizon, lamp);
        }
        _ => {
            let vanish = sketch.aspect * rng.range(0.4, 0.6);
            street(sketch, &light, rng, (ground, vanish, lamp));
            fronts(sketch, &light, rng, (horizon, vanish, modern, lamp));
        }
    }
}

/// The buildings of one layer, from left to right.
fn row(rng: &mut Rng, aspect: f32, foot: f32, height: f32, modern: bool) -> Vec<Building> {
    let swell = Noise::new(rng.bits());
    let mut buildings = Vec::new();
    let mut x = -rng.range(0.0, 0.05);
    while x < aspect {
        let wide = if modern { rng.range(0.035, 0.095) } else { rng.range(0.035, 0.10) };
        // Towns rise to a middle; single buildings differ.
        let whole = 0.62 + 0.45 * swell.at(x * 2.6, 0.5);
        let part = if modern { rng.range(0.3, 1.0).powf(1.3) } else { rng.range(0.45, 1.0) };
        let top = match rng.int(0, 3) {
            _ if modern && rng.chance(0.7) => Top::Flat,
            0 | 1 if !modern => Top::Gable,
            2 | 3 if !modern => Top::Hip,
            _ => Top::Stepped,
        };
        buildings.push(Building {
            left: x,
            right: x + wide,
            eave: foot - (height * whole * part).max(0.02),
            foot: foot + 0.004,
            top,
            wall: if modern { *rng.pick(&BLOCK) } else { *rng.pick(&PLASTER) },
            roof: *rng.pick(&TILES),
        });
        x += wide * rng.range(0.86, 1.12);
    }
    buildings
}

/// Paints one building: a face, a narrow side turned to or from the light, its top, its windows.
fn raise(sketch: &mut Sketch, light: &Light, rng: &mut Rng, b: Building, (far, lamp): (f32, Option<Rgb>)) {
    let wide = b.right - b.left;
    let part = rng.range(0.25, 0.42);
    // The side that faces the light is the one towards it.
    let edge = if light.side < 0.0 { b.left + wide * part } else { b.right - wide * part };
    let grime = Noise::new(rng.bits());
    let face = |x: f32, y: f32, local: Rgb| {
        let lit = (x - edge) * light.side > 0.0;
        let rough = grime.at(x * 24.0, y * 18.0);
        let low = ((y - b.eave) / (b.foot - b.eave + 0.02)).clamp(0.0, 1.0);
        let local = scale(local, if lit { 1.0 } else { 0.8 } + 0.06 * rough);
        light.on(local, if lit { 0.8 } else { -0.55 }, far * (0.85 + 0.35 * low))
    };
    sketch.polygon(&[[b.left, b.foot], [b.right, b.foot], [b.right, b.eave], [b.left, b.eave]], |x, y| {
        Some(Touch::new(face(x, y, b.wall)).angle(FRAC_PI_2).breadth(0.6))
    });
    let roof = |x: f32, y: f32| Some(Touch::new(face(x, y, b.roof)).angle(0.6).breadth(0.5));
    let (over, rise) = (wide * 0.05, wide * rng.range(0.4, 0.6));
    match b.top {
        Top::Flat => {}
        Top::Gable => {
            let ridge = [(b.left + b.right) * 0.5, b.eave - rise];
            sketch.polygon(&[[b.left - over, b.eave], ridge, [b.right + over, b.eave]], roof);
        }
        Top::Hip => {
            let (l, r) = ([b.left + wide * 0.2, b.eave - rise * 0.7], [b.right - wide * 0.2, b.eave - rise * 0.7]);
            sketch.polygon(&[[b.left - over, b.eave], l, r, [b.right + over, b.eave]], roof);
        }
        Top::Stepped => {
            for (inset, up) in [(0.18, 0.45), (0.34, 0.8)] {
                let (l, r, top) = (b.left + wide * inset, b.right - wide * inset, b.eave - rise * up);
                sketch.polygon(&[[l, b.eave], [r, b.eave], [r, top], [l, top]], |x, y| {
                    Some(Touch::new(face(x, y, b.wall)).angle(FRAC_PI_2).breadth(0.5))
                });
            }
        }
    }
    windows(sketch, light, rng, b, (far, lamp));
}

/// A grid of windows; by lamplight some of them glow, by day they are a little darker than the wall.
fn windows(sketch: &mut Sketch, light: &Light, rng: &mut Rng, b: Building, (far, lamp): (f32, Option<Rgb>)) {
    let pitch = [0.02, 0.026];
    let glow = Noise::new(rng.bits());
    let often = rng.range(-0.1, 0.45);
    let dark = light.on(hex(0x4a5058), -0.3, far);
    let margin = 0.006;
    sketch.lay([b.left + margin, b.eave + 0.012, b.right - margin, b.foot - 0.014], |x, y| {
        let (u, v) = ((x - b.left - margin) / pitch[0], (y - b.eave - 0.012) / pitch[1]);
        if u.fract() < 0.4 || v.fract() > 0.55 {
            return None;
        }
        match lamp {
            Some(lamp) if glow.at(u.floor() * 7.3, v.floor() * 5.7) > often => {
                Some(Touch::new(light.air(lamp, far * 0.6)).cover(0.9).angle(FRAC_PI_2).breadth(0.3))
            }
            _ => Some(Touch::new(dark).cover(0.45 * (1.0 - far)).angle(FRAC_PI_2).breadth(0.4)),
        }
    });
}

/// A river or harbour that mirrors the town.
fn river(sketch: &mut Sketch, light: &Light, rng: &mut Rng, horizon: f32, lamp: Option<Rgb>) {
    let noise = Noise::new(rng.bits());
    let above = sketch.color.clone();
    let (w, h) = (sketch.w, sketch.h);
    let quay = horizon + 0.012;
    let wall = light.on(hex(0x6a645e), -0.5, 0.3);
    let streak = if lamp.is_some() { 0.9 } else { 1.08 };
    sketch.below(
        |_| horizon,
        |x, y, _| {
            if y < quay {
                return Some(Touch::new(wall).breadth(0.5));
            }
            let depth = y - quay;
            let waver = (0.012 + 0.10 * depth) * noise.fbm(x * 5.0, y * 44.0, 2);
            let lift = 0.05 * depth * noise.at(x * 9.0, y * 60.0);
            let from = [x + waver, (horizon - depth * streak + lift).max(0.0)];
            let column = ((from[0].max(0.0) * h as f32) as usize).min(w - 1);
            let image = above[((from[1] * h as f32) as usize).min(h - 1) * w + column];
            let water = scale(light.sky_at(0.9 - depth), 0.8);
            let ripple = noise.at(x * 7.0, y * 80.0);
            let color = scale(mix(image, water, 0.25 + 0.35 * depth + 0.15 * ripple), 0.9 - 0.25 * depth);
            Some(Touch::new(color).breadth(0.7).angle(0.05 * ripple))
        },
    );
}

/// The roofs of the near quarter, seen from above, row before row.
fn roofs(sketch: &mut Sketch, light: &Light, rng: &mut Rng, horizon: f32, lamp: Option<Rgb>) {
    let rows = 2 + ((1.0 - horizon) * 6.0) as usize;
    for i in 0..rows {
        let t = (i as f32 + 0.6) / rows as f32;
        let scale_ = 0.05 + 0.17 * t * t;
        let ridge = horizon + (1.02 - horizon) * t.powf(1.3);
        let far = 0.5 * (1.0 - t) * (1.0 - t);
        let mut x = -rng.range(0.0, 0.8) * scale_;
        while x < sketch.aspect {
            let wide = scale_ * rng.range(0.9, 1.7);
            let tile = *rng.pick(&TILES);
            let wall = *rng.pick(&PLASTER);
            let drop = scale_ * rng.range(0.3, 0.5);
            let top = (ridge + scale_ * rng.range(-0.15, 0.15)).max(horizon + 0.006);
            near_roof(sketch, light, rng, ([x, x + wide, top, drop, far], tile, wall, lamp));
            x += wide * rng.range(0.92, 1.05);
        }
    }
}

type NearRoof = ([f32; 5], Rgb, Rgb, Option<Rgb>);

/// One roof with the slope turned to the light bright, a wall below it, a chimney, a window or two.
fn near_roof(
    sketch: &mut Sketch,
    light: &Light,
    rng: &mut Rng,
    ([x0, x1, top, drop, far], tile, wall, lamp): NearRoof,
) {
    let wide = x1 - x0;
    let grain = Noise::new(rng.bits());
    let facing = if rng.chance(0.5) { 0.7 } else { -0.3 };
    let eave = top + drop;
    let front = light.on(scale(wall, 0.8), -0.35, far);
    sketch.polygon(&[[x0, eave], [x1, eave], [x1, eave + drop * 2.4], [x0, eave + drop * 2.4]], |_, y| {
        Some(Touch::new(scale(front, 1.0 - 0.3 * ((y - eave) / drop).min(1.0))).angle(FRAC_PI_2).breadth(0.6))
    });
    let pitch = wide * 0.3;
    for i in 0..2 {
        let left = x0 + wide * (0.2 + 0.4 * i as f32);
        let lit = lamp.filter(|_| rng.chance(0.6));
        let color = lit.map_or(light.on(hex(0x454a54), -0.3, far), |glow| light.air(glow, far * 0.6));
        sketch.lay([left, eave + drop * 0.35, left + pitch * 0.5, eave + drop * 0.9], |_, _| {
            Some(Touch::new(color).angle(FRAC_PI_2).breadth(0.4))
        });
    }
    let inset = wide * 0.1;
    sketch.polygon(
        &[[x0 - wide * 0.02, eave], [x0 + inset, top], [x1 - inset, top], [x1 + wide * 0.02, eave]],
        |x, y| {
            let rough = grain.fbm(x * 30.0, y * 50.0, 2);
            let color = light.on(scale(tile, 1.0 + 0.16 * rough), facing + 0.25 * rough, far);
            Some(Touch::new(color).angle(FRAC_PI_2 + 0.2).breadth(0.6))
        },
    );
    if rng.chance(0.6) {
        let at = x0 + wide * rng.range(0.25, 0.75);
        let brick = light.on(hex(0x8f6252), 0.6 * light.side, far);
        let half = wide * 0.035;
        let high = (top - drop * 0.45).max(0.0);
        sketch.lay([at - half, high, at + half, top + drop * 0.15], |_, _| {
            Some(Touch::new(brick).angle(FRAC_PI_2).breadth(0.4))
        });
    }
}

/// A broad street that runs to the horizon between pavements, by lamplight with glints on it.
fn street(
    sketch: &mut Sketch,
    light: &Light,
    rng: &mut Rng,
    (ground, vanish, lamp): (field::Ground, f32, Option<Rgb>),
) {
    let half = STREET * rng.range(0.6, 0.75);
    let stone = [hex(0xb8ada0), hex(0x7d7a78)];
    let noise = Noise::new(rng.bits());
    sketch.below(
        |_| ground.far_edge,
        |x, y, depth| {
            let u = ((x - vanish) / (depth + 0.02)).abs();
            let run = (y + 0.02 - ground.far_edge).atan2(x - vanish);
            let (local, angle) = if u < half { (stone[1], 0.0) } else { (stone[0], run) };
            let touch = ground.touch(light, x, y, Some(local));
            let wet = noise.fbm(x * 8.0, y * 3.0, 2);
            let sheen = match lamp {
                Some(lamp) if u < half => mix(touch.color, lamp, ((wet - 0.25) * 1.6).clamp(0.0, 0.4)),
                _ => mix(touch.color, light.sky_at(0.8), ((wet - 0.1) * 0.8).clamp(0.0, 0.25)),
            };
            Some(Touch { color: sheen, ..touch }.angle(angle).breadth(0.9))
        },
    );
}

type Fronts = (f32, f32, bool, Option<Rgb>);

/// House fronts along both sides of the street, running to the point where it vanishes.
fn fronts(sketch: &mut Sketch, light: &Light, rng: &mut Rng, (horizon, vanish, modern, lamp): Fronts) {
    let dice = Noise::new(rng.bits());
    let walls: &[Rgb] = if modern { &BLOCK } else { &PLASTER };
    let high = horizon / sketch.aspect * rng.range(0.8, 1.3);
    let long = rng.range(0.3, 0.45);
    sketch.lay_all(|x, y| {
        let aside = x - vanish;
        let out = aside.abs();
        // Fronts begin some way off: the far end of the street stays open.
        if out < 0.09 {
            return None;
        }
        let side = if aside < 0.0 { -1.0 } else { 1.0 };
        // How far along the street this column is, in houses; and how high on the front, in house widths aside.
        let along = (out.ln() + 4.0) / long;
        let house = along.floor();
        let key = house * 3.7 + side * 51.3;
        let up = (horizon - y) / out;
        let roof = high * (1.0 + 0.4 * dice.at(key, 2.5));
        let foot = -1.0 / STREET;
        if up > roof || up < foot {
            return None;
        }
        let near = ((out - 0.09) / 0.4).clamp(0.0, 1.0);
        let far = 0.5 * (1.0 - near).powi(2);
        let pick = ((dice.at(key, 9.5) * 0.5 + 0.5) * walls.len() as f32) as usize;
        let rough = dice.at(x * 22.0, y * 14.0);
        let facing = if side * light.side < 0.0 { 0.75 } else { -0.6 };
        let within = along - house;
        let shop = if up < foot * 0.55 { 0.6 } else { 1.0 };
        let eaves = if up > roof * 0.93 { 0.75 } else { 1.0 };
        let local = scale(walls[pick.min(walls.len() - 1)], shop * eaves * (0.94 + 0.08 * rough));
        let wall = light.on(if facing < 0.0 { scale(local, 0.82) } else { local }, facing, far);
        let (column, story) = (within * 3.0, (up - foot) / 0.17);
        let pane = (0.3..0.7).contains(&column.fract()) && (0.3..0.78).contains(&story.fract()) && eaves == 1.0;
        let lit = dice.at(key + column.floor() * 7.3, story.floor() * 5.7) > 0.05;
        let color = match lamp {
            Some(lamp) if pane && lit => light.air(lamp, far * 0.6),
            _ if pane => mix(wall, light.on(hex(0x454c56), -0.3, far), 0.7),
            _ => wall,
        };
        let run = (y - horizon).atan2(aside);
        Some(Touch::new(color).angle(if pane { FRAC_PI_2 } else { run }).breadth(if pane { 0.35 } else { 0.6 }))
    });
}
