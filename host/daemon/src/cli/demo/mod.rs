//! `underpaint demo`: what it does, shown on pictures that come along, with nothing to download.
//!
//! Decision: every picture goes through the function a painter's job goes through; the demo only chooses what to ask
//! for and where to write it.

mod photograph;
mod sheet;
mod study;

use super::progress::Terminal;
use super::{Failure, Global, paint};
use crate::models::{Catalogue, Models};
use crate::picture::{self, Depth, Picture, PictureError};
use crate::worker::JobError;
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use underpaint_engine as engine;
use underpaint_filters::{Call, Filters};
use underpaint_raster::{Extent, Image};

/// The filter at the end.
const FILTER: &str = "film-grain";
/// Fine grain: a finish, not an effect.
const GRAIN: [(&str, f64); 2] = [("strength", 0.16), ("size", 1.2)];
/// Any would do; a fixed one makes every demo the same.
const SEED: u64 = 7;

const EXAMPLES: &str = "\
Examples:
  underpaint demo
  underpaint demo --out pictures

Fills selections in two photographs without any model; then the starter model paints from words, refines
a rough sketch and repaints a selection; a filter finishes each. NAME-comparison.png shows a story whole,
starter-previews.png the picture as it came.";

/// See the main jobs done: fill photographs, paint from words, refine a sketch, run a filter
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Demo {
    /// Where to write the pictures; made if it is not there
    #[arg(long, value_name = "DIR", default_value = "underpaint-demo")]
    out: PathBuf,
}

impl Demo {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        std::fs::create_dir_all(&self.out).map_err(|e| PictureError::Write(self.out.clone(), e))?;
        let home = global.home()?;
        let models = Models::new(
            // What the painter has of their own would make another demo on every machine.
            Arc::new(Catalogue::scan(&[], None, &home.cache_dir(), None)),
            engine::Options::default(),
        );
        let mut studio = Studio { models, filters: paint::filters(&home)?, job: Terminal::new(global.quiet()) };
        let mut shown = Vec::new();
        for scene in photograph::SCENES {
            shown.push(self.show(global, &mut studio, |studio| scene.play(studio))?);
        }
        shown.push(self.show(global, &mut studio, study::play)?);
        if global.json {
            global.print(&json!({ "pictures": shown }));
        }
        Ok(())
    }

    /// Plays a story, writes its pictures, and tells of it.
    fn show(
        &self,
        global: &Global,
        studio: &mut Studio,
        play: impl Fn(&mut Studio) -> Result<Story, Failure>,
    ) -> Result<Value, Failure> {
        let story = play(studio);
        studio.job.end();
        let story = story?;
        let files = story.write(&self.out)?;
        if !global.json {
            outln!("{}: {}", story.name, story.told.join(", "));
            files.iter().for_each(|file| outln!("  {}", file.display()));
        }
        Ok(json!({"name": story.name, "files": files, "told": story.told}))
    }
}

/// What a story is played with.
struct Studio {
    models: Models,
    filters: Filters,
    job: Terminal,
}

impl Studio {
    /// The picture with the filter over all of it.
    fn grained(&self, image: &Image) -> Result<Image, Failure> {
        let params = GRAIN.map(|(name, value)| (name.to_owned(), json!(value))).into_iter().collect();
        let chain = [Call { name: FILTER.into(), params, ..Call::default() }];
        Ok(self.filters.apply(image, &chain, SEED, &self.job).map_err(JobError::from)?)
    }
}

/// A story, played: pictures in order, and what happened between them.
struct Story {
    name: &'static str,
    pictures: Vec<(&'static str, Image)>,
    told: Vec<String>,
    /// Pictures beside the story: a name, and what is to be seen.
    besides: Vec<(&'static str, Image)>,
    /// How many pictures stand in a row of the comparison.
    columns: u32,
}

impl Story {
    /// The next picture, and a sentence about it with the time it took.
    fn add(&mut self, name: &'static str, image: Image, what: &str, since: Instant) {
        self.pictures.push((name, image));
        self.told.push(format!("{what} in {:.1} s", since.elapsed().as_secs_f64()));
    }

    /// Writes the pictures in the order of the story, and one with all of it.
    fn write(&self, out: &Path) -> Result<Vec<PathBuf>, Failure> {
        let like = Picture { image: Image::new(Extent::new(1, 1)), depth: Depth::Eight, has_alpha: false, icc: None };
        let images: Vec<&Image> = self.pictures.iter().map(|(_, image)| image).collect();
        let together = sheet::rows(&images, self.columns);
        let numbered = self.pictures.iter().zip(1..).map(|((name, image), n)| (format!("{n}-{name}"), image));
        let besides = self.besides.iter().map(|(name, image)| ((*name).to_owned(), image));
        let mut files = Vec::new();
        for (step, image) in numbered.chain(besides).chain([("comparison".to_owned(), &together)]) {
            let file = out.join(format!("{}-{step}.png", self.name));
            picture::write(&file, image, &like, &[])?;
            files.push(file);
        }
        Ok(files)
    }
}
