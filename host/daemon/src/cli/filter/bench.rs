//! `underpaint filter bench`: how fast a filter is, on one core and on all, and its own source built natively.
//!
//! Decision: scaling is measured with the filter in this process, where nothing but the sandbox
//! stands between; one more row shows what a painter gets, whose picture goes to another process and back. Runs of
//! all rows alternate, and the median counts. The native row cuts its tiles with the SDK's simple test host, which for
//! light filters costs more than the filter: it is a hint for profiling, not the sandbox's price.

use super::project::Project;
use crate::cli::{Failure, Global};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use underpaint_filters::{Call, Descriptor, Filters, Input, Picture, Role, Sample, Settings};
use underpaint_raster::Unattended;

const EXAMPLES: &str = "\
Examples:
  underpaint filter bench                        the filter built in this folder
  underpaint filter bench film-grain --size 4096 --json

With the defaults of every parameter. A Rust project with examples/bench.rs (the template has one) is built natively,
too, and compared.";

/// How fast is a filter? On each number of cores, and against native code
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Bench {
    /// A filter's name, a .wasm file or the folder of one that was built
    #[arg(default_value = ".")]
    name: String,
    /// Width and height of the picture
    #[arg(long, default_value_t = 2048, value_parser = clap::value_parser!(u32).range(16..=8192))]
    size: u32,
    /// How often each is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
}

/// One row of the table.
#[derive(Debug, Serialize)]
struct Row {
    sample: Sample,
    how: String,
    ms: f64,
    megapixels_per_second: f64,
}

/// What `testing::bench` of the SDK prints.
#[derive(Deserialize)]
struct Native {
    sample: Sample,
    ms: f64,
}

impl Bench {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let (worker, filter) = super::find(global, &self.name)?;
        if let Some(Input { name, .. }) = filter.inputs.iter().find(|i| i.required && i.role != Role::Original) {
            return Err(Failure::Failed(format!(
                "{} needs {name}, so it cannot be measured on a picture alone",
                filter.name
            )));
        }
        let here = worker.inline(&filter.name)?;
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let counts: Vec<usize> =
            std::iter::successors(Some(1), |n| Some(n * 2)).take_while(|&n| n < cores).chain([cores]).collect();
        let natives = self.native_command();
        let mut rows = Vec::new();
        for &sample in &filter.samples {
            let picture = super::check::picture(self.size, self.size, sample);
            let mut ms = vec![Vec::new(); counts.len()];
            let (mut jobs, mut natively) = (Vec::new(), Vec::new());
            for _ in 0..self.rounds {
                for (ms, &threads) in ms.iter_mut().zip(&counts) {
                    ms.push(once(&here, &filter, &picture, threads)?);
                }
                jobs.push(once(&worker, &filter, &picture, cores)?);
                if let Some(dir) = &natives {
                    natively.extend(native(dir, self.size)?.filter(|n| n.sample == sample).map(|n| n.ms));
                }
            }
            let mut row = |how: String, ms: Vec<f64>| {
                let ms = median(ms);
                let megapixels_per_second = f64::from(self.size).powi(2) / 1e3 / ms;
                rows.push(Row { sample, how, ms, megapixels_per_second });
            };
            for (&threads, ms) in counts.iter().zip(ms) {
                row(if threads == 1 { "1 core".into() } else { format!("{threads} cores") }, ms);
            }
            row(format!("{cores} cores, as a painter's job"), jobs);
            if !natively.is_empty() {
                row("1 core, native, SDK's tiles".into(), natively);
            }
        }
        if global.json {
            let Descriptor { name, version, .. } = &filter;
            global.print(&json!({"filter": name, "version": version, "size": self.size, "rows": rows}));
            return Ok(());
        }
        for Row { sample, how, ms, megapixels_per_second } in &rows {
            let sample = super::check::name(*sample);
            outln!("{sample:<8} {how:<28} {megapixels_per_second:>8.1} Mpix/s {ms:>9.1} ms");
        }
        Ok(())
    }

    /// The project's folder, if it can be built natively.
    fn native_command(&self) -> Option<PathBuf> {
        let dir = PathBuf::from(&self.name);
        let known = Project::open(&dir).is_ok() && dir.join("examples/bench.rs").is_file();
        known.then_some(dir)
    }
}

/// Milliseconds of one run.
fn once(filters: &Filters, filter: &Descriptor, picture: &Picture, threads: usize) -> Result<f64, Failure> {
    let chain = [Call { name: filter.name.clone(), ..Call::default() }];
    let start = Instant::now();
    filters.run(picture.into(), &chain, &Settings { threads, ..Settings::default() }, &Unattended)?;
    Ok(start.elapsed().as_secs_f64() * 1000.0)
}

/// One run of the same source, built for this machine; the first builds it.
fn native(dir: &Path, size: u32) -> Result<Option<Native>, Failure> {
    let size = size.to_string();
    let output = Command::new("cargo")
        .args(["run", "--release", "--quiet", "--example", "bench", "--", &size, &size])
        .current_dir(dir)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| Failure::Failed(format!("cargo cannot be started: {e}")))?;
    if !output.status.success() {
        return Err(Failure::Failed("examples/bench.rs cannot be built or run; what cargo said stands above".into()));
    }
    Ok(serde_json::from_slice(&output.stdout).ok())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
