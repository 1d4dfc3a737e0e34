//! IP-Adapter: a picture as a second prompt (Ye et al. 2023, arXiv:2308.06721). CLIP's embedding of the picture becomes a few
//! tokens, and every cross-attention gets keys and values of its own for them, whose findings are added to the text's.

use super::vision::Vision;
use crate::EngineError;
use crate::layers::{LayerNorm, Linear, attend};
use crate::weights::{Scope, Weights};
use candle_core::{Device, Result as Computed, Tensor};
use std::collections::BTreeSet;
use underpaint_kernels::gelu;
use underpaint_raster::Image;

/// The adapter, with the encoder it looks through.
pub struct IpAdapter {
    vision: Vision,
    projection: Projection,
    /// Key and value projections by the denoiser's transformer blocks.
    places: Vec<[Linear; 2]>,
}

/// From CLIP's embedding to tokens.
enum Projection {
    /// The whole picture: one layer, its output cut into tokens.
    Whole { proj: Linear, norm: LayerNorm, width: usize },
    /// Patch by patch, asked by learned questions ("plus").
    Patches(Resampler),
}

/// A perceiver: learned queries look at the patches and at each other.
struct Resampler {
    /// `[1, M, C]`.
    queries: Tensor,
    proj_in: Linear,
    layers: Vec<ResamplerLayer>,
    proj_out: Linear,
    norm_out: LayerNorm,
}

struct ResamplerLayer {
    norm_patches: LayerNorm,
    norm_queries: LayerNorm,
    to_q: Linear,
    to_kv: Linear,
    to_out: Linear,
    norm: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

/// Width of a head of the resampler, in all published adapters.
const HEAD: usize = 64;

/// Numbers of the cross-attentions in the file; diffusers counts attention layers and every second looks at the text.
pub fn numbers(weights: &Weights) -> BTreeSet<usize> {
    let number = |name: &str| name.strip_prefix("ip_adapter.")?.split('.').next()?.parse().ok();
    weights.names().filter_map(number).collect()
}

impl IpAdapter {
    /// Reads all tensors below `scope`; `numbers` as [`numbers`] gives them.
    pub fn load(scope: &Scope, numbers: &BTreeSet<usize>, vision: Vision) -> Result<Self, EngineError> {
        let mut places = Vec::new();
        for number in numbers {
            let layer = scope.at(format_args!("ip_adapter.{number}"));
            let pair = [Linear::load(&layer.at("to_k_ip"))?, Linear::load(&layer.at("to_v_ip"))?];
            if pair[0].features() != pair[1].features() {
                return Err(layer.error("to_v_ip.weight", "has another shape than to_k_ip.weight"));
            }
            places.push(pair);
        }
        let image = scope.at("image_proj");
        let (projection, given) = match image.contains("latents") {
            true => {
                let resampler = Resampler::load(&image)?;
                let (taken, given) = (resampler.proj_in.features()[0], resampler.proj_out.features()[1]);
                if taken != vision.width() {
                    let what = format!("takes {taken} features, the image encoder gives {}", vision.width());
                    return Err(image.error("proj_in.weight", what));
                }
                (Projection::Patches(resampler), given)
            }
            false => {
                let (proj, norm) = (Linear::load(&image.at("proj"))?, LayerNorm::load(&image.at("norm"), 1e-5)?);
                let [width] = image.dims("norm.weight")?;
                if proj.features()[1] % width != 0 {
                    return Err(image.error("proj.weight", format!("is no whole number of tokens {width} wide")));
                }
                let taken = proj.features()[0];
                if taken != vision.projected() {
                    let what = format!("takes {taken} features, the image encoder gives {}", vision.projected());
                    return Err(image.error("proj.weight", what));
                }
                (Projection::Whole { proj, norm, width }, width)
            }
        };
        if places.iter().any(|pair| pair[0].features()[0] != given) {
            return Err(scope.error("ip_adapter.1.to_k_ip.weight", format!("does not take tokens {given} wide")));
        }
        Ok(Self { vision, projection, places })
    }

    /// Width of the attention at each of the denoiser's transformer blocks.
    pub(crate) fn widths(&self) -> Vec<usize> {
        self.places.iter().map(|pair| pair[0].features()[1]).collect()
    }

    /// Width of the tokens a picture becomes: the text's.
    pub(crate) fn context(&self) -> usize {
        self.places.first().map_or(0, |pair| pair[0].features()[0])
    }

