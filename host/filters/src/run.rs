//! One filter over one picture: its passes one after the other, each cut into tiles, given to all cores, put together
//! again.
//!
//! Every core has one instance for the whole run and takes the next tile from a counter, so the order differs from
//! run to run; the result does not, since a filter sees nothing but its tile, and what was made goes to
//! its own place ([`crate::tiles`]).

use crate::contract as wit;
use crate::descriptor::{Descriptor, Input, Role};
use crate::error::Reason;
use crate::guest::{Instance, Linked};
use crate::picture::{Encoding, Picture, PictureRef, Sample, Value, View, convert, mask_values};
use crate::sandbox::{Sandbox, Watch};
use crate::tiles::{Pass, Room, SURVEY_TILE, grid, paste, places};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use underpaint_raster::{Extent, Image, Job, Mask, Rect};

/// How the host cuts and spreads the work, and what it can show besides the picture. Results do not depend on `tile`
/// and `threads`.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// Where all randomness comes from. The n-th filter of a chain, counted from 0, gets `seed + n`.
    pub seed: u64,
    /// 1 for the picture itself; for a preview, how much smaller it is: 0.25 for a quarter of width and height.
    pub scale: f32,
    /// Side of a tile in pixels.
    pub tile: u32,
    /// Worker threads; 0 for one on each core.
    pub threads: usize,
    /// What there is besides the picture.
    pub beside: Beside<'a>,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Self { seed: 0, scale: 1.0, tile: 256, threads: 0, beside: Beside::default() }
    }
}

/// Pixels of the picture's size that a filter may ask to see.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// What was selected.
    pub mask: Option<&'a Mask>,
    /// What was there before the generated pixels came.
    pub before: Option<PictureRef<'a>>,
    /// What was generated, before any filter.
    pub generated: Option<PictureRef<'a>>,
}

const MAX_HALO: u32 = 512;
const MAX_PASSES: usize = 16;

/// The largest result, a side and in all.
const MAX_SIDE: u32 = 65_535;
const MAX_PIXELS: u64 = 400_000_000;

/// The longest answer to a survey, and all answers together, in bytes.
const MAX_ANSWER: usize = 64 << 10;
const MAX_ANSWERS: usize = 128 << 20;

/// A filter ready to run.
pub(crate) struct Ready<'a> {
    pub linked: &'a Linked,
    pub descriptor: &'a Descriptor,
    pub values: Vec<wit::ParamValue<'a>>,
    /// Pictures for inputs of [`Role::Image`], by name.
    pub images: &'a BTreeMap<String, Arc<Image>>,
}

/// The filtered picture, `None` where it stays as it is. `report` hears the share of the work done, 0..=1.
pub(crate) fn run(
    sandbox: &Sandbox,
    filter: &Ready<'_>,
    picture: PictureRef<'_>,
    settings: &Settings<'_>,
    job: &dyn Job,
    report: impl FnMut(f32),
) -> Result<Option<Picture>, Reason> {
    if picture.extent().area() == 0 {
        return Ok(None);
    }
    let samples = &filter.descriptor.samples;
    let sample = samples.iter().find(|&&s| s >= picture.sample()).or(samples.last());
    match sample {
        Some(Sample::Uint8) => run_as::<u8>(sandbox, filter, picture, settings, job, report),
        Some(Sample::Uint16) => run_as::<u16>(sandbox, filter, picture, settings, job, report),
        _ => run_as::<f32>(sandbox, filter, picture, settings, job, report),
    }
}

