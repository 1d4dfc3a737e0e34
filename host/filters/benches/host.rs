//! What the host itself costs: a filter that changes nothing against two copies of the picture, the first tile of a
//! filter from the cache, the end of a filter that never returns.
//!
//! `cargo bench -p underpaint-filters --bench host [-- NAME]`, NAME being `identity`, `warm start`, `runaway` or `two cores`.

mod clock;
#[path = "../../../tests/filters/guests.rs"]
#[allow(dead_code, missing_docs)]
mod guests;

use clock::{argument, in_turns, median, wall_ms};
use guests::Guest;
use serde_json::json;
use std::time::Duration;
use underpaint_filters::{Call, Filters, Origin, Picture, PictureRef, Samples, Settings};
use underpaint_raster::{Extent, Image, Unattended};

const SIDE: u32 = 4096;
const ROUNDS: usize = 9;

fn main() {
    let only = argument(None);
    for (name, row) in
        [("identity", identity as fn()), ("warm start", warm_start), ("runaway", runaway), ("two cores", two_cores)]
    {
        if only.as_ref().is_none_or(|only| name.contains(&**only)) {
            row();
        }
    }
}

/// Takes every tile at the same place, and gives it back.
fn identity() {
    let (filters, chain) = unchanged();
    let values: Vec<u8> = (0..SIDE * SIDE * 4).map(|i| (i >> 3) as u8 | 1).collect();
    let picture = Picture::new(Extent::new(SIDE, SIDE), Samples::Uint8(values));
    let Samples::Uint8(values) = picture.samples() else { return };
    let settings = Settings { threads: 1, ..Settings::default() };
    let run = || filters.run(PictureRef::from(&picture), &chain, &settings, &Unattended).expect("the filter");
    assert!(run().is_some_and(|made| made == picture));
    let copies = in_turns(ROUNDS, || [values.clone(), values.clone()], run);
    let ratio = median(copies.one.iter().zip(&copies.other).map(|(copy, run)| run / copy).collect());
    let (two, one) = (median(copies.one), median(copies.other));
    println!("identity, {SIDE}x{SIDE} rgba8, one thread: {one:.1} ms; two copies: {two:.1} ms; {ratio:.2} of them");
}

/// A filter that changes nothing.
fn unchanged() -> (Filters, [Call; 1]) {
    let guest = Guest { samples: vec![0], passes: vec![(POINTWISE, 0)], size: (SIDE, SIDE), ..again("identity") };
    let mut filters = Filters::empty(None).expect("the sandbox");
    filters.add(&guest.wasm(), Origin::File("identity.wasm".into())).expect("the filter");
    (filters, [Call { name: "identity".into(), ..Call::default() }])
}

const POINTWISE: u8 = 0;

/// Of small talk nothing is kept: what comes in always lies at the same place.
fn again(name: &str) -> Guest {
    Guest::process(name, |code| {
        code.i32_const(65536).global_set(0);
        guests::return_pixels(code);
    })
}

fn warm_start() {
    let home = std::env::temp_dir().join(format!("underpaint-bench-{}", std::process::id()));
    let chain = [Call { name: "gaussian-blur".into(), ..Call::default() }];
    let image = Image::new(Extent::new(16, 16));
    let fresh = || Filters::new(Some(&home)).expect("the sandbox");
    fresh().apply(&image, &chain, 0, &Unattended).expect("the filter");
    let (mut load, mut first) = (Vec::new(), Vec::new());
    for _ in 0..51 {
        let filters = fresh();
        load.push(wall_ms(|| filters.check(&chain).map(|()| filters.apply(&image, &chain, 0, &Unattended))));
        first.push(wall_ms(|| filters.apply(&image, &chain, 0, &Unattended)));
    }
    println!(
        "warm start: {:.2} ms from the cached file to the first tile, {:.2} ms where it is loaded (medians of 51)",
        median(load),
        median(first)
    );
    let _ = std::fs::remove_dir_all(home);
}

fn runaway() {
    let guest = Guest::process("runaway", |code| {
        code.loop_(wasm_encoder::BlockType::Empty).br(0).end().unreachable();
    });
    let mut filters = Filters::empty(None).expect("the sandbox");
    filters.add(&guest.wasm(), Origin::File("runaway.wasm".into())).expect("the filter");
    let chain = [Call { name: "runaway".into(), ..Call::default() }];
    let image = Image::new(Extent::new(guest.size.0, guest.size.1));
    filters.check(&chain).expect("the filter");
    let deadline = Duration::from_millis(200).as_secs_f64() * 1e3;
    let late: Vec<f64> = (0..25)
        .map(|_| wall_ms(|| assert!(filters.apply(&image, &chain, 0, &Unattended).is_err())) - deadline)
        .collect();
    let worst = late.iter().copied().fold(0.0, f64::max);
    println!("deadline to the runaway's end: {:.2} ms, at worst {worst:.2} ms (25 runs)", median(late));
}

/// What `tests/bench/filters.sh` measures of other programs; net of what a filter takes that changes nothing.
fn two_cores() {
    let filters = Filters::new(None).expect("the sandbox");
    let (nothing, same) = unchanged();
    let picture = |least_alpha: u8| {
        let noise = |i: u32| (i.wrapping_mul(0x9e37_79b1) >> 24) as u8;
        let value = |i: u32| if i % 4 == 3 { noise(i).max(least_alpha) } else { noise(i) };
        Picture::new(Extent::new(SIDE, SIDE), Samples::Uint8((0..SIDE * SIDE * 4).map(value).collect()))
    };
    let (opaque, soft) = (picture(255), picture(1));
    let settings = Settings { threads: 2, ..Settings::default() };
    for (what, name, params, picture) in [
        ("Gaussian blur, 9 taps", "gaussian-blur", json!({"sigma": 1.5}), &opaque),
        ("Gaussian blur, 9 taps, soft", "gaussian-blur", json!({"sigma": 1.5}), &soft),
        ("median, 5x5", "median", json!({"radius": 2}), &opaque),
    ] {
        let took = |filters: &Filters, chain: &[Call]| {
            wall_ms(|| filters.run(PictureRef::from(picture), chain, &settings, &Unattended).expect("the filter"))
        };
        let params = params.as_object().cloned().unwrap_or_default();
        let chain = [Call { name: name.into(), params, ..Call::default() }];
        let (whole, net): (Vec<f64>, Vec<f64>) = (0..ROUNDS)
            .map(|_| (took(&filters, &chain), took(&nothing, &same)))
            .map(|(whole, same)| (whole, whole - same))
            .unzip();
        let least = whole.iter().copied().fold(f64::MAX, f64::min);
        println!(
            "{what}, {SIDE}x{SIDE} rgba8, two cores: {:.0} ms, at best {least:.0} ms; net {:.0} ms",
            median(whole),
            median(net)
        );
    }
}
