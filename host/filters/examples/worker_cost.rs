//! What it costs to run filters in a process of their own, and how soon a killed or cancelled run is over.
//!
//! `cargo run --release -p underpaint-filters --example worker_cost -- [SIZE] [ROUNDS] [FILTER.wasm]...`
//! runs film grain and the named filters inline and in a worker, in turns, and prints medians.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use underpaint_filters::{Call, Filters, Picture, Sample, Samples, Settings};
use underpaint_raster::{Extent, Job, Stage, Unattended};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|a| a == "filter-worker") {
        let bytes = args[1].parse().expect("a limit");
        return underpaint_filters::serve_worker(bytes).expect("a host");
    }
    let size = args.first().map_or(2048, |a| a.parse().expect("a size"));
    let rounds: usize = args.get(1).map_or(5, |a| a.parse().expect("a number of rounds"));
    let files: Vec<PathBuf> = args.iter().skip(2).map(PathBuf::from).collect();
    let cache = std::env::temp_dir().join(format!("underpaint-worker-cost-{}", std::process::id()));
    let with = |mut filters: Filters| {
        let mut names = vec!["film-grain".to_owned()];
        names.extend(files.iter().map(|f| filters.replace_file(f).expect("a filter").name.clone()));
        (filters, names)
    };
    let me = std::env::current_exe().expect("this program");
    let (inline, names) = with(Filters::new(Some(&cache)).expect("a sandbox"));
    let (worker, _) = with(in_worker(&me, &cache));
    println!("filter               sample   inline ms  worker ms  worker/inline");
    for name in &names {
        for &sample in &inline.get(name).expect("loaded").samples {
            let picture = picture(size, sample);
            let (mut a, mut b) = (Vec::new(), Vec::new());
            for round in 0..=rounds {
                let (here, there) = (once(&inline, name, &picture), once(&worker, name, &picture));
                assert!(here.1 == there.1, "{name}: other pixels in the worker");
                // The first round compiles and loads.
                if round > 0 {
                    a.push(here.0);
                    b.push(there.0);
                }
            }
            let (a, b) = (median(a), median(b));
            println!("{name:<20} {sample:?} {a:>10.1} {b:>10.1} {:>10.3}", b / a);
        }
    }
    starting(&me, &cache);
    cancelling(&worker);
    let _ = std::fs::remove_dir_all(&cache);
}

fn in_worker(me: &Path, cache: &Path) -> Filters {
    Filters::in_worker(me, &["filter-worker"], Some(cache)).expect("a sandbox")
}

/// A job in a fresh process, whose filter was compiled before.
fn starting(me: &Path, cache: &Path) {
    let small = picture(16, Sample::Float32);
    let cold = (0..9).map(|_| once(&in_worker(me, cache), "film-grain", &small).0).collect();
    let warm = in_worker(me, cache);
    once(&warm, "film-grain", &small);
    let warm = (0..9).map(|_| once(&warm, "film-grain", &small).0).collect();
    println!("16x16 in a new process {:.1} ms, in one that waits {:.1} ms", median(cold), median(warm));
}

/// Cancels a long run and waits for the answer.
fn cancelling(worker: &Filters) {
    struct Cancelled(AtomicBool);
    impl Job for Cancelled {
        fn is_cancelled(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }
        fn progress(&self, _: Stage, _: u32, _: u32) {}
    }
    let picture = picture(4096, Sample::Float32);
    let times = (0..9).map(|_| {
        let job = Cancelled(AtomicBool::new(false));
        std::thread::scope(|scope| {
            let running = scope.spawn(|| {
                let ended = worker.run((&picture).into(), &[call("film-grain")], &Settings::default(), &job);
                (ended.is_err(), Instant::now())
            });
            std::thread::sleep(Duration::from_millis(400));
            let asked = Instant::now();
            job.0.store(true, Ordering::Relaxed);
            let (stopped, at) = running.join().expect("no panic");
            assert!(stopped, "it was done before it could be cancelled");
            at.duration_since(asked).as_secs_f64() * 1000.0
        })
    });
    let mut times: Vec<f64> = times.collect();
    times.sort_by(f64::total_cmp);
    println!("cancelled: over after {:.1} ms in the middle, {:.1} ms at worst", times[4], times[8]);
}

fn call(name: &str) -> Call {
    Call { name: name.into(), ..Call::default() }
}

fn once(filters: &Filters, name: &str, picture: &Picture) -> (f64, Option<Picture>) {
    let start = Instant::now();
    let made = filters.run(picture.into(), &[call(name)], &Settings::default(), &Unattended);
    (start.elapsed().as_secs_f64() * 1000.0, made.expect("a picture"))
}

fn picture(size: u32, sample: Sample) -> Picture {
    let extent = Extent::new(size, size);
    let values = (0..extent.area() * 4).map(|i| if i % 4 == 3 { 255 } else { (i / 7 % 251) as u8 });
    Picture::new(
        extent,
        match sample {
            Sample::Uint8 => Samples::Uint8(values.collect()),
            Sample::Uint16 => Samples::Uint16(values.map(|v| u16::from(v) * 257).collect()),
            Sample::Float32 => Samples::Float32(values.map(|v| f32::from(v) / 255.0).collect()),
        },
    )
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
