//! Parameters and results of the methods other than `hello` and `generate`.

use crate::generate::{FilterCall, FilterPixels, Generate, Mode, Pixels, Preview};
use crate::image::{Image, Px};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use underpaint_raster::{Extent, Rect};

/// Result of `generate`, `filter/apply`, `upscale` and `control/preprocess`: the blobs were put before it, so nothing has to
/// be fetched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobResult {
    /// The job's id.
    pub job: String,
    /// Always `done`.
    pub state: JobState,
    /// Seed of the first patch.
    #[serde(with = "crate::generate::seed_number")]
    pub seed: u64,
    /// What to place above the picture; empty if nothing was to be changed.
    pub patches: Vec<PatchRef>,
    /// The values used, defaults included.
    pub used: Value,
    /// What is needed to make the same picture again.
    pub receipt: Value,
    /// Where the time went.
    pub timing_ms: Map<String, Value>,
}

/// Straight-alpha RGBA to be placed on the canvas; where its alpha is 0 nothing changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PatchRef {
    /// In canvas pixels.
    pub rect: Rect,
    /// In the layout of the canvas that was sent.
    pub image: Image,
    /// The seed of this picture.
    #[serde(with = "crate::generate::seed_number")]
    pub seed: u64,
}

/// Parameters of `fill/context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FillContext {
    /// What is to be done.
    pub mode: Mode,
    /// Model id; absent = the one `generate` would take.
    #[serde(default)]
    pub model: Option<String>,
    /// As it will be in `generate`: without a `model` it decides which one paints.
    #[serde(default)]
    pub prompt: String,
    /// Size of the whole document.
    pub extent: Extent,
    /// The smallest rect holding the selection, in canvas pixels.
    pub mask_bounds: Rect,
    /// 0 keeps, 1 repaints.
    #[serde(default)]
    pub denoise_strength: Option<f64>,
    /// Whether `generate` will have `controls`, `regions` or `loras`: those, too, decide which model paints.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub steered: bool,
}

/// Result of `fill/context`: the part of the canvas worth sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// In canvas pixels, inside the document.
    pub rect: Rect,
}

/// Parameters of `filter/apply`, beside those of [`crate::generate::Run`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FilterApply {
    /// The pixels.
    pub image: Image,
    /// Where they are on the canvas; absent = at the origin.
    #[serde(default)]
    pub rect: Option<Rect>,
    /// Run in this order.
    pub filters: Vec<FilterCall>,
    /// For filters that draw random numbers; absent = 0.
    #[serde(default, with = "crate::generate::seed")]
    pub seed: Option<u64>,
    /// Layout of the patch; absent = the image's.
    #[serde(default)]
    pub px: Option<Px>,
    /// How much smaller than the painter's picture `image` is, 0.01..=1: lengths in pixels shrink with it. For previews.
    #[serde(default)]
    pub scale: Option<f64>,
    /// Besides what the filters do, the patch is as transparent as the mask, and ends where it is 0.
    #[serde(default)]
    pub clip: bool,
}

/// What filters of a `filter/apply` may see besides its image. [`FilterApply`] and this are read from the same `params`
/// object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FilterApplyPixels {
    /// What is selected, grey and as large as the image.
    pub mask: Option<Image>,
    /// What was there before the image was generated, as large as it.
    pub before: Option<Image>,
    /// Pictures for [`FilterApply::filters`], in the same order.
    pub filters: Vec<FilterPixels>,
}

/// Parameters of `upscale` without its pixels, beside those of [`crate::generate::Run`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Upscale {
    /// Id of an upscaler, from `models/list`. Absent with `refine` = by resampling.
    pub model: Option<String>,
    /// How many times wider and higher the result is, 0.1..=16: what the network makes is resampled to it. Absent = as the
    /// network makes it, 2 without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// Longest side of a tile in pixels of the picture, 32..=4096; absent = as suits the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tile: Option<u32>,
    /// A diffusion model paints detail into the enlarged picture, in tiles of its own. Of these members the model, the prompts,
    /// `regions`, `denoise_strength` (absent = 0.3) and those of sampling count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refine: Option<Generate>,
}

/// The pixels of an `upscale` request. [`Upscale`] and this are read from the same `params` object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpscalePixels {
    /// What is enlarged.
    pub image: Image,
    /// Layout of the result; absent = the image's.
    #[serde(default)]
    pub px: Option<Px>,
    /// Those of [`Upscale::refine`], of which the masks of regions count: they lie on `image` and are enlarged with it.
    #[serde(default)]
    pub refine: Option<Pixels>,
}

/// Parameters of `models/load`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadModel {
    /// From `models/list`.
    pub model: String,
}

/// Parameters of the notification `cancel`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cancel {
    /// Id of the request to cancel; of this connection.
    pub id: crate::rpc::Id,
}

/// Parameters of `job/cancel` and `job/forget`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobName {
    /// From `job/state` or `job/list`.
    pub job: String,
}

/// Parameters of `job/attach`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attach {
    /// From `job/state` or `job/list`.
    pub job: String,
    /// As in [`crate::generate::Run`].
    #[serde(default)]
    pub progress: Option<String>,
    /// As in [`crate::generate::Run`].
    #[serde(default)]
    pub preview: Option<Preview>,
}

