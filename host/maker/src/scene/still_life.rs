//! Simple solids on a table before a wall, in the light of one window.
//!
//! Decision: every solid but the cube is turned on a lathe. Its profile, radius by height, gives silhouette, ellipses,
//! normals and cast shadow at once, so all of them agree with the same light and the same height of eye.

use crate::color::{Rgb, hex, luma, mix, multiply, scale, screen};
use crate::facts::{Facts, Hue, Shape, Side, Solid};
use crate::noise::Noise;
use crate::rng::Rng;
use crate::sketch::{Sketch, Touch};
use std::f32::consts::FRAC_PI_2;

/// The window's light, as a filter over local colour.
const KEY: Rgb = hex(0xfff3dc);
/// The shadow's filter: the cool of the room.
const COOL: Rgb = hex(0xd6dcf6);

/// Lays it in.
pub fn lay_in(facts: &Facts, sketch: &mut Sketch, rng: &mut Rng) {
    let studio = Studio::new(facts, rng);
    studio.lay_in(sketch, rng);
    let mut placed = compose(facts, &studio, sketch.aspect, rng);
    // Far ones first.
    placed.sort_by(|a, b| a.body.at[1].total_cmp(&b.body.at[1]));
    for p in &placed {
        p.body.cast(sketch, &studio);
    }
    for p in &placed {
        p.body.contact(sketch, if p.solid.shape == Shape::Cube { 0.8 } else { 1.08 });
        p.draw(sketch, &studio, rng);
    }
}

/// The room: where the light comes from, the wall and the table.
pub(super) struct Studio {
    /// -1 if the light comes from the left, 1 from the right.
    pub side: f32,
    /// Towards the window: x right, y down, z to the viewer; length 1.
    to_light: [f32; 3],
    /// The wall's colour.
    pub wall: Rgb,
    /// The table's colour.
    pub table: Rgb,
    /// The table's far edge.
    pub edge: f32,
    /// How open ellipses are: height / width. The more table is seen, the higher the eye.
    pub tilt: f32,
    /// Which way shadows fall on the table: along x, and towards the viewer.
    fall: [f32; 2],
    /// Length of a shadow for a height of one.
    reach: f32,
}

impl Studio {
    /// The room of `facts`.
    pub fn new(facts: &Facts, rng: &mut Rng) -> Self {
        let side = if facts.light == Side::Left { -1.0 } else { 1.0 };
        let wall = wall_color(facts.ground.unwrap_or(Hue::Grey));
        let edge = rng.range(0.55, 0.75);
        let fall = rng.range(-0.15, 0.3);
        Self {
            side,
            to_light: unit([side * rng.range(0.62, 0.85), -rng.range(0.5, 0.75), rng.range(0.3, 0.5)]),
            wall,
            table: table_color(wall, rng),
            edge,
            tilt: 0.36 - 0.7 * (edge - 0.55),
            fall: [-side * fall.cos(), fall.sin()],
            reach: rng.range(0.8, 1.3),
        }
    }

    /// Paints wall and table.
    pub fn lay_in(&self, sketch: &mut Sketch, rng: &mut Rng) {
        let (noise, aspect) = (Noise::new(rng.bits()), sketch.aspect);
        let slant = rng.range(0.4, 1.0) * if rng.chance(0.5) { 1.0 } else { -1.0 };
        sketch.lay([0.0, 0.0, aspect, self.edge + 0.02], |x, y| {
            // The wall is lighter where the solids are dark: away from the window.
            let away = 0.5 - self.side * (x / aspect - 0.5);
            let patch = noise.fbm(x * 2.5, y * 2.5, 2);
            let value = 0.80 + 0.24 * away - 0.10 * (y - 0.4).abs() + 0.10 * patch;
            let color = multiply(scale(self.wall, value), mix(COOL, KEY, 0.3 + 0.5 * away + 0.3 * patch));
            Some(Touch::new(color).breadth(1.6).angle(slant + 0.8 * patch))
        });
        let soft = self.edge + 0.003;
        sketch.lay([0.0, self.edge - 0.01, aspect, 1.0], |x, y| {
            let near = (y - self.edge) / (1.0 - self.edge);
            let lit = 0.5 + self.side * (x / aspect - 0.5);
            let patch = noise.fbm(x * 2.0 + 9.0, y * 7.0, 2);
            let value = 0.82 + 0.2 * lit + 0.08 * near - 0.12 * near * near + 0.1 * patch;
            let color = multiply(scale(self.table, value), mix(COOL, KEY, 0.4 + 0.5 * lit));
            let cover = ((y - soft) / 0.008 + 0.5).clamp(0.0, 1.0);
            Some(Touch::new(color).cover(cover).breadth(1.3).angle(0.15 * patch))
        });
    }

