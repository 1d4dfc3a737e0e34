//! Pictures that steer the denoiser: control models in memory, and what they add to each of its evaluations.
//!
//! Decision: a control is data to the denoiser ([`Hooks`]). What depends on the picture alone is computed once before the first
//! step; what depends on the latents, at each evaluation, with the rows, timestep and text the denoiser gets. Several controls
//! of one kind are summed, each with its own weight. All of it as diffusers' pipelines do it.

pub mod features;
pub mod image_prompt;
pub mod net;
pub mod vision;

use crate::tiles::Tile;
use crate::unet::{Conditions, Hooks, ImagePrompt, blocks};
use crate::weights::{Loading, Weights, control_file};
use crate::{EngineError, Model, Options, device, memory};
use candle_core::{DType, Device, Tensor};
use features::T2iAdapter;
use image_prompt::IpAdapter;
use net::ControlNet;
use std::path::Path;
use underpaint_plan::{ControlFacts, ControlKind, Family, Task};
use underpaint_raster::{Extent, Image, Job};
use vision::Vision;

/// A control model in memory. Stays usable after any error or cancellation.
pub struct ControlModel {
    network: Network,
    facts: ControlFacts,
    bytes: u64,
}

enum Network {
    Net(Box<ControlNet>),
    Features(T2iAdapter),
    Image(Box<IpAdapter>),
}

/// One control of a request.
#[derive(Clone, Copy)]
pub struct Control<'a> {
    /// What reads the picture.
    pub model: &'a ControlModel,
    /// The picture: of the request's extent, but for an IP-Adapter, which takes any.
    pub image: &'a Image,
    /// What the picture shows, for a model that knows several kinds.
    pub task: Option<Task>,
    /// How much is added; 1 as trained.
    pub weight: f64,
    /// The share of the steps taken that are steered, from 0 to 1.
    pub start: f64,
    /// Its end.
    pub end: f64,
}

/// What is at `path`, if it is a control model: headers and configurations only.
pub fn inspect_control(path: &Path) -> Result<Option<ControlFacts>, EngineError> {
    Ok(control_file::open(path)?.map(|(kind, weights)| facts(path, kind, &weights)))
}

fn facts(path: &Path, kind: ControlKind, weights: &Weights) -> ControlFacts {
    let width = |name: &str, axis: usize| weights.shape(name).and_then(|s| s.get(axis).copied());
    let context = |end: &str| weights.names().find(|n| n.ends_with(end)).and_then(|name| width(name, 1));
    let by_context = |width: Option<usize>| match width {
        Some(768) => Some(Family::Sd15),
        Some(1024) => Some(Family::Sd2),
        Some(2048) => Some(Family::Sdxl),
        _ => None,
    };
    let family = match kind {
        ControlKind::T2iAdapter => {
            let channels = width("conv_in.weight", 1).or_else(|| width("body.0.in_conv.weight", 1));
            match channels.and_then(features::folding) {
                Some((_, 16)) => Some(Family::Sdxl),
                _ => Some(Family::Sd15),
            }
        }
        ControlKind::ControlNet | ControlKind::Union if weights.has("add_embedding.") => Some(Family::Sdxl),
        ControlKind::ControlNet | ControlKind::Union => by_context(context("attn2.to_k.weight")),
        ControlKind::IpAdapter => by_context(context(".to_k_ip.weight")),
        ControlKind::ImageEncoder | ControlKind::Depth => None,
    };
    let number = |n: Option<usize>| n.and_then(|n| u32::try_from(n).ok());
    let (whole, patches) = match kind {
        ControlKind::IpAdapter => (width("image_proj.proj.weight", 1), width("image_proj.proj_in.weight", 1)),
        ControlKind::ImageEncoder => (width("visual_projection.weight", 0), width("visual_projection.weight", 1)),
        _ => (None, None),
    };
    let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
    ControlFacts {
        id: name.map_or_else(|| "control".into(), |s| s.to_string_lossy().into_owned()),
        kind,
        family,
        tasks: if kind == ControlKind::Union { number(width("task_embedding", 0)).unwrap_or(0) } else { 0 },
        whole: number(whole),
        patches: number(patches),
    }
}

