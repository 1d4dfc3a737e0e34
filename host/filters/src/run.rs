//! One filter over one picture: cut into tiles, given to all cores, put together again.
//!
//! Every core has one instance for the whole run and takes the next tile from a counter, so the order differs from
//! run to run; the result does not, since a filter sees nothing but its tile. Rows of tiles are locked for the
//! moment a finished tile is written: cores that wait for each other there wait for a copy of some hundred KB.

use crate::contract::{GuestPre, ParamValue, Plan, Request, Tile};
use crate::error::Reason;
use crate::sandbox::{Instance, Sandbox, State, Watch};
use std::num::NonZero;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use underpaint_raster::{Extent, Image, Job, Rect};

/// How the host cuts and spreads the work. Results do not depend on `tile` and `threads`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Where all randomness comes from. The n-th filter of a chain, counted from 0, gets `seed + n`.
    pub seed: u64,
    /// 1 for the picture itself; for a preview, how much smaller it is: 0.25 for a quarter of width and height.
    pub scale: f32,
    /// Side of a tile in pixels.
    pub tile: u32,
    /// Worker threads; 0 for one on each core.
    pub threads: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: 0, scale: 1.0, tile: 256, threads: 0 }
    }
}

const MAX_HALO: u32 = 512;

/// A filter ready to run.
pub(crate) struct Ready<'a> {
    pub name: &'a str,
    pub pre: &'a GuestPre<State>,
    pub values: Vec<ParamValue>,
    pub memory_bytes: u64,
    pub timeout_ms: u64,
}

/// The filtered picture. `report` hears the share of the work done, 0..=1.
pub(crate) fn run(
    sandbox: &Sandbox,
    filter: &Ready<'_>,
    image: &Image,
    settings: &Settings,
    job: &dyn Job,
    mut report: impl FnMut(f32),
) -> Result<Image, Reason> {
    if image.extent().area() == 0 {
        return Ok(image.clone());
    }
    let megapixels = image.extent().area().div_ceil(1_000_000);
    let timeout_ms = filter.timeout_ms.saturating_mul(megapixels).min(24 * 3_600_000);
    let count = Count::default();
    let body = |watch: &Arc<Watch>| picture(filter, image, settings, watch, &count);
    sandbox.watched(filter.name, timeout_ms, body, |watch| {
        if job.is_cancelled() {
            watch.cancel();
        }
        report(count.share().max(watch.progress()));
    })
}

/// Tiles done and to do, for the progress.
#[derive(Default)]
struct Count {
    done: AtomicU32,
    total: AtomicU32,
}

impl Count {
    fn share(&self) -> f32 {
        self.done.load(Ordering::Relaxed) as f32 / self.total.load(Ordering::Relaxed).max(1) as f32
    }
}

fn picture(
    filter: &Ready<'_>,
    image: &Image,
    settings: &Settings,
    watch: &Arc<Watch>,
    count: &Count,
) -> Result<Image, Reason> {
    let (mut instance, plan) = begin(filter, image, settings, watch)?;
    let Extent { w, h } = image.extent();
    let (side, halo) = match plan {
        Plan::Unchanged => return Ok(image.clone()),
        Plan::WholePicture => (w.max(h), 0),
        Plan::Tiles(halo) if halo > MAX_HALO => {
            return Err(Reason::BadOutput(format!("it asks for a halo of {halo} pixels, {MAX_HALO} are the most")));
        }
        Plan::Tiles(halo) => (settings.tile.max(1), halo),
    };
    // Zeroed memory is not touched until a tile is written, so a big picture does not delay the first look at a
    // cancelled job.
    let mut out = Image::new(image.extent());
    let (columns, rows) = (w.div_ceil(side), h.div_ceil(side));
    let work = Work {
        source: Source { image, halo },
        side,
        columns,
        tiles: columns * rows,
        next: AtomicU32::new(0),
        bands: out.data_mut().chunks_mut(side as usize * w as usize * 4).map(Mutex::new).collect(),
        count,
    };
    count.total.store(work.tiles, Ordering::Relaxed);

    let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = if settings.threads == 0 { cores() } else { settings.threads }.min(work.tiles as usize);
    let others = |_| {
        let (mut instance, again) = begin(filter, image, settings, watch)?;
        if again != plan {
            return Err(Reason::BadOutput(format!(
                "two instances made different plans of one request, {plan:?} and {again:?}"
            )));
        }
        work.tiles(&mut instance, watch)
    };
    // Whoever fails stops the others, which then say `Cancelled`: the reason is the one that is not.
    let stopping = |result: Result<(), Reason>| result.inspect_err(|_| watch.fail());
    let results: Vec<Result<(), Reason>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (1..threads).map(|i| scope.spawn(move || stopping(others(i)))).collect();
        let mine = stopping(work.tiles(&mut instance, watch));
        let joined = handles.into_iter().map(|h| h.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        std::iter::once(mine).chain(joined).collect()
    });
    let mut failures: Vec<Reason> = results.into_iter().filter_map(Result::err).collect();
    failures.sort_by_key(|reason| *reason == Reason::Cancelled);
    drop(work);
    failures.into_iter().next().map_or(Ok(out), Err)
}

