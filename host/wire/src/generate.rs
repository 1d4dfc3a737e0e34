//! Parameters of `generate` and the words they use.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use underpaint_raster::Extent;

use crate::blob;
use crate::image::{Canvas, Image, Placed, Px};

/// What a job is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A whole picture from the prompt, or from the canvas and the prompt (image to image).
    #[default]
    Generate,
    /// Repaint the masked part so that it belongs to its surroundings.
    Fill,
    /// Fill a new strip of canvas outside the old picture.
    Expand,
    /// Paint something new inside the mask.
    Add,
    /// Make what is under the mask disappear.
    Remove,
    /// Repaint everything but the mask's inverse.
    Background,
}

/// How a patch goes over into the picture around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blend {
    /// It fades.
    #[default]
    Alpha,
    /// It fades, and in that band its colours are bent so that they meet the picture's.
    Gradient,
}

/// A filter at the end of the job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FilterCall {
    /// Name from `filters/list`.
    pub name: String,
    /// Parameter id to value; absent ones take their default.
    #[serde(default)]
    pub params: serde_json::Map<String, serde_json::Value>,
}

/// What of a filter's values is bytes: the pixels of its inputs, and long texts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FilterPixels {
    /// Pictures the painter chose, by the name of the filter's input, each with a size of its own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, Image>,
    /// Blobs with the texts of parameters that are too long for a header, by the parameter's name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub texts: BTreeMap<String, blob::Name>,
}

/// A picture that steers, without its pixels (those are [`ControlPixels`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ControlCall {
    /// Id of a control model from `models/list`.
    pub model: String,
    /// What the picture shows, for a model that knows several kinds (ControlNet Union): `pose`, `depth`, `soft_edge`, `line`,
    /// `normal`, `segmentation`, `tile`, `repaint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What is done to the picture first: `canny`, `soft_edge`, `scribble`, `tile`, `blur`, `depth`; absent = nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preprocess: Option<String>,
    /// `preprocess: depth`: id of the depth estimator that looks; absent = the first there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preprocessor: Option<String>,
    /// IP-Adapter: id of the image encoder it looks through; absent = the first that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// How much it counts, -10..=10; 1 = as trained.
    #[serde(default = "one")]
    pub weight: f64,
    /// From which share of the steps on, 0..=1.
    #[serde(default)]
    pub start: f64,
    /// To which, 0..=1.
    #[serde(default = "one")]
    pub end: f64,
}

fn one() -> f64 {
    1.0
}

/// The pixels of a control.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ControlPixels {
    /// The picture and where it lies on the canvas; absent = the canvas itself. Without a canvas it is taken for the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Placed>,
}

/// A text bound to a part of the picture, without its mask (that is in [`RegionPixels`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionCall {
    /// What should be seen there; the prompt of the whole follows it.
    pub prompt: String,
}

/// Where a region is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RegionPixels {
    /// Full where the region is, and where it lies on the canvas; without a canvas it is taken for the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<Placed>,
}

/// A LoRA the job is painted with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoraCall {
    /// Id from `loras/list`.
    pub name: String,
    /// How much of it, -10..=10: 1 as trained, 0 none, negative the opposite.
    #[serde(default = "LoraCall::whole")]
    pub weight: f64,
    /// How much of it for the text encoders; absent = `weight`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_weight: Option<f64>,
}

impl LoraCall {
    fn whole() -> f64 {
        1.0
    }
}