impl ControlModel {
    /// Loads the folder or file at `path`; an IP-Adapter looks through `encoder`, CLIP's picture encoder of its kind. Asks `job`
    /// before each tensor.
    pub fn load(path: &Path, encoder: Option<&Path>, options: &Options, job: &dyn Job) -> Result<Self, EngineError> {
        let (device, _) = device::open(options.device, options.dtype)?;
        let (kind, weights) = open(path)?;
        let facts = facts(path, kind, &weights);
        let mut bytes = memory::weights_bytes(&weights, device::keeping(&device, DType::F32));
        let loading = Loading::new(&device, weights.names().count(), job);
        let root = weights.root(&loading);
        let network = match kind {
            ControlKind::ControlNet | ControlKind::Union => {
                Network::Net(Box::new(ControlNet::load(&root, &net::settings(&weights)?)?))
            }
            ControlKind::T2iAdapter => Network::Features(T2iAdapter::load(&root)?),
            ControlKind::IpAdapter => {
                if weights.names().any(|name| name.contains("_lora.")) {
                    let found = "an IP-Adapter for FaceID, which needs a face recogniser".to_owned();
                    return Err(EngineError::NotControl { path: path.to_owned(), found });
                }
                let Some(encoder) = encoder else {
                    let what = "needs CLIP's image encoder: the image_encoder folder or file it was published with";
                    return Err(EngineError::Request { field: "controls", what: format!("{}: {what}", facts.id) });
                };
                let (vision, seen_through) = look_through(encoder, &device, job)?;
                bytes += seen_through;
                Network::Image(Box::new(IpAdapter::load(&root, &image_prompt::numbers(&weights), vision)?))
            }
            ControlKind::ImageEncoder => {
                let found = "an image encoder, through which an IP-Adapter looks".to_owned();
                return Err(EngineError::NotControl { path: path.to_owned(), found });
            }
            ControlKind::Depth => {
                let found = "a depth estimator, which makes pictures to steer by".to_owned();
                return Err(EngineError::NotControl { path: path.to_owned(), found });
            }
        };
        known(&weights, kind)?;
        Ok(Self { network, facts, bytes })
    }

    /// Bytes of its weights, with those of the encoder it looks through.
    pub fn weights_bytes(&self) -> u64 {
        self.bytes
    }

    /// What planning must know about it.
    pub fn facts(&self) -> &ControlFacts {
        &self.facts
    }

    /// Refuses to steer a denoiser it was not made for.
    fn check(&self, model: &Model, task: Option<Task>) -> Result<(), EngineError> {
        let refuse = |what: String| Err(EngineError::Request { field: "controls", what });
        let unet = &model.unet;
        let fits = match &self.network {
            Network::Net(net) => net.shape() == unet.shape() && net.in_channels() == model.vae.latent_channels(),
            Network::Features(adapter) => {
                let (widths, xl) = (adapter.widths(), adapter.is_xl());
                xl == (unet.shape().added > 0) && unet.takes_features(&widths)
            }
            Network::Image(adapter) => {
                adapter.widths() == unet.attention_widths() && adapter.context() == unet.context_width()
            }
        };
        if !fits {
            let (family, id) = (model.facts().family, &self.facts.id);
            let made = match self.facts.family.filter(|made| *made != family) {
                None => "other widths than the model has".to_owned(),
                Some(made) => format!("{}, the model is of {}", made.title(), family.title()),
            };
            return refuse(format!(
                "{id} is {} made for {made}; choose one made for the model",
                self.facts.kind.title()
            ));
        }
        let Network::Net(net) = &self.network else { return Ok(()) };
        match (net.kinds(), task) {
            (0, _) => Ok(()),
            (kinds, Some(task)) if task.index() < kinds => Ok(()),
            (kinds, task) => {
                let known: Vec<_> = Task::ALL.iter().take(kinds).map(|t| t.name()).collect();
                let asked = task.map_or_else(|| "needs a kind".to_owned(), |t| format!("knows no {}", t.name()));
                refuse(format!("{} {asked}; it knows {}", self.facts.id, known.join(", ")))
            }
        }
    }
}

fn open(path: &Path) -> Result<(ControlKind, Weights), EngineError> {
    let wrong = |found: &str| EngineError::NotControl { path: path.to_owned(), found: found.into() };
    std::fs::metadata(path).map_err(|error| EngineError::Read { path: path.to_owned(), error })?;
    control_file::open(path)?.ok_or_else(|| wrong("no control model (by its tensors)"))
}

/// The encoder at `path` and the bytes of its weights.
fn look_through(path: &Path, device: &Device, job: &dyn Job) -> Result<(Vision, u64), EngineError> {
    let (kind, weights) = open(path)?;
    if kind != ControlKind::ImageEncoder {
        let found = format!("{}, where an image encoder is needed", kind.title());
        return Err(EngineError::NotControl { path: path.to_owned(), found });
    }
    let loading = Loading::new(device, weights.names().count(), job);
    let vision = Vision::load(&weights.root(&loading), &vision::settings(&weights)?)?;
    known(&weights, kind)?;
    Ok((vision, memory::weights_bytes(&weights, device::keeping(device, DType::F32))))
}

/// Refuses a model with tensors that no layer asked for: it is of another architecture, and would steer nonsense.
fn known(weights: &Weights, kind: ControlKind) -> Result<(), EngineError> {
    match weights.unused() {
        None => Ok(()),
        Some(name) => {
            let found = format!("{} with tensors of another architecture (the first is {name})", kind.title());
            Err(EngineError::NotControl { path: weights.path().to_owned(), found })
        }
    }
}