/// Parameters of `job/move`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MoveJob {
    /// A waiting job of this connection.
    pub job: String,
    /// 0 = next among this connection's waiting jobs; beyond the last = last.
    pub position: u32,
}

/// Parameters of `subscribe`; a new list replaces the old one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscribe {
    /// Which events are wanted.
    pub topics: Vec<Topic>,
}

/// Parameters of `styles/remove`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StyleName {
    /// From `styles/list`.
    pub name: String,
}

/// A group of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Topic {
    /// `queue/changed`.
    Queue,
    /// `models/changed`.
    Models,
    /// `filters/changed`.
    Filters,
    /// `styles/changed`.
    Styles,
    /// `history/changed`.
    History,
}

/// A job has one state, changes only forwards, and reaches exactly one of the last three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Waits for the device.
    Queued,
    /// Has the device.
    Running,
    /// Its result was sent or waits to be fetched.
    Done,
    /// Ended with an error.
    Failed,
    /// Ended because nobody wanted it any more.
    Cancelled,
}

impl JobState {
    /// True if nothing more will happen to the job.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// A job as `job/list` and `status` show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobInfo {
    /// Its id.
    pub job: String,
    /// Where it stands.
    pub state: JobState,
    /// As submitted; in `status` only for those of this connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What the client that submitted it called itself in `hello`.
    #[serde(default)]
    pub client: String,
    /// True if submitted by this connection, or taken over by it with `job/attach`.
    pub mine: bool,
    /// As submitted.
    pub keep: bool,
    /// Jobs before it in the queue, the running one not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// Steps done in the present stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// Steps of the present stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
}

/// Result of `status`: no paths, no tokens, no prompts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Since the daemon started.
    pub uptime_ms: u64,
    /// `cpu`, `cuda` or `metal`.
    pub device: String,
    /// Of the device; absent where the system does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// The resident model's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Running and waiting jobs, in order.
    pub queue: Vec<JobInfo>,
    /// Connections, this one included.
    pub clients: u32,
    /// Whether editors without a local socket reach this daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket: Option<WebSocket>,
}

/// The daemon's WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebSocket {
    /// Whether there is one.
    pub state: WebSocketState,
    /// Where, while it listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// Whether the daemon has a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebSocketState {
    /// It does.
    Listening,
    /// Other programs have its ports.
    Taken,
    /// It is switched off.
    Off,
}

/// Memory of the device the engine uses; for `cpu` the daemon's own and the machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// In use.
    pub used_bytes: u64,
    /// There is.
    pub total_bytes: u64,
}

/// Whether a model can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelState {
    /// Can be loaded.
    Ready,
    /// Is in memory.
    Loaded,
    /// Cannot be used; `reason` says why.
    Unusable,
}

/// What a model is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// Paints: `generate`.
    #[default]
    Painter,
    /// Enlarges: `upscale`.
    Upscaler,
    /// Stands for words in a prompt, where it is named by its `id`: a textual inversion.
    Embedding,
}

/// A model as `models/list` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// From the scan; the only way to name a model on the wire.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub kind: ModelKind,
    /// E.g. `sd15`, `exemplar`, `esrgan`.
    pub family: String,
    /// On disk; 0 for what is built in.
    pub bytes: u64,
    /// Whether it can be used.
    pub state: ModelState,
    /// Why not, one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it was trained at, `[w, h]`; absent if any size suits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native_extent: Option<Extent>,
    /// Sizes are multiples of this many pixels.
    pub multiple: u32,
    /// How many times wider and higher an upscaler makes a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<u32>,
    /// What it can do; empty for an upscaler.
    pub modes: Vec<Mode>,
    /// What is used when a request says nothing; absent for a model without such settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<ModelDefaults>,
    /// Names for `sampler`.
    pub samplers: Vec<String>,
    /// Names for `scheduler`.
    pub schedulers: Vec<String>,
    /// SHA-256 of the weights, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// A control model as `controls/list` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlInfo {
    /// From the scan; the only way to name it on the wire.
    pub id: String,
    /// For people.
    pub name: String,
    /// `controlnet`, `controlnet_union`, `t2i_adapter`, `ip_adapter`, or `image_encoder`, which an IP-Adapter looks through.
    pub kind: String,
    /// The family it steers, e.g. `sdxl`; absent where its widths are those of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// On disk.
    pub bytes: u64,
}

/// A LoRA as `loras/list` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoraInfo {
    /// From the scan; the only way to name a LoRA on the wire.
    pub id: String,
    /// The file's name, or its folder's.
    pub name: String,
    /// What it was trained on, as `family` of a model; `unknown` where its tensors do not tell.
    pub family: String,
    /// On disk.
    pub bytes: u64,
    /// What its author calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The words that call it up in a prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// The most frequent words of its training, most frequent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// What a painter gets when they say nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelDefaults {
    /// Sampling steps.
    pub steps: u32,
    /// Classifier-free guidance.
    pub guidance_scale: f64,
    /// Update rule.
    pub sampler: String,
    /// Noise levels.
    pub scheduler: String,
}
