//! `underpaint preprocess`: what a control model would be shown of a picture, to look at and to draw on.

use super::progress::Terminal;
use super::{Failure, Global, paint};
use crate::models::{Catalogue, Models};
use crate::picture::{self, Depth, Picture};
use crate::worker::{self, JobError, Shown};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use underpaint_engine::Options;
use underpaint_wire::control::Preprocess as Asked;

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
        let kind = match self.kind {
            Kind::Canny => "canny",
            Kind::SoftEdge => "soft_edge",
            Kind::Scribble => "scribble",
            Kind::Tile => "tile",
            Kind::Blur => "blur",
            Kind::Depth => "depth",
        };
        if self.model.is_some() && self.kind != Kind::Depth {
            return Err(Failure::Usage(format!("--model is what sees depth; {kind} is made without one")));
        }
        let image = picture::read(&self.image)?.image;
        let home = global.home()?;
        let mut catalogue = match self.kind {
            Kind::Depth => paint::catalogue(&home)?,
            _ => Catalogue::scan(&[], None, &home.cache_dir(), None),
        };
        let preprocessor = match self.model.as_deref().and_then(paint::as_path) {
            Some(path) => Some(catalogue.controls_mut().add(&path).map_err(JobError::from)?),
            None => self.model,
        };
        let mut models = Models::new(Arc::new(catalogue), Options::default());
        let request = Asked { preprocess: kind.to_owned(), preprocessor, generate: None, resize: false };
        let given = Shown { picture: Some((image.extent().rect(), image)), ..Shown::default() };
        let job = Terminal::new(global.quiet());
        let made = worker::preprocess(&mut models, &request, given, &job);
        job.end();
        let made = made?;
        let mut said = json!({"kind": kind});
        if self.kind == Kind::Depth {
            said["model"] = made.used["preprocessor"].clone();
        }
        for (patch, _) in made.patches {
            let like = Picture { image: patch.image.clone(), depth: Depth::Eight, has_alpha: false, icc: None };
            picture::write(&self.output, &patch.image, &like, &[])?;
        }
        let file = self.output.display().to_string();
        said["outputs"] = json!([{"file": file}]);
        global.say(&said, &file);
        Ok(())
    }
}
