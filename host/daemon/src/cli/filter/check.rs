//! `underpaint filter check`: does a filter keep the promises of `filter.wit`?
//!
//! Decision: every check is a run of the real host on a small picture and a comparison of bits; what comes out is a
//! list of findings, each a sentence that says what to change. A finding that may be what the author wants (a filter
//! that is slow, or darkens beside transparent pixels) is advice and fails nothing.

use crate::cli::{Failure, Global};
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use underpaint_filters::{
    Beside, Call, Descriptor, Filters, Kind, Picture, PictureRef, Reason, Role, Sample, Samples, Settings,
};
use underpaint_raster::{Extent, Image, Job, Mask, Stage, Unattended};

const EXAMPLES: &str = "\
Examples:
  underpaint filter check                        the filter built in this folder
  underpaint filter check my-filter.wasm --json

Exit code 1 if the filter breaks a promise. Advice breaks none.";

/// Does a filter keep its promises? Same pixels for any tiles and threads, at every parameter's ends, on any picture
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Check {
    /// A filter's name, a .wasm file or the folder of one that was built
    #[arg(default_value = ".")]
    name: String,
}

/// What came of one check.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    /// What was seen, and for a failure what to change.
    says: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Advice,
    Failed,
}

impl Check {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let (filters, filter) = super::find(global, &self.name)?;
        let subject = Subject { filters: &filters, filter: &filter };
        let mut findings = Vec::new();
        let checks: [(&str, &dyn Fn() -> Answer); 9] = [
            ("description", &|| subject.description()),
            ("determinism", &|| subject.determinism()),
            ("tiles and threads", &|| subject.tiles()),
            ("parameters", &|| subject.parameters()),
            ("sizes", &|| subject.sizes()),
            ("inputs", &|| subject.inputs()),
            ("transparency", &|| subject.transparency()),
            ("cancelling", &|| subject.cancelling()),
            ("speed", &|| subject.speed()),
        ];
        for (check, look) in checks {
            let (verdict, says) = look().unwrap_or_else(|says| (Verdict::Failed, says));
            if !global.json {
                let mark = ["ok", "advice", "FAILED"][verdict as usize];
                outln!("{mark:<7} {check:<18} {says}");
            }
            findings.push(Finding { check, verdict, says });
        }
        let failed = findings.iter().filter(|f| f.verdict == Verdict::Failed).count();
        if global.json {
            let Descriptor { name, version, sha256, .. } = &filter;
            let ok = failed == 0;
            global
                .print(&json!({"filter": name, "version": version, "sha256": sha256, "ok": ok, "findings": findings}));
        } else if failed == 0 {
            outln!("{} {} keeps its promises", filter.name, filter.version);
        } else {
            eprintln!("error: {} {} breaks {failed} of {} promises", filter.name, filter.version, findings.len());
        }
        if failed == 0 { Ok(()) } else { Err(Failure::Told) }
    }
}

/// A filter under test.
struct Subject<'a> {
    filters: &'a Filters,
    filter: &'a Descriptor,
}

/// One run to try: what differs from the defaults.
struct Try<'a> {
    picture: &'a Picture,
    params: Map<String, Value>,
    tile: u32,
    threads: usize,
    scale: f32,
    /// Whether inputs that may be missing are there.
    optional: bool,
}

type Answer = Result<(Verdict, String), String>;

