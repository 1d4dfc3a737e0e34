//! The one thread that computes: it owns the models, is spoken to by the hub, and survives whatever a job does.
//!
//! Decision: there is no lock around a model. Whoever needs the device waits in the hub's queue; a panic in a job
//! ends that job and drops the model it was using, and the next one starts afresh. What connections need to know
//! (which models, which filters) is published as an [`Inventory`] that they read without asking this thread.

use super::hub::{Command, Hub, Next};
use super::job::{
    Done, DonePatch, Enlarging, FilterBytes, Filtering, Outcome, Painting, Preprocessing, Sent, Ticket, Work,
};
use super::{errors, history, methods};
use crate::config::Config;
use crate::filters::Installed;
use crate::history::Writer;
use crate::home::Home;
use crate::models::{Catalogue, Models};
use crate::worker::{self, FilterImages, Input, JobError, Output, Shown};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};
use underpaint_engine::{DeviceKind, Options};
use underpaint_filters::{Beside, PictureRef, Settings};
use underpaint_plan::{CanvasFacts, ControlFacts, ModelFacts};
use underpaint_raster::{Extent, Image as Raster, Job, Mask, Rect, Unattended};
use underpaint_wire::Error;
use underpaint_wire::generate::{ControlCall, FilterCall, Generate, LoraCall, Mode};
use underpaint_wire::image::{self, Color, Px, Rounding};
use underpaint_wire::methods::{LoraInfo, ModelInfo, Topic, Upscale};

/// What there is to paint with, as it was when the device thread last looked.
pub struct Inventory {
    catalogue: Arc<Catalogue>,
    filters: Arc<Installed>,
    looked: Instant,
    /// Where models compute; `None` until that was tried.
    pub device: Option<DeviceKind>,
    /// Id of the resident model.
    pub loaded: Option<String>,
}

impl Inventory {
    /// As `models/list` shows them.
    pub fn models(&self) -> Vec<ModelInfo> {
        self.catalogue.list(self.loaded.as_deref())
    }

    /// The model a request is for.
    pub fn choose(&self, request: &Generate) -> Result<&ModelFacts, Error> {
        self.catalogue.choose(request).map_err(|e| errors::model(&e))
    }

    /// The model for a request of which only this is known; `plain` if it has no words and nothing that steers.
    pub fn choose_for(&self, model: Option<&str>, mode: Mode, plain: bool) -> Result<&ModelFacts, Error> {
        self.catalogue.choose_for(model, mode, plain).map_err(|e| errors::model(&e))
    }

    /// The control models of `calls`, in order.
    pub fn controls(&self, calls: &[ControlCall]) -> Result<Vec<&ControlFacts>, Error> {
        self.catalogue.controls().check(calls).map_err(|e| errors::model(&e).with("field", "controls"))
    }

    /// As `controls/list` shows them.
    pub fn control_list(&self) -> Value {
        methods::to_value(&self.catalogue.controls().list())
    }

    /// As `loras/list` shows them.
    pub fn loras(&self) -> Vec<LoraInfo> {
        self.catalogue.loras().list()
    }

    /// Fails unless every LoRA exists.
    pub fn check_loras(&self, loras: &[LoraCall]) -> Result<(), Error> {
        self.catalogue.loras().choose(loras).map(drop).map_err(|e| errors::model(&e))
    }

    /// Fails unless every filter exists and takes these parameters and, of `images` in the same order, pictures of these names.
    /// The first look at a filter compiles it.
    pub fn check_filters(&self, filters: &[FilterCall], images: &[FilterBytes]) -> Result<(), Error> {
        let installed = self.filters.current();
        let check = |(i, call): (usize, &FilterCall)| {
            let names = images.get(i).into_iter().flat_map(BTreeMap::keys);
            installed.check_one(&call.name, &call.params, names)
        };
        filters.iter().enumerate().try_for_each(check).map_err(|e| errors::filter(&e))
    }

    /// Fails unless all models exist and a picture of this size can be enlarged so.
    pub fn check_upscale(&self, extent: Extent, request: &Upscale) -> Result<(), Error> {
        worker::enlarging(&self.catalogue, extent, request).map(|_| ()).map_err(|e| errors::job(&e))
    }

    /// Fails unless a control picture can be made as `preprocessing` asks.
    pub fn check_preprocess(&self, preprocessing: &Preprocessing) -> Result<(), Error> {
        let Preprocessing { request, canvas, mask, .. } = preprocessing;
        let given = worker::Given {
            picture: preprocessing.picture.is_some(),
            canvas: canvas.as_ref().map(|(part, _)| CanvasFacts { extent: part.extent, rect: part.rect }),
            pixels: canvas.as_ref().is_some_and(|(part, _)| part.image.is_some()),
        };
        let mask = mask.as_ref().map(|(placed, bytes)| (placed.rect, placed.image.to_mask(bytes)));
        worker::resolved(&self.catalogue, request, given, mask).map(drop).map_err(|e| errors::preprocess(&e))
    }

