//! `maker`: pictures of the picture maker, for looking at and for training.

use rayon::prelude::*;
use std::collections::HashSet;
use std::io::Write;
use std::process::ExitCode;
use underpaint_maker::facts::Facts;
use underpaint_maker::rng::Rng;
use underpaint_maker::{Study, caption, fingerprint, study};

const HELP: &str = "\
maker sheet OUT.ppm [--first N] [--rows R] [--columns C] [--size WxH] [--subject NAME] [--manner NAME]
    a contact sheet; captions go to standard output, one a line
maker stream [--first N] [--count N] [--size WxH]
    raw RGB bytes of study after study on standard output, a JSON line {seed, caption, facts} for each on standard error
maker captions [--first N] [--count N] [--each K]
    for each study a JSON list of K different captions, without painting it
maker distinct [--first N] [--count N] [--size WxH]
    how many of the studies look different: their 8x8 grids of mean colours, 32 steps a channel, are not equal
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("error: {sentence}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &[String]) -> Result<(), String> {
    let value = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1));
    let number = |name: &str, default: u64| match value(name) {
        Some(text) => text.parse().map_err(|_| format!("{name} is {text}; a whole number is needed")),
        None => Ok(default),
    };
    let size = value("--size").map_or("256x256", String::as_str);
    let side = |s: &str| s.parse().ok().filter(|n| (16..=2048).contains(n));
    let (w, h) = size
        .split_once('x')
        .and_then(|(w, h)| Some((side(w)?, side(h)?)))
        .ok_or(format!("--size is {size}; WxH with sides of 16 to 2048 is needed"))?;
    let first = number("--first", 0)?;
    match args.first().map(String::as_str) {
        Some("sheet") => {
            let out = args.get(1).ok_or("maker sheet wants a file to write")?;
            let (rows, columns) = (number("--rows", 6)?, number("--columns", 8)?);
            let wanted = |s: &Study| {
                value("--subject").is_none_or(|n| s.facts.subject.name() == n)
                    && value("--manner").is_none_or(|n| s.facts.manner.name() == n)
            };
            let studies = chosen(first, (rows * columns) as usize, w, h, wanted);
            std::fs::write(out, sheet(&studies, columns as usize, w, h)).map_err(|e| format!("{out}: {e}"))?;
            studies.iter().for_each(|s| println!("{}", s.caption));
            Ok(())
        }
        Some("captions") => {
            captions(first, number("--count", 64)?, number("--each", 4)?);
            Ok(())
        }
        Some("distinct") => {
            let count = number("--count", 100_000)?;
            let print = |seed| fingerprint(&study(seed, w, h));
            let different: HashSet<Vec<u8>> = (first..first + count).into_par_iter().map(print).collect();
            println!("{} of {count} studies look different", different.len());
            Ok(())
        }
        Some("stream") => stream(first, number("--count", 64)?, w, h).map_err(|e| e.to_string()),
        _ => {
            print!("{HELP}");
            Ok(())
        }
    }
}

/// The first `count` studies from seed `first` that are `wanted`.
fn chosen(first: u64, count: usize, w: usize, h: usize, wanted: impl Fn(&Study) -> bool) -> Vec<Study> {
    let mut seeds = Vec::new();
    for seed in first..first + 100_000 {
        // Facts do not depend on the size: a tiny study tells them.
        if seeds.len() < count && wanted(&study(seed, 16, 16)) {
            seeds.push(seed);
        }
    }
    seeds.into_par_iter().map(|seed| study(seed, w, h)).collect()
}

fn sheet(studies: &[Study], columns: usize, w: usize, h: usize) -> Vec<u8> {
    const GAP: usize = 4;
    let rows = studies.len().div_ceil(columns);
    let (width, height) = (columns * (w + GAP) + GAP, rows * (h + GAP) + GAP);
    let mut rgb = vec![250u8; width * height * 3];
    for (i, study) in studies.iter().enumerate() {
        let (left, top) = (GAP + i % columns * (w + GAP), GAP + i / columns * (h + GAP));
        for (y, row) in study.rgb.chunks_exact(w * 3).enumerate() {
            let at = ((top + y) * width + left) * 3;
            rgb[at..at + row.len()].copy_from_slice(row);
        }
    }
    [format!("P6\n{width} {height}\n255\n").into_bytes(), rgb].concat()
}

fn captions(first: u64, count: u64, each: u64) {
    for seed in first..first + count {
        let facts = Facts::draw(&mut Rng::new(seed).fork("facts"));
        let say = |i: u64| caption::caption(&facts, &mut Rng::new(seed).fork(&format!("caption {i}")));
        println!("{}", serde_json::json!((0..each).map(say).collect::<Vec<_>>()));
    }
}

/// Batches are painted on all cores and written in order.
fn stream(first: u64, count: u64, w: usize, h: usize) -> std::io::Result<()> {
    let (mut pixels, mut lines) = (std::io::stdout().lock(), std::io::stderr().lock());
    let seeds: Vec<u64> = (first..first + count).collect();
    for batch in seeds.chunks(64) {
        let studies: Vec<(u64, Study)> = batch.par_iter().map(|&seed| (seed, study(seed, w, h))).collect();
        for (seed, study) in studies {
            pixels.write_all(&study.rgb)?;
            let line = serde_json::json!({"seed": seed, "caption": study.caption, "facts": study.facts});
            writeln!(lines, "{line}")?;
        }
    }
    pixels.flush()
}
