//! What the sandbox costs: film grain in wasm against the same source native, compiling, loading, killing.
//!
//! `cargo run --release -p underpaint-filters --example measure`
//!
//! Rounds of both sides take turns in one run and the fastest of each counts, so that other work on the machine
//! disturbs little.

use film_grain::FilmGrain;
use std::time::{Duration, Instant};
use underpaint_filter::testing::Case;
use underpaint_filters::{Call, Filters, Settings};
use underpaint_raster::{Extent, Image, Job, Stage, Unattended};

const SIDE: u32 = 2048;
const TILE: u32 = 256;
const ROUNDS: usize = 5;

fn main() {
    let chain = [Call { name: "film-grain".into(), ..Call::default() }];
    let mut image = Image::new(Extent::new(SIDE, SIDE));
    image.data_mut().fill(0.5);
    let settings = |threads| Settings { threads, ..Settings::default() };

    let home = std::env::temp_dir().join(format!("underpaint-measure-{}", std::process::id()));
    let (cold, filters) = timed(|| {
        let filters = Filters::new(Some(&home)).expect("the sandbox");
        filters.check(&chain).expect("film grain");
        filters
    });
    drop(filters);
    let fresh = || Filters::new(Some(&home)).expect("the sandbox");
    let warm =
        (0..ROUNDS).map(|_| timed_on(fresh(), |f| f.check(&chain).expect("film grain"))).min().unwrap_or_default();
    let filters = fresh();

    let (mut native, mut wasm, mut all) = (Duration::MAX, Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        native = native.min(timed(|| natively(&image)).0);
        wasm = wasm.min(timed(|| filters.apply_with(&image, &chain, &settings(1), &Unattended)).0);
        all = all.min(timed(|| filters.apply_with(&image, &chain, &settings(0), &Unattended)).0);
    }
    assert!(
        natively(&image) == filters.apply(&image, &chain, 0, &Unattended).expect("film grain"),
        "not the same bits"
    );

    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let rate = |time: Duration| f64::from(SIDE * SIDE) / 1e6 / time.as_secs_f64();
    println!("film grain, {SIDE}x{SIDE}, the same bits on both sides");
    println!("  native, one thread      {:8.1} Mpix/s", rate(native));
    println!(
        "  wasm, one thread        {:8.1} Mpix/s, {:.2} of native",
        rate(wasm),
        native.as_secs_f64() / wasm.as_secs_f64()
    );
    println!("  wasm, {cores} threads         {:8.1} Mpix/s", rate(all));
    println!("compiling film-grain.wasm {:8.1} ms, describe included", ms(cold));
    println!("loading it from the cache {:8.2} ms, describe included", ms(warm));
    println!("cancel to return          {:8.2} ms, the longest of {ROUNDS}", ms(cancelling(&filters, &image, &chain)));
    let _ = std::fs::remove_dir_all(home);
}

/// The same work without the sandbox: cut, process, put together.
fn natively(image: &Image) -> Image {
    let made = Case::<FilmGrain>::new(SIDE, SIDE).run(image.data(), TILE).expect("film grain");
    Image::from_data(image.extent(), made.pixels)
}

/// From the moment a job is cancelled, some tiles into the picture, to the return of `apply`.
fn cancelling(filters: &Filters, image: &Image, chain: &[Call]) -> Duration {
    struct Cancelling(std::sync::OnceLock<Instant>, Instant);
    impl Job for Cancelling {
        fn is_cancelled(&self) -> bool {
            let now = Instant::now();
            let late = now.duration_since(self.1) > Duration::from_millis(30);
            late && *self.0.get_or_init(|| now) <= now
        }
        fn progress(&self, _: Stage, _: u32, _: u32) {}
    }
    let one = || {
        let job = Cancelling(std::sync::OnceLock::new(), Instant::now());
        let result = filters.apply(image, chain, 0, &job);
        job.0.get().filter(|_| result.is_err()).map(Instant::elapsed).unwrap_or_default()
    };
    (0..ROUNDS).map(|_| one()).max().unwrap_or_default()
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let made = work();
    (start.elapsed(), made)
}

/// Time of `work` alone, dropping included in neither.
fn timed_on<T>(value: T, work: impl FnOnce(&T)) -> Duration {
    let start = Instant::now();
    work(&value);
    start.elapsed()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
