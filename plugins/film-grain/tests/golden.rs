//! Film grain, natively, against the picture kept beside this file. The host's tests hold the wasm build to the same
//! file. `MAKE_REF=1 cargo test -p film-grain` makes it anew, to be looked at before it is committed; a difference
//! leaves `golden.actual.ppm` in the target folder.

use film_grain::FilmGrain;
use underpaint_filter::testing::Case;

const WIDTH: u32 = 192;
const HEIGHT: u32 = 96;

/// A ramp of greys over a field of colours.
fn chart() -> Vec<f32> {
    let mut out = Vec::new();
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let (u, v) = (x as f32 / (WIDTH - 1) as f32, y as f32 / (HEIGHT - 1) as f32);
            out.extend_from_slice(&if y < HEIGHT / 2 { [u, u, u, 1.0] } else { [u, v, 1.0 - u, 1.0] });
        }
    }
    out
}

#[test]
fn golden_picture() {
    let case = Case::<FilmGrain>::new(WIDTH, HEIGHT).seed(7).with("strength", 0.5).with("size", 2.0);
    let made = case.run(&chart(), 256).unwrap().pixels;
    let mut ppm = format!("P6\n{WIDTH} {HEIGHT}\n255\n").into_bytes();
    ppm.extend(made.chunks(4).flat_map(|p| [p[0], p[1], p[2]]).map(|v| (v * 255.0).round() as u8));
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden.ppm");
    if std::env::var_os("MAKE_REF").is_some() {
        std::fs::write(golden, &ppm).unwrap();
    }
    let same = std::fs::read(golden).unwrap() == ppm;
    let actual = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden.actual.ppm");
    if !same {
        std::fs::write(&actual, &ppm).unwrap();
    }
    assert!(same, "{} is not {golden}", actual.display());
}
