//! Which part of the canvas the model sees, and at what scale: adaptive zoom.
//!
//! Decision: a model paints best when the selection takes a quarter to a third of the pixels it was trained at. A
//! small selection is therefore zoomed in, up to 8 times, which peers never do; a middling one is left at 1:1 with
//! as many surroundings as fit, so that nothing is resampled; a large one is scaled down with as many surroundings
//! as its share allows. Geometry fixed here: mask bounds ⊂ context ⊂ canvas, x and y never scaled differently, only
//! the extent given to the model is a multiple of anything.

use crate::{Family, ModelFacts};
use underpaint_raster::{Extent, Rect, masks, masks::Softness};
use underpaint_wire::generate::Mode;

/// Largest enlargement of a small selection.
const MAX_ZOOM: f64 = 8.0;
/// Nearer to 1 than this, nothing is resampled at all.
const SNAP: std::ops::Range<f64> = 0.9..1.1;
/// Surroundings on each side of the bounds, in model pixels, where the canvas has them.
const RING_PX: f64 = 64.0;
/// A result that has to be enlarged more than this shows it: below this zoom a second pass is worth its time.
const FINE: f64 = 0.8;
/// Native budgets a second pass sees at once: it only refines, so a model keeps its bearings at twice its side. More is seen
/// in tiles.
const SECOND_BUDGETS: f64 = 4.0;
/// Pixels a second pass may have in all: so large a picture takes some gigabytes beside the model.
const SECOND_PIXELS: f64 = 16e6;
/// A second pass must be at least this much finer than the first.
const SECOND_GAIN: f64 = 1.25;
/// Share of an old picture's shorter side that an expansion may repaint beside the new strip, softly.
const OVERLAP: f64 = 0.10;
/// It is no narrower than this, unless that is more than half of the old picture.
const MIN_OVERLAP_PX: u32 = 64;
/// The exemplar fill looks at this many pixels at least: content to copy may be far from the hole.
const EXEMPLAR_PIXELS: f64 = 4e6;

/// A crop of the canvas and the size at which the model sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The crop in canvas pixels.
    pub rect: Rect,
    /// What the crop becomes, in model pixels; equal to the crop's extent when nothing is resampled.
    pub fit: Extent,
    /// What the model makes: `fit`, or a little more to the right and below where the canvas was too small for the
    /// crop to be widened to the model's multiple.
    pub extent: Extent,
}

impl Context {
    /// Model pixels per canvas pixel.
    pub fn zoom(&self) -> f64 {
        (self.fit.area() as f64 / self.rect.extent().area() as f64).sqrt()
    }
}

/// Which pixels a repaint of a selection with these bounds wants to see, before the mask itself is known: the answer
/// to `fill/context`. `bounds` must lie inside `canvas`; the result contains `bounds` and lies inside `canvas`. A
/// second pass looks at a part of it.
pub fn context(mode: Mode, bounds: Rect, canvas: Extent, denoise_strength: f64, model: &ModelFacts) -> Rect {
    let softness = match mode {
        // As the plan has it: the embedded fill adds none.
        _ if model.family == Family::Exemplar => Softness { feather_px: 0.0, grow_px: 0.0, blend_px: 0.0 },
        Mode::Expand if is_strip(bounds, canvas) => {
            // A strip along a side leaves the rest of the canvas as the old picture.
            let rest = |all: u32, strip: u32| if strip < all { all - strip } else { all };
            masks::feathered(overlap(Extent::new(rest(canvas.w, bounds.w), rest(canvas.h, bounds.h))) as f32)
        }
        _ => masks::hard_softness(bounds.extent(), denoise_strength),
    };
    repaint(bounds, &softness, canvas.rect(), model).rect
}

/// How far an expansion of an `old` picture may repaint it, softly, in pixels: 10 % of its shorter side, at least 64.
pub(crate) fn overlap(old: Extent) -> u32 {
    let side = old.w.min(old.h);
    ((OVERLAP * f64::from(side)).round() as u32).max(MIN_OVERLAP_PX).min(side / 2)
}

/// True if a selection with these bounds lies along a side of the canvas; an expansion of anything else is a fill.
pub(crate) fn is_strip(bounds: Rect, canvas: Extent) -> bool {
    let touches = |from: i32, to: i64, side: u32| from <= 0 || to >= i64::from(side);
    touches(bounds.x, bounds.right(), canvas.w) || touches(bounds.y, bounds.bottom(), canvas.h)
}