    /// `local` colour on a surface with `normal`, of `gloss` 0..=1: light, half-tone, core shadow, reflected light,
    /// highlight.
    pub fn shade(&self, local: Rgb, normal: [f32; 3], gloss: f32) -> Rgb {
        let n = unit(normal);
        let facing = dot(n, self.to_light);
        let lit = smooth((facing + 0.06) / 0.36);
        let light = multiply(scale(local, 0.72 + 0.38 * facing.max(0.0)), KEY);
        // White keeps light shadows, or it would read as grey.
        let depth = 0.40 + 0.16 * luma(local);
        let away = (-facing).clamp(0.0, 1.0);
        let shadow = multiply(scale(local, depth * (0.82 + 0.3 * away)), COOL);
        let bounce = 0.13 * (0.25 + 0.75 * n[1].max(0.0)) * (0.3 + 0.7 * away);
        let dark = screen(shadow, self.table.map(|v| v * bounce));
        let half = unit([self.to_light[0], self.to_light[1], self.to_light[2] + 1.0]);
        let shine = dot(n, half).max(0.0).powf(12.0 + 50.0 * gloss) * gloss;
        screen(mix(dark, light, lit), KEY.map(|v| v * shine))
    }
}

fn wall_color(hue: Hue) -> Rgb {
    match hue {
        Hue::Black => hex(0x303036),
        Hue::White => hex(0xe4e0d6),
        _ => {
            let c = hue.color();
            scale(mix(c, [luma(c); 3], 0.18), 0.92)
        }
    }
}

/// Wood, linen, slate or the wall's own colour, apart from the wall in lightness.
fn table_color(wall: Rgb, rng: &mut Rng) -> Rgb {
    const TABLES: [u32; 6] = [0x8a6a48, 0xb3976f, 0x5c4636, 0xcfc6b4, 0x75726c, 0x484a52];
    let start = rng.int(0, 7);
    let color = match start {
        6 => scale(wall, 0.55),
        7 => mix(wall, hex(0xfff4e0), 0.45),
        i => hex(TABLES[i as usize]),
    };
    let gap = luma(color) - luma(wall);
    match gap.abs() < 0.12 {
        true if luma(wall) > 0.4 => scale(color, 0.62),
        true => mix(color, hex(0xe8dcc4), 0.4),
        false => color,
    }
}

/// A solid and where it stands.
struct Placed {
    solid: Solid,
    body: Turned,
    yaw: f32,
}

/// Width and height of a shape, and how large it is among the others.
fn proportion(shape: Shape, rng: &mut Rng) -> [f32; 2] {
    let (width, height, low, high) = match shape {
        Shape::Sphere => (1.0, 1.0, 0.6, 0.95),
        Shape::Cube => (1.2, 0.85, 0.75, 1.0),
        Shape::Cone => (rng.range(0.62, 0.9), 1.1, 0.9, 1.15),
        Shape::Cylinder => (rng.range(0.5, 0.85), 1.05, 0.75, 1.1),
        Shape::Vase => (rng.range(0.6, 0.8), 1.25, 0.95, 1.2),
        Shape::Apple => (0.95, 0.84, 0.6, 0.75),
        Shape::Pear => (0.74, 1.1, 0.7, 0.85),
        Shape::Bowl => (1.35, 0.6, 0.85, 1.1),
    };
    let size = rng.range(low, high);
    [width * size, height * size]
}

