//! Fills a hole from the command line, for judging `infill::exemplar` alone:
//! `cargo run -p underpaint-raster --example fill -- IMAGE MASK OUT.png [SEED]`.

use underpaint_raster::{Extent, Image, Mask, Unattended, infill};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [image, mask, out, rest @ ..] = args.as_slice() else {
        return Err("usage: fill IMAGE MASK OUT.png [SEED]".into());
    };
    let seed = rest.first().map_or(Ok(0), |s| s.parse())?;
    let image = image::open(image)?.to_rgba32f();
    let extent = Extent::new(image.width(), image.height());
    let mask = image::open(mask)?.to_luma32f();
    if mask.dimensions() != image.dimensions() {
        return Err("the mask must have the image's size".into());
    }
    let (image, mask) = (Image::from_data(extent, image.into_raw()), Mask::from_data(extent, mask.into_raw()));
    let start = std::time::Instant::now();
    let filled = infill::exemplar(&image, &mask, seed, &Unattended).map_err(|_| "cancelled")?;
    eprintln!("filled in {:.3} s", start.elapsed().as_secs_f64());
    let bytes = filled.data().iter().map(|v| (v * 255.0).round() as u8).collect();
    let bytes = image::RgbaImage::from_raw(extent.w, extent.h, bytes).ok_or("size")?;
    Ok(bytes.save(out)?)
}
