//! Where results go: names of a batch, the texts inside a PNG, and what is told when all is done.

use super::{Failure, Global};
use crate::picture::{self, Picture, Text};
use crate::receipt;
use crate::worker::Output;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use underpaint_raster::Image;

/// PNG keyword of the receipt.
const RECEIPT: &str = "underpaint";

/// The files of one command.
pub struct Results {
    paths: Vec<PathBuf>,
    written: Vec<Value>,
}

impl Results {
    /// Names for `batch` results at `path` (OUT.png, or OUT_0.png, OUT_1.png, …), each checked to be writable before
    /// any work is done.
    pub fn new(_: &Global, path: &Path, batch: Option<u32>) -> Result<Results, Failure> {
        // A batch out of range is the planner's to refuse.
        let batch = batch.unwrap_or(1).clamp(1, 16);
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let numbered = |i: u32| path.with_file_name(format!("{stem}_{i}.png"));
        let paths = if batch == 1 { vec![path.to_owned()] } else { (0..batch).map(numbered).collect() };
        picture::check_target(path)?;
        paths.iter().try_for_each(|p| picture::check_target(p))?;
        Ok(Results { paths, written: Vec::new() })
    }

    /// Writes result `i` as `like` was (depth, alpha, profile) with its texts.
    pub fn write(&mut self, i: usize, seed: u64, image: &Image, like: &Picture, job: &Output) -> Result<(), Failure> {
        let Some(path) = self.paths.get(i) else { return Ok(()) };
        picture::write(path, image, like, &texts(job, seed, image))?;
        self.written.push(json!({"file": path, "seed": receipt::seed(seed)}));
        Ok(())
    }

    /// What was written, for people or as JSON.
    pub fn tell(&self, global: &Global, job: &Output) -> Result<(), Failure> {
        if global.json {
            let patches: Vec<Value> =
                job.patches.iter().map(|(p, seed)| json!({"rect": p.rect, "seed": receipt::seed(*seed)})).collect();
            global.print(&json!({
                "outputs": self.written,
                "patches": patches,
                "used": job.used,
                "receipt": job.receipt,
                "timing_ms": job.timing_ms,
            }));
            return Ok(());
        }
        let total = job.timing_ms.get("total").and_then(Value::as_u64);
        let took = total.map(|ms| format!(", {:.1} s", ms as f64 / 1000.0)).unwrap_or_default();
        for written in &self.written {
            let file = written["file"].as_str().unwrap_or_default();
            let (seed, model) = (&written["seed"], job.used["model"].as_str().unwrap_or_default());
            outln!("{file} (seed {seed}, model {model}{took})");
        }
        Ok(())
    }
}

/// `output` is none of `others`, which are also written, or still wanted by the painter.
pub fn distinct<'a>(output: &Path, others: impl IntoIterator<Item = Option<&'a Path>>) -> Result<(), Failure> {
    let absolute = |p: &Path| std::path::absolute(p).unwrap_or_else(|_| p.to_owned());
    match others.into_iter().flatten().find(|other| absolute(other) == absolute(output)) {
        Some(_) => Err(Failure::Usage(format!(
            "{} is named twice: what is written with -o needs a name of its own",
            output.display()
        ))),
        None => Ok(()),
    }
}

/// A1111's `parameters` where a diffusion model painted, and always the receipt with this picture's own seed.
fn texts(job: &Output, seed: u64, image: &Image) -> Vec<Text> {
    let mut own = job.receipt.clone();
    own["seed"] = receipt::seed(seed);
    let parameters = receipt::parameters(&job.receipt, seed, image.extent()).map(|text| ("parameters", text));
    parameters.into_iter().chain([(RECEIPT, own.to_string())]).collect()
}
