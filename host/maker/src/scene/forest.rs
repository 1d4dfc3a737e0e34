//! Trees filling the view: trunks before masses of foliage, light coming through from behind, a floor with a path or a
//! clearing.
//!
//! Decision: the wood is lit from its far end. Each nearer layer is darker and harder than the one behind it, and the
//! lightest place is the gap where the path leads.

use super::things::{self, BARK, LEAVES, NEEDLES, Stand, Woods};
use super::{field, sky};
use crate::color::{Rgb, hex, mix, scale};
use crate::facts::{Distance, Facts, Side};
use crate::light::Light;
use crate::noise::Noise;
use crate::rng::Rng;
use crate::sketch::{Sketch, Touch};
use std::f32::consts::FRAC_PI_2;

/// What kind of wood it is.
#[derive(Clone, Copy)]
struct Wood {
    conifer: bool,
    leaf: Rgb,
    bark: Rgb,
    /// Where the gap is.
    gap: f32,
    /// How many trunks there are for a square picture.
    dense: f32,
}

/// Lays it in.
pub fn lay_in(facts: &Facts, sketch: &mut Sketch, rng: &mut Rng) {
    let light = Light::new(facts, rng);
    sky::lay_in(facts, &light, sketch, rng);
    let horizon = facts.horizon.unwrap_or(0.5);
    let conifer = rng.chance(0.4);
    let leaf = if conifer { *rng.pick(&NEEDLES) } else { *rng.pick(&LEAVES) };
    let bark = match rng.int(0, 3) {
        0 if !conifer => hex(0xcfc8bc),
        1 if conifer => hex(0x9a6248),
        2 => hex(0x6d6258),
        _ => BARK,
    };
    // The gap leaves the accent's half to the accent.
    let gap = match facts.accent.map(|a| a.side) {
        Some(Side::Left) => rng.range(0.28, 0.42),
        Some(Side::Right) => rng.range(0.58, 0.72),
        None => rng.range(0.3, 0.7),
    } * sketch.aspect;
    let wood = Wood { conifer, leaf, bark, gap, dense: rng.range(10.0, 18.0) };
    let ground = floor(sketch, &light, rng, horizon, leaf);
    backdrop(sketch, &light, rng, wood, horizon);
    let path = rng.chance(0.55);
    if path {
        way(sketch, &light, rng, wood, ground);
    }
    let far_first = facts.accent.is_some_and(|a| a.distance == Distance::Distant);
    let stand = |_: f32, distance: Distance| ground.stand(distance);
    if far_first {
        things::place(facts, &light, sketch, rng, stand);
    }
    trunks(facts, sketch, &light, rng, wood, ground);
    if !far_first {
        things::place(facts, &light, sketch, rng, stand);
    }
}

/// The forest floor: leaf litter, moss, dapples of light lying across.
fn floor(sketch: &mut Sketch, light: &Light, rng: &mut Rng, horizon: f32, leaf: Rgb) -> field::Ground {
    let litter = *rng.pick(&[hex(0x7d5f3e), hex(0x6f6a42), hex(0x8a6a42), hex(0x5f6b3f)]);
    let local = [litter, mix(leaf, hex(0x7f7a4a), 0.4)];
    let ground = field::Ground { far_edge: horizon, noise: Noise::new(rng.bits()), local, patches: 0.9 };
    let dapple = Noise::new(rng.bits());
    sketch.below(
        |_| horizon,
        |x, y, _| {
            let [u, v] = ground.plane([x, y], 0.5);
            let lit = ((dapple.fbm(u * 1.3, v * 7.0, 2) - 0.08) * 5.0).clamp(-1.0, 1.0);
            let grain = dapple.at(x * 26.0, y * 40.0);
            let local =
                scale(mix(local[0], local[1], 0.5 + 0.9 * dapple.at(u * 0.7, v * 3.0 + 9.0)), 0.88 + 0.12 * grain);
            let shade = if lit < 0.0 { 0.74 } else { 1.0 };
            let near = ((y - 0.8) / 0.2).clamp(0.0, 1.0);
            let color = light.on(
                scale(local, shade * (1.0 - 0.25 * near)),
                lit * (0.5 + 0.4 * light.contrast),
                0.6 * ground.far(y),
            );
            Some(Touch::new(color).angle(0.3 * grain).breadth(0.7))
        },
    );
    ground
}

