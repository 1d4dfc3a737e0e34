//! The head of a dense prediction transformer (Ranftl et al. 2021, arXiv:2103.13413): four layers' tokens become pictures of
//! four sizes, which are added up from the smallest to the largest.

use crate::EngineError;
use crate::layers::{Conv2d, Linear};
use crate::unet::blocks;
use crate::weights::Scope;
use candle_core::{Result as Computed, Tensor};
use underpaint_kernels::{PackedLinear, linear};
use underpaint_raster::Job;

/// The head.
pub struct Dpt {
    stages: Vec<Reassembly>,
    /// From the smallest picture to the largest.
    fusions: Vec<Fusion>,
    conv1: Conv2d,
    conv2: Conv2d,
    conv3: Conv2d,
}

/// From tokens to a picture.
struct Reassembly {
    projection: Linear,
    resize: Resize,
    conv: Conv2d,
}

/// How its size changes.
enum Resize {
    /// Each patch becomes a square of `factor` pixels: a transposed convolution whose kernel is as wide as its stride.
    Grow {
        weight: PackedLinear,
        bias: Tensor,
        factor: usize,
    },
    Same,
    Halve(Conv2d),
}

struct Fusion {
    /// Of the picture that is added; the smallest adds none.
    added: Option<Residual>,
    sum: Residual,
    projection: Conv2d,
}

struct Residual {
    conv1: Conv2d,
    conv2: Conv2d,
}

impl Dpt {
    /// Reads the tensors below `neck` and `head` of `scope`; tokens are `width` wide.
    pub fn load(scope: &Scope, width: usize) -> Result<Self, EngineError> {
        let (neck, head) = (scope.at("neck"), scope.at("head"));
        let mut stages = Vec::new();
        for i in 0..4 {
            let layer = neck.at(format_args!("reassemble_stage.layers.{i}"));
            let projection = Linear::load(&layer.at("projection"))?;
            let [taken, channels] = projection.features();
            let resize = Resize::load(&layer.at("resize"), i, channels)?;
            let onward = neck.at(format_args!("convs.{i}"));
            if taken != width || kernel(&onward, 3)?[0] != channels {
                let what = format!("does not lead from {width} channels to what neck.convs.{i} takes");
                return Err(layer.error("projection.weight", what));
            }
            stages.push(Reassembly { projection, resize, conv: Conv2d::without_bias(&onward, 1, 1)? });
        }
        let features = stages[0].conv.channels()[1];
        if stages.iter().any(|stage| stage.conv.channels()[1] != features) {
            return Err(neck.error("convs.0.weight", "does not give as many channels as its neighbours"));
        }
        let mut fusions = Vec::new();
        for i in 0..4 {
            let layer = neck.at(format_args!("fusion_stage.layers.{i}"));
            let added = match i {
                0 => None,
                _ => Some(Residual::load(&layer.at("residual_layer1"), features)?),
            };
            fusions.push(Fusion {
                added,
                sum: Residual::load(&layer.at("residual_layer2"), features)?,
                projection: even(&layer.at("projection"), 1, features)?,
            });
        }
        let [conv1, conv2, conv3] = ["conv1", "conv2", "conv3"].map(|name| head.at(name));
        let widths = [kernel(&conv1, 3)?, kernel(&conv2, 3)?, kernel(&conv3, 1)?];
        if widths[0][0] != features || widths[0][1] != widths[1][0] || widths[1][1] != widths[2][0] || widths[2][1] != 1
        {
            return Err(
                head.error("conv1.weight", format!("and its neighbours do not lead from {features} channels to 1"))
            );
        }
        let (conv1, conv2, conv3) =
            (Conv2d::load(&conv1, 1, 1)?, Conv2d::load(&conv2, 1, 1)?, Conv2d::load(&conv3, 1, 0)?);
        Ok(Self { stages, fusions, conv1, conv2, conv3 })
    }

