//! Runs a filter natively on a picture, cut as the host would: for unit tests, debuggers and profilers.

use crate::{Error, Filter, Plan, Request, Tile};

/// A picture of the request's size: rows of RGBA, sRGB-encoded, straight alpha, each value 0..=1.
pub type Pixels = Vec<f32>;

/// The filtered picture, made in tiles of `tile` by `tile` pixels in one value of the filter. As the host does, it
/// clamps to 0..=1, keeps pixels whose alpha is 0, and refuses wrong lengths and numbers that are not finite.
/// Panics when `pixels` does not hold `request.width * request.height * 4` values.
pub fn run<F: Filter>(request: &Request, pixels: &[f32], tile: u32) -> Result<Pixels, Error> {
    let (w, h) = (request.width, request.height);
    assert_eq!(pixels.len(), w as usize * h as usize * 4, "a picture of {w}x{h} has w*h*4 values");
    let mut filter = F::new(request)?;
    let mut out = pixels.to_vec();
    let (side, halo) = match filter.plan() {
        Plan::Unchanged => return Ok(out),
        Plan::Tiles { halo } => (tile.max(1), halo),
        Plan::WholePicture => (w.max(h), 0),
    };
    for y in (0..h).step_by(side as usize) {
        for x in (0..w).step_by(side as usize) {
            let (width, height) = (side.min(w - x), side.min(h - y));
            let tile = cut(pixels, (w, h), (x, y, width, height), halo);
            let area = filter.process(tile)?;
            paste(&mut out, w, (x, y, width, height), &area)?;
        }
    }
    Ok(out)
}

/// Panics with the first pixel that differs when the picture is cut in another way: the sign of a halo that is too
/// small, of state kept between tiles, or of randomness not taken from seed and position.
pub fn check<F: Filter>(request: &Request, pixels: &[f32]) {
    let whole = run::<F>(request, pixels, request.width.max(request.height)).expect("the filter failed");
    for tile in [97, 32, 7] {
        let tiled = run::<F>(request, pixels, tile).expect("the filter failed");
        if let Some(i) = (0..whole.len()).find(|&i| whole[i].to_bits() != tiled[i].to_bits()) {
            let (x, y) = (i / 4 % request.width as usize, i / 4 / request.width as usize);
            panic!("pixel ({x}, {y}) is {} in one piece and {} in tiles of {tile}", whole[i], tiled[i]);
        }
    }
}

/// A picture with colours, edges, soft and fully transparent pixels, for tests that bring none.
pub fn picture(width: u32, height: u32) -> Pixels {
    let mut out = Vec::with_capacity(width as usize * height as usize * 4);
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
            let edge = if (x / 8 + y / 8) % 2 == 0 { 0.75 } else { 1.0 };
            let alpha = ((1.2 - u - v * 0.4) * 4.0).clamp(0.0, 1.0);
            let colour = if alpha > 0.0 { [u * edge, v * edge, (1.0 - u) * edge] } else { [0.0; 3] };
            out.extend_from_slice(&[colour[0], colour[1], colour[2], alpha]);
        }
    }
    out
}

fn cut(pixels: &[f32], (w, h): (u32, u32), (x, y, width, height): (u32, u32, u32, u32), halo: u32) -> Tile {
    let halo_px = halo as i64;
    let mut source = Vec::new();
    for sy in y as i64 - halo_px..(y + height) as i64 + halo_px {
        for sx in x as i64 - halo_px..(x + width) as i64 + halo_px {
            let i = sy.clamp(0, h as i64 - 1) as usize * w as usize + sx.clamp(0, w as i64 - 1) as usize;
            source.extend_from_slice(&pixels[i * 4..i * 4 + 4]);
        }
    }
    Tile { x, y, width, height, halo, pixels: source }
}

fn paste(out: &mut [f32], w: u32, (x, y, width, height): (u32, u32, u32, u32), area: &[f32]) -> Result<(), Error> {
    if area.len() != width as usize * height as usize * 4 {
        return Err(Error::Failed(format!("a tile of {width}x{height} came back with {} values", area.len())));
    }
    for (row, y) in area.chunks_exact(width as usize * 4).zip(y..) {
        let start = (y as usize * w as usize + x as usize) * 4;
        let target = &mut out[start..start + row.len()];
        for (new, old) in row.chunks_exact(4).zip(target.chunks_exact_mut(4)) {
            if new.iter().any(|v| !v.is_finite()) {
                return Err(Error::Failed(format!("the tile at ({x}, {y}) holds a number that is not finite")));
            }
            if old[3] > 0.0 {
                old.copy_from_slice(&[0, 1, 2, 3].map(|c| new[c].clamp(0.0, 1.0)));
            }
        }
    }
    Ok(())
}
