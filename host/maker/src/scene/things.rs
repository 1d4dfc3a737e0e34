//! Single things in a landscape: trees, pines, houses, boats, rocks, towers; and woods seen as one mass.
//!
//! Decision: each thing is a few big planes, a light one and a dark one, with broken edges. No leaf, brick or plank is
//! drawn: at the size of a study a thing is told by its silhouette and by where the light falls.

use crate::color::{Rgb, hex, mix, scale};
use crate::facts::{Accent, Distance, Facts, Side, Subject, Thing, Time};
use crate::light::Light;
use crate::noise::Noise;
use crate::rng::Rng;
use crate::sketch::{Sketch, Touch};
use std::f32::consts::{FRAC_PI_2, TAU};

/// Greens and autumn colours of broad-leaved trees in daylight.
pub const LEAVES: [Rgb; 5] = [hex(0x6f8a3c), hex(0x5c7f3e), hex(0x7f8f45), hex(0x8c8440), hex(0xa8793a)];
/// Colours of conifers in daylight.
pub const NEEDLES: [Rgb; 3] = [hex(0x3f5f45), hex(0x46603c), hex(0x38584e)];
/// Colours of rock in daylight.
pub const STONE: [Rgb; 4] = [hex(0x9a8f86), hex(0x8a8580), hex(0xa58d74), hex(0x84807c)];
/// Bark in daylight.
pub const BARK: Rgb = hex(0x5c4a3c);
/// Lamplight in a window.
const LAMP: Rgb = hex(0xffc95e);
/// An unlit window.
const PANE: Rgb = hex(0x3b4150);
/// How far through the air (distance times thickness) a distant accent is seen at most: beyond, fog would swallow it.
const VEIL: f32 = 0.2;

/// Where a thing stands and how large it is.
#[derive(Clone, Copy, Debug)]
pub struct Stand {
    /// The middle of its foot.
    pub foot: [f32; 2],
    /// Its height, in sketch units.
    pub height: f32,
    /// How far through the air it is seen, as in [`Light::air`].
    pub far: f32,
}

/// Paints the facts' accent, if there is one other than the disc (the sky's business), in its half of the picture.
/// `ground(x, distance)` is the y on which something stands at `x`.
pub fn place(facts: &Facts, light: &Light, sketch: &mut Sketch, rng: &mut Rng, ground: impl Fn(f32, Distance) -> f32) {
    let Some(accent) = facts.accent.filter(|a| a.thing != Thing::Disc) else { return };
    let close = accent.distance == Distance::Close;
    let part = if close { rng.range(0.19, 0.34) } else { rng.range(0.14, 0.38) };
    let far = if close { 0.04 } else { (VEIL / light.thickness).min(0.55) };
    // A narrow picture has no room for a full-sized crown in one half.
    let fit = sketch.aspect.clamp(0.6, 1.0).sqrt();
    let height = size(accent, rng) * fit;
    // All of it in the picture, and most of it in its half.
    let aside = (part * sketch.aspect).max(height * half_breadth(accent.thing)).min(0.42 * sketch.aspect);
    let x = if accent.side == Side::Left { aside } else { sketch.aspect - aside };
    let y = ground(x, accent.distance);
    let height = height.min(y - 0.03).max(0.06);
    let stand = Stand { foot: [x, y], height, far };
    let afloat = accent.thing == Thing::Boat || facts.subject == Subject::Sea;
    let before = afloat.then(|| sketch.color.clone());
    if !afloat {
        cast_shadow(sketch, light, rng, stand);
    }
    match accent.thing {
        Thing::Tree => tree(sketch, light, rng, stand, *rng.clone().pick(&LEAVES)),
        Thing::Pine => pine(sketch, light, rng, stand, *rng.clone().pick(&NEEDLES)),
        Thing::House => house(sketch, light, rng, stand, lit_windows(facts)),
        Thing::Boat => boat(sketch, light, rng, stand),
        Thing::Rocks => rocks(sketch, light, rng, stand),
        Thing::Tower => match facts.subject {
            Subject::Sea => {
                let islet = Stand { height: height * 0.2, ..stand };
                rocks(sketch, light, rng, islet);
                let lifted = Stand { foot: [x, y - height * 0.1], height: height * 0.9, ..stand };
                lighthouse(sketch, light, rng, lifted, lit_windows(facts));
            }
            Subject::City => spire(sketch, light, rng, stand, lit_windows(facts)),
            _ => keep(sketch, light, rng, stand, lit_windows(facts)),
        },
        Thing::Disc => {}
    }
    if let Some(before) = before {
        reflect(sketch, light, rng, stand, &before);
    }
}

