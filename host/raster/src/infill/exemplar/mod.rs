//! Exemplar fill: the hole is rebuilt from patches of the picture itself.
//!
//! PatchMatch (Barnes et al. 2009) finds for every 7x7 patch that touches the hole the most similar patch
//! of the known picture; voting (Wexler et al. 2007) makes of these matches the hole's next colours; the
//! two alternate from a coarse picture, where only the composition is decided, to the full one.
//!
//! Decisions. Colours are compared sRGB-encoded, together with a fourth channel that tells how busy the
//! surroundings are (after Newson et al. 2014), so that a coarse level, where gravel and fog look
//! alike, does not fill one with the other. Votes are sharpened towards the best match, and the last level
//! copies pixels instead of averaging them: averages are what makes such fills soft. A thin screened Poisson
//! blend then takes away the steps between neighbouring copies and at the hole's edge. Random numbers
//! belong to rows, not to threads, and bands of rows see each other only between sweeps, so a seed gives
//! one picture on every machine.

mod blend;
mod level;
mod preview;
mod search;
mod vote;

use crate::{Cancelled, Extent, Image, Job, Mask, Rect, Stage, distance, infill};
use level::{Level, Picture};
use preview::View;
use search::{Field, Search};
use std::borrow::Cow;

/// How [`exemplar_with`] fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// Another seed gives another, equally likely fill.
    pub seed: u64,
    /// Pixels this near to the hole are not copied from. 0 suits a fill; when an object is removed, a few
    /// pixels keep its shadow or fringe from coming back.
    pub source_margin_px: u32,
}

/// [`exemplar_with`] with nothing but a seed.
pub fn exemplar(image: &Image, mask: &Mask, seed: u64, job: &dyn Job) -> Result<Image, Cancelled> {
    exemplar_with(image, mask, &Options { seed, ..Options::default() }, job)
}

/// `image` with every pixel under mask > 0 rebuilt from the rest of the picture, colour and alpha; pixels
/// under mask 0 are bit-identical. Image and mask share one extent.
///
/// A soft mask value means "in the hole": the whole support is rebuilt, and the caller blends it with the
/// mask as alpha. Pixels with alpha below 0.5 are never copied from and never compared. Where no whole 7x7
/// patch is known the fill is [`infill::push_pull`]'s. Progress is reported as [`Stage::Infill`], and previews show what the
/// hole is about to become; cancellation is honoured within some milliseconds.
pub fn exemplar_with(image: &Image, mask: &Mask, options: &Options, job: &dyn Job) -> Result<Image, Cancelled> {
    let mut out = image.clone();
    let Some((rect, filled)) = rebuild(image, mask, options, job)? else { return Ok(out) };
    for (x, y) in (0..rect.h).flat_map(|y| (0..rect.w).map(move |x| (x, y))) {
        let at = (x + rect.x as u32, y + rect.y as u32);
        if mask.at(at.0, at.1) > 0.0 {
            out.set_pixel(at.0, at.1, filled.pixel(x, y));
        }
    }
    Ok(out)
}

/// What [`exemplar_with`] puts under the mask: the bounds of what is not 0, and that part of the picture. `None` if all is 0.
pub fn rebuild(
    image: &Image,
    mask: &Mask,
    options: &Options,
    job: &dyn Job,
) -> Result<Option<(Rect, Image)>, Cancelled> {
    assert_eq!(image.extent(), mask.extent(), "image and mask have one extent");
    job.step(Stage::Infill, 0, 1)?;
    let Some(bounds) = mask.bounds() else { return Ok(None) };
    let window = window(bounds, image.extent());
    let part = match window == image.extent().rect() {
        true => Cow::Borrowed(image),
        false => Cow::Owned(image.crop(window)),
    };
    let hole: Vec<bool> = rows(mask.data(), mask.extent(), window).flatten().map(|&m| m > 0.0).collect();
    let view = View { picture: image.extent(), window, hole: bounds };
    let filled = match fill(&part, &hole, &view, options, job)? {
        Some(filled) => filled,
        None => {
            let hard = hole.iter().map(|&h| f32::from(h)).collect();
            infill::push_pull(&part, &Mask::from_data(part.extent(), hard))
        }
    };
    Ok(Some((bounds, filled.crop(Rect { x: bounds.x - window.x, y: bounds.y - window.y, ..bounds }))))
}

/// What is looked at: the hole's bounds and as much again on every side, at least 160 px. Farther pixels
/// are rarely the better match, and time and memory then follow the hole, not the canvas.
fn window(bounds: Rect, canvas: Extent) -> Rect {
    let pad = bounds.w.max(bounds.h).max(160) as i32;
    let (x, y) = ((bounds.x - pad).max(0), (bounds.y - pad).max(0));
    let right = (bounds.right() + i64::from(pad)).min(i64::from(canvas.w));
    let bottom = (bounds.bottom() + i64::from(pad)).min(i64::from(canvas.h));
    Rect::new(x, y, (right - i64::from(x)) as u32, (bottom - i64::from(y)) as u32)
}

/// Rounds of matching and voting at a level: many where they are cheap and decide the composition.
fn rounds(level: usize, levels: usize) -> u32 {
    if level + 1 == levels { 16 } else { [2, 4, 6, 8, 10][level.min(4)] }
}

