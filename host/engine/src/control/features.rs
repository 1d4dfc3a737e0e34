//! T2I-Adapter: a small network that turns a picture into features for each level of the denoiser's encoder (Mou et al. 2023,
//! arXiv:2302.08453), its full form for SD and SDXL and its light one, whose levels are narrow inside.

use crate::layers::Conv2d;
use crate::{EngineError, pixels, weights::Scope};
use candle_core::{Device, Result as Computed, Tensor};
use underpaint_raster::{Extent, Image};

/// The network.
pub struct T2iAdapter {
    /// The light form has none.
    conv_in: Option<Conv2d>,
    levels: Vec<AdapterLevel>,
    /// 1 or 3 colours.
    colors: usize,
    /// Pixels to a side that become channels first: 8, for SDXL 16.
    fold: usize,
}

struct AdapterLevel {
    /// Half the size first.
    halved: bool,
    conv_in: Option<Conv2d>,
    resnets: Vec<[Conv2d; 2]>,
    /// The light form's, back to the width of the denoiser.
    conv_out: Option<Conv2d>,
}

/// Colours and fold of an adapter that takes `channels`.
pub fn folding(channels: usize) -> Option<(usize, usize)> {
    match channels {
        64 => Some((1, 8)),
        192 => Some((3, 8)),
        256 => Some((1, 16)),
        768 => Some((3, 16)),
        _ => None,
    }
}

impl T2iAdapter {
    /// Reads all tensors below `scope`.
    pub fn load(scope: &Scope) -> Result<Self, EngineError> {
        let maybe = |scope: Scope, padding: usize| match scope.contains("weight") {
            true => Conv2d::load(&scope, 1, padding).map(Some),
            false => Ok(None),
        };
        let conv_in = maybe(scope.at("conv_in"), 1)?;
        let first = if conv_in.is_some() { scope.at("conv_in") } else { scope.at("body.0.in_conv") };
        let [_, channels, _, _] = first.dims("weight")?;
        let Some((colors, fold)) = folding(channels) else {
            let what = format!("takes {channels} channels; T2I-Adapters take 64, 192, 256 or 768");
            return Err(first.error("weight", what));
        };
        let mut width = conv_in.as_ref().map_or(channels, |conv| conv.channels()[1]);
        let mut levels = Vec::new();
        for i in 0..scope.count("body") {
            let level = scope.at(format_args!("body.{i}"));
            let [conv_in, conv_out] = ["in_conv", "out_conv"].map(|name| maybe(level.at(name), 0));
            let (conv_in, conv_out) = (conv_in?, conv_out?);
            let before = width;
            width = conv_in.as_ref().map_or(width, |conv| conv.channels()[1]);
            let mut resnets = Vec::new();
            for j in 0..level.count("resnets") {
                let resnet = level.at(format_args!("resnets.{j}"));
                // 1 pixel wide in the full form, 3 in the light one.
                let [_, _, _, side] = resnet.dims("block2.weight")?;
                let pair =
                    [Conv2d::load(&resnet.at("block1"), 1, 1)?, Conv2d::load(&resnet.at("block2"), 1, side / 2)?];
                if pair.iter().any(|conv| conv.channels() != [width, width]) {
                    return Err(
                        resnet.error("block1.weight", format!("does not lead from {width} channels to as many"))
                    );
                }
                resnets.push(pair);
            }
            if conv_in.as_ref().is_some_and(|conv| conv.channels()[0] != before) {
                return Err(level.error("in_conv.weight", format!("does not take {before} channels")));
            }
            if conv_out.as_ref().is_some_and(|conv| conv.channels()[0] != width) {
                return Err(level.error("out_conv.weight", format!("does not take {width} channels")));
            }
            width = conv_out.as_ref().map_or(width, |conv| conv.channels()[1]);
            // SDXL's begins at the size its first level ends with, and halves once.
            let halved = if fold == 16 { i == 2 } else { i > 0 };
            levels.push(AdapterLevel { halved, conv_in, resnets, conv_out });
        }
        if levels.is_empty() {
            return Err(scope.error("body", "is missing"));
        }
        Ok(Self { conv_in, levels, colors, fold })
    }

    /// Channels of the features, level by level.
    pub(crate) fn widths(&self) -> Vec<usize> {
        let mut width = self.conv_in.as_ref().map_or(0, |conv| conv.channels()[1]);
        let widths = self.levels.iter().map(|level| {
            let last = level.conv_out.as_ref().or(level.conv_in.as_ref());
            width = last.map_or(width, |conv| conv.channels()[1]);
            width
        });
        widths.collect()
    }

    /// True if it was made for SDXL.
    pub(crate) fn is_xl(&self) -> bool {
        self.fold == 16
    }

    /// `[1, C, h, w]` for each level; the same for all steps.
    pub fn see(&self, image: &Image, device: &Device) -> Computed<Vec<Tensor>> {
        let folded = self.folded(image, device)?;
        let mut x = match &self.conv_in {
            Some(conv) => conv.forward(&folded)?,
            None => folded,
        };
        let mut features = Vec::new();
        for level in &self.levels {
            if level.halved {
                // The mean of what there is: an odd side's last pixel counts alone.
                let (_, _, h, w) = x.dims4()?;
                x = x.pad_with_same(2, 0, h % 2)?.pad_with_same(3, 0, w % 2)?.avg_pool2d(2)?;
            }
            if let Some(conv) = &level.conv_in {
                x = conv.forward(&x)?;
            }
            for [first, second] in &level.resnets {
                x = (second.forward(&first.forward(&x)?.relu()?)? + x)?;
            }
            if let Some(conv) = &level.conv_out {
                x = conv.forward(&x)?;
            }
            features.push(x.clone());
        }
        Ok(features)
    }

    /// `[1, colors * fold * fold, h, w]`: squares of pixels as channels (PyTorch's `PixelUnshuffle`). A side that squares do
    /// not fill goes on with its last pixel.
    fn folded(&self, image: &Image, device: &Device) -> Computed<Tensor> {
        let Extent { w, h } = image.extent();
        let (w, h, r) = (w as usize, h as usize, self.fold);
        let mut x = pixels::to_unit_tensor(image, device)?;
        if self.colors == 1 {
            // The luma of Rec. 601, as Pillow has it.
            let weights = Tensor::new(&[0.299f32, 0.587, 0.114], device)?.reshape((1, 3, 1, 1))?;
            x = x.broadcast_mul(&weights)?.sum_keepdim(1)?;
        }
        let (more_h, more_w) = (h.next_multiple_of(r) - h, w.next_multiple_of(r) - w);
        let x = x.pad_with_same(2, 0, more_h)?.pad_with_same(3, 0, more_w)?;
        let (h, w) = ((h + more_h) / r, (w + more_w) / r);
        let x = x.reshape(&[self.colors, h, r, w, r][..])?.permute([0, 2, 4, 1, 3])?.contiguous()?;
        x.reshape((1, self.colors * r * r, h, w))
    }
}