/// Masses of foliage one before the other, lowest at the gap; each stands on the floor before the one behind it.
fn backdrop(sketch: &mut Sketch, light: &Light, rng: &mut Rng, wood: Wood, horizon: f32) {
    let aspect = sketch.aspect;
    let wide = aspect * rng.range(0.14, 0.24);
    for (i, (far, part, open)) in [(0.72, 0.8, 0.1), (0.46, 1.0, 0.45), (0.22, 1.05, 0.85)].into_iter().enumerate() {
        let edge = Noise::new(rng.bits());
        // The middle mass is nearly hidden: one row of crowns does.
        let rows: &[f32] = if i == 1 { &[0.85] } else { &[1.0, 0.5] };
        for (row, rise) in rows.iter().enumerate() {
            let height = (horizon * part * rise).max(0.05);
            let crown = (0.05 + 0.22 * horizon) * (0.7 + 0.25 * i as f32) * rng.range(0.8, 1.1);
            let crown = crown * if wood.conifer { 0.42 } else { 0.75 };
            let woods = Woods {
                noise: Noise::new(rng.bits()),
                height,
                conifer: wood.conifer,
                leaf: scale(wood.leaf, 1.0 - 0.1 * i as f32),
                far: far - 0.04 * row as f32,
            };
            let base = horizon + 0.004 + 0.007 * i as f32;
            woods.paint_crowns(
                crown,
                sketch,
                light,
                [0.0, aspect],
                |_| base,
                |x| {
                    let shut = (-((x - wood.gap) / wide).powi(2)).exp() * open;
                    1.0 - shut + 0.2 * edge.at(x * 4.0, row as f32 + 0.5)
                },
            );
        }
        if i == 0 {
            glow(sketch, light, [wood.gap, horizon * 0.72], [wide * 1.1, horizon * 0.6]);
        }
    }
}

/// Light that stands in the gap.
fn glow(sketch: &mut Sketch, light: &Light, middle: [f32; 2], radii: [f32; 2]) {
    let color = mix(light.haze, light.key, 0.35);
    sketch.ellipse(middle, radii, |u, v| {
        let soft = (1.0 - u.hypot(v)).max(0.0);
        Some(Touch::new(color).cover(0.6 * soft * soft).angle(FRAC_PI_2))
    });
}

/// A path that leads from the painter's feet into the gap.
fn way(sketch: &mut Sketch, light: &Light, rng: &mut Rng, wood: Wood, ground: field::Ground) {
    let from = sketch.aspect * rng.range(0.3, 0.7);
    let (swing, phase) = (rng.range(0.04, 0.14) * sketch.aspect, rng.range(0.0, 6.0));
    let dust = *rng.pick(&[hex(0xc2a77e), hex(0xb3977a), hex(0xa99a78)]);
    let noise = Noise::new(rng.bits());
    sketch.lay([0.0, ground.far_edge, sketch.aspect, 1.0], |x, y| {
        let t = ((y - ground.far_edge) / (1.0 - ground.far_edge)).clamp(0.0, 1.0);
        let middle = wood.gap + (from - wood.gap) * t + swing * ((phase + 4.0 * t).sin() - phase.sin()) * t.sqrt();
        let half = 0.012 + 0.2 * t * t + 0.05 * t;
        let rough = noise.fbm(x * 14.0, y * 30.0, 2);
        let cover = ((1.0 + 0.5 * rough) - (x - middle).abs() / half) * 3.0;
        if cover <= 0.0 {
            return None;
        }
        let dappled = noise.fbm(x * 5.0 + 20.0, y * 16.0 / (0.3 + t), 2);
        let near = ((t - 0.7) / 0.3).clamp(0.0, 1.0);
        let facing = 0.35 + 2.5 * dappled - 0.5 * near;
        let color = light.on(scale(dust, 0.85 + 0.1 * rough), facing, 0.6 * ground.far(y));
        Some(Touch::new(color).cover(cover.min(0.9)).breadth(0.8))
    });
}

/// Trunks from far to near with their boughs, clear of the gap and of the accent; then the leaves that hang in.
fn trunks(facts: &Facts, sketch: &mut Sketch, light: &Light, rng: &mut Rng, wood: Wood, ground: field::Ground) {
    let count = (wood.dense * sketch.aspect.sqrt()) as usize;
    let depth = 1.0 - ground.far_edge;
    let noise = Noise::new(rng.bits());
    for i in 0..count {
        let t = (i as f32 + rng.unit()) / count as f32;
        let y = ground.far_edge + depth * (0.02 + 0.62 * t.powi(2));
        let mut x = sketch.aspect * rng.range(-0.02, 1.02);
        // Nearer trunks stand farther from the gap.
        let clear = sketch.aspect * (0.05 + 0.2 * t);
        if (x - wood.gap).abs() < clear {
            x = wood.gap + clear * if x < wood.gap { -1.0 } else { 1.0 } * rng.range(1.0, 1.5);
        }
        if in_the_way(facts, x / sketch.aspect, t) {
            continue;
        }
        let far = 0.62 * (1.0 - t).powf(1.2);
        let thick = 0.005 + 0.02 * t * t * rng.range(0.8, 1.35) + 0.005 * t;
        trunk(sketch, light, rng, wood, (Stand { foot: [x, y], height: y + 0.05, far }, thick, noise));
    }
    canopy(sketch, light, rng, wood);
}