/// How far a thing reaches to either side, in parts of its height.
fn half_breadth(thing: Thing) -> f32 {
    match thing {
        Thing::House => 0.85,
        Thing::Rocks => 1.1,
        Thing::Boat => 0.5,
        Thing::Tree => 0.4,
        _ => 0.24,
    }
}

/// The height of an accent as part of the picture's.
fn size(accent: Accent, rng: &mut Rng) -> f32 {
    let tall = matches!(accent.thing, Thing::Tree | Thing::Pine | Thing::Tower);
    let (low, high) = match (accent.distance, tall) {
        (Distance::Close, true) => (0.40, 0.55),
        (Distance::Close, false) => (0.22, 0.30),
        (Distance::Distant, true) => (0.11, 0.16),
        (Distance::Distant, false) => (0.085, 0.12),
    };
    rng.range(low, high)
}

/// The colour of windows with lamps behind them, at the times when they are lit.
pub fn lit_windows(facts: &Facts) -> Option<Rgb> {
    matches!(facts.time, Some(Time::Dusk | Time::Night)).then_some(LAMP)
}

/// Foliage of local colour `leaf` under the light: warm where it faces it, deep and cool where not.
pub fn foliage(light: &Light, leaf: Rgb, facing: f32, far: f32) -> Rgb {
    let deep = scale(mix(leaf, hex(0x24404a), 0.35), 0.62);
    let sunny = scale(mix(leaf, hex(0xd8c860), 0.28), 1.12);
    light.on(mix(deep, sunny, 0.5 + 0.6 * facing), facing, far)
}

/// A cluster of leaves: a blob with a broken edge, light on the light's side. `facing` adds to all of it.
pub fn clump(
    sketch: &mut Sketch,
    noise: Noise,
    [cx, cy]: [f32; 2],
    [rx, ry]: [f32; 2],
    tone: impl Fn(f32) -> Rgb,
    side: f32,
) {
    let k = 2.6 / rx.min(ry).max(1e-3);
    let reach = 1.25;
    sketch.lay([cx - rx * reach, cy - ry * reach, cx + rx * reach, cy + ry * reach], |x, y| {
        let (u, v) = ((x - cx) / rx, (y - cy) / ry);
        let radius = u.hypot(v);
        if radius > reach {
            return None;
        }
        let rough = noise.fbm(x * k, y * k, 2);
        let cover = (1.0 + 0.5 * rough - radius) * 5.0;
        if cover <= 0.0 {
            return None;
        }
        let facing = 0.75 * side * u - 0.75 * v + 0.55 * rough;
        let angle = v.atan2(u) + FRAC_PI_2 + 0.5 * rough;
        Some(Touch::new(tone(facing)).cover(cover).angle(angle).breadth(0.5))
    });
}

/// A broad-leaved tree: a trunk that forks into a crown of clumps with the sky showing between.
pub fn tree(sketch: &mut Sketch, light: &Light, rng: &mut Rng, stand: Stand, leaf: Rgb) {
    let Stand { foot: [x, y], height, far } = stand;
    let noise = Noise::new(rng.bits());
    let habit = *rng.pick(&[[0.33, 0.36], [0.25, 0.40], [0.40, 0.31]]);
    let [rx, ry] = habit.map(|part| part * height);
    let lean = rng.range(-0.08, 0.08) * height;
    let [cx, cy] = [x + lean, y - height + ry];
    let bark =
        |x: f32, middle: f32| light.on(BARK, ((x - middle) * light.side / (0.02 * height)).clamp(-1.0, 1.0), far);
    let fork = [x + lean * 0.5, cy + ry * 0.55];
    let limb = |sketch: &mut Sketch, a: [f32; 2], b: [f32; 2], wa: f32, wb: f32| {
        let angle = (b[1] - a[1]).atan2(b[0] - a[0]);
        let middle = (a[0] + b[0]) * 0.5;
        sketch.line(a, b, wa * height, wb * height, |px, _| {
            Some(Touch::new(bark(px, middle)).angle(angle).breadth(0.35))
        });
    };
    limb(sketch, [x, y], fork, 0.034, 0.022);
    let count = rng.int(12, 17);
    let turn = rng.range(0.0, TAU);
    let mut masses: Vec<[f32; 2]> = (0..count)
        .map(|i| {
            // Evenly over the crown, as seeds in a sunflower, with accidents.
            let (r, a) = (((i as f32 + 0.5) / count as f32).sqrt(), turn + i as f32 * 2.4 + rng.range(-0.4, 0.4));
            [0.74 * r * a.cos(), 0.74 * r * a.sin()]
        })
        .collect();
    for [u, v] in masses.iter().step_by(3) {
        limb(sketch, fork, [cx + u * rx, cy + v * ry], 0.016, 0.005);
    }
    // Masses turned from the light first: lit ones overlap them.
    masses.sort_by(|a, b| (a[0] * light.side - a[1]).total_cmp(&(b[0] * light.side - b[1])));
    for [u, v] in masses {
        let r = rng.range(0.30, 0.44);
        let whole = 0.45 * (u * light.side - v) - 0.05;
        let tone = |facing: f32| foliage(light, leaf, whole + facing * 0.75, far);
        clump(sketch, noise, [cx + u * rx, cy + v * ry], [r * rx, r * ry * 0.85], tone, light.side);
    }
}

