//! Still water before a far shore, which stands on its head in it.
//!
//! Decision: the far shore is painted first and the water copies what stands above it, so that reflection and shore
//! agree whatever stands there; then ripples break the copy, more of them nearer to the viewer.

use super::things::{LEAVES, NEEDLES, Woods};
use super::{sky, things};
use crate::color::{Rgb, hex, mix, scale};
use crate::facts::{Distance, Facts, Side, Thing, Weather};
use crate::light::{Light, ramp};
use crate::noise::Noise;
use crate::rng::Rng;
use crate::sketch::{Sketch, Touch};
use std::f32::consts::FRAC_PI_2;

/// What lake water itself may be coloured: peat, green, steel.
const WATERS: [u32; 3] = [0x3c4a44, 0x3a5a54, 0x3f5a70];
/// Far hills' own colours: woods, heath, autumn.
const HILLS: [u32; 4] = [0x5c7a4a, 0x4f6e58, 0x7c7a50, 0x6a6a62];
const BANK: Rgb = hex(0x6f7440);
const REEDS: [Rgb; 2] = [hex(0x8a8148), hex(0x66733c)];

/// Lays it in.
pub fn lay_in(facts: &Facts, sketch: &mut Sketch, rng: &mut Rng) {
    let light = Light::new(facts, rng);
    sky::lay_in(facts, &light, sketch, rng);
    let horizon = facts.horizon.unwrap_or(0.5);
    shore(facts, &light, sketch, rng, horizon);
    let accent = facts.accent.filter(|a| a.thing != Thing::Disc);
    let afloat = accent.is_some_and(|a| a.thing == Thing::Boat);
    let far_away = accent.is_some_and(|a| a.distance == Distance::Distant);
    // What stands on the far shore must be there before the water mirrors it.
    let mut for_thing = rng.fork("thing");
    if far_away && !afloat {
        things::place(facts, &light, sketch, &mut for_thing, |_, _| horizon);
    }
    water(facts, &light, sketch, rng, horizon);
    let bank = match accent {
        Some(a) if !far_away && !afloat => Some(a.side),
        Some(_) => None,
        None => rng.chance(0.45).then(|| *rng.pick(Side::ALL)),
    };
    let level = horizon + (1.0 - horizon) * 0.62;
    if let Some(side) = bank {
        near_bank(&light, sketch, rng, side, level);
    }
    if !far_away || afloat {
        let (close, distant) = (if afloat { level } else { level + 0.05 }, horizon + (1.0 - horizon) * 0.06);
        things::place(facts, &light, sketch, &mut for_thing, |_, d| if d == Distance::Close { close } else { distant });
    }
}

/// Low hills and woods whose foot is the water's far edge.
fn shore(facts: &Facts, light: &Light, sketch: &mut Sketch, rng: &mut Rng, horizon: f32) {
    // Nothing on the shore may hide a low sun.
    let seen = facts.accent.is_some_and(|a| a.thing == Thing::Disc);
    let unit = if seen { horizon.min(0.5).min(1.6 * (horizon - light.sun[1])) } else { horizon.min(0.5) };
    for far in [0.5, 0.2] {
        let noise = Noise::new(rng.bits());
        let (rise, wide, drift) =
            (unit * rng.range(0.15, 0.6) * (0.35 + 1.2 * far), rng.range(1.1, 2.6), rng.range(0.0, 50.0));
        let own = hex(*rng.pick(&HILLS));
        let ridge = |x: f32| horizon - rise * (0.45 + 0.55 * noise.fbm(x * wide + drift, 0.5, 4)).max(0.02);
        sketch.below(ridge, |x, y, _| {
            if y > horizon {
                return None;
            }
            let slope =
                noise.at(x * wide * 1.5 + drift, 0.5) - noise.at(x * wide * 1.5 + drift + 0.3 * light.side, 0.5);
            let rough = noise.fbm(x * 14.0, y * 24.0, 2);
            let color = light.on(own, 1.4 * slope + 0.5 * rough, far);
            Some(Touch::new(light.air(color, 0.2 * ramp(horizon - rise, horizon, y))).angle(0.3 * rough).breadth(0.6))
        });
    }
    let thin = Noise::new(rng.bits());
    let (full, wide) = (rng.range(-0.1, 0.6), rng.range(1.5, 3.0));
    let woods = Woods {
        noise: Noise::new(rng.bits()),
        height: rng.range(0.05, 0.11) * (unit / 0.45),
        conifer: rng.chance(0.5),
        leaf: if rng.chance(0.5) { *rng.pick(&NEEDLES) } else { *rng.pick(&LEAVES) },
        far: rng.range(0.1, 0.25),
    };
    let ends = [0.0, sketch.aspect];
    woods.paint(sketch, light, ends, |_| horizon, |x| 0.25 + full + thin.at(x * wide, 0.5));
}

