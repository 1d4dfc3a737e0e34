//! How near what a picture shows is: Depth Anything V2 (Yang et al. 2024, arXiv:2406.09414), whose pictures ControlNets for
//! depth are shown.
//!
//! The story: [`DepthEstimator::prepare`] brings a picture to the size the network was trained at, [`dino`] sees it patch by
//! patch, [`dpt`] makes one plane of what four of its layers found, and that plane, at the picture's size again and stretched
//! from black (far) to white (near), is what [`DepthEstimator::estimate`] gives.
//!
//! Decision: sizes, resampling and stretch are those of transformers' `DPTImageProcessor` and depth pipeline. A strip
//! longer than four squares is seen smaller than there, so that memory does not grow with it. A metric model says how far; its
//! picture is made of the reciprocal, so that near is light whatever the model.

mod cubic;
mod dino;
mod dpt;

use crate::checkpoint::Json;
use crate::memory;
use crate::pillow::resized;
use crate::unet::blocks;
use crate::weights::{Loading, Weights, control_file};
use crate::{EngineError, Options, device};
use candle_core::{DType, Device, Result as Computed, Tensor};
use dino::Dino;
use dpt::Dpt;
use std::path::Path;
use underpaint_plan::ControlKind;
use underpaint_raster::{Extent, Image, Job, Stage};

/// The longest picture the network is shown, in squares of the side it was trained at.
const SQUARES: usize = 4;

/// The network in memory. Stays usable after any error or cancellation.
pub struct DepthEstimator {
    dino: Dino,
    dpt: Dpt,
    measure: Measure,
    device: Device,
    bytes: u64,
}

/// What the network's numbers mean.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Measure {
    /// Nearness, in a unit of the picture's own.
    Nearness,
    /// A share of this many metres.
    Metres(f64),
}

/// What the tensors' shapes do not tell.
struct Settings {
    heads: Option<usize>,
    norm_eps: f64,
    /// Layers of the transformer after which the head reads.
    read: Option<[usize; 4]>,
    measure: Measure,
}

impl Settings {
    /// Those of the folder the weights are from, or those of every published V2 model for a lone file.
    fn of(weights: &Weights) -> Result<Self, EngineError> {
        let mut settings = Self { heads: None, norm_eps: 1e-6, read: None, measure: Measure::Nearness };
        let file = weights.path().join("config.json");
        if !file.is_file() {
            return Ok(settings);
        }
        let config = Json::read(&file)?;
        config.only("depth_estimation_type", &["relative", "metric"])?;
        if config.value["depth_estimation_type"].as_str() == Some("metric") {
            let far = config.number("max_depth")?.unwrap_or(1.0);
            if !(far > 0.0 && far.is_finite()) {
                return Err(config.error("max_depth", format!("is {far}, a number above 0 is needed")));
            }
            settings.measure = Measure::Metres(far);
        }
        let backbone = config.object("backbone_config")?;
        backbone.only("model_type", &["dinov2"])?;
        backbone.only("hidden_act", &["gelu"])?;
        if backbone.value["apply_layernorm"].as_bool() == Some(false) {
            return Err(backbone.error("apply_layernorm", "is false, which this version does not know"));
        }
        settings.heads = backbone.whole("num_attention_heads")?;
        settings.norm_eps = backbone.number("layer_norm_eps")?.unwrap_or(settings.norm_eps);
        let places = &backbone.value["out_indices"];
        if !places.is_null() {
            let read: Option<Vec<usize>> = places
                .as_array()
                .and_then(|list| list.iter().map(|n| n.as_u64().and_then(|n| n.try_into().ok())).collect());
            let read = read.and_then(|read| <[usize; 4]>::try_from(read).ok());
            let wrong = || backbone.error("out_indices", format!("is {places}, four numbers of layers are needed"));
            settings.read = Some(read.ok_or_else(wrong)?);
        }
        Ok(settings)
    }
}

impl DepthEstimator {
    /// Loads the folder (transformers') or file (either naming) at `path`. Asks `job` before each tensor.
    pub fn load(path: &Path, options: &Options, job: &dyn Job) -> Result<Self, EngineError> {
        let refuse = |found: String| Err(EngineError::NotDepth { path: path.to_owned(), found });
        let (device, _) = device::open(options.device, options.dtype)?;
        std::fs::metadata(path).map_err(|error| EngineError::Read { path: path.to_owned(), error })?;
        let weights = match control_file::open(path)? {
            Some((ControlKind::Depth, weights)) => weights,
            Some((kind, _)) => return refuse(kind.title().into()),
            None => return refuse("no depth estimator that this version knows (by its tensors)".into()),
        };
        let settings = Settings::of(&weights)?;
        let bytes = memory::weights_bytes(&weights, device::keeping(&device, DType::F32));
        let total = weights.names().count();
        let loading = Loading::new(&device, total, job);
        let root = weights.root(&loading);
        let dino = Dino::load(&root.at("backbone"), settings.heads, settings.norm_eps, settings.read)?;
        let dpt = Dpt::load(&root, dino.width())?;
        if let Some(name) = weights.unused() {
            return refuse(format!("a depth estimator with tensors of another architecture (the first is {name})"));
        }
        job.step(Stage::Load, total as u32, total as u32)?;
        Ok(Self { dino, dpt, measure: settings.measure, device, bytes })
    }