/// A fresh instance that has heard the request, and its plan.
fn begin(
    filter: &Ready<'_>,
    image: &Image,
    settings: &Settings,
    watch: &Arc<Watch>,
) -> Result<(Instance, Plan), Reason> {
    let Extent { w: width, h: height } = image.extent();
    let mut instance = Instance::new(filter.pre, watch, filter.memory_bytes)?;
    let request = Request { params: &filter.values, width, height, scale: settings.scale, seed: settings.seed };
    let plan = instance.prepare(request)?;
    let pixels = match plan {
        Plan::Unchanged => 0,
        Plan::WholePicture => image.extent().area(),
        Plan::Tiles(halo) => {
            let side = |length: u32| u64::from(settings.tile.max(1).min(length)) + 2 * u64::from(halo);
            side(width).saturating_mul(side(height))
        }
    };
    instance.make_room(pixels.saturating_mul(16));
    Ok((instance, plan))
}

/// What the workers share.
struct Work<'a> {
    source: Source<'a>,
    side: u32,
    columns: u32,
    tiles: u32,
    next: AtomicU32,
    /// The picture being made, a row of tiles each.
    bands: Vec<Mutex<&'a mut [f32]>>,
    count: &'a Count,
}

impl Work<'_> {
    /// Takes tiles until there are none.
    fn tiles(&self, instance: &mut Instance, watch: &Watch) -> Result<(), Reason> {
        let Extent { w, h } = self.source.image.extent();
        let mut pixels = Vec::new();
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.tiles {
                return Ok(());
            }
            if watch.is_stopped() {
                return Err(Reason::Cancelled);
            }
            let (column, row) = (index % self.columns, index / self.columns);
            let (x, y) = (column * self.side, row * self.side);
            let area = Rect::new(x as i32, y as i32, self.side.min(w - x), self.side.min(h - y));
            self.source.cut(area, &mut pixels);
            let made = instance.process(Tile { x, y, width: area.w, height: area.h, pixels: &pixels })?;
            let mut band = self.bands[row as usize].lock().unwrap_or_else(PoisonError::into_inner);
            paste(&mut band, self.source.image, area, &made)?;
            self.count.done.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The picture as filters see it.
struct Source<'a> {
    image: &'a Image,
    halo: u32,
}

impl Source<'_> {
    /// `area` and the halo around it; outside of the picture its edge is repeated, and colour under alpha 0 is blanked
    /// as filters were promised.
    fn cut(&self, area: Rect, out: &mut Vec<f32>) {
        let Extent { w, h } = self.image.extent();
        let halo = i64::from(self.halo);
        let (left, right) = (i64::from(area.x) - halo, area.right() + halo);
        // How many pixels of a row lie outside the picture on the left, inside, and outside on the right.
        let (before, after) = ((-left).max(0) as usize, (right - i64::from(w)).max(0) as usize);
        let (from, to) = (left.max(0) as usize * 4, right.min(i64::from(w)) as usize * 4);
        out.clear();
        for y in i64::from(area.y) - halo..area.bottom() + halo {
            let y = y.clamp(0, i64::from(h) - 1) as usize;
            let row = &self.image.data()[y * w as usize * 4..][..w as usize * 4];
            (0..before).for_each(|_| out.extend_from_slice(&row[..4]));
            out.extend_from_slice(&row[from..to]);
            (0..after).for_each(|_| out.extend_from_slice(&row[row.len() - 4..]));
        }
        out.chunks_exact_mut(4).filter(|pixel| pixel[3] == 0.0).for_each(|pixel| pixel.fill(0.0));
    }
}

/// Writes a made tile into its row of tiles: clamped to 0..=1, pixels of alpha 0 as they are in `image`, anything not
/// finite refused.
fn paste(band: &mut [f32], image: &Image, area: Rect, made: &[f32]) -> Result<(), Reason> {
    let row = area.w as usize * 4;
    let expected = row * area.h as usize;
    if made.len() != expected {
        let Rect { w, h, .. } = area;
        return Err(Reason::BadOutput(format!("{} values for a tile of {w}x{h}, which has {expected}", made.len())));
    }
    let stride = image.extent().w as usize * 4;
    for (line, new) in made.chunks_exact(row).enumerate() {
        let left = area.x as usize * 4;
        let old = &image.data()[(area.y as usize + line) * stride + left..][..row];
        // The sum of all values times 0 is 0, or not a number if one of them is not finite: one test for a row, and
        // where it fails the search for the culprit. What a filter leaves under alpha 0 does not matter.
        let suspect = new.iter().fold(0.0, |sum: f32, v| sum + v * 0.0).is_nan();
        if suspect && let Some(i) = (0..row).find(|&i| !new[i].is_finite() && old[i | 3] > 0.0) {
            let (x, y) = (area.x as usize + i / 4, area.y as usize + line);
            return Err(Reason::BadOutput(format!("the value {} at pixel ({x}, {y}); numbers must be finite", new[i])));
        }
        let out = &mut band[line * stride + left..][..row];
        for ((out, old), new) in out.chunks_exact_mut(4).zip(old.chunks_exact(4)).zip(new.chunks_exact(4)) {
            let pixel = if old[3] > 0.0 {
                [0, 1, 2, 3].map(|c| new[c].clamp(0.0, 1.0))
            } else {
                [old[0], old[1], old[2], old[3]]
            };
            out.copy_from_slice(&pixel);
        }
    }
    Ok(())
}
