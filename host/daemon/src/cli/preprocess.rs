//! `underpaint preprocess`: what a control model would be shown of a picture, to look at and to draw on.

use super::progress::Terminal;
use super::{Failure, Global, paint};
use crate::models::Models;
use crate::picture::{self, Depth, Picture};
use crate::worker::JobError;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use underpaint_engine::Options;
use underpaint_plan::Preprocessing;
use underpaint_raster::{Image, preprocess};

const EXAMPLES: &str = "\
Examples:
  underpaint preprocess --kind canny photo.jpg -o edges.png
  underpaint preprocess --kind scribble sketch.png -o lines.png
  underpaint preprocess --kind depth photo.jpg -o depth.png
  underpaint preprocess --kind depth --model depth_anything_v2_vits.safetensors photo.jpg -o depth.png

Depth is seen by Depth Anything V2 (small, base or large): a folder as transformers has it, or one file. Near is
light, far is dark, from black to white in each picture.

`--control model=M,image=IMG,preprocess=canny` does the same on the way, at the size that is painted.";

/// Make of a picture what a control model is shown: edges, lines, rough colours, depth
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Preprocess {
    /// What to make
    #[arg(long, value_enum)]
    kind: Kind,
    /// A depth estimator's id (`underpaint models list`), file or folder; without it the first there is
    #[arg(long, value_name = "M")]
    model: Option<String>,
    /// The picture: PNG, JPEG, WebP, BMP or TIFF
    #[arg(value_name = "IMG")]
    image: PathBuf,
    /// Where to write it, a PNG
    #[arg(short, long, value_name = "OUT.png")]
    output: PathBuf,
}

/// What to make
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Kind {
    /// Thin sharp edges
    Canny,
    /// Edges as light as they are steep
    SoftEdge,
    /// Broad strokes along the lines of a drawing
    Scribble,
    /// Colours without detail
    Tile,
    /// Colours out of focus
    Blur,
    /// The nearer the lighter
    Depth,
}

impl Preprocess {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        picture::check_target(&self.output)?;
        let made = match self.kind {
            Kind::Canny => Preprocessing::Plain(preprocess::Preprocess::Canny),
            Kind::SoftEdge => Preprocessing::Plain(preprocess::Preprocess::SoftEdge),
            Kind::Scribble => Preprocessing::Plain(preprocess::Preprocess::Scribble),
            Kind::Tile => Preprocessing::Plain(preprocess::Preprocess::Tile),
            Kind::Blur => Preprocessing::Plain(preprocess::Preprocess::Blur),
            Kind::Depth => Preprocessing::Depth,
        };
        if self.model.is_some() && made != Preprocessing::Depth {
            let what = format!("--model is what sees depth; {} is made without one", made.name());
            return Err(Failure::Usage(what));
        }
        let image = picture::read(&self.image)?.image;
        let mut said = json!({"kind": made.name()});
        let image = match made {
            Preprocessing::Plain(preprocess) => preprocess.apply(&image),
            Preprocessing::Depth => {
                let (id, image) = depth(global, self.model, &image)?;
                said["model"] = json!(id);
                image
            }
        };
        let like = Picture { image: image.clone(), depth: Depth::Eight, has_alpha: false, icc: None };
        picture::write(&self.output, &image, &like, &[])?;
        let file = self.output.display().to_string();
        said["outputs"] = json!([{"file": file}]);
        global.say(&said, &file);
        Ok(())
    }
}

/// The depth of `image`, and the id of what saw it.
fn depth(global: &Global, model: Option<String>, image: &Image) -> Result<(String, Image), Failure> {
    let mut catalogue = paint::catalogue(&global.home()?)?;
    let asked = match model.as_deref().and_then(paint::as_path) {
        Some(path) => Some(catalogue.controls_mut().add(&path).map_err(JobError::from)?),
        None => model,
    };
    let id = catalogue.controls().estimator(asked.as_deref()).map_err(JobError::from)?.to_owned();
    let mut models = Models::new(Arc::new(catalogue), Options::default());
    let job = Terminal::new(global.quiet());
    let made = models.depth(&id, image, &job);
    job.end();
    Ok((id, made.map_err(JobError::from)?))
}
