//! A job as the daemon holds it: what is to be done, who watches, how it ended.

use super::hub::Hub;
use super::outbox::Outbox;
use super::queue::{ClientId, JobId};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use underpaint_raster::{Image, Job as Progress, Rect, Stage};
use underpaint_wire::control::{Part, Preprocess};
use underpaint_wire::event::JobStateChanged;
use underpaint_wire::generate::{FilterCall, Generate, Preview, Run};
use underpaint_wire::image::{self, Color, Placed, Px};
use underpaint_wire::methods::{JobResult, JobState, PatchRef, Upscale};
use underpaint_wire::rpc::Id;
use underpaint_wire::{Error, Kind};

/// What the device is to do. Pixels stay in the bytes they came in until the job runs.
#[derive(Clone, Debug)]
pub enum Work {
    /// The product's main job.
    Generate(Box<Painting>),
    /// Filters alone.
    Filter(Box<Filtering>),
    /// A picture enlarged.
    Upscale(Box<Enlarging>),
    /// What a control model would be shown.
    Preprocess(Box<Preprocessing>),
}

/// Where pixels lie and what they are, and their bytes.
pub type Sent = (Placed, Arc<Vec<u8>>);

/// A checked `generate` request with its pixels.
#[derive(Clone, Debug)]
pub struct Painting {
    /// What to paint.
    pub request: Generate,
    /// The document.
    pub canvas: Option<(image::Canvas, Arc<Vec<u8>>)>,
    /// What to repaint.
    pub mask: Option<Sent>,
    /// Pictures of the request's controls that have one of their own.
    pub controls: Vec<Option<Sent>>,
    /// Masks of the request's regions.
    pub regions: Vec<Option<Sent>>,
    /// Pictures for the inputs of the request's filters.
    pub filters: Vec<FilterBytes>,
    /// Layout of the patches.
    pub px: Px,
}

/// Pictures for the inputs of a filter, with their bytes.
pub type FilterBytes = BTreeMap<String, (image::Image, Arc<Vec<u8>>)>;

/// A checked `filter/apply` request with its pixels.
#[derive(Clone, Debug)]
pub struct Filtering {
    /// The pixels.
    pub image: image::Image,
    /// Their bytes.
    pub bytes: Arc<Vec<u8>>,
    /// Where they are on the canvas.
    pub rect: Rect,
    /// Run in this order.
    pub filters: Vec<FilterCall>,
    /// Pictures for their inputs.
    pub images: Vec<FilterBytes>,
    /// What is selected.
    pub mask: Option<(image::Image, Arc<Vec<u8>>)>,
    /// What was there before.
    pub before: Option<(image::Image, Arc<Vec<u8>>)>,
    /// Whether the patch is cut to the mask.
    pub clip: bool,
    /// How much smaller than the painter's picture this is.
    pub scale: f32,
    /// For filters that draw random numbers.
    pub seed: u64,
    /// Layout of the patch.
    pub px: Px,
}

/// A checked `upscale` request with its pixels.
#[derive(Clone, Debug)]
pub struct Enlarging {
    /// How it is to be enlarged.
    pub request: Upscale,
    /// The pixels.
    pub image: image::Image,
    /// Their bytes.
    pub bytes: Arc<Vec<u8>>,
    /// Masks of the regions of what refines it.
    pub regions: Vec<Option<Sent>>,
    /// Layout of the result.
    pub px: Px,
}

/// A checked `control/preprocess` request with its pixels.
#[derive(Clone, Debug)]
pub struct Preprocessing {
    /// What is to be made, and for which request.
    pub request: Preprocess,
    /// The picture it is made of; the canvas without one.
    pub picture: Option<Sent>,
    /// The document of the request that it is for, with its pixels where there is no picture.
    pub canvas: Option<(Part, Option<Arc<Vec<u8>>>)>,
    /// What that would repaint.
    pub mask: Option<Sent>,
    /// Layout of the result.
    pub px: Px,
    /// Its colour encoding: that of the pixels it is made of.
    pub color: Color,
}

/// What a finished job leaves.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Seed of the first patch.
    pub seed: u64,
    /// What to place, in order.
    pub patches: Vec<DonePatch>,
    /// The values used.
    pub used: serde_json::Value,
    /// What is needed to make it again.
    pub receipt: serde_json::Value,
    /// Where the time went.
    pub timing_ms: serde_json::Map<String, serde_json::Value>,
}

