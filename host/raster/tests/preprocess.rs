//! What control models are shown: edges against OpenCV's, and what the others must find.

mod support;

use support::{paint, photo, psnr};
use underpaint_raster::preprocess::Preprocess;
use underpaint_raster::{Extent, Image, Rect};

/// The pictures of `tests/reference/canny.py`: 8 bits by whole numbers.
fn picture(name: &str) -> Image {
    let value = |x: i64, y: i64, c: i64| match name {
        "discs" if (x - 30).pow(2) + (y - 25).pow(2) < 400 + 100 * c => 200,
        "discs" => 40 + x,
        "waves" => (x * x * (c + 1) + y * y * 3 + x * y * (c + 2)) / 37 % 256,
        "weave" => ((x * 37 + y * 71 + c * 13) ^ (x * y)) % 64 + 2 * x,
        "steps" => (x / 9 + y / 7) % 5 * (19 + 4 * c) + x * y / 90,
        name => panic!("no picture {name}"),
    };
    paint(Extent::new(61, 47), |x, y| {
        let color = |c| value(i64::from(x), i64::from(y), c) as f32 / 255.0;
        [color(0), color(1), color(2), 1.0]
    })
}

#[test]
fn canny_is_opencvs_to_the_pixel() {
    let golden = include_str!("../../../tests/reference/golden/canny.txt");
    let mut lines = golden.lines();
    let mut pictures = 0;
    while let Some(name) = lines.next() {
        let ours = Preprocess::Canny.apply(&picture(name));
        let ours = |y: u32| (0..61).map(|x| if ours.pixel(x, y)[0] > 0.0 { '#' } else { '.' }).collect::<String>();
        for (y, theirs) in (0..47).zip(&mut lines) {
            assert_eq!(ours(y), theirs, "{name}, row {y}");
        }
        pictures += 1;
    }
    assert_eq!(pictures, 4);
}

/// Black on white: a vertical line two pixels wide, or its negative.
fn drawing(negative: bool) -> Image {
    paint(Extent::new(40, 30), |x, _| {
        let v = if (19..21).contains(&x) == negative { 1.0 } else { 0.0 };
        [v, v, v, 1.0]
    })
}

#[test]
fn scribbles_follow_lines_of_either_colour() {
    for negative in [false, true] {
        let made = Preprocess::Scribble.apply(&drawing(negative));
        let row: Vec<f32> = (0..40).map(|x| made.pixel(x, 15)[0]).collect();
        let drawn: Vec<usize> = row.iter().enumerate().filter(|(_, v)| **v == 1.0).map(|(x, _)| x).collect();
        assert_eq!(drawn, [18, 19, 20, 21], "negative: {negative}");
    }
    // A scribble stays one, a stroke broader.
    let once = Preprocess::Scribble.apply(&drawing(true));
    let twice = Preprocess::Scribble.apply(&once);
    assert!((18..22).all(|x| twice.pixel(x, 15)[0] == 1.0) && twice.pixel(14, 15)[0] == 0.0);
}

#[test]
fn soft_edges_are_as_light_as_they_are_steep() {
    let step = |height: f32| {
        let made = Preprocess::SoftEdge.apply(&paint(Extent::new(32, 32), |x, _| {
            let v = if x < 16 { 0.2 } else { 0.2 + height };
            [v, v, v, 1.0]
        }));
        (0..32).map(|x| made.pixel(x, 16)[0]).fold(0.0, f32::max)
    };
    assert_eq!(step(0.0), 0.0);
    let [low, middle, high] = [0.05, 0.2, 0.8].map(step);
    assert!(low > 0.05 && low < middle && middle < high && high > 0.8, "{low} {middle} {high}");
}

#[test]
fn tile_and_blur_keep_colours_and_lose_detail() {
    let photo = photo().crop(Rect::new(300, 200, 256, 192));
    let checks = paint(Extent::new(64, 64), |x, y| {
        let v = ((x + y) % 2) as f32;
        [v, v, v, 1.0]
    });
    for preprocess in [Preprocess::Tile, Preprocess::Blur] {
        let made = preprocess.apply(&photo);
        let likeness = psnr(&made, &photo);
        assert!((15.0..45.0).contains(&likeness), "{preprocess:?}: {likeness:.1} dB");
        let flat = preprocess.apply(&checks);
        let (low, high) = flat.data().chunks_exact(4).fold((1f32, 0f32), |(l, h), p| (l.min(p[0]), h.max(p[0])));
        assert!(high - low < 0.1, "{preprocess:?} leaves {low} to {high}");
    }
}

#[test]
fn every_size_is_possible_and_stays() {
    for preprocess in Preprocess::ALL {
        for (w, h) in [(0, 0), (1, 1), (1, 50), (3, 2), (33, 1)] {
            let extent = Extent::new(w, h);
            let made = preprocess.apply(&paint(extent, |x, y| [x as f32 / 40.0, y as f32 / 60.0, 0.5, 1.0]));
            assert_eq!(made.extent(), extent, "{preprocess:?}");
            assert!(made.data().iter().all(|v| (0.0..=1.0).contains(v)), "{preprocess:?}");
            assert!(made.data().chunks_exact(4).all(|p| p[3] == 1.0), "{preprocess:?}");
        }
    }
}
