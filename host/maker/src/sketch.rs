//! What a scene is laid in on: colour for every pixel, and how the brush should go there.
//!
//! Coordinates: `y` runs from 0 at the top to 1 at the bottom, `x` from 0 at the left to `aspect` (width / height) at the right.
//! A scene is painted back to front with [`Sketch::lay`]; everything else is built on it.

use crate::color::{Rgb, mix};

/// Paint at one point.
#[derive(Clone, Copy, Debug)]
pub struct Touch {
    /// Its colour.
    pub color: Rgb,
    /// How much it covers what lies below, 0..=1. 0 leaves the brush's way alone too.
    pub cover: f32,
    /// Which way the brush goes, in radians: 0 along x, positive turning towards +y (clockwise as seen).
    pub angle: f32,
    /// How broad the strokes are, 1 = the manner's usual (0.3 = fine detail, 1.5 = broad, as in a sky).
    pub breadth: f32,
}

impl Touch {
    /// Opaque paint in horizontal strokes of usual breadth.
    pub fn new(color: Rgb) -> Self {
        Self { color, cover: 1.0, angle: 0.0, breadth: 1.0 }
    }

    /// The same, covering `cover` of what lies below.
    pub fn cover(self, cover: f32) -> Self {
        Self { cover: cover.clamp(0.0, 1.0), ..self }
    }

    /// The same with strokes along `angle`.
    pub fn angle(self, angle: f32) -> Self {
        Self { angle, ..self }
    }

    /// The same with strokes of `breadth`.
    pub fn breadth(self, breadth: f32) -> Self {
        Self { breadth, ..self }
    }
}

/// A picture being laid in.
#[derive(Clone, Debug)]
pub struct Sketch {
    /// Width in pixels.
    pub w: usize,
    /// Height in pixels.
    pub h: usize,
    /// Width / height: the right edge's x.
    pub aspect: f32,
    /// Colours, row by row.
    pub color: Vec<Rgb>,
    /// Stroke direction, row by row.
    pub angle: Vec<f32>,
    /// Stroke breadth, row by row.
    pub breadth: Vec<f32>,
}

impl Sketch {
    /// All of `ground`.
    pub fn new(w: usize, h: usize, ground: Rgb) -> Self {
        let n = w * h;
        Self { w, h, aspect: w as f32 / h as f32, color: vec![ground; n], angle: vec![0.0; n], breadth: vec![1.0; n] }
    }

    /// The height of a pixel in sketch units: how soft an edge must be not to be jagged.
    pub fn px(&self) -> f32 {
        1.0 / self.h as f32
    }

    /// How much of a shape covers a point, from its signed distance (negative inside, sketch units): antialiased.
    pub fn edge(&self, distance: f32) -> f32 {
        (0.5 - distance * self.h as f32).clamp(0.0, 1.0)
    }

    /// Lays paint on every pixel of the box `x0..x1`, `y0..y1` (sketch units, clipped) for which `f(x, y)` gives some.
    pub fn lay(&mut self, [x0, y0, x1, y1]: [f32; 4], f: impl Fn(f32, f32) -> Option<Touch>) {
        let h = self.h as f32;
        let index = |v: f32, most: usize| (v * h).clamp(0.0, most as f32) as usize;
        let (left, right) = (index(x0, self.w), index(x1 + self.px(), self.w));
        let (top, bottom) = (index(y0, self.h), index(y1 + self.px(), self.h));
        for row in top..bottom {
            for column in left..right {
                let (x, y) = ((column as f32 + 0.5) / h, (row as f32 + 0.5) / h);
                let Some(touch) = f(x, y).filter(|t| t.cover > 0.0) else { continue };
                let i = row * self.w + column;
                self.color[i] = mix(self.color[i], touch.color, touch.cover);
                if touch.cover > 0.4 {
                    (self.angle[i], self.breadth[i]) = (touch.angle, touch.breadth);
                }
            }
        }
    }

    /// Lays paint everywhere.
    pub fn lay_all(&mut self, f: impl Fn(f32, f32) -> Option<Touch>) {
        self.lay([0.0, 0.0, self.aspect, 1.0], f);
    }