/// One patch as packed bytes.
#[derive(Clone, Debug)]
pub struct DonePatch {
    /// In canvas pixels.
    pub rect: Rect,
    /// Its seed.
    pub seed: u64,
    /// Layout of the bytes.
    pub px: Px,
    /// Their colour encoding: that of the pixels that were sent.
    pub color: Color,
    /// The pixels.
    pub bytes: Arc<Vec<u8>>,
}

/// How a job ended.
pub type Outcome = Result<Arc<Done>, Error>;

impl Done {
    /// Bytes of all patches.
    pub fn bytes(&self) -> u64 {
        self.patches.iter().map(|p| p.bytes.len() as u64).sum()
    }

    /// Answers a request: the patches as fresh blobs of that connection, then the result.
    pub fn deliver(&self, job: String, id: &Id, outbox: &Outbox) {
        let mut blobs = Vec::new();
        let mut patches = Vec::new();
        for patch in &self.patches {
            let name = outbox.blob_name();
            blobs.push((name.clone(), patch.bytes.clone()));
            patches.push(PatchRef {
                rect: patch.rect,
                image: image::Image { color: patch.color, ..image::Image::packed(name, patch.rect.extent(), patch.px) },
                seed: patch.seed,
            });
        }
        let result = JobResult {
            job,
            state: JobState::Done,
            seed: self.seed,
            patches,
            used: self.used.clone(),
            receipt: self.receipt.clone(),
            timing_ms: self.timing_ms.clone(),
        };
        let outcome = serde_json::to_value(&result)
            .map_err(|e| Error::new(Kind::Internal, format!("The result cannot be written down: {e}.")));
        outbox.respond_after(id, &outcome, blobs);
    }
}

/// What was last told of a stage.
#[derive(Clone, Copy)]
pub struct Told {
    pub step: u32,
    pub steps: u32,
    /// How long the rest of it will take.
    pub eta_ms: Option<u64>,
}

/// A request that waits for a job's end.
pub struct Watcher {
    /// Whose.
    pub client: ClientId,
    /// Its connection.
    pub outbox: Arc<Outbox>,
    /// The request.
    pub id: Id,
    /// True for `job/attach`, whose cancellation does not end the job.
    pub attached: bool,
    /// Token for progress, if wanted.
    pub progress: Option<String>,
    /// If wanted, and the client can show them.
    pub preview: Option<Preview>,
    /// When the last preview was made for it.
    pub last_preview: Option<Instant>,
}

impl Watcher {
    /// True if a preview made now would be sent to it.
    pub fn wants_preview(&self, now: Instant) -> bool {
        let Some(preview) = self.preview else { return false };
        let every = Duration::from_millis(preview.every_ms as u64);
        self.progress.is_some() && self.last_preview.is_none_or(|last| now >= last + every)
    }
}

/// A job in the daemon's books.
pub struct Job {
    /// Who submitted it.
    pub owner: ClientId,
    /// What the owner called itself in `hello`.
    pub client_name: String,
    /// How it is run and watched.
    pub run: Run,
    /// Where it stands.
    pub state: JobState,
    /// Set to end it early.
    pub cancelled: Arc<AtomicBool>,
    /// Why it is to end early.
    pub reason: Kind,
    /// Who is to be told.
    pub watchers: Vec<Watcher>,
    /// What is to be done; taken by the device.
    pub work: Option<Work>,
    /// How it ended, while that is kept.
    pub outcome: Option<Outcome>,
    /// When it was submitted.
    pub submitted: Instant,
    /// When it ended.
    pub ended: Option<Instant>,
    /// How far the present stage is.
    pub step: Option<Told>,
}

impl Job {
    /// Who still waits for it besides those who only look on.
    pub fn asked_by(&self) -> Option<ClientId> {
        self.watchers.iter().find(|watcher| !watcher.attached).map(|watcher| watcher.client)
    }

    /// What the request `id`, which waits for it, is told of its present state.
    pub fn changed(&self, job: String, id: &Id, position: Option<u32>) -> JobStateChanged {
        let error = self.outcome.as_ref().and_then(|o| o.as_ref().err());
        JobStateChanged {
            job,
            id: Some(id.clone()),
            state: self.state,
            position,
            reason: error.map(|e| e.kind.name().to_owned()),
        }
    }
}