    /// As `filters/list` shows them. The first look at a filter compiles it.
    pub fn filters(&self) -> Value {
        methods::to_value(&self.filters.current().list())
    }

    /// True if the folders may have changed since.
    pub fn is_old(&self) -> bool {
        self.looked.elapsed() > Duration::from_secs(10)
    }
}

fn filter_images(images: &FilterBytes) -> FilterImages {
    images.iter().map(|(input, (image, bytes))| (input.clone(), Arc::new(image.to_raster(bytes)))).collect()
}

/// What the rest of the server has of the thread: its end, and what there is to paint with.
pub type Handle = (oneshot::Receiver<()>, watch::Receiver<Option<Arc<Inventory>>>);

/// Starts the thread. It looks around first, so that the socket answers before every model was inspected.
pub fn start(home: Home, hub: Arc<Hub>, history: Arc<Writer>) -> io::Result<Handle> {
    let (done, ended) = oneshot::channel();
    let (inventory, seen) = watch::channel(None);
    std::thread::Builder::new().name("underpaint-device".into()).spawn(move || {
        let catalogue = Arc::new(scan(&home, None));
        // Only a filter of our own could be broken, and the tests load them.
        let filters = Installed::new(&home).unwrap_or_else(|e| panic!("filters cannot be run at all: {e}"));
        let filters = Arc::new(filters);
        let announcer = hub.clone();
        filters.when_changed(move || announcer.announce(Topic::Filters, "filters/changed"));
        let models = Models::new(catalogue, Options::default());
        let mut device = Device { home, hub, models, filters, history, inventory, kind: None };
        let looked = Instant::now();
        device.publish(looked);
        // A card takes half a second to open: what there is may be listed before, and the first job need not wait for it.
        device.kind = Some(device.models.device());
        device.publish(looked);
        device.drive();
        let _ = done.send(());
    })?;
    Ok((ended, seen))
}

struct Device {
    home: Home,
    hub: Arc<Hub>,
    models: Models,
    filters: Arc<Installed>,
    history: Arc<Writer>,
    inventory: watch::Sender<Option<Arc<Inventory>>>,
    kind: Option<DeviceKind>,
}

