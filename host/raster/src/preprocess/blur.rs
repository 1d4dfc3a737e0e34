//! Colours out of focus: a Gaussian of about nine pixels, as the blur models were trained with.

use crate::{Image, Mask, blur};

/// Taps; sigma is 9.2 pixels.
const TAPS: u32 = 29;

/// The picture out of focus, opaque.
pub fn apply(image: &Image) -> Image {
    let plane = |c: usize| {
        let values = image.data().iter().skip(c).step_by(4).map(|v| v.clamp(0.0, 1.0)).collect();
        blur::gaussian(&Mask::from_data(image.extent(), values), TAPS)
    };
    let planes = [plane(0), plane(1), plane(2)];
    let pixel = |i: usize| [planes[0].data()[i], planes[1].data()[i], planes[2].data()[i], 1.0];
    Image::from_data(image.extent(), (0..image.extent().area() as usize).flat_map(pixel).collect())
}
