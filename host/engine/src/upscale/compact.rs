//! SRVGGNetCompact: convolutions at the picture's own size, whose last gives the pixels of a square for each.
//!
//! From Real-ESRGAN (Wang et al. 2021); what the network adds is told from the picture enlarged by repetition.

use super::rrdb::conv;
use super::{Facts, Network, pixel_shuffle};
use crate::EngineError;
use crate::layers::Conv2d;
use crate::weights::{Scope, Weights};
use candle_core::Tensor;
use underpaint_kernels::prelu;
use underpaint_raster::{Job, Stage};

/// Values alive at the widest moment for each pixel of the picture: a layer's input, what it found and that bent, or the result four times.
pub fn values(weights: &Weights, facts: &Facts) -> u64 {
    let width = weights.shape("body.0.weight").and_then(|s| s.first().copied()).unwrap_or(0) as u64;
    let result = u64::from(facts.channels) * u64::from(facts.scale) * u64::from(facts.scale);
    (3 * width).max(4 * result)
}

pub struct Compact {
    /// Each with the slopes of the PReLU that follows.
    layers: Vec<(Conv2d, Tensor)>,
    last: Conv2d,
    scale: usize,
}

impl Compact {
    pub fn load(scope: &Scope, facts: &Facts) -> Result<Self, EngineError> {
        let count = scope.count("body");
        let (channels, scale) = (facts.channels as usize, facts.scale as usize);
        let mut width = channels;
        let mut layers = Vec::new();
        for i in (0..count - 1).step_by(2) {
            let [out, ..] = scope.dims::<4>(&format!("body.{i}.weight"))?;
            let layer = conv(scope, &format!("body.{i}"), width, out)?;
            layers.push((layer, scope.tensor(&format!("body.{}.weight", i + 1), &[out])?));
            width = out;
        }
        let last = conv(scope, &format!("body.{}", count - 1), width, channels * scale * scale)?;
        Ok(Self { layers, last, scale })
    }
}

impl Network for Compact {
    fn forward(&self, x: &Tensor, job: &dyn Job) -> Result<Tensor, EngineError> {
        let steps = self.layers.len() as u32 + 1;
        let mut y = x.clone();
        for (i, (conv, slopes)) in self.layers.iter().enumerate() {
            job.step(Stage::Upscale, i as u32, steps)?;
            y = prelu(&conv.forward(&y)?, slopes)?;
        }
        job.step(Stage::Upscale, steps - 1, steps)?;
        let y = pixel_shuffle(&self.last.forward(&y)?, self.scale)?;
        let (_, _, h, w) = y.dims4()?;
        let y = (y + x.upsample_nearest2d(h, w)?)?;
        job.step(Stage::Upscale, steps, steps)?;
        Ok(y)
    }
}