/// The mirror, and the ripples on it.
fn water(facts: &Facts, light: &Light, sketch: &mut Sketch, rng: &mut Rng, horizon: f32) {
    let rough = match facts.weather {
        Some(Weather::Storm) => 1.0,
        Some(Weather::Fog) => rng.range(0.05, 0.2),
        _ => rng.range(0.1, 0.5),
    };
    let own = light.on(hex(*rng.pick(&WATERS)), 0.1, 0.0);
    let (noise, lanes) = (Noise::new(rng.bits()), rng.range(2.0, 5.0));
    let above = sketch.color.clone();
    let (w, h, aspect) = (sketch.w, sketch.h as f32, sketch.aspect);
    let seen = |x: f32, y: f32| {
        let column = (x.clamp(0.0, aspect) * h) as usize;
        above[((y.max(0.0) * h) as usize).min(last_row(horizon, h)) * w + column.min(w - 1)]
    };
    sketch.below(
        |_| horizon,
        |x, _, depth| {
            let near = depth / (1.0 - horizon);
            let (u, v) = ((x - aspect * 0.5) * 1.3 / (0.8 * near + 0.1), (near + 0.05).ln() * 9.0);
            let wave = noise.fbm(u, v, 2);
            let waver = rough * (0.15 + near);
            // The copy is squeezed together towards its top, so that there is always sky to mirror.
            let up = horizon / (1.0 + depth * (1.0 + 0.12 * wave * rough) / horizon);
            let mirrored = seen(x + 0.05 * waver * wave, up - 0.07 * waver * wave.abs());
            let color = mix(scale(mirrored, 0.93), own, 0.1 + 0.3 * near + 0.25 * waver * wave.max(0.0));
            // Lanes of wind show the open sky or the water itself instead of the shore.
            let lane = ramp(0.62 - 0.35 * rough, 0.8, noise.at(u * 0.22 + 30.0, v * lanes * 0.25 + 3.0) + 0.3 * wave);
            let open = mix(light.sky_at(0.75 - 0.45 * near), own, 0.25 + 0.35 * rough * wave.max(0.0));
            let dash = ramp(0.42, 0.6, noise.at(u * 0.9 + 11.0, v * 2.3)) * (0.25 + 0.5 * rough);
            let color = mix(mix(color, open, 0.75 * lane), mix(open, light.haze, 0.3), dash * (0.3 + 0.4 * near));
            let line = 0.35 / (1.0 + 90.0 * depth).powi(2);
            let color = light.air(scale(color, 1.0 - line), 0.25 * (1.0 - near).powi(3));
            // Strokes hang down where the shore is mirrored and lie flat where the sky is.
            let angle = if lane > 0.3 || dash > 0.2 || depth > 0.24 * horizon { 0.1 * wave } else { FRAC_PI_2 };
            Some(Touch::new(color).angle(angle).breadth(0.6 + 0.6 * near))
        },
    );
}

/// The last row above the water.
fn last_row(horizon: f32, h: f32) -> usize {
    ((horizon * h) as usize).saturating_sub(1)
}

/// A spit of land in a lower corner, its reeds standing against the water.
fn near_bank(light: &Light, sketch: &mut Sketch, rng: &mut Rng, side: Side, level: f32) {
    let noise = Noise::new(rng.bits());
    let reach = sketch.aspect * rng.range(0.5, 0.75);
    let inward = move |x: f32, aspect: f32| if side == Side::Left { x } else { aspect - x };
    let aspect = sketch.aspect;
    let line = move |x: f32| {
        let out = inward(x, aspect) / reach;
        level + (1.05 - level) * out.powi(3) + 0.012 * noise.at(x * 9.0, 2.0)
    };
    sketch.below(line, |x, y, depth| {
        let rough = noise.fbm(x * 7.0, y * 16.0, 3);
        let color = light.on(mix(BANK, hex(0x5a4a34), ramp(0.1, 0.6, rough)), 0.35 + 0.7 * rough, 0.04);
        let wet = 0.45 * (-depth * 70.0).exp();
        Some(Touch::new(scale(color, 1.0 - wet)).angle(-0.5 + 0.6 * rough).breadth(0.9))
    });
    for _ in 0..rng.int(14, 40) {
        let x = rng.range(0.05, 1.0) * reach;
        let x = if side == Side::Left { x } else { aspect - x };
        let foot = (line(x) + rng.range(0.0, 0.03)).min(1.02);
        let (tall, lean) = (rng.range(0.03, 0.11), rng.range(-0.25, 0.25));
        let color = light.on(*rng.pick(&REEDS), rng.range(-0.6, 0.8), 0.03);
        let tip = [x + lean * tall, foot - tall];
        let width = 0.0025f32.max(0.6 * sketch.px());
        sketch.line([x, foot], tip, width, 0.0006, |_, _| Some(Touch::new(color).angle(FRAC_PI_2).breadth(0.3)));
    }
}