    /// Bytes of its weights.
    pub fn weights_bytes(&self) -> u64 {
        self.bytes
    }

    /// How near each pixel of `image` is, from black (the farthest) to white; opaque, of the same size. Alpha is left out.
    /// Cancelled between the blocks of the network.
    pub fn estimate(&self, image: &Image, job: &dyn Job) -> Result<Image, EngineError> {
        let extent = image.extent();
        if extent.area() == 0 {
            return Ok(Image::new(extent));
        }
        let depth = self.depth(&self.prepare(image)?, job)?;
        let (h, w) = depth.dims2()?;
        let mut plane = depth.flatten_all()?.to_vec1::<f32>()?;
        if let Measure::Metres(_) = self.measure {
            plane.iter_mut().for_each(|v| *v = 1.0 / v.max(1e-6));
        }
        if !plane.iter().all(|v| v.is_finite()) {
            return Err(EngineError::NotFinite { stage: "estimating the depth".into() });
        }
        let plane = cubic::resized(&plane, [h, w, 1], [extent.h as usize, extent.w as usize]);
        let (low, high) = plane.iter().fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
        // Where everything is equally near nothing stands out.
        let scale = if high > low { 1.0 / (high - low) } else { 0.0 };
        let grey = |v: f32| [v, v, v, 1.0];
        Ok(Image::from_data(extent, plane.iter().flat_map(|v| grey(((v - low) * scale).clamp(0.0, 1.0))).collect()))
    }

    /// `[1, 3, H, W]`: the picture as the network was trained to see it, whole patches wide and high.
    pub fn prepare(&self, image: &Image) -> Computed<Tensor> {
        // ImageNet's.
        const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
        const DEVIATION: [f64; 3] = [0.229, 0.224, 0.225];
        let Extent { w, h } = image.extent();
        let [rows, columns] = patches([h, w].map(f64::from), self.dino.across(), self.dino.patch());
        let [to_h, to_w] = [rows, columns].map(|n| n * self.dino.patch());
        let mut data = Vec::with_capacity(3 * to_w * to_h);
        for c in 0..3 {
            let plane: Vec<f64> =
                image.data().iter().skip(c).step_by(4).map(|v| (f64::from(*v) * 255.0).round()).collect();
            let seen = resized(&plane, (w as usize, h as usize), (to_w, to_h), 0..to_w, 0..to_h);
            data.extend(seen.iter().map(|v| ((v / 255.0 - MEAN[c]) / DEVIATION[c]) as f32));
        }
        Tensor::from_vec(data, (1, 3, to_h, to_w), &self.device)
    }

    /// `[H, W]` of prepared `pixels` `[1, 3, H, W]`: nearness, or metres of a metric model.
    pub fn depth(&self, pixels: &Tensor, job: &dyn Job) -> Result<Tensor, EngineError> {
        let (_, _, h, w) = pixels.dims4()?;
        let patch = self.dino.patch();
        let features = self.dino.forward(pixels, job)?;
        let raw = self.dpt.forward(&features, [h / patch, w / patch], [h, w], job)?;
        blocks::alive(job)?;
        Ok(match self.measure {
            Measure::Nearness => raw.relu()?,
            Measure::Metres(far) => (raw.neg()?.exp()? + 1.0)?.recip()?.affine(far, 0.0)?,
        })
    }
}

/// Rows and columns of patches for a picture of `sides` pixels: changed as little as it takes for one side to be `across`
/// patches long, both rounded to whole patches.
fn patches(sides: [f64; 2], across: usize, patch: usize) -> [usize; 2] {
    let side = (across * patch) as f64;
    let [down, right] = sides.map(|n| side / n);
    let scale = if (1.0 - right).abs() < (1.0 - down).abs() { right } else { down };
    let whole = |n: f64| (n.round_ties_even() as usize).max(1);
    let wanted = sides.map(|n| scale * n / patch as f64);
    let most = (SQUARES * across * across) as f64;
    match wanted.map(whole) {
        [rows, columns] if (rows * columns) as f64 <= most => [rows, columns],
        [rows, columns] => {
            let smaller = (most / (rows as f64 * columns as f64)).sqrt();
            wanted.map(|n| ((n * smaller) as usize).max(1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::patches;

    #[test]
    fn sides_are_whole_patches_and_strips_are_bounded() {
        // Height and width; 518 pixels are 37 patches of 14.
        for (sides, expected) in [
            ([518.0, 518.0], [37, 37]),
            ([768.0, 1024.0], [37, 49]),
            ([64.0, 64.0], [37, 37]),
            ([128.0, 256.0], [18, 37]),
            ([1.0, 1.0], [37, 37]),
            ([1.0, 16384.0], [1, 37]),
            ([600.0, 9000.0], [19, 286]),
        ] {
            assert_eq!(patches(sides, 37, 14), expected, "{sides:?}");
        }
        for (h, w) in [(3000.0, 518.0), (518.0, 16384.0), (16384.0, 500.0), (2.0, 3.0)] {
            let [rows, columns] = patches([h, w], 37, 14);
            assert!(rows * columns <= 4 * 37 * 37 && rows > 0 && columns > 0, "{h}x{w}: {rows}x{columns}");
        }
    }
}
