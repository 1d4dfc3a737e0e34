//! Median against scipy: `tests/reference/filters.py` makes the pictures.

use median::Median;
use underpaint_filter::Sample;
use underpaint_filter::testing::{self, Case};

const WIDTH: u32 = 48;
const HEIGHT: u32 = 36;

/// The reference is kept in 16 bits and was reckoned in 64.
const TOLERANCE: f32 = 1e-5;

fn opaque<S: Sample>(opaque: bool) -> Vec<S> {
    let picture = testing::picture::<S>(WIDTH, HEIGHT);
    picture.chunks(4).flat_map(|p| [p[0], p[1], p[2], if opaque { S::MAX } else { p[3] }]).collect()
}

/// The largest difference from the reference.
fn furthest<S: Sample>(made: &[S], golden: &[u8]) -> f32 {
    let golden = golden.as_chunks::<2>().0.iter().map(|&v| u16::from_le_bytes(v).to_unit());
    assert_eq!(made.len(), golden.len());
    made.iter().zip(golden).map(|(v, golden)| (v.to_unit() - golden).abs()).fold(0.0, f32::max)
}

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/reference/golden/filters/", $name, ".u16"))
    };
}

#[test]
fn the_same_numbers() {
    for (radius, golden) in
        [(1, golden!("opaque-median-1")), (2, golden!("opaque-median-2")), (4, golden!("opaque-median-4"))]
    {
        let case = Case::<Median<f32>>::new(WIDTH, HEIGHT).with("radius", radius);
        let off = furthest(&case.run(&opaque(true), 256).unwrap().pixels, golden);
        assert!(off < TOLERANCE, "radius {radius}: {off}");
        let case = Case::<Median<u8>>::new(WIDTH, HEIGHT).with("radius", radius);
        let rounded: Vec<u8> = opaque::<f32>(true).into_iter().map(u8::from_unit).collect();
        let off = furthest(&case.run(&rounded, 256).unwrap().pixels, golden);
        assert!(off < 0.51 / 255.0, "radius {radius}: {off}");
    }
}