/// The context of a repaint of `bounds` within the available part of the canvas.
pub(crate) fn repaint(bounds: Rect, softness: &Softness, available: Rect, model: &ModelFacts) -> Context {
    let padded = padded(bounds, softness, available);
    if model.family == Family::Exemplar {
        let area = EXEMPLAR_PIXELS.max(6.0 * padded.extent().area() as f64);
        let rect = around(padded, square(padded.extent(), area, 0.0, available.extent()), available);
        return Context { rect, fit: rect.extent(), extent: rect.extent() };
    }
    let budget = f64::from(model.native_side).powi(2).max(1.0);
    let area = wanted_area(padded.extent().area() as f64, budget).min(available.extent().area() as f64);
    let ring = (RING_PX / zoom(area, budget)).ceil();
    let (w, h) = square(padded.extent(), area, ring, available.extent());
    let zoom = zoom(w * h, budget);
    fit(padded, (w, h), zoom, available, model.multiple.max(8))
}

/// What a second pass looks at after a first one that saw `first`: the `painted` part and a ring, at 1:1 up to 16
/// megapixels. `None` where it would show nothing new.
pub(crate) fn second(painted: Rect, first: &Context, model: &ModelFacts) -> Option<Context> {
    if first.zoom() >= FINE {
        return None;
    }
    let sides = |ring: f64| {
        let side = |len: u32, most: u32| (f64::from(len) + 2.0 * ring).min(f64::from(most));
        (side(painted.w, first.rect.w), side(painted.h, first.rect.h))
    };
    let scale = |(w, h): (f64, f64)| {
        let z = (SECOND_PIXELS / (w * h)).sqrt().min(1.0);
        if SNAP.contains(&z) { 1.0 } else { z }
    };
    let zoom = scale(sides(RING_PX / scale(sides(RING_PX))));
    let second = fit(painted, sides(RING_PX / zoom), zoom, first.rect, model.multiple.max(8));
    (second.zoom() >= SECOND_GAIN * first.zoom()).then_some(second)
}

/// True if a second pass at this extent has to be seen in tiles.
pub(crate) fn is_too_much(extent: Extent, model: &ModelFacts) -> bool {
    extent.area() as f64 > SECOND_BUDGETS * f64::from(model.native_side).powi(2)
}

/// The context of a whole picture: everything, at a scale the model is good at.
pub(crate) fn whole(available: Rect, model: &ModelFacts) -> Context {
    let budget = f64::from(model.native_side).powi(2).max(1.0);
    let z = (budget / available.extent().area() as f64).sqrt().min(MAX_ZOOM);
    // A whole picture has no surroundings to lose: a wider range stays at 1:1.
    let z = if (0.8..1.25).contains(&z) { 1.0 } else { z };
    padded_fit(available, z, model.multiple.max(8))
}

/// The selection with what its softness adds and a rim beyond.
fn padded(bounds: Rect, softness: &Softness, available: Rect) -> Rect {
    let diagonal = f64::from(bounds.w).hypot(f64::from(bounds.h));
    let pad = f64::from(softness.grow_px) + f64::from(softness.feather_px) / 2.0 + 0.06 * diagonal;
    bounds.grown(pad.ceil() as u32).intersect(available).unwrap_or(available)
}

/// Canvas pixels to show for bounds of area `bounds` to a model with `budget` pixels.
fn wanted_area(bounds: f64, budget: f64) -> f64 {
    let occupancy = bounds / budget;
    if occupancy < 0.25 {
        // At the largest zoom more surroundings are better than a picture smaller than the model's.
        (bounds / 0.30).max(budget / (MAX_ZOOM * MAX_ZOOM))
    } else if occupancy <= 0.60 {
        budget
    } else {
        bounds / 0.60
    }
}

/// Model pixels per canvas pixel for a context of this area.
fn zoom(area: f64, budget: f64) -> f64 {
    let z = (budget / area).sqrt().min(MAX_ZOOM);
    if SNAP.contains(&z) { 1.0 } else { z }
}