/// Stands the solids in a group, in order, big in the picture.
fn compose(facts: &Facts, studio: &Studio, aspect: f32, rng: &mut Rng) -> Vec<Placed> {
    let sizes: Vec<[f32; 2]> = facts.solids.iter().map(|s| proportion(s.shape, rng)).collect();
    // Steps from centre to centre: a little gap or a little overlap.
    let mut centres = vec![0.0f32];
    for pair in sizes.windows(2) {
        let step = 0.5 * (pair[0][0] + pair[1][0]) - pair[0][0].min(pair[1][0]) * rng.range(-0.06, 0.18);
        centres.push(centres[centres.len() - 1] + step);
    }
    let ends = |sign: f32| {
        let reach = centres.iter().zip(&sizes).map(|(c, s)| sign * c + 0.5 * s[0]);
        reach.fold(f32::MIN, f32::max)
    };
    let (left, right) = (-ends(-1.0), ends(1.0));
    let tallest = sizes.iter().map(|s| s[1]).fold(0.1, f32::max);
    let zoom = (rng.range(0.64, 0.80) * aspect / (right - left)).min(rng.range(0.6, 0.72) / tallest);
    // The shadow gets its room too.
    let middle = aspect * (0.5 + studio.side * rng.range(0.0, 0.07));
    let front = (studio.edge + 0.17).clamp(0.80, 0.91);
    let mut placed = Vec::new();
    for ((solid, size), centre) in facts.solids.iter().zip(&sizes).zip(&centres) {
        let x = middle + (centre - 0.5 * (left + right)) * zoom;
        let y = front + rng.range(-0.06, 0.03) - if solid.shape == Shape::Cube { 0.05 } else { 0.0 };
        let body = Turned::new(solid.shape, [x, y], 0.5 * size[0] * zoom, size[1] * zoom, studio.tilt, rng);
        // One corner looks at the viewer, a little to one side, so that three planes are seen.
        let yaw = rng.range(0.14, 0.45) * if rng.chance(0.5) { 1.0 } else { -1.0 };
        placed.push(Placed { solid: *solid, body, yaw });
    }
    placed
}

impl Placed {
    fn draw(&self, sketch: &mut Sketch, studio: &Studio, rng: &mut Rng) {
        let color = self.solid.hue.color();
        let gloss = match self.solid.shape {
            Shape::Vase | Shape::Apple => 0.6,
            Shape::Bowl | Shape::Pear => 0.45,
            Shape::Sphere => 0.4,
            _ => 0.12,
        };
        let gloss = if self.solid.hue == Hue::Black { gloss * 0.7 } else { gloss };
        match self.solid.shape {
            Shape::Cube => self.draw_cube(sketch, studio, color),
            _ => self.body.draw(sketch, studio, color, gloss, rng),
        }
        if matches!(self.solid.shape, Shape::Apple | Shape::Pear) {
            self.draw_stalk(sketch, studio, rng);
        }
    }

    fn draw_cube(&self, sketch: &mut Sketch, studio: &Studio, color: Rgb) {
        let Turned { at: [cx, cy], radius, height, tilt, .. } = self.body;
        let corner = |i: usize| {
            let turn = self.yaw + FRAC_PI_2 * i as f32;
            [cx + radius * turn.cos(), cy + radius * tilt * turn.sin()]
        };
        let base = [0, 1, 2, 3].map(corner);
        let lid = base.map(|[x, y]| [x, y - height]);
        for i in 0..4 {
            let outward = self.yaw + FRAC_PI_2 * (i as f32 + 0.5);
            if outward.sin() <= 0.0 {
                continue;
            }
            let j = (i + 1) % 4;
            let plane = studio.shade(color, [outward.cos(), 0.1, outward.sin()], 0.0);
            let slope = ((base[j][1] - base[i][1]) / (base[j][0] - base[i][0] + 1e-6)).atan();
            sketch.polygon(&[base[i], base[j], lid[j], lid[i]], |_, y| {
                // Light from the table rises into the foot of a plane; its top is set off against the lid.
                let low = ((y - cy) / height + 1.0).clamp(0.0, 1.2);
                let color = screen(scale(plane, 1.04 - 0.12 * low), studio.table.map(|v| v * 0.06 * low * low));
                Some(Touch::new(color).angle(slope).breadth(0.8))
            });
        }
        let top = studio.shade(color, [0.0, -0.95, 0.3], 0.1);
        sketch.polygon(&lid, |x, _| {
            let near = studio.side * (x - cx) / radius;
            Some(Touch::new(scale(top, 1.04 + 0.06 * near)).angle(0.1).breadth(0.8))
        });
        // The worn edges catch the light.
        let glint = mix(top, KEY, 0.25);
        let width = 0.0025;
        for i in 0..4 {
            let outward = self.yaw + FRAC_PI_2 * (i as f32 + 0.5);
            if outward.sin() > 0.0 {
                let line = Touch::new(glint).cover(0.55).breadth(0.4);
                sketch.line(lid[i], lid[(i + 1) % 4], width, width, |_, _| Some(line));
            }
        }
    }

