//! The one thread that computes: it owns the models, is spoken to by the hub, and survives whatever a job does.
//!
//! Decision: there is no lock around a model. Whoever needs the device waits in the hub's queue; a panic in a job
//! ends that job and drops what it was using, and the next one starts afresh.

use super::hub::{Command, Hub, Next};
use super::job::{Done, DonePatch, Outcome, Painting, Ticket, Work};
use super::methods::internal;
use crate::home::Home;
use serde_json::{Map, json};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{oneshot, watch};
use underpaint_plan::{CanvasFacts, Defaults, Family, ModelFacts, Sampler, Scheduler, modes};
use underpaint_raster::{composite, Job};
use underpaint_wire::generate::{FilterCall, Generate};
use underpaint_wire::image;
use underpaint_wire::methods::{FilterInfo, ModelInfo, ModelState};
use underpaint_wire::{Error, Kind};

/// What there is to paint with, as it was when the device thread last looked.
pub struct Inventory {
    exemplar: ModelFacts,
    /// As `models/list` shows them.
    pub models: Vec<ModelInfo>,
    /// Id of the resident model.
    pub loaded: Option<String>,
    /// Where the engine computes.
    pub device: &'static str,
}

impl Inventory {
    fn look(_home: &Home) -> Inventory {
        let defaults = Defaults { steps: 1, guidance_scale: 1.0, sampler: Sampler::Euler, scheduler: Scheduler::Normal };
        let exemplar = ModelFacts { id: "exemplar".into(), family: Family::Exemplar, native_side: 512, multiple: 1, in_channels: 4, defaults };
        let models = vec![ModelInfo {
            id: "exemplar".into(),
            name: "Exemplar fill (built in)".into(),
            family: "exemplar".into(),
            bytes: 0,
            state: ModelState::Ready,
            reason: None,
            native_extent: None,
            multiple: 1,
            modes: modes(Family::Exemplar).to_vec(),
            defaults: None,
            samplers: Vec::new(),
            schedulers: Vec::new(),
            hash: None,
        }];
        Inventory { exemplar, models, loaded: None, device: "cpu" }
    }

    /// The model a request is for.
    pub fn choose(&self, request: &Generate) -> Result<&ModelFacts, Error> {
        match request.model.as_deref() {
            None | Some("exemplar") => Ok(&self.exemplar),
            Some(_) => Err(Error::new(Kind::NoSuchModel, "There is no such model; there are: exemplar.")),
        }
    }

    /// Fails unless every filter exists and takes these parameters.
    pub fn check_filters(&self, filters: &[FilterCall]) -> Result<(), Error> {
        match filters.first() {
            Some(_) => Err(Error::field("filters", "There is no such filter.")),
            None => Ok(()),
        }
    }

    /// As `filters/list` shows them.
    pub fn describe_filters(&self) -> Vec<FilterInfo> {
        Vec::new()
    }
}

/// What the rest of the server has of the thread.
pub type Handle = (oneshot::Receiver<()>, watch::Receiver<Option<Arc<Inventory>>>);

/// Starts the thread. The first part of the handle completes when it has ended.
pub fn start(home: Home, hub: Arc<Hub>) -> io::Result<Handle> {
    let (done, ended) = oneshot::channel();
    let (inventory, seen) = watch::channel(None);
    std::thread::Builder::new().name("underpaint-device".into()).spawn(move || {
        let mut device = Device { home, inventory };
        device.look();
        device.drive(&hub);
        let _ = done.send(());
    })?;
    Ok((ended, seen))
}

struct Device {
    home: Home,
    inventory: watch::Sender<Option<Arc<Inventory>>>,
}

impl Device {
    fn look(&mut self) {
        self.inventory.send_replace(Some(Arc::new(Inventory::look(&self.home))));
    }

    fn drive(&mut self, hub: &Arc<Hub>) {
        loop {
            match hub.next() {
                Next::Command(Command::Load(_, reply)) => reply(Ok(())),
                Next::Command(Command::Unload(reply)) => reply(Ok(())),
                Next::Job(ticket) => {
                    let outcome = catch_unwind(AssertUnwindSafe(|| self.run(&ticket))).unwrap_or_else(|_| Err(internal()));
                    hub.finish(ticket.job, outcome);
                }
                Next::End => return,
            }
        }
    }

    fn run(&mut self, ticket: &Ticket) -> Outcome {
        match &ticket.work {
            Work::Generate(painting) => self.paint(painting, ticket),
            Work::Filter(_) => Err(internal()),
        }
    }

    fn paint(&mut self, painting: &Painting, ticket: &Ticket) -> Outcome {
        let start = Instant::now();
        let cancelled = |_| Error::new(Kind::Cancelled, "The job was cancelled.");
        let inventory = self.inventory.borrow().clone().ok_or_else(internal)?;
        let facts = inventory.choose(&painting.request)?;
        let (canvas, bytes) = painting.canvas.as_ref().ok_or_else(internal)?;
        let pixels = canvas.image.to_raster(bytes);
        let mask = painting.mask.as_ref().map(|(m, b)| super::requests::on_canvas(&m.image.to_mask(b), m.rect, canvas.rect));
        let plan = underpaint_plan::plan(&painting.request, Some(CanvasFacts { extent: canvas.extent, rect: canvas.rect }), mask.as_ref(), facts)
            .map_err(|e| Error::field(e.field(), e.to_string()))?;
        let prepared = plan.prepare(Some(&pixels), mask.as_ref(), painting.request.seed.unwrap_or(0), ticket as &dyn Job).map_err(cancelled)?;
        let picture = prepared.init.ok_or_else(internal)?;
        let result = plan.restore(picture);
        let alpha = plan.alpha(mask.as_ref());
        let patch = composite(&result, &plan.original(&pixels), &alpha, (plan.context.rect.x, plan.context.rect.y));
        let seed = painting.request.seed.unwrap_or(0);
        let patches = patch.into_iter().map(|p| DonePatch { rect: p.rect, seed, px: painting.px, bytes: Arc::new(image::to_bytes(&p.image, painting.px)) }).collect();
        let mut timing_ms = Map::new();
        timing_ms.insert("queued".into(), json!(ticket.queued.as_millis() as u64));
        timing_ms.insert("total".into(), json!(start.elapsed().as_millis() as u64));
        Ok(Arc::new(Done { seed, patches, used: json!({}), receipt: json!({}), timing_ms }))
    }
}