impl Device {
    fn drive(&mut self) {
        let hub = self.hub.clone();
        loop {
            match hub.next() {
                Next::Command(command) => self.obey(command),
                Next::Job(ticket) => {
                    let outcome = catch_unwind(AssertUnwindSafe(|| self.run(&ticket)));
                    let outcome = outcome.unwrap_or_else(|_| {
                        // The panic's own message is on stderr. Whatever it left half done must not be used again.
                        self.models.unload();
                        Err(methods::internal())
                    });
                    self.tell_loaded();
                    let done = outcome.as_ref().ok().cloned();
                    // The answer is on its way before anything is done for the history.
                    if hub.finish(ticket.job, outcome)
                        && let Some(made) = done.and_then(|done| history::made(&ticket, &done))
                    {
                        self.history.enter(made);
                    }
                }
                Next::End => return,
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            // What was known stays, whatever some file in a models folder does to its reader.
            Command::Look => drop(catch_unwind(AssertUnwindSafe(|| self.look()))),
            Command::Unload(reply) => {
                self.models.unload();
                self.tell_loaded();
                reply(Ok(()));
            }
            Command::Load(model, reply) => {
                let loaded = catch_unwind(AssertUnwindSafe(|| {
                    let load = |models: &mut Models| Ok(models.load_alone(&model, &Unattended)?);
                    self.spared(load).map_err(|e| errors::job(&e))
                }));
                self.tell_loaded();
                reply(loaded.unwrap_or_else(|_| Err(methods::internal())));
            }
        }
    }

    /// Looks through the folders again.
    fn look(&mut self) {
        let before = self.models.catalogue().clone();
        let now = Arc::new(scan(&self.home, Some(&before)));
        let parts = |c: &Catalogue| (c.list(None), c.loras().list(), c.controls().list());
        let changed = parts(&now) != parts(&before);
        if changed {
            self.models.set_catalogue(now);
        }
        self.publish(Instant::now());
        if changed {
            self.hub.announce(Topic::Models, "models/changed");
        }
    }

    /// Publishes the resident model if it is another one than before.
    fn tell_loaded(&mut self) {
        let before = self.inventory.borrow().clone();
        if before.as_ref().is_some_and(|i| i.loaded.as_deref() != self.models.loaded()) {
            self.publish(before.map_or_else(Instant::now, |i| i.looked));
            self.hub.announce(Topic::Models, "models/changed");
        }
    }

    fn publish(&self, looked: Instant) {
        let (catalogue, filters, device) = (self.models.catalogue().clone(), self.filters.clone(), self.kind);
        let loaded = self.models.loaded().map(str::to_owned);
        self.inventory.send_replace(Some(Arc::new(Inventory { catalogue, filters, looked, device, loaded })));
    }

    fn run(&mut self, ticket: &Ticket) -> Outcome {
        let mut done = match &ticket.work {
            Work::Generate(painting) => self.paint(painting, ticket),
            Work::Filter(filtering) => self.filter(filtering, ticket),
            Work::Upscale(enlarging) => self.upscale(enlarging, ticket),
            Work::Preprocess(preprocessing) => self.preprocess(preprocessing, ticket),
        }?;
        done.timing_ms.insert("queued".into(), json!(ticket.queued.as_millis() as u64));
        Ok(Arc::new(done))
    }

    /// What `work` comes to. If it used up the card's memory, what is loaded is given back, so that the next job begins with all of it.
    fn spared<T>(&mut self, work: impl FnOnce(&mut Models) -> Result<T, JobError>) -> Result<T, JobError> {
        let outcome = work(&mut self.models);
        if outcome.as_ref().is_err_and(JobError::is_full) {
            self.models.unload();
        }
        outcome
    }

    fn paint(&mut self, painting: &Painting, job: &dyn Job) -> Result<Done, Error> {
        let canvas = painting.canvas.as_ref().map(|(c, bytes)| (c.extent, c.rect, c.image.to_raster(bytes)));
        let window = painting.canvas.as_ref().map(|(canvas, _)| canvas.rect);
        let mask = painting.mask.as_ref().zip(window);
        let mask = mask.map(|((m, bytes), window)| (window, m.image.to_mask_within(bytes, m.rect, window)));
        let controls = painting.controls.iter();
        let controls = controls.map(|c| c.as_ref().map(|(p, bytes)| (p.rect, p.image.to_raster(bytes)))).collect();
        let regions = masks(&painting.regions);
        let filters = painting.filters.iter().map(filter_images).collect();
        let input = Input { canvas, mask, controls, regions, filters, ..Input::default() };
        let filters = self.filters.current();
        let output = self
            .spared(|models| worker::run(models, &filters, &painting.request, input, job))
            .map_err(|e| errors::job(&e))?;
        // A whole picture is rounded, as diffusers does, so that it can be compared; what is laid over one is dithered.
        let rounding = match painting.request.mode {
            Mode::Generate => Rounding::Nearest,
            _ => Rounding::Dithered,
        };
        let color = painting.canvas.as_ref().map(|(canvas, _)| canvas.image.color).unwrap_or_default();
        Ok(done(output, painting.request.seed.unwrap_or_default(), (painting.px, color, rounding)))
    }

    fn upscale(&mut self, enlarging: &Enlarging, job: &dyn Job) -> Result<Done, Error> {
        let Enlarging { request, image, bytes, regions, px } = enlarging;
        let (picture, regions) = (image.to_raster(bytes), masks(regions));
        let output = self
            .spared(|models| worker::upscale(models, request, &picture, &regions, job))
            .map_err(|e| errors::job(&e))?;
        let seed = output.patches.first().map_or(0, |(_, seed)| *seed);
        Ok(done(output, seed, (*px, image.color, Rounding::Nearest)))
    }

    fn preprocess(&mut self, preprocessing: &Preprocessing, job: &dyn Job) -> Result<Done, Error> {
        let Preprocessing { request, picture, canvas, mask, px, color } = preprocessing;
        let raster = |image: &image::Image, bytes: &Arc<Vec<u8>>| image.to_raster(bytes);
        let given = Shown {
            picture: picture.as_ref().map(|(placed, bytes)| (placed.rect, raster(&placed.image, bytes))),
            canvas: canvas.as_ref().map(|(part, bytes)| {
                let image = part.image.as_ref().zip(bytes.as_ref());
                (part.extent, part.rect, image.map(|(image, bytes)| raster(image, bytes)))
            }),
            mask: mask.as_ref().map(|(placed, bytes)| (placed.rect, placed.image.to_mask(bytes))),
        };
        let output = self
            .spared(|models| worker::preprocess(models, request, given, job))
            .map_err(|e| errors::preprocess(&e))?;
        Ok(done(output, 0, (*px, *color, Rounding::Nearest)))
    }

    fn filter(&mut self, filtering: &Filtering, job: &dyn Job) -> Result<Done, Error> {
        let Filtering { image, bytes, rect, filters, images, seed, px, .. } = filtering;
        let start = Instant::now();
        let installed = self.filters.current();
        let failed = |e| errors::filter(&e);
        let images: Vec<FilterImages> = images.iter().map(filter_images).collect();
        let (chain, used) = worker::chain(&installed, filters, &images).map_err(failed)?;
        let mask = filtering.mask.as_ref().map(|(mask, bytes)| mask.to_mask(bytes));
        let before = filtering.before.as_ref().map(|(before, bytes)| before.to_raster(bytes));
        let beside = Beside { mask: mask.as_ref(), before: before.as_ref().map(PictureRef::from), generated: None };
        let settings = Settings { seed: *seed, scale: filtering.scale, beside, ..Settings::default() };
        let picture = image.to_raster(bytes);
        let picture = installed.apply_with(&picture, &chain, &settings, job).map_err(failed)?;
        // Filters that resize make a picture that begins where this one did.
        let rect = Rect { w: picture.extent().w, h: picture.extent().h, ..*rect };
        let clipped = match &mask {
            Some(mask) if filtering.clip => clip(picture, rect, mask)?,
            _ => Some((picture, rect)),
        };
        let patch = |(picture, rect)| {
            let bytes = Arc::new(image::to_bytes_in(&picture, *px, image.color, Rounding::Nearest));
            DonePatch { rect, seed: *seed, px: *px, color: image.color, bytes }
        };
        let patches = clipped.map(patch).into_iter().collect();
        let mut timing_ms = Map::new();
        let ms = json!(start.elapsed().as_millis() as u64);
        timing_ms.insert("filters".into(), ms.clone());
        timing_ms.insert("total".into(), ms);
        let receipt = json!({ "filters": used, "seed": seed.to_string(), "underpaint": env!("CARGO_PKG_VERSION") });
        Ok(Done { seed: *seed, patches, used: json!({ "filters": used }), receipt, timing_ms })
    }
}

/// What of a filtered picture lies where the mask is not 0, as transparent as it. `None`: it is 0 everywhere.
fn clip(picture: Raster, rect: Rect, mask: &Mask) -> Result<Option<(Raster, Rect)>, Error> {
    if picture.extent() != mask.extent() {
        let (made, had) = (picture.extent(), mask.extent());
        let sizes = format!("{}x{} out of {}x{}", made.w, made.h, had.w, had.h);
        return Err(Error::field(
            "clip",
            format!("The filters make a picture of {sizes}, which cannot be cut to a selection."),
        ));
    }
    let Some(bounds) = mask.bounds() else { return Ok(None) };
    let (mut cut, mask) = (picture.crop(bounds), mask.crop(bounds));
    for (pixel, share) in cut.data_mut().chunks_exact_mut(4).zip(mask.data()) {
        pixel[3] *= share;
    }
    Ok(Some((cut, Rect { x: rect.x + bounds.x, y: rect.y + bounds.y, ..bounds })))
}

/// The masks of regions, each with its place.
pub fn masks(regions: &[Option<Sent>]) -> Vec<Option<(Rect, Mask)>> {
    let mask = |(placed, bytes): &Sent| (placed.rect, placed.image.to_mask(bytes));
    regions.iter().map(|region| region.as_ref().map(mask)).collect()
}

/// What the pipeline made as the bytes a client is sent; `seed` is the first patch's.
fn done(output: Output, seed: u64, (px, color, rounding): (Px, Color, Rounding)) -> Done {
    let patches = output.patches.iter().map(|(patch, seed)| {
        let bytes = Arc::new(image::to_bytes_in(&patch.image, px, color, rounding));
        DonePatch { rect: patch.rect, seed: *seed, px, color, bytes }
    });
    let patches = patches.collect();
    Done { seed, patches, used: output.used, receipt: output.receipt, timing_ms: output.timing_ms }
}

/// Every model of the painter's configuration. If that cannot be read any more, what was known stays.
fn scan(home: &Home, before: Option<&Arc<Catalogue>>) -> Catalogue {
    let config = match (Config::load(home.root()), before) {
        (Ok(config), _) => config,
        (Err(sentence), Some(before)) => {
            eprintln!("warning: {sentence}");
            return before.as_ref().clone();
        }
        (Err(sentence), None) => {
            eprintln!("warning: {sentence}");
            Config::default()
        }
    };
    let mut folders = vec![home.models_dir()];
    folders.extend(config.model_folders);
    Catalogue::scan(&folders, config.default_model, &home.cache_dir(), before.map(|b| &**b))
}