    fn draw_stalk(&self, sketch: &mut Sketch, studio: &Studio, rng: &mut Rng) {
        let b = &self.body;
        let lean = rng.range(-0.35, 0.35);
        let foot = [b.at[0], b.at[1] - b.height + 0.01];
        let tip = [foot[0] + lean * b.radius, foot[1] - b.radius * rng.range(0.3, 0.45)];
        let bark = studio.shade(hex(0x5a4028), [studio.side * 0.5, -0.4, 0.7], 0.1);
        let width = b.radius * 0.035 + 0.002;
        sketch.line(foot, tip, width, width * 1.3, |_, _| Some(Touch::new(bark).angle(1.4).breadth(0.35)));
    }
}

/// What is seen from above.
#[derive(Clone, Copy, PartialEq)]
enum Top {
    /// Nothing: the form closes by itself.
    Round,
    /// A flat disc.
    Flat,
    /// The inside, of this lightness.
    Open(f32),
    /// The hollow of an apple.
    Hollow,
}

/// Rows of a profile: enough that round forms close without a corner.
const ROWS: usize = 256;

/// A solid turned on a lathe.
pub(super) struct Turned {
    /// The middle of its foot.
    pub at: [f32; 2],
    /// Greatest radius.
    pub radius: f32,
    /// From foot to top.
    pub height: f32,
    tilt: f32,
    profile: [f32; ROWS + 1],
    top: Top,
    round: bool,
}

impl Turned {
    /// A solid standing at `at`, its ellipses open by `tilt`; `rng` chooses a vase's form.
    pub fn new(shape: Shape, at: [f32; 2], radius: f32, height: f32, tilt: f32, rng: &mut Rng) -> Self {
        const BELLIES: [[f32; 7]; 5] = [
            [0.42, 0.30, 0.34, 0.72, 1.00, 0.86, 0.50],
            [0.62, 0.44, 0.52, 0.90, 1.00, 0.74, 0.46],
            [0.50, 0.26, 0.27, 0.40, 0.88, 1.00, 0.62],
            [0.80, 0.70, 0.88, 1.00, 0.88, 0.62, 0.44],
            [1.00, 0.76, 0.62, 0.58, 0.66, 0.70, 0.60],
        ];
        const APPLE: [f32; 7] = [0.46, 0.86, 0.99, 0.99, 0.90, 0.72, 0.36];
        const PEAR: [f32; 9] = [0.14, 0.36, 0.42, 0.50, 0.68, 0.90, 1.00, 0.90, 0.34];
        let belly = *rng.pick(&BELLIES);
        let form = |t: f32| match shape {
            Shape::Sphere => 2.0 * (t * (1.0 - t)).max(0.0).sqrt(),
            Shape::Cone => t,
            Shape::Vase => through(&belly, t),
            Shape::Apple => through(&APPLE, t),
            Shape::Pear => through(&PEAR, t) * (1.0 - (1.0 - t / 0.06).max(0.0).powi(2)).sqrt(),
            Shape::Bowl if t > 0.9 => 0.44,
            Shape::Bowl => (1.0 - 0.9 * (t / 0.95).powf(2.2)).max(0.19).sqrt(),
            Shape::Cylinder => 1.0,
            // A box is as broad as its corners only from one side.
            Shape::Cube => 0.76,
        };
        let mut profile = [0.0; ROWS + 1];
        for (i, r) in profile.iter_mut().enumerate() {
            *r = radius * form(i as f32 / ROWS as f32);
        }
        let top = match shape {
            Shape::Sphere | Shape::Cone | Shape::Pear => Top::Round,
            Shape::Cylinder | Shape::Cube => Top::Flat,
            Shape::Vase => Top::Open(0.42),
            Shape::Bowl => Top::Open(0.92),
            Shape::Apple => Top::Hollow,
        };
        Self {
            at,
            radius,
            height,
            tilt,
            profile,
            top,
            round: matches!(shape, Shape::Sphere | Shape::Apple | Shape::Pear),
        }
    }

