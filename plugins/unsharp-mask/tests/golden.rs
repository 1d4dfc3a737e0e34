//! Unsharp mask, natively, against the picture kept beside this file.

use underpaint_filter::testing::{self, Case};
use unsharp_mask::UnsharpMask;

const WIDTH: u32 = 96;
const HEIGHT: u32 = 64;

#[test]
fn golden_picture() {
    let picture = testing::picture::<u8>(WIDTH, HEIGHT);
    let made = Case::<UnsharpMask<u8>>::new(WIDTH, HEIGHT).with("amount", 1.5).run(&picture, 256).unwrap();
    made.assert_golden(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden.pam"), 0.0);
}