/// The controls of one request, having seen their pictures: of each tile the denoiser sees, what a picture of that size
/// would show them.
pub(crate) struct Guides<'a> {
    guides: Vec<Guide<'a>>,
}

struct Guide<'a> {
    seen: Seen<'a>,
    weight: f64,
    start: f64,
    end: f64,
}

/// What depends on the picture alone, tile by tile where its place matters.
enum Seen<'a> {
    Net { net: &'a ControlNet, hints: Vec<Tensor>, kind: usize },
    Features(Vec<Vec<Tensor>>),
    Image(Vec<[Tensor; 2]>),
}

impl<'a> Guides<'a> {
    /// Shows the models their pictures of `extent`, of which the denoiser sees `tiles`; `rows` as guidance has them.
    pub(crate) fn see(
        controls: &[Control<'a>],
        model: &Model,
        (extent, tiles): (Extent, &[Tile]),
        rows: usize,
        job: &dyn Job,
    ) -> Result<Self, EngineError> {
        let device = &model.device;
        let factor = model.facts().multiple;
        let mut guides = Vec::with_capacity(controls.len());
        for Control { model: control, image, task, weight, start, end } in controls {
            blocks::alive(job)?;
            control.check(model, *task)?;
            let whole = control.facts.kind != ControlKind::IpAdapter;
            if (whole && image.extent() != extent) || image.extent().area() == 0 {
                let (got, e) = (image.extent(), extent);
                let what =
                    format!("have a picture of {}x{}; it must have the size painted, {}x{}", got.w, got.h, e.w, e.h);
                return Err(EngineError::Request { field: "controls", what });
            }
            if !(weight.is_finite() && start.is_finite() && end.is_finite()) {
                let what = format!("have weight {weight}, start {start}, end {end}; all must be finite numbers");
                return Err(EngineError::Request { field: "controls", what });
            }
            let seen = match &control.network {
                Network::Net(net) => {
                    let hints = each(tiles, image, factor, job, |part| net.see(part, device))?;
                    Seen::Net { net, hints, kind: task.map_or(0, Task::index) }
                }
                Network::Features(adapter) => {
                    Seen::Features(each(tiles, image, factor, job, |part| adapter.see(part, device))?)
                }
                Network::Image(adapter) => Seen::Image(adapter.see(image, rows, device)?),
            };
            guides.push(Guide { seen, weight: *weight, start: *start, end: *end });
        }
        Ok(Self { guides })
    }

    /// What they add to an evaluation at `timestep` of the latents `x` `[rows, C, h, w]` of `tile`, the `step`th of the `steps`
    /// taken.
    pub(crate) fn hooks(
        &self,
        tile: &Tile,
        x: &Tensor,
        timestep: f64,
        conditions: &Conditions,
        (step, steps): (usize, usize),
        job: &dyn Job,
    ) -> Result<Hooks, EngineError> {
        let mut hooks = Hooks::default();
        let tile = tile.index;
        for guide in self.guides.iter().filter(|guide| guide.steers(step, steps)) {
            match &guide.seen {
                Seen::Net { net, hints, kind } => {
                    let found =
                        net.forward(x, timestep, conditions, (&hints[tile], *kind), job)?.scale(guide.weight)?;
                    hooks.residuals = Some(match hooks.residuals.take() {
                        Some(others) => others.add(&found)?,
                        None => found,
                    });
                }
                Seen::Features(features) => {
                    for (i, feature) in features[tile].iter().enumerate() {
                        let feature = (feature * guide.weight)?;
                        match hooks.features.get_mut(i) {
                            Some(sum) => *sum = (&*sum + feature)?,
                            None => hooks.features.push(feature),
                        }
                    }
                }
                Seen::Image(keys_values) => {
                    hooks.images.push(ImagePrompt { keys_values: keys_values.clone(), weight: guide.weight as f32 });
                }
            }
        }
        Ok(hooks)
    }
}

/// What `see` makes of the part of `image` under each of `tiles`, `factor` pixels to a latent.
fn each<T>(
    tiles: &[Tile],
    image: &Image,
    factor: u32,
    job: &dyn Job,
    see: impl Fn(&Image) -> candle_core::Result<T>,
) -> Result<Vec<T>, EngineError> {
    if tiles.len() == 1 {
        return Ok(vec![see(image)?]);
    }
    let one = |tile: &Tile| {
        blocks::alive(job)?;
        Ok(see(&image.crop(tile.rect(factor)))?)
    };
    tiles.iter().map(one).collect()
}

impl Guide<'_> {
    /// diffusers' `control_guidance_start` and `control_guidance_end`, both rounded towards not steering.
    fn steers(&self, step: usize, steps: usize) -> bool {
        let share = |step: usize| step as f64 / steps.max(1) as f64;
        self.weight != 0.0 && share(step) >= self.start && share(step + 1) <= self.end
    }
}