    /// Radius at `t`, 0 = top, 1 = foot.
    fn radius_at(&self, t: f32) -> f32 {
        let row = t.clamp(0.0, 1.0) * ROWS as f32;
        let i = (row as usize).min(ROWS - 1);
        self.profile[i] + (self.profile[i + 1] - self.profile[i]) * (row - i as f32)
    }

    /// The same, open above: a cylinder becomes a jar.
    pub fn hollow(self) -> Self {
        Self { top: Top::Open(0.42), ..self }
    }

    /// The mouth: its middle, and its half-width and half-height.
    pub fn mouth(&self) -> ([f32; 2], [f32; 2]) {
        let r = self.profile[0];
        ([self.at[0], self.at[1] - self.height], [r, r * self.tilt])
    }

    /// How open the ellipses of the body are: fruit and balls show none.
    fn bow(&self) -> f32 {
        if self.round { 0.0 } else { self.tilt }
    }

    /// The point of the surface seen `dx` off the axis at `y`: `t` (may lie outside 0..=1), radius and `u` = -1..=1
    /// across.
    fn seen(&self, dx: f32, y: f32) -> (f32, f32, f32) {
        let top = self.at[1] - self.height;
        let row = (y - top) / self.height;
        let (mut t, mut r) = (row, self.radius_at(row));
        if self.bow() > 0.0 {
            for _ in 0..3 {
                let bulge = self.bow() * (r * r - dx * dx).max(0.0).sqrt() / self.height;
                t = 0.5 * (t + row - bulge);
                r = self.radius_at(t);
            }
            t = row - self.bow() * (r * r - dx * dx).max(0.0).sqrt() / self.height;
            r = self.radius_at(t);
        }
        (t, r, (dx / r.max(1e-5)).clamp(-1.0, 1.0))
    }

    /// Paints it.
    pub fn draw(&self, sketch: &mut Sketch, studio: &Studio, color: Rgb, gloss: f32, rng: &mut Rng) {
        let noise = Noise::new(rng.bits());
        let (h, [cx, cy]) = (sketch.h as f32, self.at);
        let (top, low) = (cy - self.height, cy + self.bow() * self.radius);
        let breadth = (self.radius * 4.0).clamp(0.45, 1.0);
        sketch.lay([cx - self.radius - 0.01, top - 0.01, cx + self.radius + 0.01, low + 0.01], |x, y| {
            let dx = x - cx;
            if dx.abs() > self.radius + 0.01 {
                return None;
            }
            let (t, r, u) = self.seen(dx, y);
            let slope = (self.radius_at(t + 0.02) - self.radius_at(t - 0.02)) / (0.04 * self.height);
            let flat = 1.0 / (1.0 + slope * slope).sqrt();
            let outside = ((dx.abs() - r) * flat).max((t - 1.0) * self.height).max(-t * self.height);
            let n = [u, -slope, (1.0 - u * u).sqrt()];
            // The edge on the shadow side is let go.
            let soft = 1.0 + 0.004 * h * (0.5 - 0.9 * studio.side * u).clamp(0.0, 1.0);
            let cover = 0.5 - outside * h / soft;
            if cover <= 0.0 {
                return None;
            }
            let patch = 0.07 * noise.at(u * 2.0 + 5.0, t * 4.0);
            let shaded = scale(studio.shade(color, n, gloss), 1.0 + patch);
            let angle =
                if self.round { (-slope).atan2(u) + FRAC_PI_2 } else { (-self.tilt * u / n[2].max(0.2)).atan() };
            Some(Touch::new(shaded).cover(cover).angle(angle).breadth(breadth))
        });
        self.draw_top(sketch, studio, color, gloss);
    }

