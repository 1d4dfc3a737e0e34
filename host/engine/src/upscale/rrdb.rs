//! RRDBNet: dense blocks of convolutions, three in a residual block, many of those in a row, then doublings.
//!
//! Wang et al. 2018, "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks"; the folded first layer is Real-ESRGAN's,
//! the two extra paths of a dense block ESRGAN+'s (Rakotonirina and Rasoanaivo 2020). All widths come from the tensors.

use super::{Facts, Network, pixel_unshuffle};
use crate::EngineError;
use crate::layers::Conv2d;
use crate::weights::{Scope, Weights};
use candle_core::{Result as Computed, Tensor};
use underpaint_kernels::leaky_relu;
use underpaint_raster::{Job, Stage};

/// What is left of values below zero.
const SLOPE: f32 = 0.2;
/// How much of what a block found is added to what went in.
const SHARE: f64 = 0.2;

pub struct RrdbNet {
    first: Conv2d,
    blocks: Vec<[Dense; 3]>,
    body: Conv2d,
    ups: Vec<Conv2d>,
    hr: Conv2d,
    last: Conv2d,
    fold: usize,
}

/// Five convolutions, each of which sees all that was there before it.
struct Dense {
    convs: [Conv2d; 4],
    last: Conv2d,
    /// ESRGAN+'s way around the first two, and past the third and fourth.
    around: Option<Conv2d>,
}

/// Values alive at the widest moment for each pixel of the picture: in a dense block what all of them and its own layers found, in
/// the last doubling what was there, enlarged, convolved and bent.
pub fn values(weights: &Weights, facts: &Facts) -> u64 {
    let out = |name: &str| weights.shape(name).and_then(|s| s.first().copied()).unwrap_or(0) as u64;
    let (width, growth) = (out("conv_first.weight"), out("body.0.rdb1.conv1.weight"));
    let grown = u64::from(facts.scale) * u64::from(facts.scale);
    let end = if facts.doublings > 0 { 13 * width * grown / 4 } else { 3 * width * grown };
    let fold = u64::from(facts.fold) * u64::from(facts.fold);
    end.max((6 * width + 4 * growth) / fold)
}

/// Layer `name` from `inner` to `out` channels, refused if its shape says otherwise.
pub fn conv(scope: &Scope, name: &str, inner: usize, out: usize) -> Result<Conv2d, EngineError> {
    let scope = scope.at(name);
    let shape = scope.dims::<4>("weight")?;
    if shape != [out, inner, 3, 3] {
        return Err(scope.error("weight", format!("has shape {shape:?}, {:?} is needed", [out, inner, 3, 3])));
    }
    Conv2d::load(&scope, 1, 1)
}

impl RrdbNet {
    pub fn load(scope: &Scope, facts: &Facts) -> Result<Self, EngineError> {
        let [width, inputs, ..] = scope.dims::<4>("conv_first.weight")?;
        let channels = facts.channels as usize;
        let block = |i: usize| {
            let dense = |k: usize| Dense::load(&scope.at(format_args!("body.{i}.rdb{k}")), width);
            Ok([dense(1)?, dense(2)?, dense(3)?])
        };
        let up = |i: u32| conv(scope, &format!("conv_up{i}"), width, width);
        Ok(Self {
            first: conv(scope, "conv_first", inputs, width)?,
            blocks: (0..scope.count("body")).map(block).collect::<Result<_, EngineError>>()?,
            body: conv(scope, "conv_body", width, width)?,
            ups: (1..=facts.doublings).map(up).collect::<Result<_, _>>()?,
            hr: conv(scope, "conv_hr", width, width)?,
            last: conv(scope, "conv_last", width, channels)?,
            fold: facts.fold as usize,
        })
    }
}

impl Network for RrdbNet {
    fn forward(&self, x: &Tensor, job: &dyn Job) -> Result<Tensor, EngineError> {
        let steps = (self.blocks.len() + self.ups.len() + 1) as u32;
        let mut step = (0..).map(|i| job.step(Stage::Upscale, i, steps));
        let mut stop = || step.next().unwrap_or(Ok(()));
        let x = if self.fold > 1 { pixel_unshuffle(x, self.fold)? } else { x.clone() };
        let features = self.first.forward(&x)?;
        let mut y = features.clone();
        for [first, second, third] in &self.blocks {
            stop()?;
            let z = third.forward(&second.forward(&first.forward(&y)?)?)?;
            y = ((z * SHARE)? + y)?;
        }
        y = (features + self.body.forward(&y)?)?;
        for up in &self.ups {
            stop()?;
            let (_, _, h, w) = y.dims4()?;
            y = leaky_relu(&up.forward(&y.upsample_nearest2d(2 * h, 2 * w)?)?, SLOPE)?;
        }
        stop()?;
        y = leaky_relu(&self.hr.forward(&y)?, SLOPE)?;
        let y = self.last.forward(&y)?;
        stop()?;
        Ok(y)
    }
}

impl Dense {
    fn load(scope: &Scope, width: usize) -> Result<Self, EngineError> {
        let [growth, ..] = scope.dims::<4>("conv1.weight")?;
        let layer = |i: usize| {
            let out = if i == 5 { width } else { growth };
            conv(scope, &format!("conv{i}"), width + (i - 1) * growth, out)
        };
        let around = match scope.has("conv1x1") {
            true => Some(Conv2d::without_bias(&scope.at("conv1x1"), 1, 0)?),
            false => None,
        };
        if around.as_ref().is_some_and(|around| around.channels() != [width, growth]) {
            return Err(scope.error("conv1x1.weight", format!("does not lead from {width} to {growth} channels")));
        }
        Ok(Self { convs: [layer(1)?, layer(2)?, layer(3)?, layer(4)?], last: layer(5)?, around })
    }

    fn forward(&self, x: &Tensor) -> Computed<Tensor> {
        // All that was found so far lies in one buffer, so that nothing is copied twice.
        let (b, width, h, w) = x.dims4()?;
        let all = Tensor::zeros((b, self.last.channels()[0], h, w), x.dtype(), x.device())?;
        all.slice_set(x, 1, 0)?;
        let mut second = None;
        let mut seen = width;
        for (i, conv) in self.convs.iter().enumerate() {
            let mut y = leaky_relu(&conv.forward(&all.narrow(1, 0, seen)?)?, SLOPE)?;
            match (&self.around, i) {
                (Some(around), 1) => {
                    y = (y + around.forward(x)?)?;
                    second = Some(y.clone());
                }
                (Some(_), 3) => {
                    if let Some(second) = &second {
                        y = (y + second)?;
                    }
                }
                _ => {}
            }
            all.slice_set(&y, 1, seen)?;
            seen += y.dims4()?.1;
        }
        (self.last.forward(&all)? * SHARE)? + x
    }
}