/// Sides of a context of about `area` around `inner`: as square as `inner`, its ring and the canvas allow.
fn square(inner: Extent, area: f64, ring: f64, canvas: Extent) -> (f64, f64) {
    let (max_w, max_h) = (f64::from(canvas.w), f64::from(canvas.h));
    let (min_w, min_h) = ((f64::from(inner.w) + 2.0 * ring).min(max_w), (f64::from(inner.h) + 2.0 * ring).min(max_h));
    let h = (area / area.sqrt().clamp(min_w, max_w)).clamp(min_h, max_h);
    ((area / h).clamp(min_w, max_w), h)
}

/// A context around `inner` of about `sides`, widened so that both scales are exactly `zoom`'s ratio.
fn fit(inner: Rect, sides: (f64, f64), zoom: f64, available: Rect, multiple: u32) -> Context {
    let up = |px: f64| ((px / f64::from(multiple)).round().max(1.0)) as u32 * multiple;
    let (w, h) = (up(sides.0 * zoom), up(sides.1 * zoom));
    // Among extents near the wanted one, the crop with the least waste whose ratio is exactly the extent's.
    let wanted = sides.0 * sides.1 * zoom * zoom;
    let mut best: Option<(f64, Extent, Extent)> = None;
    for (i, j) in (0..5).flat_map(|i| (0..5).map(move |j| (i, j))) {
        let extent = Extent::new(w + i * multiple, h + j * multiple);
        let crop = if zoom == 1.0 { Some(extent) } else { same_ratio(extent, sides, inner.extent()) };
        let Some(crop) = crop else { continue };
        let holds = crop.w >= inner.w && crop.h >= inner.h && crop.w <= available.w && crop.h <= available.h;
        // Neither much more work than wanted nor much more enlargement.
        let near = extent.area() as f64 <= 1.25 * wanted && f64::from(extent.w) <= 1.1 * zoom * f64::from(crop.w);
        let waste =
            (extent.area() as f64 - wanted).abs() + (crop.area() as f64 - sides.0 * sides.1).abs() * zoom * zoom;
        if holds && near && best.is_none_or(|(least, ..)| waste < least) {
            best = Some((waste, extent, crop));
        }
    }
    if let Some((_, extent, crop)) = best {
        let rect = around(inner, (f64::from(crop.w), f64::from(crop.h)), available);
        return Context { rect, fit: extent, extent };
    }
    // The canvas is too small for that: take the crop as it is and let the model's picture be a little larger.
    padded_fit(around(inner, sides, available), zoom, multiple)
}

/// The smallest extent not below `sides` (nor `inner`) with exactly the ratio of `extent`.
fn same_ratio(extent: Extent, sides: (f64, f64), inner: Extent) -> Option<Extent> {
    let divisor = gcd(extent.w, extent.h);
    let (p, q) = (extent.w / divisor, extent.h / divisor);
    let wanted = (sides.0 * sides.1 / (f64::from(p) * f64::from(q))).sqrt().round().max(1.0) as u32;
    let k = wanted.max(inner.w.div_ceil(p)).max(inner.h.div_ceil(q));
    Some(Extent::new(p.checked_mul(k)?, q.checked_mul(k)?))
}

/// All of `rect` at `zoom`; what lacks to a multiple is added on the model's side.
pub(crate) fn padded_fit(rect: Rect, zoom: f64, multiple: u32) -> Context {
    let scaled = |side: u32| ((f64::from(side) * zoom).round().max(1.0)) as u32;
    let fit = if zoom == 1.0 { rect.extent() } else { Extent::new(scaled(rect.w), scaled(rect.h)) };
    let up = |side: u32| side.div_ceil(multiple) * multiple;
    Context { rect, fit, extent: Extent::new(up(fit.w), up(fit.h)) }
}

/// A rect of about `sides` that contains `inner`, centred on it, shifted (not shrunk) at the canvas' edges.
fn around(inner: Rect, sides: (f64, f64), available: Rect) -> Rect {
    let axis = |at: i32, len: u32, side: f64, start: i32, room: u32| {
        let side = (side.round() as u32).clamp(len, room);
        let centred = i64::from(at) - i64::from(side - len) / 2;
        let last = i64::from(start) + i64::from(room - side);
        (centred.clamp(i64::from(start), last) as i32, side)
    };
    let (x, w) = axis(inner.x, inner.w, sides.0, available.x, available.w);
    let (y, h) = axis(inner.y, inner.h, sides.1, available.y, available.h);
    Rect::new(x, y, w, h)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}
