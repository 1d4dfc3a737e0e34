//! `underpaint fill`: the painter's command. Crop, zoom, soft masks and colour match are the planner's.

use super::output::{self, Results};
use super::{Failure, Global, control, options::Painting, paint::paint, region};
use crate::picture::{self, Depth, Picture};
use crate::worker::Input;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use underpaint_raster::{dither, over};
use underpaint_wire::generate::{Blend, Generate, Mode};

const EXAMPLES: &str = "\
Examples:
  underpaint fill --image photo.jpg --mask hole.png -o filled.png
  underpaint fill --image photo.jpg --mask sign.png --mode remove -o without.png
  underpaint fill --image study.png --mask sky.png --prompt 'a stormy sky at dusk' -o storm.png
  underpaint fill --image photo.png --mask door.png --prompt 'a red door' --model dreamshaper -o door.png
  underpaint fill --image large.png --mask half.png --prompt 'a birch wood' --passes 2 -o wood.png
  underpaint fill --image photo.jpg --mask hole.png --filter film-grain,strength=0.3 -o filled.png

The mask has the picture's size: white is repainted, black is kept, greys are soft; where it is
transparent nothing is repainted. Without --model and --prompt the embedded fill rebuilds the hole
from the picture itself; with a prompt your own first model paints, or the starter that comes along.
Colour profiles are carried over, not converted.";

/// Repaint the masked part of a picture so that it belongs to its surroundings
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Fill {
    /// The picture: PNG, JPEG, WebP, BMP or TIFF
    #[arg(long, value_name = "IMG")]
    image: PathBuf,
    /// White where it is to be repainted, as large as the picture
    #[arg(long, value_name = "MASK")]
    mask: PathBuf,
    /// What is to happen under the mask
    #[arg(long, value_enum, default_value = "fill")]
    mode: FillMode,
    #[command(flatten)]
    painting: Painting,
    /// Width of the soft edge in pixels, 0 to 499; without it as wide as suits the selection
    #[arg(long, value_name = "PX", allow_negative_numbers = true)]
    feather_px: Option<u32>,
    /// How far the mask is grown in pixels, 0 to 499; without it as far as suits the selection
    #[arg(long, value_name = "PX", allow_negative_numbers = true)]
    grow_px: Option<u32>,
    /// How the patch goes over into the picture: it fades; gradient also bends its colours there so that they meet the picture's
    #[arg(long, value_enum, default_value = "alpha")]
    blend: BlendArg,
    /// 2 goes over a large selection once more, in the picture's own detail (on a processor only if asked); 1 does not
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    passes: Option<u32>,
    /// Where to write the filled picture, a PNG
    #[arg(short, long, value_name = "OUT.png")]
    output: PathBuf,
    /// Also write what was painted alone, as a transparent layer of the picture's size
    #[arg(long, value_name = "PATCH.png")]
    patch: Option<PathBuf>,
}

/// What is to happen under the mask
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FillMode {
    /// Continue the surroundings
    Fill,
    /// Fill a new strip of canvas outside the old picture
    Expand,
    /// Paint something new
    Add,
    /// Make what is there disappear
    Remove,
    /// Paint a new background
    Background,
}

/// How the patch goes over into the picture
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum BlendArg {
    /// It fades
    Alpha,
    /// It fades, and its colours are bent there so that they meet the picture's
    Gradient,
}

impl Fill {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let mode = match self.mode {
            FillMode::Fill => Mode::Fill,
            FillMode::Expand => Mode::Expand,
            FillMode::Add => Mode::Add,
            FillMode::Remove => Mode::Remove,
            FillMode::Background => Mode::Background,
        };
        let request = Generate {
            feather_px: self.feather_px,
            grow_px: self.grow_px,
            blend: (self.blend == BlendArg::Gradient).then_some(Blend::Gradient),
            passes: self.passes,
            ..self.painting.request(mode)?
        };
        let others = [self.patch.as_deref(), Some(self.mask.as_path())];
        output::distinct(&self.output, others)?;
        let mut results = Results::new(global, &self.output, request.batch)?;
        let mut patches = self.patch.as_deref().map(|p| Results::new(global, p, request.batch)).transpose()?;
        let canvas = picture::read(&self.image)?;
        let mask = picture::read_mask(&self.mask)?;
        let (extent, masked) = (canvas.image.extent(), mask.extent());
        if extent != masked {
            return Err(Failure::Usage(format!(
                "{} is {}x{} pixels and {} is {}x{}; a mask must be as large as its picture",
                self.mask.display(),
                masked.w,
                masked.h,
                self.image.display(),
                extent.w,
                extent.h
            )));
        }
        let controls = control::pictures(&self.painting.controls()?, Some(extent))?;
        let regions = region::masks(&self.painting.regions()?, Some(extent))?;
        let input = Input {
            controls,
            regions,
            canvas: Some((extent, extent.rect(), canvas.image.clone())),
            mask: Some((extent.rect(), mask)),
            ..Input::default()
        };
        let prompt = !request.prompt.is_empty();
        let painted = paint(global, &self.painting, request, input)?;
        if prompt && painted.used["model"] == "exemplar" {
            eprintln!(
                "warning: the prompt is not read: the embedded fill continues the surroundings; --model starter reads it"
            );
        }
        if painted.patches.is_empty() {
            let image = self.image.display();
            return Err(Failure::Failed(format!(
                "{image} is fully transparent under the mask: there is nothing to repaint"
            )));
        }
        let layer = Picture { image: underpaint_raster::Image::new(extent), has_alpha: true, ..canvas.clone() };
        for (i, (patch, seed)) in painted.patches.iter().enumerate() {
            let whole = |below: &Picture| match below.depth {
                Depth::Eight => dither(over(&below.image, patch)),
                Depth::Sixteen => over(&below.image, patch),
            };
            results.write(i, *seed, &whole(&canvas), &canvas, &painted)?;
            if let Some(patches) = &mut patches {
                patches.write(i, *seed, &whole(&layer), &layer, &painted)?;
            }
        }
        results.tell(global, &painted)
    }
}
