//! Colours without detail: the picture at a quarter of its size, enlarged again. The tile models add the detail anew.

use crate::{Extent, Image, resize};

/// Pixels to a side that become one.
const COARSE: u32 = 4;

/// The picture without what is finer than [`COARSE`] pixels.
pub fn apply(image: &Image) -> Image {
    let Extent { w, h } = image.extent();
    let coarse = resize(image, Extent::new(w.div_ceil(COARSE), h.div_ceil(COARSE)));
    let mut out = resize(&coarse, image.extent());
    out.data_mut().chunks_exact_mut(4).for_each(|p| p[3] = 1.0);
    out
}