/// Parameters of a `generate` request that say what to paint, without its pixels and without how the job is to be
/// run (those are [`Pixels`] and [`Run`]). `None` means "the model's default".
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Generate {
    /// What to do.
    pub mode: Mode,
    /// Model id from `models/list`; absent = the configured default, else one that suits mode and prompt.
    pub model: Option<String>,
    /// May be empty.
    pub prompt: String,
    /// What should not be seen; SDXL takes none for something else than an empty one, as in diffusers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negative_prompt: Option<String>,
    /// Size of the picture when there is no canvas, `[w, h]`.
    pub extent: Option<Extent>,
    /// Sampling steps, 1..=1000.
    pub steps: Option<u32>,
    /// Classifier-free guidance, 0..=100; 1 or less switches it off.
    pub guidance_scale: Option<f64>,
    /// Models that change a picture as told (InstructPix2Pix): how strictly it is followed, 0..=100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_guidance_scale: Option<f64>,
    /// How much of the contrast that guidance adds is taken back, 0..=1; absent = 0.
    pub guidance_rescale: Option<f64>,
    /// 0 keeps the picture, 1 repaints it. Range 0..=1.
    pub denoise_strength: Option<f64>,
    /// Update rule, e.g. `dpmpp_2m`.
    pub sampler: Option<String>,
    /// Noise levels, e.g. `karras`.
    pub scheduler: Option<String>,
    /// Absent = random, and told in the result. Wire form: integer up to 2^53-1 or decimal string.
    #[serde(with = "seed", skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Pictures to make, 1..=16; seeds count up from `seed`.
    pub batch: Option<u32>,
    /// As A1111 counts: 1 = none, 2 = one layer before the last.
    pub clip_skip: Option<u32>,
    /// Pictures that steer, at most 8.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<ControlCall>,
    /// Texts bound to parts of the picture, at most 16.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<RegionCall>,
    /// At most 16; their order does not matter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub loras: Vec<LoraCall>,
    /// Run in this order on every patch.
    pub filters: Vec<FilterCall>,
    /// Width of the soft edge in canvas pixels, 0..=499.
    pub feather_px: Option<u32>,
    /// How far the mask is grown before feathering, in canvas pixels, 0..=499.
    pub grow_px: Option<u32>,
    /// How a patch goes over into the picture; absent = `alpha`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blend: Option<Blend>,
    /// 1, or 2 to go over a large selection once more in finer detail; absent = what suits model and device.
    pub passes: Option<u32>,
}

/// The pixels of a `generate` request. [`Generate`], this and [`Run`] are read from the same `params` object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pixels {
    /// The document; may be absent for mode `generate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canvas: Option<Canvas>,
    /// What to repaint: 0 keep, full repaint. May reach outside the canvas' rect; that part is ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<Placed>,
    /// Pixel layout of the patches; absent = the canvas', or `rgba8` without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub px: Option<Px>,
    /// Pixels of [`Generate::controls`], in the same order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<ControlPixels>,
    /// Masks of [`Generate::regions`], in the same order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<RegionPixels>,
    /// Pictures for [`Generate::filters`], in the same order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterPixels>,
}

/// How a job of any kind is run and watched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// Shown in queue lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The job goes on when the connection is lost, and its result waits for `job/attach`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keep: bool,
    /// Takes the place of the waiting live job with the same key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<Live>,
    /// The same text within ten minutes, from a client of the same name, joins the job instead of starting another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dedupe: Option<String>,
    /// Progress is sent only if this token is given; it is repeated in each event. At most 64 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// Pictures of the state so far, with the progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
}

/// A picture that is repainted while the painter goes on drawing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// One per view; 1 to 64 bytes.
    pub key: String,
}

/// How often and how large previews are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Preview {
    /// Longest side in pixels, 8..=512.
    pub max_side: u32,
    /// Shortest time between two in milliseconds, 100..=60000.
    pub every_ms: u32,
}

impl Default for Preview {
    fn default() -> Self {
        Self { max_side: 256, every_ms: 500 }
    }
}

/// Seeds as JSON: integers are exact only up to 2^53-1, larger ones travel as decimal strings.
pub(crate) mod seed {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(seed: &Option<u64>, s: S) -> Result<S::Ok, S::Error> {
        match seed {
            None => s.serialize_none(),
            Some(n) if *n < 1 << 53 => s.serialize_u64(*n),
            Some(n) => s.collect_str(n),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Wire {
            Int(u64),
            Text(String),
        }
        match Option::<Wire>::deserialize(d)
            .map_err(|_| D::Error::custom("seed must be an integer 0..2^53-1 or a decimal string up to 2^64-1"))?
        {
            None => Ok(None),
            Some(Wire::Int(n)) if n < 1 << 53 => Ok(Some(n)),
            Some(Wire::Int(_)) => Err(D::Error::custom("a seed above 2^53-1 must be sent as a decimal string")),
            Some(Wire::Text(t)) => {
                t.parse().map(Some).map_err(|_| D::Error::custom("seed must be a decimal number up to 2^64-1"))
            }
        }
    }
}

/// As [`seed`], for seeds that are always there.
pub(crate) mod seed_number {
    use serde::{Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(seed: &u64, s: S) -> Result<S::Ok, S::Error> {
        super::seed::serialize(&Some(*seed), s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
        super::seed::deserialize(d)?.ok_or_else(|| D::Error::custom("a seed is missing"))
    }
}
