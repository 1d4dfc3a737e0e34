//! `underpaint preprocess`: what a control model would be shown of a picture, to look at and to draw on.

use super::{Failure, Global};
use crate::picture::{self, Depth, Picture};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::PathBuf;
use underpaint_raster::preprocess;

const EXAMPLES: &str = "\
Examples:
  underpaint preprocess --kind canny photo.jpg -o edges.png
  underpaint preprocess --kind scribble sketch.png -o lines.png

`--control model=M,image=IMG,preprocess=canny` does the same on the way, at the size that is painted.";

/// Make of a picture what a control model is shown: edges, lines, rough colours
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Preprocess {
    /// What to make
    #[arg(long, value_enum)]
    kind: Kind,
    /// The picture: PNG, JPEG, WebP, BMP or TIFF
    #[arg(value_name = "IMG")]
    image: PathBuf,
    /// Where to write it, a PNG
    #[arg(short, long, value_name = "OUT.png")]
    output: PathBuf,
}

/// What to make
#[derive(Clone, Copy, Debug, ValueEnum)]
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
}

impl Preprocess {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        picture::check_target(&self.output)?;
        let made = match self.kind {
            Kind::Canny => preprocess::Preprocess::Canny,
            Kind::SoftEdge => preprocess::Preprocess::SoftEdge,
            Kind::Scribble => preprocess::Preprocess::Scribble,
            Kind::Tile => preprocess::Preprocess::Tile,
            Kind::Blur => preprocess::Preprocess::Blur,
        };
        let image = made.apply(&picture::read(&self.image)?.image);
        let like = Picture { image: image.clone(), depth: Depth::Eight, has_alpha: false, icc: None };
        picture::write(&self.output, &image, &like, &[])?;
        let file = self.output.display().to_string();
        global.say(&json!({"outputs": [{"file": file}], "kind": made.name()}), &file);
        Ok(())
    }
}