/// A conifer: a spire of layered boughs that droop, each light above and dark below.
pub fn pine(sketch: &mut Sketch, light: &Light, rng: &mut Rng, stand: Stand, needles: Rgb) {
    let Stand { foot: [x, y], height, far } = stand;
    let noise = Noise::new(rng.bits());
    let (tiers, half) = (rng.int(6, 9) as f32, height * rng.range(0.17, 0.24));
    let top = y - height;
    let bark = light.on(scale(BARK, 0.8), -0.2, far);
    sketch.line([x, y], [x, y - height * 0.3], 0.022 * height, 0.018 * height, |_, _| {
        Some(Touch::new(bark).angle(FRAC_PI_2).breadth(0.3))
    });
    let k = 16.0 / height;
    sketch.lay([x - half * 1.3, top, x + half * 1.3, y - height * 0.04], |px, py| {
        let dx = px - x;
        let rough = noise.fbm(px * k, py * k, 2);
        let t = (py - top) / height - 0.12 * dx.abs() / half * (0.3 + t_of(py, top, height));
        if t <= 0.0 {
            return None;
        }
        // Tiers open downwards; the last stops above the ground.
        let s = t.powf(0.85) * tiers + 0.35 * noise.at(dx * 9.0 / height, 3.0);
        let within = s - s.floor();
        let reach = half * (t + 0.015) * (0.58 + 0.5 * within) * (1.0 + 0.45 * rough);
        let cover = sketch_edge(dx.abs() - reach, 0.012 * height);
        let facing = 0.7 * light.side * dx / half + 0.75 - 1.5 * within + 0.5 * rough;
        let angle = if dx < 0.0 { -0.5 } else { 0.5 };
        let color = foliage(light, needles, facing * 0.8 - 0.1, far);
        Some(Touch::new(color).cover(cover).angle(angle + FRAC_PI_2 * f32::from(dx < 0.0)).breadth(0.4))
    });
}

fn t_of(y: f32, top: f32, height: f32) -> f32 {
    ((y - top) / height).clamp(0.0, 1.0)
}

/// Cover from a signed distance with an edge `soft` wide.
fn sketch_edge(distance: f32, soft: f32) -> f32 {
    (0.5 - distance / soft.max(1e-4)).clamp(0.0, 1.0)
}

