//! DINOv2 (Oquab et al. 2023, arXiv:2304.07193), a vision transformer that takes pictures of any number of patches.

use super::cubic;
use crate::EngineError;
use crate::layers::{Attention, LayerNorm, Linear};
use crate::unet::blocks;
use crate::weights::Scope;
use candle_core::{Result as Computed, Tensor};
use underpaint_kernels::{PackedLinear, gelu, linear};
use underpaint_raster::{Job, Stage};

/// The transformer.
pub struct Dino {
    class: Tensor,
    patches: (PackedLinear, Tensor),
    /// `[1 + across * across, C]`: for the class and a square of patches.
    positions: Vec<f32>,
    layers: Vec<Layer>,
    norm: LayerNorm,
    /// Layers after which the head reads, counted from 1, ascending.
    read: [usize; 4],
    width: usize,
    across: usize,
    patch: usize,
}

struct Layer {
    norm1: LayerNorm,
    attention: Attention,
    scale1: Tensor,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    scale2: Tensor,
}

/// Width of a head in all published sizes.
const HEAD: usize = 64;
/// Most patches along a side at training; published models have 37.
const MOST: usize = 64;

impl Dino {
    /// Reads all tensors below `scope`. `heads` and the layers to `read` after are those of the published models if they are
    /// not told.
    pub fn load(
        scope: &Scope,
        heads: Option<usize>,
        norm_eps: f64,
        read: Option<[usize; 4]>,
    ) -> Result<Self, EngineError> {
        let embeddings = scope.at("embeddings");
        let projection = embeddings.at("patch_embeddings.projection");
        let [width, colors, patch, other] = projection.dims("weight")?;
        if colors != 3 || patch != other {
            return Err(projection.error("weight", "does not take square patches of 3 colours"));
        }
        let [one, count, _] = embeddings.dims::<3>("position_embeddings")?;
        let across = (count - 1).isqrt();
        if one != 1 || across * across + 1 != count || !(1..=MOST).contains(&across) {
            let what = format!("has {count} rows; one and the square of 1 to {MOST} are needed");
            return Err(embeddings.error("position_embeddings", what));
        }
        let heads = match heads {
            Some(heads) => heads,
            None if width % HEAD == 0 => width / HEAD,
            None => return Err(projection.error("weight", format!("is {width} wide, which is no heads of {HEAD}"))),
        };
        let mut layers = Vec::new();
        for i in 0..scope.count("encoder.layer") {
            layers.push(Layer::load(&scope.at(format_args!("encoder.layer.{i}")), width, heads, norm_eps)?);
        }
        let read = match (read, layers.len()) {
            (Some(read), _) => read,
            (None, 12) => [3, 6, 9, 12],
            (None, 24) => [5, 12, 18, 24],
            (None, n) => {
                let what = format!("are {n}; 12 or 24 are known, others only from a folder with its config.json");
                return Err(scope.error("encoder.layer", what));
            }
        };
        if read[0] == 0 || read.windows(2).any(|pair| pair[0] >= pair[1]) || read[3] > layers.len() {
            let what = format!("are {}, which cannot be read after {read:?}", layers.len());
            return Err(scope.error("encoder.layer", what));
        }
        // Nothing reads what comes after.
        layers.truncate(read[3]);
        let weight = projection.tensor("weight", &[width, 3, patch, patch])?;
        Ok(Self {
            class: embeddings.tensor("cls_token", &[1, 1, width])?,
            patches: (
                PackedLinear::new(&weight.reshape((width, 3 * patch * patch))?)?,
                projection.tensor("bias", &[width])?,
            ),
            positions: embeddings.tensor("position_embeddings", &[1, count, width])?.flatten_all()?.to_vec1()?,
            layers,
            norm: LayerNorm::load(&scope.at("layernorm"), norm_eps)?,
            read,
            width,
            across,
            patch,
        })
    }

    /// Width of an embedding.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Patches along each side of the pictures it was trained on.
    pub fn across(&self) -> usize {
        self.across
    }

    /// Side of a patch, in pixels.
    pub fn patch(&self) -> usize {
        self.patch
    }

    /// `[1, N, C]` for each layer that is read, normalised and without the class; `pixels` `[1, 3, H, W]` are whole patches.
    pub fn forward(&self, pixels: &Tensor, job: &dyn Job) -> Result<Vec<Tensor>, EngineError> {
        let mut x = self.embed(pixels)?;
        let mut features = Vec::with_capacity(self.read.len());
        let total = self.layers.len() as u32;
        for (i, layer) in (1..).zip(&self.layers) {
            job.step(Stage::Encode, i as u32 - 1, total)?;
            x = layer.forward(&x)?;
            if self.read.contains(&i) {
                let patches = x.narrow(1, 1, x.dim(1)? - 1)?.contiguous()?;
                features.push(self.norm.forward(&patches)?);
            }
        }
        blocks::alive(job)?;
        Ok(features)
    }

    fn embed(&self, pixels: &Tensor) -> Computed<Tensor> {
        let (_, _, h, w) = pixels.dims4()?;
        let (p, rows, columns) = (self.patch, h / self.patch, w / self.patch);
        let x = pixels.reshape(&[3, rows, p, columns, p][..])?.permute([1, 3, 0, 2, 4])?.contiguous()?;
        let x = linear(&x.reshape((1, rows * columns, 3 * p * p))?, &self.patches.0, Some(&self.patches.1))?;
        let (class, square) = self.positions.split_at(self.width);
        let mut positions = class.to_vec();
        match [rows, columns] == [self.across; 2] {
            true => positions.extend_from_slice(square),
            false => {
                let from = [self.across, self.across, self.width];
                positions.extend(cubic::resized(square, from, [rows, columns]));
            }
        }
        let positions = Tensor::from_vec(positions, (1, 1 + rows * columns, self.width), pixels.device())?;
        Tensor::cat(&[&self.class, &x], 1)? + positions
    }
}

impl Layer {
    fn load(scope: &Scope, width: usize, heads: usize, norm_eps: f64) -> Result<Self, EngineError> {
        let names = ["attention.query", "attention.key", "attention.value", "output.dense"];
        let layer = Self {
            norm1: LayerNorm::load(&scope.at("norm1"), norm_eps)?,
            attention: Attention::load_named(&scope.at("attention"), heads, names)?,
            scale1: scope.tensor("layer_scale1.lambda1", &[width])?,
            norm2: LayerNorm::load(&scope.at("norm2"), norm_eps)?,
            fc1: Linear::load(&scope.at("mlp.fc1"))?,
            fc2: Linear::load(&scope.at("mlp.fc2"))?,
            scale2: scope.tensor("layer_scale2.lambda1", &[width])?,
        };
        let ([taken, inner], [back, given]) = (layer.fc1.features(), layer.fc2.features());
        if layer.attention.context_width() != width || [taken, given] != [width; 2] || inner != back {
            return Err(
                scope.error("mlp.fc1.weight", format!("and its neighbours do not lead from {width} to as many"))
            );
        }
        Ok(layer)
    }

    /// `[1, N, C]` to the same.
    fn forward(&self, x: &Tensor) -> Computed<Tensor> {
        let n = self.norm1.forward(x)?;
        let x = (x + self.attention.forward(&n, &n, false)?.broadcast_mul(&self.scale1)?)?;
        let y = self.fc2.forward(&gelu(&self.fc1.forward(&self.norm2.forward(&x)?)?)?)?;
        x + y.broadcast_mul(&self.scale2)?
    }
}