impl Subject<'_> {
    /// The same description from fresh instances.
    fn description(&self) -> Answer {
        let Descriptor { params, inputs, samples, limits, .. } = self.filter;
        let helpless = params.iter().filter(|p| p.help.is_empty()).map(|p| p.name.as_str()).collect::<Vec<_>>();
        if !helpless.is_empty() {
            return Ok((
                Verdict::Advice,
                format!("these parameters have no help for the painter: {}", helpless.join(", ")),
            ));
        }
        if self.filter.license.is_empty() {
            return Ok((Verdict::Advice, "no licence is given, so nobody may pass the filter on".into()));
        }
        let counted = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let (params, inputs) = (counted(params.len(), "parameter"), counted(inputs.len(), "input"));
        let memory = limits.memory_bytes >> 20;
        Ok((
            Verdict::Ok,
            format!("{params}, {inputs}, {}, {memory} MiB, {} ms for a megapixel", names(samples), limits.timeout_ms),
        ))
    }

    fn determinism(&self) -> Answer {
        for picture in self.pictures(300, 200) {
            let once = self.made(&Try::new(&picture))?;
            let again = self.made(&Try::new(&picture))?;
            self.same(
                &once,
                &again,
                "one run",
                "the next",
                "randomness must come from request.seed and a pixel's position",
            )?;
        }
        Ok((Verdict::Ok, format!("the same pixels twice, as {}", names(&self.filter.samples))))
    }

    fn tiles(&self) -> Answer {
        let mut runs = 0;
        for picture in self.pictures(300, 200) {
            for params in extremes(self.filter) {
                let of = |tile, threads| Try { params: params.clone(), tile, threads, ..Try::new(&picture) };
                let whole = match self.run(&of(512, 1)) {
                    // A filter may say that values do not go together, or that a text is not what it wants.
                    Err(Reason::BadParameter { .. }) if !params.is_empty() => continue,
                    made => or_same(made, &of(512, 1))?,
                };
                for (tile, threads) in [(256, 1), (97, 2), (32, 0)] {
                    runs += 1;
                    let tiled = self.made(&of(tile, threads))?;
                    let how = format!("tiles of {tile} with {}", shown(&params));
                    self.same(&whole, &tiled, "one piece", &how, "the halo is too small, state is kept between tiles, or randomness does not come from seed and position")?;
                }
            }
        }
        Ok((Verdict::Ok, format!("the same pixels in {runs} runs, for any tiles and threads")))
    }

    /// Every parameter at its ends, and all of them together.
    fn parameters(&self) -> Answer {
        let picture = self.pictures(64, 48).remove(0);
        let mut all = extremes(self.filter);
        for end in [0, 1] {
            let ends =
                self.filter.params.iter().filter_map(|p| Some((p.name.clone(), ends(&p.kind).get(end)?.clone())));
            all.push(ends.collect());
        }
        let mut refused = 0;
        for params in &all {
            for scale in [1.0, 0.25] {
                match self.run(&Try { params: params.clone(), scale, ..Try::new(&picture) }) {
                    Ok(_) => {}
                    // A filter may say that values do not go together.
                    Err(Reason::BadParameter { .. }) => refused += 1,
                    Err(reason) => {
                        return Err(format!("with {} at scale {scale}: {reason}", shown(params)));
                    }
                }
            }
        }
        let said = if refused > 0 { format!(", {refused} of them refused with a reason") } else { String::new() };
        Ok((Verdict::Ok, format!("{} settings at the ends of what may be set, whole and as preview{said}", all.len())))
    }

    fn sizes(&self) -> Answer {
        let sizes = [(1, 1), (1, 7), (7, 1), (2, 2), (1, 300), (300, 1), (33, 17), (257, 5), (513, 259)];
        for (w, h) in sizes {
            for picture in self.pictures(w, h) {
                let sample = PictureRef::from(&picture).sample();
                let of = |tile| Try { tile, ..Try::new(&picture) };
                let told = |why: String| format!("a picture of {w}x{h} as {sample:?}: {why}");
                let whole = self.made(&of(1024)).map_err(told)?;
                let tiled = self.made(&of(64)).map_err(told)?;
                self.same(&whole, &tiled, "one piece", &format!("tiles of 64, at {w}x{h}"), "the halo is too small")?;
            }
        }
        Ok((Verdict::Ok, format!("{} sizes from 1x1 to 513x259", sizes.len())))
    }

    fn inputs(&self) -> Answer {
        let inputs = &self.filter.inputs;
        if inputs.is_empty() {
            return Ok((Verdict::Ok, "it asks for the picture alone".into()));
        }
        let picture = self.pictures(120, 80).remove(0);
        for optional in [true, false] {
            let with = if optional { "all inputs" } else { "only the inputs it requires" };
            self.run(&Try { optional, ..Try::new(&picture) }).map_err(|reason| format!("with {with}: {reason}"))?;
        }
        let names: Vec<&str> = inputs.iter().map(|i| i.name.as_str()).collect();
        Ok((Verdict::Ok, format!("runs with and without those that may be missing ({})", names.join(", "))))
    }

    /// What lies under alpha 0 is never seen, stays, and does not darken its neighbours.
    fn transparency(&self) -> Answer {
        let (w, h) = (64, 48);
        let hole = |x: u32, y: u32| if (x / 6 + y / 6).is_multiple_of(3) { 0.0 } else { 1.0 };
        let soft = |x: u32, y: u32| match (x / 4 + y / 4) % 4 {
            0 => 0.0,
            1 => 1.0 / 255.0,
            2 => 0.5,
            _ => 1.0,
        };
        let under = |hidden: [f32; 3]| {
            painted(w, h, |x, y| match soft(x, y) {
                0.0 => [hidden[0], hidden[1], hidden[2], 0.0],
                a => [0.6, 0.3, 0.2, a],
            })
        };
        for sample in &self.filter.samples {
            let (black, green) = (as_sample(&under([0.0; 3]), *sample), as_sample(&under([0.0, 1.0, 0.0]), *sample));
            let (one, other) = (self.made(&Try::new(&black))?, self.made(&Try::new(&green))?);
            let visible = |p: &Picture| {
                Image::from(p.clone())
                    .data()
                    .chunks(4)
                    .filter(|p| p[3] > 0.0)
                    .flatten()
                    .map(|v| v.to_bits())
                    .collect::<Vec<_>>()
            };
            if visible(&one) != visible(&other) {
                return Err("colour under alpha 0 shows in the result: weigh by alpha when pixels are mixed".into());
            }
        }
        // One colour everywhere: where an opaque picture keeps one colour, one with holes must show the same.
        let sample = self.filter.samples.iter().max().copied().unwrap_or(Sample::Float32);
        let flat =
            |alpha: &dyn Fn(u32, u32) -> f32| as_sample(&painted(w, h, |x, y| [0.6, 0.3, 0.2, alpha(x, y)]), sample);
        let opaque = Image::from(self.made(&Try::new(&flat(&|_, _| 1.0)))?);
        let holed = Image::from(self.made(&Try::new(&flat(&hole)))?);
        let wanted = &opaque.data()[..3];
        let near = |p: &[f32]| p.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 2.0 / 255.0);
        let uniform = opaque.data().chunks(4).all(|p| near(&p[..3]));
        if uniform && opaque.extent() == holed.extent() && !holed.data().chunks(4).all(|p| p[3] == 0.0 || near(&p[..3]))
        {
            return Ok((
                Verdict::Advice,
                "one colour does not stay one colour beside transparent pixels: weigh by alpha when pixels are mixed"
                    .into(),
            ));
        }
        Ok((Verdict::Ok, "alpha 0, 1/255 and soft edges; nothing bleeds out of transparent pixels".into()))
    }

    /// From the cancelling to the answer. The host stops a filter wherever it is.
    fn cancelling(&self) -> Answer {
        let picture = self.pictures(1024, 1024).remove(0);
        let job = CancelledSoon(Instant::now());
        let ended = self.run_with(&Try::new(&picture), &job);
        let ms = (job.0.elapsed().as_secs_f64() - CancelledSoon::AFTER) * 1000.0;
        match ended {
            Ok(_) => Ok((Verdict::Ok, "a megapixel is done before it could be cancelled".into())),
            Err(Reason::Cancelled) if ms > 500.0 => {
                Ok((Verdict::Advice, format!("stopped {ms:.0} ms after it was asked to")))
            }
            Err(Reason::Cancelled) => Ok((Verdict::Ok, format!("stopped {ms:.0} ms after it was asked to"))),
            Err(reason) => Err(reason.to_string()),
        }
    }

    fn speed(&self) -> Answer {
        let mut said = Vec::new();
        let mut slow = None;
        for picture in self.pictures(1024, 1024) {
            let mut seconds = f64::INFINITY;
            // The first run also pays for whatever is made once.
            for _ in 0..3 {
                let start = Instant::now();
                self.made(&Try { threads: 1, ..Try::new(&picture) })?;
                seconds = seconds.min(start.elapsed().as_secs_f64());
            }
            let megapixels = 1.048_576;
            said.push(format!("{:.1} Mpix/s as {}", megapixels / seconds, name(PictureRef::from(&picture).sample())));
            let allowed = self.filter.limits.timeout_ms as f64 / 1000.0 * 2.0;
            if seconds > allowed / 4.0 {
                slow = Some(format!(
                    ", close to the {} ms for a megapixel it asks for; ask for more with timeout_ms",
                    self.filter.limits.timeout_ms
                ));
            }
        }
        let verdict = if slow.is_some() { Verdict::Advice } else { Verdict::Ok };
        Ok((verdict, format!("{} on one core{}", said.join(", "), slow.unwrap_or_default())))
    }

    /// The test picture in every sample type the filter takes.
    fn pictures(&self, w: u32, h: u32) -> Vec<Picture> {
        self.filter.samples.iter().map(|&sample| picture(w, h, sample)).collect()
    }

    fn made(&self, what: &Try<'_>) -> Result<Picture, String> {
        or_same(self.run(what), what)
    }

    fn run(&self, what: &Try<'_>) -> Result<Option<Picture>, Reason> {
        self.run_with(what, &Unattended)
    }

    fn run_with(&self, what: &Try<'_>, job: &dyn Job) -> Result<Option<Picture>, Reason> {
        let extent = what.picture.extent();
        let given = |input: &&underpaint_filters::Input| input.required || what.optional;
        let there = |role| self.filter.inputs.iter().filter(given).any(|i| i.role == role);
        let mask = there(Role::Mask).then(|| {
            let data = (0..extent.area()).map(|i| (i % 7) as f32 / 6.0).collect();
            Mask::from_data(extent, data)
        });
        let other = test_picture(extent.w, extent.h);
        let beside = Beside {
            mask: mask.as_ref(),
            before: there(Role::Before).then(|| (&other).into()),
            generated: there(Role::Generated).then(|| (&other).into()),
        };
        let chosen = self.filter.inputs.iter().filter(given).filter(|i| i.role == Role::Image);
        let images: BTreeMap<_, _> = chosen.map(|i| (i.name.clone(), Arc::new(test_picture(31, 17)))).collect();
        let chain = [Call { name: self.filter.name.clone(), params: what.params.clone(), images }];
        let &Try { tile, threads, scale, .. } = what;
        let settings = Settings { seed: 1, tile, threads, scale, beside };
        self.filters.run(what.picture.into(), &chain, &settings, job).map_err(|e| e.reason)
    }

    /// A sentence about the first pixel that is another, if there is one.
    fn same(&self, a: &Picture, b: &Picture, one: &str, other: &str, because: &str) -> Result<(), String> {
        let (size, w) = (a.extent(), a.extent().w as usize);
        if size != b.extent() {
            return Err(format!("the result is {}x{} in {one} and another size in {other}", size.w, size.h));
        }
        let (a, b) = (bits(a.samples()), bits(b.samples()));
        let Some(i) = a.iter().zip(&b).position(|(a, b)| a != b) else { return Ok(()) };
        let (x, y) = (i / 4 % w, i / 4 / w);
        Err(format!("pixel ({x}, {y}) is not the same in {one} and in {other}: {because}"))
    }
}