    /// Everything below the line `y = ridge(x)`; `f(x, y, depth)` gets the distance below the line.
    pub fn below(&mut self, ridge: impl Fn(f32) -> f32, f: impl Fn(f32, f32, f32) -> Option<Touch>) {
        let line: Vec<f32> = (0..self.w).map(|c| ridge((c as f32 + 0.5) / self.h as f32)).collect();
        let top = line.iter().copied().fold(1.0, f32::min) - self.px();
        let h = self.h as f32;
        self.lay([0.0, top, self.aspect, 1.0], |x, y| {
            let depth = y - line[((x * h) as usize).min(line.len() - 1)];
            let cover = (0.5 + depth * h).clamp(0.0, 1.0);
            if cover <= 0.0 {
                return None;
            }
            f(x, y, depth.max(0.0)).map(|t| t.cover(t.cover * cover))
        });
    }

    /// An ellipse around (`cx`, `cy`) with radii `rx`, `ry`; `f(u, v)` gets coordinates that are -1..=1 across it.
    pub fn ellipse(&mut self, [cx, cy]: [f32; 2], [rx, ry]: [f32; 2], f: impl Fn(f32, f32) -> Option<Touch>) {
        let h = self.h as f32;
        let soft = rx.min(ry);
        self.lay([cx - rx, cy - ry, cx + rx, cy + ry], |x, y| {
            let (u, v) = ((x - cx) / rx, (y - cy) / ry);
            let cover = (0.5 - (u.hypot(v) - 1.0) * soft * h).clamp(0.0, 1.0);
            if cover <= 0.0 {
                return None;
            }
            f(u, v).map(|t| t.cover(t.cover * cover))
        });
    }

    /// A convex or concave polygon (even-odd), corners in order.
    pub fn polygon(&mut self, corners: &[[f32; 2]], f: impl Fn(f32, f32) -> Option<Touch>) {
        let fold = |pick: fn(f32, f32) -> f32, axis: usize, from: f32| corners.iter().map(|c| c[axis]).fold(from, pick);
        let bounds = [fold(f32::min, 0, 9e9), fold(f32::min, 1, 9e9), fold(f32::max, 0, -9e9), fold(f32::max, 1, -9e9)];
        let h = self.h as f32;
        self.lay(bounds, |x, y| {
            let (mut inside, mut nearest) = (false, f32::MAX);
            for (i, [ax, ay]) in corners.iter().enumerate() {
                let [bx, by] = corners[(i + 1) % corners.len()];
                if (*ay > y) != (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax {
                    inside = !inside;
                }
                nearest = nearest.min(to_segment([x, y], [*ax, *ay], [bx, by]));
            }
            let cover = (0.5 - if inside { -nearest } else { nearest } * h).clamp(0.0, 1.0);
            if cover <= 0.0 {
                return None;
            }
            f(x, y).map(|t| t.cover(t.cover * cover))
        });
    }

    /// A tapering line from `a` (half-width `wa`) to `b` (half-width `wb`): a trunk, a stem, a mast.
    pub fn line(&mut self, a: [f32; 2], b: [f32; 2], wa: f32, wb: f32, f: impl Fn(f32, f32) -> Option<Touch>) {
        let w = wa.max(wb) + self.px();
        let bounds = [a[0].min(b[0]) - w, a[1].min(b[1]) - w, a[0].max(b[0]) + w, a[1].max(b[1]) + w];
        let h = self.h as f32;
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let length2 = (dx * dx + dy * dy).max(1e-9);
        self.lay(bounds, |x, y| {
            let t = (((x - a[0]) * dx + (y - a[1]) * dy) / length2).clamp(0.0, 1.0);
            let distance = (x - a[0] - t * dx).hypot(y - a[1] - t * dy) - (wa + (wb - wa) * t);
            let cover = (0.5 - distance * h).clamp(0.0, 1.0);
            if cover <= 0.0 {
                return None;
            }
            f(x, y).map(|p| p.cover(p.cover * cover))
        });
    }
}

/// Distance of a point from a segment.
pub fn to_segment([x, y]: [f32; 2], [ax, ay]: [f32; 2], [bx, by]: [f32; 2]) -> f32 {
    let (dx, dy) = (bx - ax, by - ay);
    let t = (((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy).max(1e-12)).clamp(0.0, 1.0);
    (x - ax - t * dx).hypot(y - ay - t * dy)
}
