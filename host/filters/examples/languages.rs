//! The reference filter's builds against each other: size, compile time, and megapixels for each second of processor
//! time on one thread, the host included. `cargo run -p underpaint-filters --example languages [ROUNDS]`
//!
//! Rounds are interleaved and the best of each counts, so that what else the machine does meets all of them alike.
//! Processor time is Linux's own count; elsewhere it is the wall's.

use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use underpaint_filters::{Call, FilterError, Filters, Settings};
use underpaint_raster::{Extent, Image, Unattended};

const LANGUAGES: [&str; 4] = ["rust", "c", "zig", "assemblyscript"];
const SIDE: u32 = 2048;
const RADII: [i32; 2] = [6, 32];

fn main() -> Result<(), FilterError> {
    let rounds = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(5);
    let glow = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/glow");
    let mut image = Image::new(Extent::new(SIDE, SIDE));
    for (i, value) in image.data_mut().iter_mut().enumerate() {
        *value = if i % 4 == 3 { 1.0 } else { (i * 7919 % 1000) as f32 / 1000.0 };
    }
    let mut all = Vec::new();
    for language in LANGUAGES {
        let file = glow.join(format!("{language}.wasm"));
        let mut filters = Filters::empty(None)?;
        let started = spent();
        filters.add_file(&file)?;
        let bytes = file.metadata().map_or(0, |m| m.len());
        all.push((language, bytes, spent() - started, filters, [Duration::MAX; RADII.len()]));
    }
    for _ in 0..rounds {
        for (_, _, _, filters, best) in &mut all {
            for (radius, best) in RADII.iter().zip(best) {
                let params = serde_json::Map::from_iter([("radius".into(), (*radius).into())]);
                let call = [Call { name: "glow".into(), params, ..Call::default() }];
                let started = spent();
                let settings = Settings { threads: 1, ..Settings::default() };
                filters.apply_with(&image, &call, &settings, &Unattended)?;
                *best = (spent() - started).min(*best);
            }
        }
    }
    println!("language         bytes  compile ms  Mpix/s, of Rust at radius {:<6} {}", RADII[0], RADII[1]);
    let rust = all[0].4;
    for (language, bytes, compiled, _, best) in &all {
        let speed = |i: usize| {
            let seconds = best[i].as_secs_f64();
            let megapixels = f64::from(SIDE * SIDE) / 1e6;
            format!("{:6.1} {:5.2}", megapixels / seconds, rust[i].as_secs_f64() / seconds)
        };
        println!("{language:<15} {bytes:>6} {:>11} {:>28} {:>16}", compiled.as_millis(), speed(0), speed(1));
    }
    Ok(())
}

/// Processor time of this process so far, in steps of 10 ms.
fn spent() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: Vec<u64> = stat
        .rsplit(')')
        .next()
        .into_iter()
        .flat_map(str::split_whitespace)
        .skip(11)
        .take(2)
        .flat_map(str::parse)
        .collect();
    if ticks.len() == 2 { Duration::from_millis(10 * (ticks[0] + ticks[1])) } else { START.elapsed() }
}
