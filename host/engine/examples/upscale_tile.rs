//! Enlarges one square of noise for every line on standard input and prints user CPU and wall seconds;
//! at the end the peak memory in MiB. `tests/reference/bench_upscale.py` sets it against PyTorch.
//! Arguments: an upscaler's file, and the side of the square.

use std::io::BufRead;
use std::time::Instant;
use underpaint_engine::{Options, Upscaler};
use underpaint_raster::{Extent, Image, Unattended};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1);
    let path = args.next().ok_or("give an upscaler")?;
    let side: u32 = args.next().and_then(|s| s.to_str()?.parse().ok()).ok_or("give a side")?;
    let upscaler = Upscaler::load(path.as_ref(), &Options::default(), &Unattended)?;
    let noise = |i: u32| (i.wrapping_mul(2_654_435_761) >> 16 & 255) as f32 / 255.0;
    let pixel = |i: u32| [noise(3 * i), noise(3 * i + 1), noise(3 * i + 2), 1.0];
    let image = Image::from_data(Extent::new(side, side), (0..side * side).flat_map(pixel).collect());
    println!("ready");
    for _ in std::io::stdin().lock().lines() {
        let (user, start) = (user_seconds(), Instant::now());
        upscaler.upscale(&image, None, &Unattended)?;
        println!("{} {}", user_seconds() - user, start.elapsed().as_secs_f64());
    }
    println!("{}", peak_mib());
    Ok(())
}

/// User CPU time of this process so far, where the system tells it in `/proc`; 0 elsewhere.
fn user_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    // Field 14 of the whole line, in hundredths of a second on Linux.
    after_name.split_whitespace().nth(11).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0) / 100.0
}

/// Most memory this process ever had, where the system tells it in `/proc`; 0 elsewhere.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
