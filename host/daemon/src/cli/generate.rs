//! `underpaint generate`: a whole picture, with diffusers' semantics so that results can be compared.

use super::output::{self, Results};
use super::{Failure, Global, control, options::Painting, paint::paint, region};
use crate::picture::{self, Depth, Picture};
use crate::worker::Input;
use clap::Args;
use std::path::PathBuf;
use underpaint_raster::{Extent, Image, resize, resize_mask};
use underpaint_wire::generate::{Generate as Request, Mode};

const EXAMPLES: &str = "\
Examples:
  underpaint generate --prompt 'the sea at sunset, oil' -o sea.png
  underpaint generate --prompt 'hills under snow' --init sketch.png --strength 0.6 -o hills.png
  underpaint generate --prompt 'a forest at dawn' --width 384 --height 256 --batch 4 --seed 7 -o forest.png
  underpaint generate --model dreamshaper.safetensors --prompt 'a lighthouse at dusk' -o out.png
  underpaint generate --model sd15 --prompt 'a barn' --control model=canny-sd15,image=sketch.png,preprocess=canny -o barn.png
  underpaint generate --model sd15 --prompt 'a cat' --lora ink.safetensors,weight=0.8 -o cat.png
  underpaint generate --model sd15 --prompt 'a cat' --init room.png --mask sofa.png -o out.png
  underpaint generate --prompt 'oil painting' --region 'prompt=the sea,mask=left.png' \
      --region 'prompt=a forest, at dusk,mask=right.png' -o coast.png
  underpaint generate --model sd15 --prompt 'a (red:1.3) {cat|dog} by ink' --embedding ink=ink.safetensors \\
      --batch 4 -o pets.png

Without --model your own first model paints, or the starter that comes along: a small one for loose colour
studies of 256 pixels, in a second or two.
With --mask the whole picture goes through the model, as in diffusers' inpainting; `underpaint fill`
is the version for painters (crop, zoom, soft edges, colour match). Sizes are multiples of 8.";

/// Make a whole picture from a prompt, or from a picture and a prompt
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Generate {
    #[command(flatten)]
    painting: Painting,
    /// Width in pixels; without it what the model was trained at, or the initial picture's
    #[arg(long, value_name = "W", requires = "height", allow_negative_numbers = true)]
    width: Option<u32>,
    /// Height in pixels
    #[arg(long, value_name = "H", requires = "width", allow_negative_numbers = true)]
    height: Option<u32>,
    /// The picture to start from; scaled to --width and --height if those are given
    #[arg(long, value_name = "IMG")]
    init: Option<PathBuf>,
    /// White where the initial picture is to be repainted
    #[arg(long, value_name = "IMG", requires = "init")]
    mask: Option<PathBuf>,
    /// Where to write the picture, a PNG
    #[arg(short, long, value_name = "OUT.png")]
    output: PathBuf,
}

impl Generate {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let mut request = self.painting.request(Mode::Generate)?;
        let arrays = [self.painting.save_noise.as_deref(), self.painting.save_latents.as_deref()];
        output::distinct(&self.output, arrays)?;
        if self.painting.strength.is_some() && self.init.is_none() {
            return Err(Failure::Usage(
                "--strength says how much of a picture is repainted: name one with --init".into(),
            ));
        }
        let mut results = Results::new(global, &self.output, request.batch)?;
        let wanted = self.width.zip(self.height).map(|(w, h)| Extent::new(w, h));
        let init = self.init.as_deref().map(picture::read).transpose()?;
        let mask = self.mask.as_deref().map(picture::read_mask).transpose()?;
        if let (Some(init), Some(mask)) = (&init, &mask)
            && init.image.extent() != mask.extent()
        {
            let (i, m) = (init.image.extent(), mask.extent());
            return Err(Failure::Usage(format!(
                "the mask is {}x{} pixels and the initial picture {}x{}; they must have the same size",
                m.w, m.h, i.w, i.h
            )));
        }
        request.extent = wanted.or(init.as_ref().map(|i| i.image.extent()));
        // The size is the planner's to refuse, before anything is scaled to it.
        let fits = |e: Extent| e.w > 0 && e.h > 0 && e.area() <= picture::MAX_PIXELS;
        let scaled = wanted.filter(|e| fits(*e) && init.as_ref().is_some_and(|i| i.image.extent() != *e));
        let image = init.as_ref().map(|i| scaled.map_or_else(|| i.image.clone(), |e| resize(&i.image, e)));
        let mask = mask.map(|m| scaled.map_or_else(|| m.clone(), |e| resize_mask(&m, e)));
        let controls = control::pictures(&self.painting.controls()?, image.as_ref().map(Image::extent))?;
        let regions = region::masks(&self.painting.regions()?, image.as_ref().map(Image::extent))?;
        let input = Input {
            canvas: image.map(|i| (i.extent(), i.extent().rect(), i)),
            mask: mask.map(|m| (m.extent().rect(), m)),
            controls,
            regions,
            ..Input::default()
        };
        let request = Request { ..request };
        let output = paint(global, &self.painting, request, input)?;
        let depth = init.map_or(Depth::Eight, |i| i.depth);
        for (i, (patch, seed)) in output.patches.iter().enumerate() {
            let like = Picture { image: Image::new(patch.rect.extent()), depth, has_alpha: false, icc: None };
            results.write(i, *seed, &patch.image, &like, &output)?;
        }
        results.tell(global, &output)
    }
}