    /// Keys and values `[rows, M, width]` for each transformer block: those of nothing in all rows but the last, which sees
    /// the picture.
    pub fn see(&self, image: &Image, rows: usize, device: &Device) -> Computed<Vec<[Tensor; 2]>> {
        let pixels = self.vision.prepare(image, device)?;
        let (seen, nothing) = match &self.projection {
            Projection::Whole { .. } => {
                let whole = self.vision.whole(&pixels)?;
                let nothing = whole.zeros_like()?;
                (whole, nothing)
            }
            Projection::Patches(_) => {
                (self.vision.tokens(&pixels)?, self.vision.tokens(&self.vision.nothing(device)?)?)
            }
        };
        let seen = self.projection.forward(&seen)?;
        let tokens = match rows {
            1 => seen,
            _ => {
                let nothing = self.projection.forward(&nothing)?.repeat((rows - 1, 1, 1))?;
                Tensor::cat(&[&nothing, &seen], 0)?
            }
        };
        let both = |[key, value]: &[Linear; 2]| Ok([key.forward(&tokens)?, value.forward(&tokens)?]);
        self.places.iter().map(both).collect()
    }
}

impl Projection {
    /// `[1, M, D]` of `[1, P]` or `[1, N, C]`.
    fn forward(&self, x: &Tensor) -> Computed<Tensor> {
        match self {
            Self::Whole { proj, norm, width } => {
                let x = proj.forward(x)?;
                let tokens = x.dims()[1] / width;
                norm.forward(&x.reshape((1, tokens, *width))?)
            }
            Self::Patches(resampler) => resampler.forward(x),
        }
    }
}

impl Resampler {
    fn load(scope: &Scope) -> Result<Self, EngineError> {
        let [one, queries, width] = scope.dims("latents")?;
        if one != 1 {
            return Err(scope.error("latents", format!("has {one} rows, one is needed")));
        }
        let mut layers = Vec::new();
        for i in 0..scope.count("layers") {
            let layer = scope.at(format_args!("layers.{i}"));
            let (attention, feed) = (layer.at("0"), layer.at("1"));
            let made = ResamplerLayer {
                norm_patches: LayerNorm::load(&attention.at("norm1"), 1e-5)?,
                norm_queries: LayerNorm::load(&attention.at("norm2"), 1e-5)?,
                to_q: Linear::load(&attention.at("to_q"))?,
                to_kv: Linear::load(&attention.at("to_kv"))?,
                to_out: Linear::load(&attention.at("to_out"))?,
                norm: LayerNorm::load(&feed.at("0"), 1e-5)?,
                fc1: Linear::load(&feed.at("1"))?,
                fc2: Linear::load(&feed.at("3"))?,
            };
            let inner = made.to_q.features()[1];
            if !inner.is_multiple_of(HEAD)
                || made.to_kv.features()[1] != 2 * inner
                || made.to_out.features()[0] != inner
            {
                return Err(attention.error("to_q.weight", format!("and to_kv do not make heads {HEAD} wide")));
            }
            layers.push(made);
        }
        Ok(Self {
            queries: scope.tensor("latents", &[1, queries, width])?,
            proj_in: Linear::load(&scope.at("proj_in"))?,
            layers,
            proj_out: Linear::load(&scope.at("proj_out"))?,
            norm_out: LayerNorm::load(&scope.at("norm_out"), 1e-5)?,
        })
    }

    fn forward(&self, patches: &Tensor) -> Computed<Tensor> {
        let patches = self.proj_in.forward(patches)?;
        let mut queries = self.queries.clone();
        for layer in &self.layers {
            queries = layer.forward(&patches, &queries)?;
        }
        self.norm_out.forward(&self.proj_out.forward(&queries)?)
    }
}

impl ResamplerLayer {
    fn forward(&self, patches: &Tensor, queries: &Tensor) -> Computed<Tensor> {
        let normed = self.norm_queries.forward(queries)?;
        let seen = Tensor::cat(&[&self.norm_patches.forward(patches)?, &normed], 1)?;
        let split = |t: Tensor| {
            let (b, n, c) = t.dims3()?;
            t.reshape((b, n, c / HEAD, HEAD))?.transpose(1, 2)
        };
        let both = self.to_kv.forward(&seen)?;
        let inner = self.to_q.features()[1];
        let (k, v) = (both.narrow(2, 0, inner)?.contiguous()?, both.narrow(2, inner, inner)?.contiguous()?);
        let y = attend(&split(self.to_q.forward(&normed)?)?, &split(k)?, &split(v)?, false)?;
        let (b, heads, m, d) = y.dims4()?;
        let x = (queries + self.to_out.forward(&y.transpose(1, 2)?.reshape((b, m, heads * d))?)?)?;
        let y = self.fc2.forward(&gelu(&self.fc1.forward(&self.norm.forward(&x)?)?)?)?;
        x + y
    }
}