/// What the pyramid costs, in rounds of the finest level; what each level does before its first round; and the finest after its
/// last.
const PYRAMID: u64 = 2;
const BEGIN: u64 = 2;
const FINISH: u64 = 2;

/// How far a fill is, in hundredths of what it costs, so that they take about as long as one another: a painter is told when it
/// will be done.
struct Pace {
    levels: usize,
    cost: u64,
    done: u64,
}

impl Pace {
    fn new(levels: usize) -> Pace {
        let cost = (0..levels).map(|level| Self::round(level, levels) * (BEGIN + u64::from(rounds(level, levels))));
        Pace { levels, cost: cost.sum::<u64>() + (PYRAMID + FINISH) * Self::round(0, levels), done: 0 }
    }

    /// Four times as many texels as at the next coarser level, but nearer to where their matches are looked for.
    fn round(level: usize, levels: usize) -> u64 {
        3u64.pow((levels - level) as u32)
    }

    /// So many more rounds of a level are done.
    fn step(&mut self, level: usize, rounds: u64, job: &dyn Job) -> Result<(), Cancelled> {
        self.done += rounds * Self::round(level, self.levels);
        job.step(Stage::Infill, (100 * self.done / self.cost) as u32, 100)
    }
}

/// The rows of `part` in a plane of this `extent`.
fn rows<T>(plane: &[T], extent: Extent, part: Rect) -> impl Iterator<Item = &[T]> {
    let lines = plane.chunks_exact(extent.w.max(1) as usize).skip(part.y as usize).take(part.h as usize);
    lines.map(move |line| &line[part.x as usize..][..part.w as usize])
}

/// How deep the hole is, in pixels, which lies in `bounds`.
fn depth(hole: &[bool], extent: Extent, bounds: Rect) -> f32 {
    // The nearest known pixel is no farther than the first outside the bounds.
    let part = bounds.grown(1).intersect(extent.rect()).unwrap_or(extent.rect());
    let known: Vec<bool> = rows(hole, extent, part).flatten().map(|h| !h).collect();
    distance::distance(part.extent(), &known).into_iter().filter(|d| d.is_finite()).fold(0.0, f32::max)
}

/// The hole, which lies in `bounds`, and what is not copied from because it is as near to it as `margin_px`.
fn near(hole: &[bool], extent: Extent, bounds: Rect, margin_px: u32) -> Cow<'_, [bool]> {
    if margin_px == 0 {
        return Cow::Borrowed(hole);
    }
    let part = bounds.grown(margin_px).intersect(extent.rect()).unwrap_or(extent.rect());
    let holed: Vec<bool> = rows(hole, extent, part).flatten().copied().collect();
    let away = distance::distance(part.extent(), &holed);
    let mut out = vec![false; hole.len()];
    let lines = out.chunks_exact_mut(extent.w.max(1) as usize).skip(part.y as usize);
    for (line, away) in lines.zip(away.chunks_exact(part.w.max(1) as usize)) {
        let line = &mut line[part.x as usize..][..part.w as usize];
        line.iter_mut().zip(away).for_each(|(near, &away)| *near = away <= margin_px as f32);
    }
    Cow::Owned(out)
}

/// `None` if no whole patch is known.
fn fill(
    image: &Image,
    hole: &[bool],
    view: &View,
    options: &Options,
    job: &dyn Job,
) -> Result<Option<Image>, Cancelled> {
    let extent = image.extent();
    let mut deepest = depth(hole, extent, view.within());
    let near = near(hole, extent, view.within(), options.source_margin_px);
    let mut levels = vec![Picture::finest(image, hole, &near)];
    if !levels[0].has_sources() {
        return Ok(None);
    }
    // Coarse enough that a patch in the middle of the hole sees known pixels, if the picture allows it.
    while deepest > 3.0 {
        job.step(Stage::Infill, 0, 1)?;
        let next = levels[levels.len() - 1].halved();
        if !next.has_sources() || next.shorter_side() < 24 || !next.has_hole() {
            break;
        }
        levels.push(next);
        deepest /= 2.0;
    }

    let count = levels.len();
    let mut pace = Pace::new(count);
    pace.step(0, PYRAMID, job)?;
    let mut field: Option<Field> = None;
    while let Some(picture) = levels.pop() {
        let index = levels.len();
        let mut level = Level::new(picture);
        let mut search = Search::new(&level, options.seed, index, field.is_none(), job);
        let mut matches = match field.take() {
            Some(coarse) => {
                let matches = search.refine(&coarse, &level);
                vote::vote(&mut level, &matches, vote::SHARP, job)?;
                matches
            }
            None => search.onion(&mut level)?,
        };
        pace.step(index, BEGIN, job)?;
        let rounds = rounds(index, count);
        for _ in 0..rounds {
            search.rescore(&level, &mut matches)?;
            search.sweep(&level, &mut matches)?;
            search.sweep(&level, &mut matches)?;
            vote::vote(&mut level, &matches, vote::SHARP, job)?;
            pace.step(index, 1, job)?;
            if job.wants_preview() {
                job.preview(view.of(&level, index));
            }
        }
        if index == 0 {
            let out = blend::finish(image, hole, &level, &matches, job)?;
            pace.step(index, FINISH, job)?;
            return Ok(Some(out));
        }
        field = Some(matches);
    }
    Ok(None)
}
