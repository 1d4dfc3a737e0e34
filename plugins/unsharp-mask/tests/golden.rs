//! Unsharp mask, natively, against the picture kept beside this file. `MAKE_REF=1 cargo test -p unsharp-mask` makes it anew, to
//! be looked at before it is committed; a difference leaves `golden.actual.ppm` in the target folder.

use underpaint_filter::testing::{self, Case};
use unsharp_mask::UnsharpMask;

const WIDTH: u32 = 96;
const HEIGHT: u32 = 64;

#[test]
fn golden_picture() {
    let picture = testing::picture::<u8>(WIDTH, HEIGHT);
    let made = Case::<UnsharpMask<u8>>::new(WIDTH, HEIGHT).with("amount", 1.5).run(&picture, 256).unwrap().pixels;
    // Over white, so that alpha shows.
    let over = |v: u8, alpha: u8| 255 - ((255 - u32::from(v)) * u32::from(alpha) + 127) / 255;
    let mut ppm = format!("P6\n{WIDTH} {HEIGHT}\n255\n").into_bytes();
    ppm.extend(made.chunks(4).flat_map(|p| [p[0], p[1], p[2]].map(|v| over(v, p[3]) as u8)));
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
