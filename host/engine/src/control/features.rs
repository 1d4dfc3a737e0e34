//! T2I-Adapter: a small network that turns a picture into features for each level of the denoiser's encoder (Mou et al. 2023,
//! arXiv:2302.08453), its full form for SD and SDXL.

use crate::layers::Conv2d;
use crate::{EngineError, pixels, weights::Scope};
use candle_core::{Device, Result as Computed, Tensor};
use underpaint_raster::{Extent, Image};

/// The network.
pub struct T2iAdapter {
    conv_in: Conv2d,
    levels: Vec<AdapterLevel>,
    /// 1 or 3 colours.
    colors: usize,
    /// Pixels to a side that become channels first: 8, for SDXL 16.
    fold: usize,
}

struct AdapterLevel {
    /// Half the size first.
    halved: bool,
    widen: Option<Conv2d>,
    resnets: Vec<[Conv2d; 2]>,
}

/// Colours and fold of an adapter whose first convolution takes `channels`.
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
        let conv_in = Conv2d::load(&scope.at("conv_in"), 1, 1)?;
        let [channels, mut width] = conv_in.channels();
        let Some((colors, fold)) = folding(channels) else {
            let what = format!("takes {channels} channels; full adapters take 64, 192, 256 or 768");
            return Err(scope.error("conv_in.weight", what));
        };
        let mut levels = Vec::new();
        for i in 0..scope.count("body") {
            let level = scope.at(format_args!("body.{i}"));
            let widen = match level.has("in_conv") {
                true => Some(Conv2d::load(&level.at("in_conv"), 1, 0)?),
                false => None,
            };
            let before = width;
            width = widen.as_ref().map_or(width, |conv| conv.channels()[1]);
            let mut resnets = Vec::new();
            for j in 0..level.count("resnets") {
                let resnet = level.at(format_args!("resnets.{j}"));
                let pair = [Conv2d::load(&resnet.at("block1"), 1, 1)?, Conv2d::load(&resnet.at("block2"), 1, 0)?];
                if pair.iter().any(|conv| conv.channels() != [width, width]) {
                    return Err(
                        resnet.error("block1.weight", format!("does not lead from {width} channels to as many"))
                    );
                }
                resnets.push(pair);
            }
            if widen.as_ref().is_some_and(|conv| conv.channels()[0] != before) {
                return Err(level.error("in_conv.weight", format!("does not take {before} channels")));
            }
            // SDXL's begins at the size its first level ends with, and halves once.
            levels.push(AdapterLevel { halved: if fold == 16 { i == 2 } else { i > 0 }, widen, resnets });
        }
        if levels.is_empty() {
            return Err(scope.error("body", "is missing"));
        }
        Ok(Self { conv_in, levels, colors, fold })
    }

    /// Channels of the features, level by level.
    pub(crate) fn widths(&self) -> Vec<usize> {
        let mut width = self.conv_in.channels()[1];
        let widths = self.levels.iter().map(|level| {
            width = level.widen.as_ref().map_or(width, |conv| conv.channels()[1]);
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
        let mut x = self.conv_in.forward(&self.folded(image, device)?)?;
        let mut features = Vec::new();
        for level in &self.levels {
            if level.halved {
                // The mean of what there is: an odd side's last pixel counts alone.
                let (_, _, h, w) = x.dims4()?;
                x = x.pad_with_same(2, 0, h % 2)?.pad_with_same(3, 0, w % 2)?.avg_pool2d(2)?;
            }
            if let Some(conv) = &level.widen {
                x = conv.forward(&x)?;
            }
            for [first, second] in &level.resnets {
                x = (second.forward(&first.forward(&x)?.relu()?)? + x)?;
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