/// True where a trunk would stand before the accent.
fn in_the_way(facts: &Facts, part: f32, near: f32) -> bool {
    facts.accent.is_some_and(|a| {
        let inner = if a.side == Side::Left { part } else { 1.0 - part };
        (0.06..0.5).contains(&inner) && near > if a.distance == Distance::Close { 0.55 } else { 0.25 }
    })
}

fn trunk(sketch: &mut Sketch, light: &Light, rng: &mut Rng, wood: Wood, (stand, thick, noise): (Stand, f32, Noise)) {
    let Stand { foot: [x, y], height, far } = stand;
    let lean = rng.range(-0.06, 0.06) * if wood.conifer { 0.3 } else { 1.0 };
    let head = [x + lean * height, y - height];
    let flat = Stand { height: height * 0.25, ..stand };
    things::cast_shadow(sketch, light, rng, flat);
    let paint = |half: f32, px: f32, py: f32, middle: f32| {
        let across = ((px - middle) / half) * light.side;
        let rough = noise.at(px * 40.0, py * 12.0);
        let facing = (across * 1.3 - 0.1 + 0.5 * rough).clamp(-0.9, 0.8);
        // High up a trunk is in the shade of the crowns.
        let high = (0.45 + 0.55 * (py / y.max(0.1))).clamp(0.0, 1.0);
        light.on(scale(wood.bark, (0.78 + 0.2 * rough) * high), facing, far)
    };
    let along = |py: f32| x + lean * (y - py);
    sketch.line([x, y], head, thick, thick * 0.72, |px, py| {
        Some(Touch::new(paint(thick, px, py, along(py))).angle(FRAC_PI_2 - lean).breadth(0.45))
    });
    // The foot spreads into the ground.
    sketch.polygon(
        &[[x - thick * 1.7, y + thick * 0.5], [x, y - thick * 3.5], [x + thick * 1.7, y + thick * 0.5]],
        |px, py| Some(Touch::new(paint(thick * 1.5, px, py, x)).angle(FRAC_PI_2).breadth(0.45)),
    );
    for _ in 0..rng.int(2, 4) {
        let from = y - height * rng.range(0.4, 0.85);
        let way = if rng.chance(0.5) { 1.0 } else { -1.0 };
        let reach = (0.04 + 2.5 * thick) * rng.range(0.7, 1.6);
        let rise = if wood.conifer { 0.15 } else { -rng.range(0.4, 1.0) } * reach;
        let (a, b) = ([along(from), from], [along(from) + way * reach, from + rise]);
        sketch.line(a, b, thick * 0.32, thick * 0.1, |px, py| {
            Some(
                Touch::new(paint(thick, px, py, along(from) + way * thick * 0.4))
                    .angle(rise.atan2(way * reach))
                    .breadth(0.3),
            )
        });
        let tone = |facing: f32| things::foliage(light, wood.leaf, facing * 0.7 - 0.3, far);
        let (middle, radii) = if wood.conifer {
            ([b[0] - way * reach * 0.3, b[1] + 0.01], [reach * 0.7, 0.012 + reach * 0.18])
        } else {
            (b, [reach * 0.9, reach * 0.6])
        };
        things::clump(sketch, noise, middle, radii, tone, light.side);
    }
}

/// Foliage hanging in from above, thickest to the sides.
fn canopy(sketch: &mut Sketch, light: &Light, rng: &mut Rng, wood: Wood) {
    let noise = Noise::new(rng.bits());
    let count = (rng.range(6.0, 9.0) * sketch.aspect.max(0.8)) as usize;
    let hang = rng.range(0.08, 0.17);
    for far in [0.3, 0.05] {
        for i in 0..count {
            let x = sketch.aspect * (i as f32 + rng.range(-0.5, 0.5)) / (count - 1) as f32;
            let away = ((x - wood.gap) / (0.5 * sketch.aspect)).abs().min(1.2);
            let r = hang * (0.25 + 0.75 * away) * rng.range(0.7, 1.2) * (1.0 + far);
            let tone = |facing: f32| things::foliage(light, scale(wood.leaf, 0.85), facing * 0.7 - 0.3, far);
            let flat = if wood.conifer { 0.5 } else { 0.75 };
            things::clump(
                sketch,
                noise,
                [x, r * rng.range(-0.2, 0.6) + far * 0.1],
                [r * 1.3, r * flat],
                tone,
                light.side,
            );
        }
    }
}