/// The running job as the pipeline sees it: progress goes to the hub, cancellation comes from there.
pub struct Ticket {
    /// Which job.
    pub job: JobId,
    /// What the client that submitted it called itself.
    pub client: String,
    /// As submitted.
    pub label: Option<String>,
    /// True if its picture is repainted while the painter goes on drawing.
    pub live: bool,
    /// What is to be done.
    pub work: Work,
    /// How long it waited.
    pub queued: Duration,
    pub(super) hub: Arc<Hub>,
    pub(super) cancelled: Arc<AtomicBool>,
    pub(super) pace: Mutex<Pace>,
}

/// Where the present stage stands, so that reports never go back and never flood the hub.
pub(super) struct Pace {
    stage: Option<Stage>,
    /// The step at which the stage was entered: of a batch's later pictures it is none of the first.
    from: u32,
    step: u32,
    began: Instant,
    told: Instant,
}

impl Pace {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { stage: None, from: 0, step: 0, began: now, told: now }
    }

    /// The estimate for the rest of the stage if this report should be passed on.
    fn report(&mut self, stage: Stage, step: u32, steps: u32, now: Instant) -> Option<Option<u64>> {
        if self.stage != Some(stage) {
            *self = Self { stage: Some(stage), from: step, step, began: now, told: now };
            return Some(None);
        }
        // Filters report from several threads at once; the outbox drops what comes too often, this saves its lock.
        if step <= self.step || (now < self.told + Duration::from_millis(20) && step < steps) {
            return None;
        }
        (self.step, self.told) = (step, now);
        let per_step = now.duration_since(self.began).as_secs_f64() / f64::from(step - self.from);
        Some(Some((per_step * steps.saturating_sub(step) as f64 * 1000.0) as u64))
    }
}

impl Ticket {
    /// Stage and step that were last told.
    fn reached(&self) -> (Stage, u32) {
        let pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        (pace.stage.unwrap_or(Stage::Denoise), pace.step)
    }
}

impl Progress for Ticket {
    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn progress(&self, stage: Stage, step: u32, steps: u32) {
        let report =
            self.pace.lock().unwrap_or_else(PoisonError::into_inner).report(stage, step, steps, Instant::now());
        if let Some(eta_ms) = report {
            self.hub.progress(self.job, stage, step, steps, eta_ms);
        }
    }

    fn wants_preview(&self) -> bool {
        self.hub.wants_preview(self.job)
    }

    fn preview(&self, image: Image) {
        self.hub.preview(self.job, self.reached(), &image, None);
    }

    fn preview_at(&self, image: Image, rect: Rect) {
        self.hub.preview(self.job, self.reached(), &image, Some(rect));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_never_go_back_within_a_stage() {
        let start = Instant::now();
        let mut pace = Pace::new();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(pace.report(Stage::Denoise, 1, 4, at(0)), Some(None));
        assert_eq!(pace.report(Stage::Denoise, 2, 4, at(100)), Some(Some(200)));
        assert_eq!(pace.report(Stage::Denoise, 1, 4, at(200)), None);
        assert_eq!(pace.report(Stage::Denoise, 3, 4, at(101)), None, "too soon");
        assert_eq!(pace.report(Stage::Denoise, 4, 4, at(102)), Some(Some(0)), "the last one is told");
        assert_eq!(pace.report(Stage::Decode, 0, 1, at(102)), Some(None));
    }

    #[test]
    fn later_pictures_of_a_batch_take_as_long_as_the_first() {
        let start = Instant::now();
        let mut pace = Pace::new();
        for picture in 0..2 {
            let at = |ms: u64| start + Duration::from_millis(10_000 * picture + ms);
            let first = 4 * picture as u32;
            assert_eq!(pace.report(Stage::Denoise, first, 8, at(0)), Some(None));
            assert_eq!(pace.report(Stage::Denoise, first + 1, 8, at(500)), Some(Some(500 * (7 - u64::from(first)))));
            assert_eq!(pace.report(Stage::Decode, 1, 1, at(600)), Some(None));
        }
    }
}
