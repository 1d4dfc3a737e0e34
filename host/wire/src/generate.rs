//! Parameters of `generate` and the words they use.

use serde::{Deserialize, Serialize};
use underpaint_raster::{Extent, Rect};

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

/// A filter at the end of the job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FilterCall {
    /// Name from `filters/list`.
    pub name: String,
    /// Parameter id to value; absent ones take their default.
    #[serde(default)]
    pub params: serde_json::Map<String, serde_json::Value>,
}

/// Where pixels come from, as an image description of PROTOCOL.md section 4 or, in process, nothing at all.
/// The wire layer turns blobs into rasters before planning; planning sees only the geometry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Canvas {
    /// Size of the whole document in pixels.
    pub extent: Extent,
    /// Which part of it `image` covers.
    pub rect: Rect,
}

/// Parameters of a `generate` request, without its pixels. `None` means "the model's default".
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Generate {
    /// What to do.
    pub mode: Mode,
    /// Model id from `models/list`; absent = the configured default.
    pub model: Option<String>,
    /// May be empty.
    pub prompt: String,
    /// May be empty.
    pub negative_prompt: String,
    /// Size of the picture when there is no canvas, `[w, h]`.
    pub extent: Option<Extent>,
    /// Sampling steps, 1..=1000.
    pub steps: Option<u32>,
    /// Classifier-free guidance, 0..=100; 1 or less switches it off.
    pub guidance_scale: Option<f64>,
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
    /// Run in this order on every patch.
    pub filters: Vec<FilterCall>,
    /// Width of the soft edge in canvas pixels, 0..=499.
    pub feather_px: Option<u32>,
    /// How far the mask is grown before feathering, in canvas pixels, 0..=499.
    pub grow_px: Option<u32>,
    /// Shown in queue lists.
    pub label: Option<String>,
}

/// Seeds as JSON: integers are exact only up to 2^53-1, larger ones travel as decimal strings.
mod seed {
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