/// A small house seen from a corner: a gable, a long wall, a roof, a chimney, a few windows. `lamp` lights the windows.
pub fn house(sketch: &mut Sketch, light: &Light, rng: &mut Rng, stand: Stand, lamp: Option<Rgb>) {
    let Stand { foot: [x, y], height: h, far } = stand;
    let wall = *rng.pick(&[hex(0xece4d4), hex(0xe2cfa4), hex(0xd9b39a), hex(0xd8d6d0), hex(0xa85a44)]);
    let roof = *rng.pick(&[hex(0xa5533a), hex(0x8a5a46), hex(0x5f6470), hex(0x9a8a5c)]);
    let (long, gable) = (h * rng.range(0.8, 1.0), h * rng.range(0.52, 0.62));
    let eave = h * rng.range(0.44, 0.54);
    // The long wall goes towards `s`, the gable away from it.
    let s = if rng.chance(0.5) { 1.0 } else { -1.0 };
    let corner = x - s * (long - gable) * 0.5;
    let at = |along: f32, up: f32| [corner + s * along, y - up - 0.05 * along.abs()];
    let gable_lit = light.side == -s;
    let (gable_facing, long_facing) = if gable_lit { (0.9, -0.65) } else { (-0.85, 0.75) };
    let shade = |facing: f32, local: Rgb| {
        let local = if facing < 0.0 { scale(local, 0.82) } else { local };
        light.on(local, facing, far)
    };
    let flat = |color: Rgb, angle: f32| move |_: f32, _: f32| Some(Touch::new(color).angle(angle).breadth(0.5));
    let stack = at(long * rng.range(0.35, 0.7), h * 0.9);
    let wide = h * 0.055;
    let chimney =
        [[-wide, 0.0], [wide, 0.0], [wide, -h * 0.2], [-wide, -h * 0.2]].map(|[u, v]| [stack[0] + u, stack[1] + v]);
    sketch.polygon(&chimney, flat(shade(gable_facing, hex(0x9a6a56)), FRAC_PI_2));
    sketch.polygon(
        &[at(0.0, 0.0), at(long, 0.0), at(long, eave), at(0.0, eave)],
        flat(shade(long_facing, wall), FRAC_PI_2),
    );
    let ridge = at(-gable * 0.5, h);
    let end = [corner + s * (long - gable * 0.32), ridge[1]];
    let sides = [at(0.0, 0.0), at(0.0, eave), ridge, at(-gable, eave), at(-gable, 0.0)];
    sketch.polygon(&sides, flat(shade(gable_facing, wall), FRAC_PI_2));
    let slope = [at(-h * 0.02, eave - h * 0.05), at(long + h * 0.06, eave - h * 0.05), end, ridge];
    sketch.polygon(&slope, flat(shade(long_facing * 0.8 + 0.15, roof), FRAC_PI_2 + s * 0.5));
    // The far slope shows as a thick edge along the gable.
    let verge = scale(shade(gable_facing, roof), 0.85);
    let (a, b) = (at(-gable - h * 0.04, eave - h * 0.06), ridge);
    sketch.line(a, b, h * 0.022, h * 0.022, flat(verge, (b[1] - a[1]).atan2(b[0] - a[0])));
    let pane = lamp.map_or(light.on(PANE, -0.3, far), |glow| light.air(glow, far * 0.5));
    let mut opening = |along: f32, low: f32, wide: f32, tall: f32, color: Rgb| {
        let box_ = [at(along, low), at(along + wide, low), at(along + wide, low + tall), at(along, low + tall)];
        sketch.polygon(&box_, flat(color, FRAC_PI_2));
    };
    opening(long * 0.16, eave * 0.42, h * 0.11, eave * 0.34, pane);
    opening(long * 0.72, eave * 0.42, h * 0.11, eave * 0.34, pane);
    opening(long * 0.44, 0.0, h * 0.12, eave * 0.68, shade(long_facing, hex(0x5f4636)));
    opening(-gable * 0.6, eave * 0.5, gable * 0.2, eave * 0.36, pane);
}

