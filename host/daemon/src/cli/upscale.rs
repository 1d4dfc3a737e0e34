//! `underpaint upscale`: a picture enlarged by a network, and detail painted into it.

use super::output::{self, Results};
use super::progress::Terminal;
use super::region::{self, Region};
use super::{Failure, Global, paint};
use crate::client::Painted;
use crate::home::Home;
use crate::models::Models;
use crate::picture;
use crate::worker::{self, JobError, Output};
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;
use underpaint_engine::Options;
use underpaint_raster::{Image, Mask, Rect};
use underpaint_wire::generate::Generate;
use underpaint_wire::methods::Upscale as Request;

const EXAMPLES: &str = "\
Examples:
  underpaint upscale --model 4x-UltraSharp photo.jpg -o large.png
  underpaint upscale --model realesr-general-x4v3.safetensors photo.jpg -o large.png
  underpaint upscale --model 4x-UltraSharp photo.jpg --scale 2 -o twice.png
  underpaint upscale --model 4x-UltraSharp --refine dreamshaper --prompt 'oil on canvas' study.png -o large.png
  underpaint upscale --refine dreamshaper --prompt 'oil on canvas' --region 'prompt=waves,mask=sea.png' study.png -o large.png

Upscalers are ESRGAN, Real-ESRGAN, BSRGAN and compact models of your own, as .safetensors files; those
in a models folder have ids (`underpaint models list`). A picture of any size is done in overlapping
tiles; its transparency is enlarged too, and its depth and colour profile are kept. With --refine a diffusion
model then paints detail at the new size, in tiles that share one noise field; without --model the picture
is resampled before that.";

/// Enlarge a picture by a network
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Upscale {
    /// The picture: PNG, JPEG, WebP, BMP or TIFF
    #[arg(value_name = "IMG")]
    image: PathBuf,
    /// An upscaler's id (`underpaint models list`) or a .safetensors file
    #[arg(long, value_name = "M")]
    model: Option<String>,
    /// How many times wider and higher the result is, 0.1 to 16; without it as often as the network enlarges
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    scale: Option<f64>,
    /// Longest side of a tile in pixels of the picture, 32 to 4096: smaller ones take less memory and more time
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    tile: Option<u32>,
    /// Then let this diffusion model paint detail: an id, a diffusers folder or a .safetensors file
    #[arg(long, value_name = "M")]
    refine: Option<String>,
    /// What should be seen; may be empty
    #[arg(long, value_name = "P", requires = "refine")]
    prompt: Option<String>,
    /// What should not be seen
    #[arg(long, value_name = "N", requires = "refine")]
    negative: Option<String>,
    /// Ask for something of its own in a part of the picture, e.g. 'prompt=a forest, at dusk,mask=right.png': white is where it is
    /// seen, greys cross over, and the prompt follows it; may be repeated, up to 16 times
    #[arg(long = "region", value_name = "prompt=TEXT,mask=IMG", requires = "refine")]
    regions: Vec<String>,
    /// How much is repainted, above 0 to 1; without it 0.3, which adds detail and keeps shapes
    #[arg(long, value_name = "F", requires = "refine", allow_negative_numbers = true)]
    strength: Option<f64>,
    /// Sampling steps, 1 to 1000; of these the last --strength are taken, at least 4
    #[arg(long, value_name = "K", requires = "refine", allow_negative_numbers = true)]
    steps: Option<u32>,
    /// How strictly the prompt is followed, 0 to 100
    #[arg(long, value_name = "G", requires = "refine", allow_negative_numbers = true)]
    guidance: Option<f64>,
    /// Update rule, as in `underpaint generate`
    #[arg(long, value_name = "S", requires = "refine")]
    sampler: Option<String>,
    /// Noise levels, as in `underpaint generate`
    #[arg(long, value_name = "C", requires = "refine")]
    scheduler: Option<String>,
    /// The same seed makes the same picture; without it one is drawn and told
    #[arg(long, value_name = "N", requires = "refine")]
    seed: Option<u64>,
    /// Where to write the enlarged picture, a PNG
    #[arg(short, long, value_name = "OUT.png")]
    output: PathBuf,
}

impl Upscale {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        output::distinct(&self.output, [Some(self.image.as_path())])?;
        let mut results = Results::new(global, &self.output, None)?;
        let home = global.home()?;
        let regions: Vec<Region> = self.regions.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        let refine = self.refine.map(|model| Generate {
            model: Some(model),
            prompt: self.prompt.unwrap_or_default(),
            negative_prompt: self.negative,
            regions: regions.iter().map(|region| region.call.clone()).collect(),
            denoise_strength: self.strength,
            steps: self.steps,
            guidance_scale: self.guidance,
            sampler: self.sampler,
            scheduler: self.scheduler,
            seed: self.seed,
            ..Generate::default()
        });
        let request = Request { model: self.model, scale: self.scale, tile: self.tile, refine };
        let input = picture::read(&self.image)?;
        let regions = region::masks(&regions, Some(input.image.extent()))?;
        let job = Terminal::new(global.quiet());
        let made = enlarge(&home, request, &input.image, &regions, &job);
        job.end();
        let made = made?;
        for (patch, seed) in &made.patches {
            results.write(0, *seed, &patch.image, &input, &made)?;
        }
        if global.json {
            return results.tell(global, &made);
        }
        let extent = made.patches.first().map(|(patch, _)| patch.rect.extent()).unwrap_or(input.image.extent());
        let seconds = made.timing_ms.get("total").and_then(|ms| ms.as_u64()).unwrap_or(0) as f64 / 1000.0;
        let refined = &made.used["refine"];
        let by = [&made.used["model"], &refined["model"]].into_iter().filter_map(|model| model.as_str());
        let by = by.collect::<Vec<_>>().join(" and ");
        let seed = if refined.is_null() { String::new() } else { format!(", seed {}", refined["seed"]) };
        outln!("{} ({}x{}, model {by}{seed}, {seconds:.1} s)", self.output.display(), extent.w, extent.h);
        Ok(())
    }
}

/// In a running daemon if there is one and the models have ids, else in this process.
fn enlarge(
    home: &Home,
    mut request: Request,
    image: &Image,
    regions: &[Option<(Rect, Mask)>],
    job: &Terminal,
) -> Result<Output, Failure> {
    let path = request.model.as_deref().and_then(paint::as_path);
    let painter = request.refine.as_ref().and_then(|refine| refine.model.as_deref()).and_then(paint::as_path);
    if path.is_none()
        && painter.is_none()
        && let Some(mut client) = paint::daemon(home)
    {
        let Painted { patches, used, receipt, timing_ms } = client.upscale(&request, image, regions, job)?;
        return Ok(Output { patches, used, receipt, timing_ms, saved: None });
    }
    let mut catalogue = paint::catalogue(home)?;
    if let Some(path) = path {
        request.model = Some(catalogue.add_upscaler(&path).map_err(JobError::from)?);
    }
    if let (Some(path), Some(refine)) = (painter, &mut request.refine) {
        refine.model = Some(catalogue.add(&path).map_err(JobError::from)?);
    }
    let mut models = Models::new(Arc::new(catalogue), Options::default());
    Ok(worker::upscale(&mut models, &request, image, regions, job)?)
}
