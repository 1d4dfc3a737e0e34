//! Colour match against what `tests/reference/filters_party.py` makes with scikit-image's Lab.

use color_match::ColorMatch;
use underpaint_filter::Image;
use underpaint_filter::testing::{Case, Made};

const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/filters");
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

/// Share of values that may be another step of 8 bits: Lab in f32 and f64 differ where a colour leaves sRGB.
const APART: f64 = 0.001;

/// With histograms: a colour at the edge of a bin falls into the next one in f32, and what lies beyond moves with it.
const BINS_APART: f64 = 0.06;

fn photo() -> Made<f32> {
    Made::read(format!("{PICTURES}/photo.pam"))
}

fn other() -> Image<f32> {
    let Made { width, height, pixels } = Made::read(format!("{PICTURES}/other.pam"));
    Image { width, height, pixels }
}

#[test]
fn another_picture() {
    let photo = photo();
    let case = Case::<ColorMatch>::new(photo.width, photo.height).image("reference", other());
    case.run(&photo.pixels, 64).unwrap().assert_golden(format!("{GOLDEN}/reference.pam"), APART);
}

#[test]
fn the_surroundings() {
    let photo = photo();
    let mut mask = Vec::new();
    for i in 0..photo.width * photo.height {
        let (x, y) = ((i % photo.width) as f32 - 40.0, (i / photo.width) as f32 - 30.0);
        let v = ((24.0 - (x * x + y * y).sqrt()) / 8.0).clamp(0.0, 1.0);
        mask.extend([v, v, v, 1.0]);
    }
    let before = photo.pixels.as_chunks::<4>().0.iter().rev().flatten().copied().collect();
    let case = Case::<ColorMatch>::new(photo.width, photo.height)
        .beside("mask", mask)
        .beside("before", before)
        .with("reach", 16.0)
        .with("color", 0.5);
    case.run(&photo.pixels, 256).unwrap().assert_golden(format!("{GOLDEN}/surroundings.pam"), APART);
    case.check(&photo.pixels);
}

#[test]
fn histograms() {
    let photo = photo();
    let solid: Vec<f32> = photo.pixels.chunks(96 * 4).flat_map(|row| row[..64 * 4].to_vec()).collect();
    let case = Case::<ColorMatch>::new(64, 80).image("reference", other()).with("method", "histogram");
    case.run(&solid, 256).unwrap().assert_golden(format!("{GOLDEN}/histogram.pam"), BINS_APART);
}