/// A sailing boat: a dark hull, a mast, a mainsail and a jib with their light and shadow. Its foot is the waterline.
pub fn boat(sketch: &mut Sketch, light: &Light, rng: &mut Rng, stand: Stand) {
    let Stand { foot: [x, y], height: h, far } = stand;
    let hull = *rng.pick(&[hex(0x5a4336), hex(0x2f4258), hex(0x7c3f34), hex(0xd8d0c2), hex(0x3d4a46)]);
    let cloth = *rng.pick(&[hex(0xf4eee0), hex(0xf0e6cc), hex(0xe9e4da), hex(0xc98a56)]);
    let heel = rng.range(-0.04, 0.04) * h;
    // The bow points towards `s`.
    let s = if rng.chance(0.5) { 1.0 } else { -1.0 };
    let length = h * rng.range(0.36, 0.44);
    let deck = y - h * 0.1;
    let at = |u: f32, v: f32| [x + s * u, v];
    let sides = [
        at(-length * 0.9, deck + h * 0.01),
        at(0.0, deck + h * 0.03),
        at(length, deck - h * 0.035),
        at(length * 0.78, y),
        at(-length * 0.78, y),
    ];
    let facing = 0.4 * light.side * s;
    sketch.polygon(&sides, |_, py| {
        let rail = 1.0 - ((py - deck) / (h * 0.05)).clamp(0.0, 1.0);
        let color = light.on(mix(hull, hex(0xe8dcc4), 0.45 * rail), facing + 0.6 * rail, far);
        Some(Touch::new(color).breadth(0.4))
    });
    let top = y - h;
    let mast = at(length * 0.12, deck);
    let head = [mast[0] + heel, top];
    let wood = light.on(BARK, 0.2, far);
    sketch.line(mast, head, 0.009 * h, 0.006 * h, |_, _| Some(Touch::new(wood).angle(FRAC_PI_2).breadth(0.25)));
    let boom = deck - h * 0.07;
    let (tack, clew) = ([mast[0] - s * 0.012 * h, boom], at(-length * 0.82, boom - h * 0.01));
    let belly = [(head[0] + clew[0]) * 0.5 - s * 0.05 * h, (head[1] + clew[1]) * 0.5];
    let sail = |px: f32, py: f32, turned: f32| {
        let across = ((px - mast[0]) / length).abs();
        let color = light.on(cloth, turned + 0.35 - 0.6 * across, far);
        let seam = if ((top - py) / (h * 0.16)).fract().abs() < 0.06 { 0.94 } else { 1.0 };
        Some(Touch::new(scale(color, seam)).angle(FRAC_PI_2 + s * 0.3).breadth(0.45))
    };
    sketch.polygon(&[[head[0] - s * 0.01 * h, top + h * 0.02], belly, clew, tack], |px, py| {
        sail(px, py, if light.side == s { -0.55 } else { 0.65 })
    });
    if rng.chance(0.8) {
        let bow = at(length * 0.98, deck - h * 0.05);
        let foot = [mast[0] + s * 0.03 * h, boom + h * 0.02];
        let peak = [head[0] + s * 0.012 * h, top + h * rng.range(0.08, 0.2)];
        sketch.polygon(&[peak, bow, foot], |px, py| sail(px, py, if light.side == s { 0.7 } else { -0.35 }));
    }
}

/// A group of rocks: each a blunt block with a light top, a lit side and a dark side that meet in a broken edge.
pub fn rocks(sketch: &mut Sketch, light: &Light, rng: &mut Rng, stand: Stand) {
    let Stand { foot: [x, y], height, far } = stand;
    let stone = *rng.pick(&STONE);
    let noise = Noise::new(rng.bits());
    let count = rng.int(3, 5);
    for i in 0..count {
        // The largest in the middle and behind, small ones before it.
        let h = height * if i == 0 { 1.0 } else { rng.range(0.3, 0.66) };
        let wide = h * rng.range(0.62, 0.85);
        let sway = if i == 0 { 0.0 } else { rng.range(-0.95, 0.95) * height };
        let foot = [x + sway, y + i as f32 * 0.02 * height];
        rock(sketch, light, rng, Stand { foot, height: h, far }, (wide, stone, noise));
    }
}

fn rock(sketch: &mut Sketch, light: &Light, rng: &mut Rng, stand: Stand, (wide, stone, noise): (f32, Rgb, Noise)) {
    let Stand { foot: [x, y], height: h, far } = stand;
    let mut corner = |u: f32, v: f32| [x + (u + rng.range(-0.1, 0.1)) * wide, y - (v + rng.range(-0.07, 0.07)) * h];
    let outline = [
        [x - wide, y],
        corner(-0.92, 0.42),
        corner(-0.5, 0.85),
        corner(0.0, 0.97),
        corner(0.52, 0.76),
        corner(0.9, 0.36),
        [x + wide, y],
        [x, y + 0.05 * h],
    ];
    // Planes: every point belongs to the nearest of a few centres, each facing where it lies on the block.
    let planes: Vec<[f32; 3]> = (0..8)
        .map(|i| {
            let (u, v) = (-0.85 + 0.24 * i as f32 + rng.range(-0.1, 0.1), rng.range(0.05, 0.95));
            [u, v, 1.1 * u * light.side + 1.3 * (v - 0.5) + rng.range(-0.25, 0.25)]
        })
        .collect();
    let k = 3.0 / h.max(1e-3);
    sketch.polygon(&outline, |px, py| {
        let rough = noise.fbm(px * k, py * k, 2);
        let (u, up) = ((px - x) / wide + 0.12 * rough, (y - py) / h + 0.1 * rough);
        let nearest = |p: &[f32; 3]| (p[0] - u).hypot(p[1] - up);
        let plane = planes.iter().min_by(|a, b| nearest(a).total_cmp(&nearest(b)))?;
        let facing = plane[2].clamp(-0.8, 0.85);
        let depth = if facing < 0.0 { 0.74 } else { 1.0 };
        let color = light.on(scale(stone, depth * (1.0 + 0.1 * rough) * (0.8 + 0.25 * up)), facing, far);
        Some(Touch::new(color).angle(if plane[0] < 0.0 { -1.0 } else { 1.0 }).breadth(0.6))
    });
}

