//! Rolling land: rounded hills one behind the other, with hedges, fields and distant woods.
//!
//! Decision: each hill is light along its top and dark in the hollow before the next, so that every edge between two
//! hills is a light against a dark.

use super::things::{self, LEAVES, Woods};
use super::{field, sky};
use crate::color::{Rgb, hex, mix, scale};
use crate::facts::{Distance, Facts};
use crate::light::Light;
use crate::noise::Noise;
use crate::rng::Rng;
use crate::sketch::{Sketch, Touch};

/// Local colours of one countryside: pastures, fields.
const SEASONS: [[Rgb; 4]; 4] = [
    [hex(0x7fa04a), hex(0x93ad55), hex(0xb3b263), hex(0x6c9145)],
    [hex(0xb5a354), hex(0xcbb363), hex(0x95984e), hex(0xd8bf72)],
    [hex(0x7c9556), hex(0xa8a060), hex(0x8f7a4e), hex(0x9bab62)],
    [hex(0xa48a4a), hex(0x8a7f46), hex(0xb9975a), hex(0x7f8a4a)],
];

/// One hill's outline and what lies on it.
#[derive(Clone, Copy)]
struct Hill {
    top: f32,
    rise: f32,
    wide: f32,
    noise: Noise,
    far: f32,
    /// How far below lies the next hill's top.
    gap: f32,
}

impl Hill {
    fn line(&self, x: f32) -> f32 {
        let long = self.noise.at(x / self.wide, 0.5);
        self.top - self.rise * (0.75 * long + 0.25 * self.noise.at(x * 2.3 / self.wide, 4.5))
    }

    /// How steeply the outline falls to the right.
    fn slope(&self, x: f32) -> f32 {
        (self.line(x + 0.03) - self.line(x - 0.03)) / 0.06
    }
}

/// Lays it in.
pub fn lay_in(facts: &Facts, sketch: &mut Sketch, rng: &mut Rng) {
    let light = Light::new(facts, rng);
    sky::lay_in(facts, &light, sketch, rng);
    let horizon = facts.horizon.unwrap_or(0.5);
    let season = *rng.pick(&SEASONS);
    let hills = lie_of_the_land(rng, horizon);
    let leaf = *rng.pick(&LEAVES);
    for (i, hill) in hills.iter().enumerate() {
        let local = [season[i % 4], season[(i + 1) % 4]];
        slope(sketch, &light, rng, (hill, hills.get(i + 1)), local);
        if i + 1 < hills.len() && rng.chance(0.75) {
            copse(sketch, &light, rng, hill, leaf);
        }
    }
    if rng.chance(0.35) {
        let last = hills[hills.len() - 1];
        let ground =
            field::Ground { far_edge: last.top + 0.04, noise: last.noise, local: [season[0]; 2], patches: 0.3 };
        if ground.far_edge < 0.86 {
            field::track(sketch, &light, rng, ground);
        }
    }
    let near = hills[hills.len() - 1];
    things::place(facts, &light, sketch, rng, |x, distance| match distance {
        Distance::Close => (near.line(x) + 0.3 * (1.0 - near.line(x))).clamp(horizon + 0.12, 0.93),
        Distance::Distant => hills[1].line(x).max(horizon + 0.01) + 0.012,
    });
}

/// Three to five hills from the horizon to the painter's feet.
fn lie_of_the_land(rng: &mut Rng, horizon: f32) -> Vec<Hill> {
    let count = if horizon > 0.62 { rng.int(3, 4) } else { rng.int(4, 5) };
    (0..count)
        .map(|i| {
            let t = i as f32 / count as f32;
            // The farthest keeps to the horizon; nearer ones stay below it.
            let top = horizon + (0.92 - horizon) * t.powf(1.35);
            let gap = (0.92 - horizon) / count as f32;
            let rise = if i == 0 { 0.034 } else { (gap * rng.range(0.9, 1.4)).min(0.16) };
            let top = if i == 0 { top } else { (top + 0.5 * rise).max(horizon + rise * 1.05) };
            let wide = rng.range(0.3, 0.55) * (0.8 + 0.6 * t);
            Hill {
                top,
                rise,
                wide,
                noise: Noise::new(rng.bits()),
                far: 0.66 * (1.0 - t).powf(1.6),
                gap: gap + 0.5 * rise,
            }
        })
        .collect()
}