impl<'a> Try<'a> {
    fn new(picture: &'a Picture) -> Self {
        Self { picture, params: Map::new(), tile: 256, threads: 0, scale: 1.0, optional: true }
    }
}

/// A job that nobody wants any more after a moment.
struct CancelledSoon(Instant);

impl CancelledSoon {
    /// Seconds.
    const AFTER: f64 = 0.02;
}

impl Job for CancelledSoon {
    fn is_cancelled(&self) -> bool {
        self.0.elapsed().as_secs_f64() >= Self::AFTER
    }

    fn progress(&self, _: Stage, _: u32, _: u32) {}
}

/// What a run made, or the picture where it stays as it is; what went wrong as a sentence with the parameters.
fn or_same(made: Result<Option<Picture>, Reason>, what: &Try<'_>) -> Result<Picture, String> {
    let made = made.map_err(|reason| match what.params.is_empty() {
        true => reason.to_string(),
        false => format!("with {}: {reason}", shown(&what.params)),
    })?;
    Ok(made.unwrap_or_else(|| what.picture.clone()))
}

/// Parameters as a report shows them: long texts by their length.
fn shown(params: &Map<String, Value>) -> String {
    let short = |value: &Value| match value {
        Value::String(text) if text.len() > 40 => json!(format!("a text of {} bytes", text.len())),
        value => value.clone(),
    };
    Value::Object(params.iter().map(|(name, value)| (name.clone(), short(value))).collect()).to_string()
}