/// A round or square shaft from `half` wide at the foot to `taper` times that at the top, light on one side.
fn shaft(sketch: &mut Sketch, light: &Light, stand: Stand, [half, taper]: [f32; 2], local: impl Fn(f32, f32) -> Rgb) {
    let Stand { foot: [x, y], height, far } = stand;
    let corners = [[x - half, y], [x + half, y], [x + half * taper, y - height], [x - half * taper, y - height]];
    sketch.polygon(&corners, |px, py| {
        let up = (y - py) / height;
        let across = (px - x) / (half * (1.0 + (taper - 1.0) * up)) * light.side;
        let facing = ((across + 0.15) * 2.2).clamp(-0.9, 0.9);
        let color = light.on(scale(local(across, up), 0.86 + 0.14 * (0.5 + 0.5 * facing)), facing, far);
        Some(Touch::new(color).angle(FRAC_PI_2).breadth(0.5))
    });
}

/// A lighthouse: a tapering white shaft, often banded, with a gallery, a lantern and a cap. `lamp` lights the lantern.
pub fn lighthouse(sketch: &mut Sketch, light: &Light, rng: &mut Rng, stand: Stand, lamp: Option<Rgb>) {
    let Stand { foot: [x, y], height, far } = stand;
    let (half, taper) = (height * rng.range(0.085, 0.11), rng.range(0.55, 0.68));
    let band = *rng.pick(&[Some(hex(0xb5402f)), Some(hex(0x31415c)), None]);
    let bands = rng.range(2.0, 3.0);
    let white = hex(0xece6da);
    let body = Stand { height: height * 0.8, ..stand };
    shaft(sketch, light, body, [half, taper], |_, up| match band {
        Some(color) if (up * bands).fract() > 0.5 => color,
        _ => white,
    });
    let at = |up: f32| [x, y - height * up];
    let top = half * taper;
    shaft(sketch, light, Stand { foot: at(0.79), height: height * 0.03, far }, [top * 1.45, 1.0], |_, _| hex(0x4a4a50));
    let glass = lamp.unwrap_or(hex(0x9fb0b8));
    let lantern = light.air(mix(light.on(glass, 0.6, 0.0), glass, if lamp.is_some() { 1.0 } else { 0.0 }), far);
    let [_, low] = at(0.82);
    sketch.lay([x - top * 0.7, low - height * 0.09, x + top * 0.7, low], |_, _| {
        Some(Touch::new(lantern).angle(FRAC_PI_2).breadth(0.3))
    });
    let cap = band.unwrap_or(hex(0x5a5550));
    shaft(sketch, light, Stand { foot: at(0.91), height: height * 0.09, far }, [top * 0.95, 0.12], |_, _| cap);
}

/// An old stone tower, tapering a little: crenellated, or under a pointed roof, or broken at the top.
pub fn keep(sketch: &mut Sketch, light: &Light, rng: &mut Rng, stand: Stand, lamp: Option<Rgb>) {
    let Stand { foot: [x, y], height, far } = stand;
    let stone = *rng.pick(&[hex(0xb7a68c), hex(0xa39a8c), hex(0xc2ad86), hex(0xa98f78)]);
    let noise = Noise::new(rng.bits());
    let (half, taper) = (height * rng.range(0.12, 0.16), rng.range(0.74, 0.86));
    let k = 14.0 / height;
    let weathered = |across: f32, up: f32| scale(stone, 1.0 + 0.14 * noise.at(across * 3.0, up * height * k));
    let top = half * taper;
    match rng.int(0, 2) {
        0 => {
            shaft(sketch, light, Stand { height: height * 0.9, ..stand }, [half, taper], weathered);
            let crown = Stand { foot: [x, y - height * 0.88], height: height * 0.07, far };
            shaft(sketch, light, crown, [top * 1.2, 1.0], weathered);
            for i in [-1.0, 0.0, 1.0] {
                let merlon = Stand { foot: [x + i * top * 0.9, y - height * 0.94], height: height * 0.06, far };
                shaft(sketch, light, merlon, [top * 0.26, 1.0], weathered);
            }
        }
        1 => {
            shaft(sketch, light, Stand { height: height * 0.7, ..stand }, [half, taper], weathered);
            let roof = Stand { foot: [x, y - height * 0.69], height: height * 0.31, far };
            shaft(sketch, light, roof, [top * 1.25, 0.03], |_, _| hex(0x8d5442));
        }
        _ => {
            shaft(sketch, light, Stand { height: height * 0.84, ..stand }, [half, taper], weathered);
            let broken = Stand { foot: [x - top * 0.35, y - height * 0.83], height: height * 0.17, far };
            shaft(sketch, light, broken, [top * 0.65, 0.5], weathered);
        }
    }
    slits(sketch, light, stand, half, lamp);
}