    /// `[h, w]` of `features`, tokens `[1, rows * columns, C]` from the first layer read to the last. Not yet activated.
    pub fn forward(
        &self,
        features: &[Tensor],
        grid: [usize; 2],
        [h, w]: [usize; 2],
        job: &dyn Job,
    ) -> Result<Tensor, EngineError> {
        let mut pictures = Vec::with_capacity(self.stages.len());
        for (stage, tokens) in self.stages.iter().zip(features) {
            blocks::alive(job)?;
            pictures.push(stage.forward(tokens, grid)?);
        }
        let mut fused: Option<Tensor> = None;
        for fusion in &self.fusions {
            blocks::alive(job)?;
            let Some(picture) = pictures.pop() else { break };
            let x = match (&fused, &fusion.added) {
                (Some(fused), Some(residual)) => (fused + residual.forward(&picture)?)?,
                _ => picture,
            };
            let x = fusion.projection.forward(&fusion.sum.forward(&x)?)?;
            let (_, _, h, w) = x.dims4()?;
            let (h, w) = match pictures.last() {
                Some(next) => (next.dim(2)?, next.dim(3)?),
                None => (2 * h, 2 * w),
            };
            // The projection mixes channels and the resizing pixels: in this order, which gives the same, it has fewer to mix.
            fused = Some(x.upsample_bilinear2d(h, w, true)?);
        }
        let Some(x) = fused else { return Err(candle_core::Error::Msg("a head was given no features".into()).into()) };
        let x = self.conv1.forward(&x)?;
        blocks::alive(job)?;
        let x = self.conv2.forward(&x.upsample_bilinear2d(h, w, true)?)?.relu()?;
        Ok(self.conv3.forward(&x)?.reshape((h, w))?)
    }
}

impl Reassembly {
    /// `[1, N, C]` to `[1, features, h, w]`.
    fn forward(&self, tokens: &Tensor, [rows, columns]: [usize; 2]) -> Computed<Tensor> {
        let tokens = self.projection.forward(tokens)?;
        let channels = tokens.dim(2)?;
        let picture =
            |tokens: &Tensor| tokens.reshape((1, rows, columns, channels))?.permute((0, 3, 1, 2))?.contiguous();
        let x = match &self.resize {
            Resize::Same => picture(&tokens)?,
            Resize::Halve(conv) => conv.forward(&picture(&tokens)?)?,
            Resize::Grow { weight, bias, factor: f } => {
                let x = linear(&tokens, weight, Some(bias))?;
                let x = x.reshape(&[rows, columns, channels, *f, *f][..])?.permute([2, 0, 3, 1, 4])?.contiguous()?;
                x.reshape((1, channels, rows * f, columns * f))?
            }
        };
        self.conv.forward(&x)
    }
}

impl Resize {
    /// That of stage `i` of four.
    fn load(scope: &Scope, i: usize, channels: usize) -> Result<Self, EngineError> {
        let factor = match i {
            0 => 4,
            1 => 2,
            2 => return Ok(Self::Same),
            _ => {
                return match kernel(scope, 3)? == [channels; 2] {
                    true => Ok(Self::Halve(Conv2d::load(scope, 2, 1)?)),
                    false => Err(scope.error("weight", format!("does not lead from {channels} channels to as many"))),
                };
            }
        };
        let area = factor * factor;
        let weight = scope.tensor("weight", &[channels, channels, factor, factor])?;
        let weight = PackedLinear::new(&weight.reshape((channels, channels * area))?.t()?.contiguous()?)?;
        let bias = scope.tensor("bias", &[channels])?.reshape((channels, 1))?;
        let bias = bias.broadcast_as((channels, area))?.contiguous()?.reshape(channels * area)?;
        Ok(Self::Grow { weight, bias, factor })
    }
}

impl Residual {
    fn load(scope: &Scope, channels: usize) -> Result<Self, EngineError> {
        let conv = |name: &str| even(&scope.at(name), 3, channels);
        Ok(Self { conv1: conv("convolution1")?, conv2: conv("convolution2")? })
    }

    fn forward(&self, x: &Tensor) -> Computed<Tensor> {
        x + self.conv2.forward(&self.conv1.forward(&x.relu()?)?.relu()?)?
    }
}

/// A convolution from `channels` to as many, which keeps the size.
fn even(scope: &Scope, side: usize, channels: usize) -> Result<Conv2d, EngineError> {
    match kernel(scope, side)? == [channels; 2] {
        true => Conv2d::load(scope, 1, side / 2),
        false => Err(scope.error("weight", format!("does not lead from {channels} channels to as many"))),
    }
}

/// Channels in and out of a convolution, whose kernel must be `side` wide and high.
fn kernel(scope: &Scope, side: usize) -> Result<[usize; 2], EngineError> {
    match scope.dims("weight")? {
        [out, inner, h, w] if [h, w] == [side; 2] => Ok([inner, out]),
        [_, _, h, w] => Err(scope.error("weight", format!("has a {h}x{w} kernel, {side}x{side} is needed"))),
    }
}