fn run_as<S: Value>(
    sandbox: &Sandbox,
    filter: &Ready<'_>,
    picture: PictureRef<'_>,
    settings: &Settings<'_>,
    job: &dyn Job,
    mut report: impl FnMut(f32),
) -> Result<Option<Picture>, Reason> {
    let Descriptor { name, inputs, encoding, limits, .. } = filter.descriptor;
    let extent = picture.extent();
    let values = S::values(picture, *encoding);
    let given: Vec<Given<'_, S>> = inputs
        .iter()
        .map(|input| Given::of(input, picture, &values, settings, filter.images, *encoding))
        .collect::<Result<_, _>>()?;
    let count = Count::default();
    let work = Run {
        linked: filter.linked,
        limits: *limits,
        params: &filter.values,
        picture: View { extent, data: &values },
        given: &given,
        settings,
        count: &count,
    };
    let megapixels = extent.area().div_ceil(1_000_000);
    let made = sandbox.watched(
        name,
        limits.timeout_ms.saturating_mul(megapixels),
        |watch| work.passes(watch),
        |watch| {
            if job.is_cancelled() {
                watch.cancel();
            }
            report(count.share().max(watch.progress()));
        },
    )?;
    let Some((size, made)) = made else { return Ok(None) };
    if *encoding == Encoding::Srgb {
        return Ok(Some(Picture::new(size, S::samples(made))));
    }
    Ok(Some(Picture::new(size, S::samples(convert(&made, *encoding, Encoding::Srgb)))))
}

/// What there is of a declared input.
enum Given<'a, S: Value> {
    Absent,
    WithTiles(Cow<'a, [S]>),
    Whole(Extent, Cow<'a, [S]>),
}

impl<'a, S: Value> Given<'a, S> {
    fn of(
        input: &Input,
        picture: PictureRef<'_>,
        values: &'a [S],
        settings: &Settings<'a>,
        images: &'a BTreeMap<String, Arc<Image>>,
        encoding: Encoding,
    ) -> Result<Self, Reason> {
        let wrong = |message: String| Reason::BadParameter { name: input.name.clone(), message };
        let there = match input.role {
            Role::Original => return Ok(Given::WithTiles(Cow::Borrowed(values))),
            Role::Mask => settings.beside.mask.map(|mask| (mask.extent(), Cow::Owned(mask_values(mask)))),
            Role::Before => settings.beside.before.map(|before| (before.extent(), S::values(before, encoding))),
            Role::Generated => settings.beside.generated.map(|made| (made.extent(), S::values(made, encoding))),
            Role::Image => {
                if let Some(image) = images.get(&input.name) {
                    let view = PictureRef::from(&**image);
                    return Ok(Given::Whole(view.extent(), S::values(view, encoding)));
                }
                None
            }
        };
        match there {
            Some((extent, values)) if extent == picture.extent() => Ok(Given::WithTiles(values)),
            Some((Extent { w, h }, _)) => {
                let is = picture.extent();
                Err(wrong(format!("it is {w}x{h}, but the picture is {}x{}; both must have one size", is.w, is.h)))
            }
            None if input.required => Err(wrong(match input.role {
                Role::Mask => "the filter needs a mask; give one, or select something".into(),
                Role::Image => "the filter needs a picture here; choose one".into(),
                _ => "the filter needs the picture before and after generating, and nothing was generated here".into(),
            })),
            None => Ok(Given::Absent),
        }
    }

    fn wit(&self) -> wit::Given<'_> {
        match self {
            Given::Absent => wit::Given::Absent,
            Given::WithTiles(_) => wit::Given::WithTiles,
            Given::Whole(Extent { w: width, h: height }, values) => {
                wit::Given::Whole(wit::Image { width: *width, height: *height, pixels: S::lower(values) })
            }
        }
    }
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

/// One filter with everything that is the same for all of its instances.
struct Run<'a, S: Value> {
    linked: &'a Linked,
    limits: crate::Limits,
    params: &'a [wit::ParamValue<'a>],
    picture: View<'a, S>,
    given: &'a [Given<'a, S>],
    settings: &'a Settings<'a>,
    count: &'a Count,
}

/// A core's instance, made when it takes its first tile, and how many surveys it has heard the end of.
#[derive(Default)]
struct Hand {
    instance: Option<Instance>,
    heard: usize,
}