/// A town's tall tower: a square shaft, a belfry, a pointed spire.
pub fn spire(sketch: &mut Sketch, light: &Light, rng: &mut Rng, stand: Stand, lamp: Option<Rgb>) {
    let Stand { foot: [x, y], height, far } = stand;
    let stone = *rng.pick(&[hex(0xb9a084), hex(0xa2887a), hex(0xb5a99a)]);
    let roof = *rng.pick(&[hex(0x4f6a66), hex(0x5a5a66), hex(0x8a4c3c)]);
    let half = height * rng.range(0.085, 0.105);
    shaft(sketch, light, Stand { height: height * 0.62, ..stand }, [half, 0.95], |_, _| stone);
    shaft(
        sketch,
        light,
        Stand { foot: [x, y - height * 0.6], height: height * 0.03, far },
        [half * 1.15, 1.0],
        |_, _| scale(stone, 1.1),
    );
    shaft(sketch, light, Stand { foot: [x, y - height * 0.62], height: height * 0.38, far }, [half, 0.02], |_, _| roof);
    slits(sketch, light, stand, half, lamp);
}

/// A few narrow windows one above the other.
fn slits(sketch: &mut Sketch, light: &Light, Stand { foot: [x, y], height, far }: Stand, half: f32, lamp: Option<Rgb>) {
    let pane = lamp.map_or(light.on(scale(PANE, 0.8), -0.5, far), |glow| light.air(glow, far * 0.5));
    for up in [0.28, 0.5] {
        let (wide, low) = (half * 0.14, y - height * up);
        sketch.lay([x - wide, low - height * 0.055, x + wide, low], |_, _| {
            Some(Touch::new(pane).angle(FRAC_PI_2).breadth(0.3))
        });
    }
}

/// The shadow a thing throws on the ground, away from the light, and the dark where it touches.
pub fn cast_shadow(sketch: &mut Sketch, light: &Light, rng: &mut Rng, Stand { foot: [x, y], height, far }: Stand) {
    let noise = Noise::new(rng.bits());
    let length = height * rng.range(0.4, 0.6);
    let flat = height * 0.075;
    let middle = [x - light.side * length * 0.6, y + flat * 0.35];
    let strength = (0.25 + 0.4 * light.contrast) * (1.0 - far);
    let k = 8.0 / height;
    let dark = light.air(mix(scale(light.shadow, 0.28), hex(0x1c2026), 0.25), far);
    sketch.ellipse(middle, [length, flat], |u, v| {
        let rough = noise.fbm(u * length * k, v * flat * k * 2.0, 2);
        let cover = ((1.0 - u.hypot(v)) * 2.2 + 0.5 * rough).clamp(0.0, 1.0);
        Some(Touch::new(dark).cover(cover * strength).breadth(0.8))
    });
}

/// Mirrors what has changed since `before` above a thing's waterline into the water below it, wavering and darker.
pub fn reflect(sketch: &mut Sketch, light: &Light, rng: &mut Rng, stand: Stand, before: &[Rgb]) {
    let Stand { foot: [x, y], height, .. } = stand;
    let noise = Noise::new(rng.bits());
    let (w, h) = (sketch.w, sketch.h as f32);
    let after = sketch.color.clone();
    let pixel = |px: f32, py: f32| ((py * h) as usize).min(sketch.h - 1) * w + ((px.max(0.0) * h) as usize).min(w - 1);
    let tint = light.sky_at(0.5);
    let mut mirror = vec![None; w * sketch.h];
    let wide = height * 1.3;
    let (top, bottom) = ((y * h) as usize + 1, (((y + height * 0.9) * h) as usize).min(sketch.h));
    for row in top..bottom {
        let py = (row as f32 + 0.5) / h;
        let depth = py - y;
        for column in (((x - wide).max(0.0) * h) as usize)..(((x + wide) * h) as usize).min(w) {
            let px = (column as f32 + 0.5) / h;
            let waver = 0.22 * depth.min(0.12) * noise.fbm(px * 9.0, py * 60.0, 2);
            let from = pixel(px + waver, (y - depth * 1.05).max(0.0));
            if after[from] != before[from] {
                mirror[row * w + column] = Some(mix(after[from], tint, 0.22));
            }
        }
    }
    sketch.lay([x - wide, y, x + wide, y + height * 0.9], |px, py| {
        let depth = (py - y) / height;
        let broken = 0.75 - 0.7 * depth + 0.25 * noise.at(px * 14.0, py * 110.0);
        mirror[((py * h) as usize) * w + (px * h) as usize].map(|c| Touch::new(c).cover(broken).breadth(0.5))
    });
}

