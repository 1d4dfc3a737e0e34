//! From a selection to the two masks of a repaint, as pure functions of the mask and three numbers.
//!
//! Decision: two masks, never one. The *denoise mask* says where, and how strongly, the model may paint;
//! the *compositing mask* is the alpha of the returned patch. The first is the selection grown and
//! feathered; the second is opaque wherever the selection was and fades out before the first ends, so
//! nothing that was not repainted is ever blended in. An engine that knows no strength, such as the
//! exemplar fill, uses the denoise mask as its alpha. No value is ever rounded to 0 or 1 on the way
//! (only > 0.99 becomes 1), and the canvas' edge does not fade: a selection touching it stays whole there.

use crate::lanes::{self, Lanes};
use crate::{Extent, Mask, Rect, blur, morphology};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How far a selection is widened and softened, in pixels of the mask.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Softness {
    /// Width of the denoise mask's soft edge, added to the softness the selection already has.
    pub feather_px: f32,
    /// How far the selection is widened before it is feathered.
    pub grow_px: f32,
    /// Width of the band in which the patch fades into the canvas.
    pub blend_px: f32,
}

/// Largest feather and growth that is followed; beyond it nothing is gained.
const MAX_PX: f32 = 499.0;

/// The softness a painter would expect for `mask` repainted with `strength` (0 keep .. 1 repaint).
///
/// With `diag` and `short` the diagonal and shorter side of the selection's bounds:
/// `feather = max(0.10 strength diag, min(32 strength, short / 4))`, `grow = 4 + feather / 2`,
/// `blend = min(25, grow + feather / 2)`. A selection that is already soft keeps its own softness: the
/// width of its 5-95 % band is measured and only what is missing is added (widths add as squares, as for
/// blurs), and the growth shrinks in proportion. `feather_px` and `grow_px`, where given, win over these
/// rules; a feather of 0 also means no growth and no blend, unless a growth is given.
/// The rules' scale is krita-ai-diffusion's (v1.53), but the floor of 32 px there knows no selection size.
pub fn softness(mask: &Mask, strength: f64, feather_px: Option<u32>, grow_px: Option<u32>) -> Softness {
    let bounds = mask.bounds();
    let wanted = wanted_feather(bounds.map_or(Extent::new(0, 0), Rect::extent), strength);
    let (feather, share) = match feather_px {
        Some(px) => ((px as f32).min(MAX_PX), 1.0),
        None => {
            let own = bounds.and_then(|bounds| around(bounds, 1, mask));
            let own = own.map_or(0.0, |part| own_feather(mask, part));
            let missing = (wanted * wanted - own.powi(2)).max(0.0).sqrt();
            (missing, if wanted > 0.0 { missing / wanted } else { 0.0 })
        }
    };
    let hard = feather_px == Some(0);
    let grow = match grow_px {
        Some(px) => (px as f32).min(MAX_PX),
        None if hard => 0.0,
        None => (4.0 + feather / 2.0) * share,
    };
    let blend = if hard { 0.0 } else { (grow + feather.max(wanted * (1.0 - share)) / 2.0).min(25.0) };
    Softness { feather_px: feather, grow_px: grow, blend_px: blend }
}

/// The softness [`softness`] gives to a hard selection of which only the bounds are known yet.
pub fn hard_softness(bounds: Extent, strength: f64) -> Softness {
    feathered(wanted_feather(bounds, strength))
}

/// The softness of a hard selection whose feather is given: grown so that the feather lies outside the selection.
pub fn feathered(feather_px: f32) -> Softness {
    let feather = feather_px.min(MAX_PX);
    let grow = 4.0 + feather / 2.0;
    Softness { feather_px: feather, grow_px: grow, blend_px: (grow + feather / 2.0).min(25.0) }
}

/// How far beyond a selection its denoise mask reaches, in pixels.
pub fn reach(s: &Softness) -> u32 {
    whole(s.grow_px) + whole(s.feather_px) / 2
}

fn wanted_feather(bounds: Extent, strength: f64) -> f32 {
    let strength = if strength.is_finite() { strength.clamp(0.0, 1.0) as f32 } else { 1.0 };
    let (w, h) = (bounds.w as f32, bounds.h as f32);
    (0.10 * strength * w.hypot(h)).max((32.0 * strength).min(w.min(h) / 4.0)).min(MAX_PX)
}

