//! A picture made small enough to be looked at: previews and thumbnails.

use underpaint_raster::{Extent, Image, resize};

/// The picture with its longest side at most `max_side`; unchanged if it already fits.
pub fn fit(image: &Image, max_side: u32) -> Image {
    let Extent { w, h } = image.extent();
    let longest = w.max(h);
    if longest <= max_side {
        return image.clone();
    }
    let scaled = |side: u32| ((side as u64 * max_side as u64 / longest as u64) as u32).max(1);
    resize(image, Extent::new(scaled(w), scaled(h)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_side_fits_and_none_vanishes() {
        for (w, h, expected) in [(8, 6, (8, 6)), (100, 50, (10, 5)), (50, 100, (5, 10)), (1000, 3, (10, 1))] {
            let small = fit(&Image::new(Extent::new(w, h)), 10).extent();
            assert_eq!((small.w, small.h), expected);
        }
    }
}
