//! CLIP's picture encoder: a picture in, an embedding for each patch and one for the whole out.

use crate::EngineError;
use crate::checkpoint::Json;
use crate::clip::{Activation, ClipConfig, Layer, Reads};
use crate::layers::{LayerNorm, Linear};
use crate::pillow::resized;
use crate::weights::{Scope, Weights};
use candle_core::{Device, Result as Computed, Tensor};
use underpaint_kernels::{PackedLinear, linear};
use underpaint_raster::{Extent, Image};

/// The encoder.
pub struct Vision {
    class: Tensor,
    patches: PackedLinear,
    positions: Tensor,
    norm_in: LayerNorm,
    layers: Vec<Layer>,
    norm_out: LayerNorm,
    projection: Linear,
    /// Sides of the picture and of a patch, in pixels.
    sides: (usize, usize),
}

/// The settings of the folder the weights are from, or those of every published encoder (ViT-L, ViT-H, ViT-bigG: 16 heads)
/// for a lone file.
pub fn settings(weights: &Weights) -> Result<ClipConfig, EngineError> {
    let mut config = ClipConfig { heads: 16, activation: Activation::Gelu, norm_eps: 1e-5, reads: Reads::Penultimate };
    let file = weights.path().join("config.json");
    if file.is_file() {
        let json = Json::read(&file)?;
        json.only("hidden_act", &["quick_gelu", "gelu"])?;
        config.heads = json.whole("num_attention_heads")?.unwrap_or(config.heads);
        config.norm_eps = json.number("layer_norm_eps")?.unwrap_or(config.norm_eps);
        // transformers' default is OpenAI's.
        if json.value["hidden_act"].as_str() != Some("gelu") {
            config.activation = Activation::QuickGelu;
        }
    }
    Ok(config)
}

impl Vision {
    /// Reads all tensors below `scope`.
    pub fn load(scope: &Scope, config: &ClipConfig) -> Result<Self, EngineError> {
        let embeddings = scope.at("embeddings");
        let [width, colors, patch, other] = embeddings.dims("patch_embedding.weight")?;
        if colors != 3 || patch != other {
            return Err(embeddings.error("patch_embedding.weight", "does not take square patches of 3 colours"));
        }
        let [count, _] = embeddings.dims::<2>("position_embedding.weight")?;
        let across = (count - 1).isqrt();
        if across == 0 || across * across + 1 != count {
            return Err(embeddings.error("position_embedding.weight", format!("has {count} rows, no square and one")));
        }
        let weight = embeddings.tensor("patch_embedding.weight", &[width, 3, patch, patch])?;
        let mut layers = Vec::new();
        for i in 0..scope.count("encoder.layers") {
            layers.push(Layer::load(&scope.at(format_args!("encoder.layers.{i}")), config)?);
        }
        if layers.is_empty() {
            return Err(scope.error("encoder.layers", "is missing"));
        }
        Ok(Self {
            class: embeddings.tensor("class_embedding", &[width])?.reshape((1, 1, width))?,
            patches: PackedLinear::new(&weight.reshape((width, 3 * patch * patch))?)?,
            positions: embeddings.tensor("position_embedding.weight", &[count, width])?,
            norm_in: LayerNorm::load(&scope.at("pre_layrnorm"), config.norm_eps)?,
            layers,
            norm_out: LayerNorm::load(&scope.at("post_layernorm"), config.norm_eps)?,
            projection: Linear::load(&scope.at("visual_projection"))?,
            sides: (across * patch, patch),
        })
    }

    /// Width of an embedding patch by patch.
    pub fn width(&self) -> usize {
        self.projection.features()[0]
    }

    /// Width of the whole picture's embedding.
    pub fn projected(&self) -> usize {
        self.projection.features()[1]
    }

    /// `[1, 3, S, S]`: the picture as the encoder was trained to see it.
    pub fn prepare(&self, image: &Image, device: &Device) -> Computed<Tensor> {
        let side = self.sides.0;
        Tensor::from_vec(prepared(image, side), (1, 3, side, side), device)
    }

    /// `[1, 3, S, S]` of zeros: the picture that says nothing.
    pub fn nothing(&self, device: &Device) -> Computed<Tensor> {
        Tensor::zeros((1, 3, self.sides.0, self.sides.0), candle_core::DType::F32, device)
    }

    /// `[1, P]`: the whole picture.
    pub fn whole(&self, pixels: &Tensor) -> Computed<Tensor> {
        let mut x = self.embed(pixels)?;
        for layer in &self.layers {
            x = layer.forward(&x, false)?;
        }
        self.projection.forward(&self.norm_out.forward(&x.narrow(1, 0, 1)?.squeeze(1)?)?)
    }

    /// `[1, N, C]`: the class and all patches before the last layer, without a norm.
    pub fn tokens(&self, pixels: &Tensor) -> Computed<Tensor> {
        let mut x = self.embed(pixels)?;
        for layer in &self.layers[..self.layers.len() - 1] {
            x = layer.forward(&x, false)?;
        }
        Ok(x)
    }

    fn embed(&self, pixels: &Tensor) -> Computed<Tensor> {
        let (side, patch) = self.sides;
        let across = side / patch;
        let x = pixels.reshape(&[3, across, patch, across, patch][..])?.permute([1, 3, 0, 2, 4])?.contiguous()?;
        let x = linear(&x.reshape((1, across * across, 3 * patch * patch))?, &self.patches, None)?;
        let x = Tensor::cat(&[&self.class, &x], 1)?.broadcast_add(&self.positions)?;
        self.norm_in.forward(&x)
    }
}

/// As transformers' `CLIPImageProcessor`: the shorter side to `side` with Pillow's bicubic filter, the middle cut out,
/// colours by the mean and deviation of CLIP's training pictures. Planes one after the other.
fn prepared(image: &Image, side: usize) -> Vec<f32> {
    const MEAN: [f64; 3] = [0.48145466, 0.4578275, 0.40821073];
    const DEVIATION: [f64; 3] = [0.26862954, 0.26130258, 0.27577711];
    let Extent { w, h } = image.extent();
    let (w, h) = (w as usize, h as usize);
    let short = w.min(h).max(1);
    let (to_w, to_h) = (side * w / short, side * h / short);
    let (left, top) = ((to_w - side) / 2, (to_h - side) / 2);
    let mut data = Vec::with_capacity(3 * side * side);
    for c in 0..3 {
        // Pillow works on bytes and rounds to them after each direction.
        let plane: Vec<f64> = image.data().iter().skip(c).step_by(4).map(|v| (f64::from(*v) * 255.0).round()).collect();
        let seen = resized(&plane, (w, h), (to_w, to_h), left..left + side, top..top + side);
        data.extend(seen.iter().map(|v| ((v / 255.0 - MEAN[c]) / DEVIATION[c]) as f32));
    }
    data
}