/// Paints one hill: light over its top, its fields, the dark hollow at its foot.
fn slope(sketch: &mut Sketch, light: &Light, rng: &mut Rng, (hill, next): (&Hill, Option<&Hill>), local: [Rgb; 2]) {
    let noise = Noise::new(rng.bits());
    let (field_size, skew) = (rng.range(0.16, 0.34) * (1.4 - hill.far), rng.range(-0.6, 0.6));
    let fields = rng.chance(0.6);
    let hedge = scale(mix(local[0], hex(0x2e4a34), 0.7), 0.8);
    // A cloud's shadow lies on some hills and not on others.
    let passing = if rng.chance(0.4) { -0.55 } else { 0.2 };
    let h = sketch.h as f32;
    // How steep each column is, and where the next hill hides it.
    let columns: Vec<[f32; 2]> = (0..sketch.w)
        .map(|c| (c as f32 + 0.5) / h)
        .map(|x| [hill.slope(x), next.map_or(1.0, |n| n.line(x) + 2.0 / h)])
        .collect();
    sketch.below(
        |x| hill.line(x),
        |x, y, depth| {
            let [fall, hidden] = columns[((x * h) as usize).min(columns.len() - 1)];
            if y > hidden {
                return None;
            }
            let rough = noise.fbm(x * 7.0, y * 16.0, 3);
            let down = depth / hill.gap;
            let hollow = ((down - 0.12) * 1.5).clamp(0.0, 1.0);
            let mut color = mix(local[0], local[1], 0.5 + 0.9 * rough);
            let mut facing = passing + 0.6 + 4.0 * fall * light.side - 1.7 * hollow + 0.3 * rough;
            if fields {
                // Parcels lie across the slope, each bounded uphill by a row of bushes.
                let band = (down + 0.06).ln() * 1.25 + 0.5 * noise.at(x * 2.2, 8.0);
                let aside = x / field_size + skew * down + 3.7 * band.floor();
                let parcel = noise.at(aside.floor() * 3.7, band.floor() * 5.3);
                color = scale(mix(color, local[usize::from(parcel > 0.0)], 0.75), 1.0 + 0.24 * parcel);
                let bushes = 0.10 * (1.0 - 0.5 * hill.far) * (0.1 + 1.9 * noise.fbm(x * 16.0, band.round() * 7.0, 2));
                if (band - band.round()).abs() < bushes && down > 0.1 {
                    (color, facing) = (hedge, facing - 0.35);
                }
            }
            let near = ((y - 0.86) / 0.14).clamp(0.0, 1.0) * (1.0 - hill.far);
            let color =
                light.on(scale(color, (1.0 - 0.25 * hollow) * (1.0 - 0.2 * near)), facing - 0.4 * near, hill.far);
            Some(Touch::new(color).angle(fall.atan() + 0.3 * rough).breadth(0.8 + 0.5 * (1.0 - hill.far)))
        },
    );
}

/// Woods on a hill's shoulder, here and there.
fn copse(sketch: &mut Sketch, light: &Light, rng: &mut Rng, hill: &Hill, leaf: Rgb) {
    let gaps = Noise::new(rng.bits());
    let height = (0.018 + 0.06 * (1.0 - hill.far).powi(2)) * rng.range(0.8, 1.2);
    let (few, drop) = (rng.range(-0.4, 0.3), rng.range(0.0, 0.02));
    let woods = Woods { noise: Noise::new(rng.bits()), height, conifer: false, leaf, far: hill.far };
    woods.paint(
        sketch,
        light,
        [0.0, sketch.aspect],
        |x| hill.line(x) + drop + 0.004,
        |x| few + 1.6 * gaps.fbm(x * 2.2, 1.0, 2),
    );
}