/// The defaults, then each parameter alone at each value a slider or list can be pushed to.
fn extremes(filter: &Descriptor) -> Vec<Map<String, Value>> {
    let alone = filter.params.iter().flat_map(|p| ends(&p.kind).into_iter().map(|v| (p.name.clone(), v)));
    std::iter::once(Map::new()).chain(alone.map(|one| Map::from_iter([one]))).collect()
}

/// The values that are most likely to break something.
fn ends(kind: &Kind) -> Vec<Value> {
    match kind {
        Kind::Float { min, max, .. } => vec![json!(min), json!(max)],
        Kind::Int { min, max, .. } => vec![json!(min), json!(max)],
        Kind::Bool { .. } => vec![json!(false), json!(true)],
        Kind::Choice { choices, .. } => choices.iter().map(|c| json!(c.name)).collect(),
        Kind::Color { .. } => vec![json!("#00000000"), json!("#ffffffff")],
        Kind::Text { max_bytes, .. } => vec![json!(""), json!("\u{fc}".repeat(*max_bytes as usize / 2))],
        Kind::Seed { .. } => vec![json!(0), json!(u32::MAX)],
    }
}

/// Colours, hard edges, soft and fully transparent pixels.
fn test_picture(w: u32, h: u32) -> Image {
    painted(w, h, |x, y| {
        let (u, v) = (x as f32 / w as f32, y as f32 / h as f32);
        let edge = if (x / 8 + y / 8) % 2 == 0 { 0.75 } else { 1.0 };
        let alpha = ((1.2 - u - v * 0.4) * 4.0).clamp(0.0, 1.0);
        if alpha > 0.0 { [u * edge, v * edge, (1.0 - u) * edge, alpha] } else { [0.0; 4] }
    })
}