/// Woods seen from outside, as one mass of crowns.
#[derive(Clone, Copy, Debug)]
pub struct Woods {
    /// The accidents of its crowns.
    pub noise: Noise,
    /// How high it stands, in sketch units.
    pub height: f32,
    /// Pointed crowns instead of round ones.
    pub conifer: bool,
    /// Local colour.
    pub leaf: Rgb,
    /// How far through the air it is seen.
    pub far: f32,
}

impl Woods {
    /// Paints it from `x0` to `x1` on the line `base(x)`, thinning out where `thick(x)`, 0..=1, is small.
    pub fn paint(
        &self,
        sketch: &mut Sketch,
        light: &Light,
        span: [f32; 2],
        base: impl Fn(f32) -> f32,
        thick: impl Fn(f32) -> f32,
    ) {
        let wide = self.height * if self.conifer { 0.4 } else { 0.9 };
        self.paint_crowns(wide, sketch, light, span, base, thick);
    }

    /// The same with crowns `wide` in place of ones as wide as the height asks for.
    pub fn paint_crowns(
        &self,
        wide: f32,
        sketch: &mut Sketch,
        light: &Light,
        [x0, x1]: [f32; 2],
        base: impl Fn(f32) -> f32,
        thick: impl Fn(f32) -> f32,
    ) {
        let h = sketch.h as f32;
        // The top of the crowns, where across its crown a column is, and the ground, for each column.
        let columns: Vec<[f32; 3]> = (0..sketch.w)
            .map(|c| {
                let x = (c as f32 + 0.5) / h;
                let (rise, across) = self.crown(x, wide);
                [rise * self.height * thick(x).clamp(0.0, 1.0), across, base(x)]
            })
            .collect();
        let low = columns.iter().map(|c| c[2]).fold(0.0, f32::max);
        let high = columns.iter().map(|c| c[2] - c[0]).fold(1.0, f32::min) - self.height * 0.2;
        let k = 4.0 / wide.max(1e-3);
        sketch.lay([x0, high, x1, low + 1.0 / h], |x, y| {
            let [rise, across, ground] = columns[((x * h) as usize).min(columns.len() - 1)];
            let up = ground - y;
            if rise < 0.5 / h || up > rise * 1.16 + 1.0 / h || up < -0.5 / h {
                return None;
            }
            let rough = self.noise.fbm(x * k, y * k, 2);
            let over = up - rise * (1.0 + 0.16 * rough);
            let cover = (0.5 - over * h * 0.7).clamp(0.0, 1.0) * (0.5 + up * h).clamp(0.0, 1.0);
            let facing = 0.7 * across * light.side + 1.3 * (up / rise) - 0.95 + 0.75 * rough;
            let color = foliage(light, self.leaf, facing, self.far);
            Some(Touch::new(color).cover(cover).angle(FRAC_PI_2 + 0.5 * rough).breadth(0.6))
        });
    }

    /// How high the crowns reach at `x`, 0..=1, and where across its crown that is, -1..=1.
    fn crown(&self, x: f32, wide: f32) -> (f32, f32) {
        let cell = (x / wide).floor();
        let mut best = (if self.conifer { 0.45 } else { 0.3 }, 0.0);
        for i in [cell - 1.0, cell, cell + 1.0] {
            let tall = 0.7 + 0.3 * self.noise.at(i * 3.7 + 0.5, 7.5);
            let across = (x / wide - i - 0.5 - 0.4 * self.noise.at(i * 5.3 + 0.5, 31.5)) / 0.8;
            let rise = match across.abs() {
                a if a >= 1.0 => 0.0,
                a if self.conifer => tall * (1.0 - a.powf(0.8)),
                a => tall * (1.0 - a * a).sqrt(),
            };
            if rise > best.0 {
                best = (rise, across);
            }
        }
        best
    }
}