/// The feather that would have given a hard selection the soft edge this mask has within `part`: the area of its
/// 5-95 % band over the length of its 50 % contour. 0 for a hard mask.
fn own_feather(mask: &Mask, part: Rect) -> f32 {
    let row = |y: i32| &mask.data()[y as usize * mask.extent().w as usize + part.x as usize..][..part.w as usize];
    let rows = (part.y..).take(part.h as usize);
    let soft = |y: i32| row(y).iter().map(|v| u32::from((0.05..=0.95).contains(v))).sum::<u32>();
    let band = rows.clone().map(soft).sum::<u32>() as f32;
    if band == 0.0 {
        return 0.0;
    }
    let differ = |a: &f32, b: &f32| u32::from((*a >= 0.5) != (*b >= 0.5));
    let across = rows.clone().map(|y| row(y).windows(2).map(|pair| differ(&pair[0], &pair[1])).sum::<u32>());
    let down = rows.skip(1).map(|y| row(y - 1).iter().zip(row(y)).map(|(a, b)| differ(a, b)).sum::<u32>());
    let crossings = across.chain(down).sum::<u32>();
    // Cauchy-Crofton with two directions: a contour of length l is crossed 4 l / pi times.
    let contour = (crossings as f32 * std::f32::consts::FRAC_PI_4).max(1.0);
    // A step blurred by a tent of width f has a 5-95 % band of 0.684 f.
    band / contour / 0.684
}

/// Where, and how strongly, the model may paint: the selection dilated by a square of `grow_px`, blurred
/// by a tent `feather_px` wide. Same extent as `mask`.
pub fn denoise_mask(mask: &Mask, s: &Softness) -> Mask {
    within(mask, reach(s) + 1, |mask| {
        let (extent, grow, feather) = (mask.extent(), whole(s.grow_px), whole(s.feather_px));
        let w = extent.w as usize;
        let wide = lanes::rows(mask.into_data(), w, morphology::largest(grow));
        // Both operations are the same in either order of the axes.
        let soft = lanes::columns(wide, w, lanes::then(morphology::largest(grow), blur::tent(feather)));
        let full = |line: &[Lanes], out: &mut [Lanes]| {
            out.iter_mut().zip(line).for_each(|(out, v)| *out = v.map(|v| if v > 0.99 { 1.0 } else { v }));
        };
        Mask::from_data(extent, lanes::rows(soft, w, lanes::then(blur::tent(feather), full)))
    })
}

/// The patch's alpha: the support of the denoise mask, eroded by half of `blend_px` and blurred by a
/// gaussian `blend_px` wide, so that it ends where the denoise mask ends and is 1 in the selection; where the
/// selection itself is soft, at most twice its value. Same extent as `mask`; 0 wherever [`denoise_mask`] is 0.
///
/// What a selection holds by a tenth is repainted in the last tenth of the steps, but that already changes it by
/// half of what a whole repaint would (measured; most of it is the autoencoder's doing): without the bound a soft
/// selection would be visible far beyond where a painter sees it end.
pub fn compositing_mask(mask: &Mask, s: &Softness) -> Mask {
    let blend = whole(s.blend_px);
    within(mask, reach(s) + blend + 1, |mask| {
        let (extent, w) = (mask.extent(), mask.extent().w as usize);
        // A square's dilation is as wide as the tent's reach: this is above 0 exactly where the denoise mask is.
        let widened = lanes::both_ways(mask.into_data(), w, morphology::largest(reach(s)));
        let support = |line: &[Lanes], out: &mut [Lanes]| {
            out.iter_mut().zip(line).for_each(|(out, v)| *out = v.map(|v| if v > 0.0 { 1.0 } else { 0.0 }));
        };
        let narrower = lanes::rows(widened.clone(), w, lanes::then(support, morphology::smallest(blend / 2)));
        let fading = lanes::then(morphology::smallest(blend / 2), blur::gaussian_line(blend));
        let mut out = lanes::rows(lanes::columns(narrower, w, fading), w, blur::gaussian_line(blend));
        out.par_iter_mut().zip(&widened).for_each(|(v, own)| {
            // The gaussian's reach is exactly the erosion's; this only pins both ends down against rounding.
            let whole = if *v > 0.9999 { 1.0 } else { *v };
            *v = whole * (2.0 * own).clamp(0.0, 1.0);
        });
        Mask::from_data(extent, out)
    })
}

/// What `make` makes of the part of `mask` that holds its values and `margin` pixels around them; 0 elsewhere. A selection is
/// mostly small beside its surroundings.
fn within(mask: &Mask, margin: u32, make: impl Fn(Mask) -> Mask) -> Mask {
    let mut out = Mask::new(mask.extent(), 0.0);
    if let Some(part) = mask.bounds().and_then(|bounds| around(bounds, margin, mask)) {
        out.put(part, &make(mask.crop(part)));
    }
    out
}

/// `bounds` with `margin` pixels around them, as far as `mask` reaches.
fn around(bounds: Rect, margin: u32, mask: &Mask) -> Option<Rect> {
    bounds.grown(margin).intersect(mask.extent().rect())
}

fn whole(px: f32) -> u32 {
    px.clamp(0.0, MAX_PX) as u32
}
