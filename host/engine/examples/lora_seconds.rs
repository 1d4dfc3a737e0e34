//! Loads a model, merges each LoRA, then all of them, and takes them out again; reports seconds and the largest resident memory. The
//! first argument is a diffusers folder or a file, the others are LoRAs (`tests/reference/real_size.py` and `real_lora.py` write some).

use std::path::PathBuf;
use std::time::Instant;
use underpaint_engine::{LoraUse, Model, Options};
use underpaint_raster::Unattended;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (path, files) = arguments.split_first().ok_or("give a model")?;
    let start = Instant::now();
    let mut model = Model::load(path, &Options::default(), &Unattended)?;
    println!("loaded in {:.1} s, peak {}", start.elapsed().as_secs_f64(), peak());
    let mut set = |what: &str, uses: &[LoraUse<'_>]| -> Result<(), underpaint_engine::EngineError> {
        let (start, processor) = (Instant::now(), processor_seconds());
        model.set_loras(uses, &Unattended)?;
        let (wall, processor) = (start.elapsed().as_secs_f64(), processor_seconds() - processor);
        println!("{what}: {wall:.2} s, {processor:.2} s of processors, peak {}", peak());
        Ok(())
    };
    let used = |path, weight| LoraUse { path, weight, text_weight: weight };
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        set(&format!("{name} merged"), &[used(file, 0.8)])?;
        set(&format!("{name} at another weight"), &[used(file, -0.3)])?;
        set(&format!("{name} again"), &[used(file, -0.3)])?;
        set(&format!("{name} taken out"), &[])?;
    }
    let all: Vec<LoraUse<'_>> = files.iter().map(|file| used(file, 0.5)).collect();
    set("all at once", &all)?;
    set("all taken out", &[])?;
    Ok(())
}

/// Time of all threads so far, the system's for them included, where it tells.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    // Fields 14 and 15 of the whole line, in hundredths of a second on Linux.
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// `VmHWM` of this process, where the system tells it.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.map_or("unknown".into(), |kib| kib.trim().to_owned())
}