    fn draw_top(&self, sketch: &mut Sketch, studio: &Studio, color: Rgb, gloss: f32) {
        let (at, [rx, ry]) = self.mouth();
        let lid = studio.shade(color, [0.0, -0.95, 0.35], 0.0);
        let facing = studio.side;
        match self.top {
            Top::Round => {}
            Top::Flat => sketch.ellipse(at, [rx, ry], |u, _| {
                Some(Touch::new(scale(lid, 1.03 + 0.07 * facing * u)).angle(0.05).breadth(0.7))
            }),
            Top::Open(inside) => {
                let rim = screen(lid, KEY.map(|v| v * 0.25 * gloss));
                sketch.ellipse(at, [rx, ry], |u, _| Some(Touch::new(scale(rim, 0.9 + 0.15 * facing * u)).breadth(0.4)));
                let thin = (0.06 * rx).clamp(0.004, 0.014);
                sketch.ellipse(at, [rx - thin, ry - thin * 0.6], |u, v| {
                    // The far inside is seen: it faces the other way, so it is lit where the outside is dark.
                    let wall = studio.shade(color, [-u * 1.1, -0.1 - 0.4 * v.max(0.0), 0.55 - 0.4 * v], 0.15);
                    let deep = inside * (1.0 - (1.0 - inside) * 0.5 * (v + 1.0)).max(0.3);
                    Some(Touch::new(scale(wall, deep)).angle((0.35 * u).atan()).breadth(0.6))
                });
            }
            Top::Hollow => sketch.ellipse([at[0], at[1] + 0.1 * ry], [rx * 1.05, ry * 0.9], |u, v| {
                let n = [-0.7 * u, -0.75, 0.2 - 0.5 * v];
                let deep = 0.62 + 0.38 * (u * u + v * v).min(1.0);
                let cover = 1.6 - 1.5 * u.hypot(v.max(0.0));
                Some(Touch::new(scale(studio.shade(color, n, 0.0), deep)).cover(cover).breadth(0.6))
            }),
        }
    }

    /// The shadow on the table, falling away from the window: sharp at the foot, soft at its end.
    pub fn cast(&self, sketch: &mut Sketch, studio: &Studio) {
        let [cx, cy] = [self.at[0], self.at[1] - if self.round { 0.25 * self.tilt * self.radius } else { 0.0 }];
        let (length, [fx, fz]) = (self.height * studio.reach, studio.fall);
        let spread = length + 1.3 * self.radius;
        let dark = multiply(scale(studio.table, 0.44), COOL);
        let bounds = [cx - spread, studio.edge, cx + spread, cy + spread * studio.tilt];
        sketch.lay(bounds, |x, y| {
            let (gx, gz) = (x - cx, (y - cy) / studio.tilt);
            let (along, across) = (gx * fx + gz * fz, gz * fx - gx * fz);
            if along < 0.0 || along > length {
                return None;
            }
            let up = along / length;
            let soft = 0.02 + 0.10 * up;
            let inside = self.radius_at(1.0 - up) - across.abs();
            let end = ((1.0 - up) * 4.0).min(1.0) * (along / (0.4 * self.radius)).min(1.0);
            let cover = smooth(inside / soft + 0.5) * (0.92 - 0.4 * up) * end;
            Some(Touch::new(dark).cover(cover).angle((fz * studio.tilt).atan2(fx)))
        });
    }

    /// The dark line where it stands, out to `reach` times the foot's radius.
    pub fn contact(&self, sketch: &mut Sketch, reach: f32) {
        let r = self.profile[ROWS].max(self.radius * 0.4);
        let at = [self.at[0], self.at[1] - if self.round { 0.1 * self.tilt * r } else { 0.0 }];
        sketch.ellipse(at, [r * reach + 0.01, r * reach * self.tilt + 0.012], |u, v| {
            Some(Touch::new(hex(0x1d1a20)).cover((1.5 - 1.5 * u.hypot(v)).min(0.65)).breadth(0.6))
        });
    }
}

/// A smooth curve through evenly spaced `points` (Catmull-Rom).
fn through(points: &[f32], t: f32) -> f32 {
    let last = points.len() - 1;
    let s = t.clamp(0.0, 1.0) * last as f32;
    let i = (s as usize).min(last - 1);
    let f = s - i as f32;
    let (b, c) = (points[i], points[i + 1]);
    let (a, d) = (if i > 0 { points[i - 1] } else { 2.0 * b - c }, points.get(i + 2).copied().unwrap_or(2.0 * c - b));
    0.5 * (2.0 * b + f * (c - a + f * (2.0 * a - 5.0 * b + 4.0 * c - d + f * (3.0 * (b - c) + d - a))))
}

/// 0 to 1 with soft ends; clamped.
pub(super) fn smooth(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn unit(a: [f32; 3]) -> [f32; 3] {
    let length = dot(a, a).sqrt().max(1e-6);
    a.map(|v| v / length)
}
