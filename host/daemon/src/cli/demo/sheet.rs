//! Pictures side by side, and what a selection looks like.

use underpaint_raster::{Extent, Image, Mask, resize};

/// Pixels between the pictures of a sheet.
const GAP: u32 = 8;
/// What a selection looks like on the picture, and how much of the picture shows through.
const SELECTION: [f32; 3] = [1.0, 0.16, 0.35];
const SHOWS_THROUGH: f32 = 0.35;
/// Pictures of a filmstrip, and their longest side.
const FRAMES: usize = 8;
const FRAME_SIDE: u32 = 128;

/// The picture with the selection laid over it in colour.
pub fn marked(image: &Image, mask: &Mask) -> Image {
    let mut out = image.clone();
    for (rgba, m) in out.data_mut().chunks_exact_mut(4).zip(mask.data()) {
        let cover = m * (1.0 - SHOWS_THROUGH);
        rgba.iter_mut().zip(SELECTION).for_each(|(v, s)| *v += cover * (s - *v));
    }
    out
}

/// Pictures of one size in rows of `columns` on white.
pub fn rows(images: &[&Image], columns: u32) -> Image {
    let Extent { w, h } = images.first().map_or(Extent::new(1, 1), |image| image.extent());
    let lines = (images.len() as u32).div_ceil(columns).max(1);
    let extent = Extent::new(columns * (w + GAP) - GAP, lines * (h + GAP) - GAP);
    let mut out = Image::from_data(extent, vec![1.0; extent.area() as usize * 4]);
    for (i, image) in (0..).zip(images) {
        let (left, top) = ((i % columns) * (w + GAP), (i / columns) * (h + GAP));
        for y in 0..h {
            for x in 0..w {
                out.set_pixel(left + x, top + y, image.pixel(x, y));
            }
        }
    }
    out
}

/// Previews in the order they came, evenly chosen, and what became of them, in one row.
pub fn filmstrip(previews: &[Image], last: &Image) -> Image {
    let Extent { w, h } = last.extent();
    let longest = w.max(h).max(1);
    let frame = Extent::new((w * FRAME_SIDE / longest).max(1), (h * FRAME_SIDE / longest).max(1));
    let wanted = previews.len().min(FRAMES - 1);
    let chosen = (0..wanted).map(|i| &previews[i * (previews.len() - 1) / wanted.saturating_sub(1).max(1)]);
    let frames: Vec<Image> = chosen.chain([last]).map(|image| resize(image, frame)).collect();
    rows(&frames.iter().collect::<Vec<_>>(), frames.len() as u32)
}