/// [`test_picture`] in a sample type.
pub fn picture(w: u32, h: u32, sample: Sample) -> Picture {
    as_sample(&test_picture(w, h), sample)
}

fn painted(w: u32, h: u32, color: impl Fn(u32, u32) -> [f32; 4]) -> Image {
    let data = (0..h).flat_map(|y| (0..w).map(move |x| (x, y))).flat_map(|(x, y)| color(x, y)).collect();
    Image::from_data(Extent::new(w, h), data)
}

fn as_sample(image: &Image, sample: Sample) -> Picture {
    let data = image.data().iter();
    let samples = match sample {
        Sample::Uint8 => Samples::Uint8(data.map(|v| (v * 255.0).round() as u8).collect()),
        Sample::Uint16 => Samples::Uint16(data.map(|v| (v * 65535.0).round() as u16).collect()),
        Sample::Float32 => Samples::Float32(data.copied().collect()),
    };
    Picture::new(image.extent(), samples)
}

fn bits(samples: &Samples) -> Vec<u32> {
    match samples {
        Samples::Uint8(data) => data.iter().map(|&v| v.into()).collect(),
        Samples::Uint16(data) => data.iter().map(|&v| v.into()).collect(),
        Samples::Float32(data) => data.iter().map(|v| v.to_bits()).collect(),
    }
}

/// As in `filter.wit`.
pub fn name(sample: Sample) -> &'static str {
    match sample {
        Sample::Uint8 => "uint8",
        Sample::Uint16 => "uint16",
        Sample::Float32 => "float32",
    }
}

fn names(samples: &[Sample]) -> String {
    samples.iter().map(|&s| name(s)).collect::<Vec<_>>().join(", ")
}