/// All hands, and what each of them must know.
struct Crew<'a> {
    hands: Vec<Hand>,
    plan: &'a wit::Plan,
    lessons: Vec<Lesson>,
    watch: &'a Arc<Watch>,
}

/// The end of a survey.
struct Lesson {
    pass: u32,
    answers: Vec<Vec<u8>>,
}

impl<S: Value> Run<'_, S> {
    /// Size and values of the result, `None` where the picture stays as it is.
    fn passes(&self, watch: &Arc<Watch>) -> Result<Option<(Extent, Vec<S>)>, Reason> {
        let (first, plan) = self.begin(watch)?;
        let size = self.check(&plan)?;
        if plan.passes.is_empty() {
            return Ok(None);
        }
        watch.allow(self.limits.timeout_ms.saturating_mul(size.area().div_ceil(1_000_000)));
        let last = plan.passes.len() - 1;
        let extents = (0..plan.passes.len()).map(|i| if i == last { size } else { self.picture.extent });
        let grids: Vec<Vec<Rect>> =
            plan.passes.iter().zip(extents).map(|(pass, extent)| grid(pass, extent, self.settings.tile)).collect();
        self.count.total.store(grids.iter().map(|g| g.len() as u32).sum(), Ordering::Relaxed);

        let threads = match self.settings.threads {
            0 => std::thread::available_parallelism().map_or(1, NonZero::get),
            n => n,
        };
        let most = grids.iter().map(Vec::len).max().unwrap_or(1);
        let mut hands: Vec<Hand> = (0..threads.clamp(1, most.min(256))).map(|_| Hand::default()).collect();
        hands[0].instance = Some(first);

        let mut crew = Crew { hands, plan: &plan, lessons: Vec::new(), watch };
        let mut before: Option<Vec<S>> = None;
        for (index, (pass, areas)) in plan.passes.iter().zip(&grids).enumerate() {
            let pass_of = Pass {
                index: index as u32,
                halo: if let wit::Pass::Tiles(halo) = pass { *halo } else { 0 },
                source: View { extent: self.picture.extent, data: before.as_deref().unwrap_or(self.picture.data) },
                extent: if index == last { size } else { self.picture.extent },
                areas,
                next: AtomicU32::new(0),
                blank: before.is_none(),
                keep: index == last && size == self.picture.extent,
                last: index == last,
            };
            if let wit::Pass::Survey = pass {
                let answers = self.survey(&mut crew, &pass_of)?;
                crew.lessons.push(Lesson { pass: index as u32, answers });
            } else {
                let made = self.pixels(&mut crew, &pass_of)?;
                before = Some(made);
            }
        }
        Ok(before.map(|made| (size, made)))
    }

    /// A fresh instance that has heard the request, and its plan.
    fn begin(&self, watch: &Arc<Watch>) -> Result<(Instance, wit::Plan), Reason> {
        let Extent { w: width, h: height } = self.picture.extent;
        let mut instance = Instance::new(self.linked, watch, self.limits.memory_bytes)?;
        let whole = |given: &Given<'_, S>| if let Given::Whole(_, values) = given { size_of_val(&**values) } else { 0 };
        instance.room_for(self.given.iter().map(whole).sum::<usize>() as u64 + texts(self.params));
        let inputs: Vec<wit::Given<'_>> = self.given.iter().map(Given::wit).collect();
        let Settings { scale, seed, .. } = *self.settings;
        let sample = S::SAMPLE.into();
        let plan = instance.prepare(wit::Request {
            params: self.params,
            width,
            height,
            sample,
            scale,
            seed,
            inputs: &inputs,
        })?;
        let beside = self.with_tiles().count() as u64;
        let source = |pass: &wit::Pass| match pass {
            wit::Pass::WholePicture => self.picture.extent.area().max(u64::from(plan.width) * u64::from(plan.height)),
            wit::Pass::Survey => u64::from(SURVEY_TILE).pow(2),
            // A strip may be one row, and a smaller result is made from more pixels than it has.
            wit::Pass::Pointwise => {
                u64::from(self.settings.tile).pow(2).max(u64::from(width)).min(self.picture.extent.area())
            }
            wit::Pass::Tiles(halo) => {
                let side = |length: u32, result: u32| {
                    let tile = u64::from(self.settings.tile.max(1).min(length.max(result)));
                    let shown = if length == result {
                        tile
                    } else {
                        tile.max((tile * u64::from(length)).div_ceil(u64::from(result.max(1))) + 2)
                    };
                    shown + 2 * u64::from(*halo)
                };
                side(width, plan.width).saturating_mul(side(height, plan.height))
            }
        };
        let pixels = plan.passes.iter().map(source).max().unwrap_or(0);
        instance.room_for_tiles(pixels.saturating_mul(size_of::<S>() as u64 * 4 * (1 + beside)));
        Ok((instance, plan))
    }

    fn with_tiles(&self) -> impl Iterator<Item = &[S]> {
        self.given.iter().filter_map(|given| if let Given::WithTiles(values) = given { Some(&**values) } else { None })
    }

    /// The size of the result of a plan that can be carried out.
    fn check(&self, plan: &wit::Plan) -> Result<Extent, Reason> {
        let wrong = |what: String| Err(Reason::BadOutput(what));
        let size = Extent::new(plan.width, plan.height);
        if plan.passes.len() > MAX_PASSES {
            return wrong(format!("it plans {} passes, {MAX_PASSES} are the most", plan.passes.len()));
        }
        for pass in &plan.passes {
            if let wit::Pass::Tiles(halo) = pass
                && *halo > MAX_HALO
            {
                return wrong(format!("it asks for a halo of {halo} pixels, {MAX_HALO} are the most"));
            }
        }
        if size.w == 0 || size.h == 0 || size.w > MAX_SIDE || size.h > MAX_SIDE || size.area() > MAX_PIXELS {
            return wrong(format!("it plans a result of {}x{}", size.w, size.h));
        }
        let resizes = size != self.picture.extent;
        match plan.passes.last() {
            None if resizes => wrong("it plans a result of another size and no pass to make it".into()),
            Some(wit::Pass::Survey) => wrong("its last pass is a survey, which makes no pixels".into()),
            Some(wit::Pass::Pointwise) if resizes => {
                wrong("it plans a result of another size and a last pass that looks at single pixels".into())
            }
            _ => Ok(size),
        }
    }

    /// The hand's instance, which has heard everything there was to hear.
    fn ready<'h>(
        &self,
        hand: &'h mut Hand,
        plan: &wit::Plan,
        lessons: &[Lesson],
        watch: &Arc<Watch>,
    ) -> Result<&'h mut Instance, Reason> {
        let instance = match hand.instance.take() {
            Some(instance) => hand.instance.insert(instance),
            None => {
                let (instance, again) = self.begin(watch)?;
                if again != *plan {
                    return Err(Reason::BadOutput(format!(
                        "two instances made different plans of one request, {plan:?} and {again:?}"
                    )));
                }
                hand.instance.insert(instance)
            }
        };
        for lesson in &lessons[hand.heard..] {
            instance.room_for(lesson.answers.iter().map(Vec::len).sum::<usize>() as u64);
            instance.learn(lesson.pass, &lesson.answers)?;
        }
        hand.heard = lessons.len();
        Ok(instance)
    }

    /// Everyone's hands to the tiles of a pass, until there are none.
    fn spread(
        &self,
        crew: &mut Crew<'_>,
        pass: &Pass<'_, S>,
        tile: impl Fn(&mut Instance, usize, &mut Room<S>) -> Result<(), Reason> + Sync,
    ) -> Result<(), Reason> {
        let Crew { hands, plan, lessons, watch } = crew;
        let work = |hand: &mut Hand| {
            let mut room = Room::default();
            loop {
                let index = pass.next.fetch_add(1, Ordering::Relaxed) as usize;
                if index >= pass.areas.len() {
                    return Ok(());
                }
                if watch.is_stopped() {
                    return Err(Reason::Cancelled);
                }
                tile(self.ready(hand, plan, lessons, watch)?, index, &mut room)?;
                self.count.done.fetch_add(1, Ordering::Relaxed);
            }
        };
        // Whoever fails stops the others, which then say `Cancelled`: the reason is the one that is not.
        let stopping = |hand: &mut Hand| work(hand).inspect_err(|_| watch.fail());
        let Some((mine, others)) = hands.split_first_mut() else { return Ok(()) };
        let others = others.iter_mut().take(pass.areas.len().saturating_sub(1));
        let results: Vec<Result<(), Reason>> = std::thread::scope(|scope| {
            let handles: Vec<_> = others.map(|hand| scope.spawn(|| stopping(hand))).collect();
            let mine = stopping(mine);
            let joined = handles.into_iter().map(|h| h.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            std::iter::once(mine).chain(joined).collect()
        });
        let mut failures: Vec<Reason> = results.into_iter().filter_map(Result::err).collect();
        failures.sort_by_key(|reason| *reason == Reason::Cancelled);
        failures.into_iter().next().map_or(Ok(()), Err)
    }

    fn pixels(&self, crew: &mut Crew<'_>, pass: &Pass<'_, S>) -> Result<Vec<S>, Reason> {
        // Zeroed memory is not touched until a tile is written, so a big picture does not delay the first look at a
        // cancelled job.
        let mut out = underpaint_pages::zeros(pass.extent.area() as usize * 4);
        let places = places(&mut out, pass.extent, pass.areas);
        let picture = self.picture;
        self.spread(crew, pass, |instance, index, room| {
            let mut rows = places[index].lock().unwrap_or_else(PoisonError::into_inner);
            let area = pass.areas[index];
            let source = pass.source(area);
            room.with(pass, source, self.with_tiles(), |pixels, inputs| {
                let tile = wit::Tile { area: rect(area), source: rect(source), pixels: S::lower(pixels), inputs };
                instance.process(pass.index, tile, |made| {
                    paste(&mut rows, area, made, pass.keep.then_some(picture), pass.last)
                })
            })
        })?;
        drop(places);
        Ok(out)
    }

    fn survey(&self, crew: &mut Crew<'_>, pass: &Pass<'_, S>) -> Result<Vec<Vec<u8>>, Reason> {
        let answers = Mutex::new(vec![Vec::new(); pass.areas.len()]);
        self.spread(crew, pass, |instance, index, room| {
            let area = pass.areas[index];
            let answer = room.with(pass, area, self.with_tiles(), |pixels, inputs| {
                let tile = wit::Tile { area: rect(area), source: rect(area), pixels: S::lower(pixels), inputs };
                instance.survey(pass.index, tile)
            })?;
            if answer.len() > MAX_ANSWER || answer.len().saturating_mul(pass.areas.len()) > MAX_ANSWERS {
                return Err(Reason::BadOutput(format!(
                    "it answered a survey with {} bytes for a tile; at most {MAX_ANSWER}, and {MAX_ANSWERS} in all",
                    answer.len()
                )));
            }
            answers.lock().unwrap_or_else(PoisonError::into_inner)[index] = answer;
            Ok(())
        })?;
        Ok(answers.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Bytes of the texts among the parameters.
fn texts(params: &[wit::ParamValue<'_>]) -> u64 {
    params.iter().map(|value| if let wit::ParamValue::Text(text) = value { text.len() as u64 } else { 0 }).sum()
}

fn rect(Rect { x, y, w: width, h: height }: Rect) -> wit::Rect {
    wit::Rect { x, y, width, height }
}
