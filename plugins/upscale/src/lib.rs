//! Upscale: a larger picture without a model, up to four times.
//!
//! Photographs and paintings by Lanczos' kernel of three lobes, in linear light, where thin bright lines stay as bright
//! as they were; what it overshoots beside an edge is taken back as far as wanted. Pixel art by Scale2x and Scale3x
//! (Andrea Mazzoleni 2001, after Eric Johnston's EPX): a corner between two like pixels takes their colour, no new
//! colour is made. Four times is twice two times.

use underpaint_filter::resample::{lanczos, resample};
use underpaint_filter::{About, Error, Filter, Param, Pass, Plan, Rect, Request, Tile, choices, export, params};

export!(Upscale);

params! {
    /// What the painter sets.
    pub struct Settings {
        method: Method = Param::choice("Kind of picture", Method::Photo),
        /// How many times as wide and high. Pixel art and blocks take whole numbers.
        factor: f32 = Param::float("Factor", 2.0, 1.0..=4.0).step(0.25).unit("x"),
        /// How much of the bright and dark lines beside edges is left, which make them look sharper.
        halos: f32 = Param::float("Edge halos", 30.0, 0.0..=100.0).step(1.0).unit("%"),
    }
}

choices! {
    /// How pixels are made.
    pub enum Method {
        Photo = "Photograph or painting",
        PixelArt = "Pixel art, corners smoothed",
        Blocks = "Pixel art, blocks",
    }
}

/// One run.
pub struct Upscale {
    method: Method,
    was: (u32, u32),
    is: (u32, u32),
    /// For pixel art.
    times: i32,
    halos: f32,
}

/// Largest side and number of pixels of a result.
const MAX_SIDE: u32 = 65_535;
const MAX_PIXELS: u64 = 400_000_000;

impl Filter for Upscale {
    type Sample = f32;
    type Params = Settings;

    fn about() -> About {
        About::new("Upscale", "Enlarges the picture up to four times, photographs or pixel art.").linear()
    }

    fn new(settings: Settings, request: &mut Request<f32>) -> Result<Self, Error> {
        let was = (request.width, request.height);
        let times = (settings.factor + 0.5) as i32;
        let factor = if settings.method == Method::Photo { settings.factor } else { times as f32 };
        let side = |was: u32| ((was as f32 * factor + 0.5) as u32).max(1);
        let is = (side(was.0), side(was.1));
        if is.0.max(is.1) > MAX_SIDE || u64::from(is.0) * u64::from(is.1) > MAX_PIXELS {
            return Err(Error::BadParameter(
                "factor".into(),
                format!(
                    "the result would be {}x{}; at most {MAX_SIDE} on a side and 400 megapixels are possible",
                    is.0, is.1
                ),
            ));
        }
        Ok(Self { method: settings.method, was, is, times, halos: settings.halos * 0.01 })
    }

    fn plan(&self) -> Plan {
        if self.is == self.was {
            return Plan::unchanged();
        }
        let halo = match self.method {
            Method::Photo => 4,
            Method::PixelArt => 2,
            Method::Blocks => 0,
        };
        Plan::passes([Pass::Tiles { halo }]).resized(self.is.0, self.is.1)
    }

    fn process(&mut self, tile: Tile<f32>) -> Result<Vec<f32>, Error> {
        if self.method == Method::Photo {
            return Ok(self.photo(&tile));
        }
        let Rect { x: left, y: top, width, height } = tile.area;
        let mut out = Vec::with_capacity((width * height * 4) as usize);
        for y in top..top + height as i32 {
            for x in left..left + width as i32 {
                out.extend(match (self.method, self.times) {
                    (Method::PixelArt, 2) => scale_2(x, y, &|x, y| old(&tile, x, y)),
                    (Method::PixelArt, 3) => scale_3(x, y, &|x, y| old(&tile, x, y)),
                    (Method::PixelArt, 4) => scale_2(x, y, &|x, y| scale_2(x, y, &|x, y| old(&tile, x, y))),
                    _ => old(&tile, x.div_euclid(self.times), y.div_euclid(self.times)),
                });
            }
        }
        Ok(out)
    }
}

impl Upscale {
    fn photo(&self, tile: &Tile<f32>) -> Vec<f32> {
        let Rect { x, y, width, height } = tile.area;
        let columns = lanczos(self.was.0, self.is.0, x as u32, width);
        let rows = lanczos(self.was.1, self.is.1, y as u32, height);
        let weighed = |x: i32, y: i32| {
            let [r, g, b, a] = old(tile, x, y);
            [r * a, g * a, b * a, a]
        };
        let made = resample(&columns, &rows, weighed);
        let mut out = Vec::with_capacity(made.len() * 4);
        for (j, row) in made.chunks_exact(width as usize).enumerate() {
            let middle = ((y as f32 + j as f32 + 0.5) * self.was.1 as f32 / self.is.1 as f32 - 0.5).floor() as i32;
            for (i, pixel) in row.iter().enumerate() {
                let center = ((x as f32 + i as f32 + 0.5) * self.was.0 as f32 / self.is.0 as f32 - 0.5).floor() as i32;
                out.extend(self.tamed(*pixel, center, middle, &weighed));
            }
        }
        out
    }

    /// The pixel with straight alpha, brought back towards what the four around its place range over.
    fn tamed(&self, mut pixel: [f32; 4], x: i32, y: i32, old: &impl Fn(i32, i32) -> [f32; 4]) -> [f32; 4] {
        let around = [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)]
            .map(|(x, y)| old(x.clamp(0, self.was.0 as i32 - 1), y.clamp(0, self.was.1 as i32 - 1)));
        for c in 0..4 {
            let low = around.iter().fold(f32::INFINITY, |low, p| low.min(p[c]));
            let high = around.iter().fold(0.0f32, |high, p| high.max(p[c]));
            let inside = pixel[c].clamp(low, high);
            // Opacity has no edges to look sharper.
            let left = if c == 3 { 0.0 } else { self.halos };
            pixel[c] = inside + (pixel[c] - inside) * left;
        }
        let alpha = pixel[3];
        let straight = |v: f32| if alpha > 0.0 { (v / alpha).clamp(0.0, 1.0) } else { 0.0 };
        [straight(pixel[0]), straight(pixel[1]), straight(pixel[2]), alpha]
    }
}

/// A pixel of the picture, wherever the tile is.
fn old(tile: &Tile<f32>, x: i32, y: i32) -> [f32; 4] {
    let i = (x - tile.source.x) as usize * 4;
    let row = tile.picture_row(y);
    [row[i], row[i + 1], row[i + 2], row[i + 3]]
}

/// The same colour to the eye: within a quarter of an 8-bit step of light.
fn like(a: [f32; 4], b: [f32; 4]) -> bool {
    (0..4).all(|c| (a[c] - b[c]).abs() < 0.001)
}

/// A pixel of the picture twice as large.
fn scale_2(x: i32, y: i32, old: &impl Fn(i32, i32) -> [f32; 4]) -> [f32; 4] {
    let (ox, oy) = (x.div_euclid(2), y.div_euclid(2));
    let (up, left, own, right, down) =
        (old(ox, oy - 1), old(ox - 1, oy), old(ox, oy), old(ox + 1, oy), old(ox, oy + 1));
    if like(up, down) || like(left, right) {
        return own;
    }
    let (side, level) = (if x.rem_euclid(2) == 0 { left } else { right }, if y.rem_euclid(2) == 0 { up } else { down });
    if like(side, level) { level } else { own }
}

/// A pixel of the picture three times as large.
fn scale_3(x: i32, y: i32, old: &impl Fn(i32, i32) -> [f32; 4]) -> [f32; 4] {
    let (ox, oy) = (x.div_euclid(3), y.div_euclid(3));
    let (dx, dy) = (x.rem_euclid(3) - 1, y.rem_euclid(3) - 1);
    let at = |dx: i32, dy: i32| old(ox + dx, oy + dy);
    let own = at(0, 0);
    if like(at(0, -1), at(0, 1)) || like(at(-1, 0), at(1, 0)) || (dx == 0 && dy == 0) {
        return own;
    }
    if dx != 0 && dy != 0 {
        return if like(at(dx, 0), at(0, dy)) { at(dx, 0) } else { own };
    }
    // The middle of a side: part of a slope that goes on beyond the one or the other corner.
    let [one, other] = [-1, 1].map(|side| {
        let (across, corner) = if dy != 0 { (at(side, 0), at(-side, dy)) } else { (at(0, side), at(dx, -side)) };
        like(across, at(dx, dy)) && !like(own, corner)
    });
    if one || other { at(dx, dy) } else { own }
}

#[cfg(test)]
mod tests {
    use super::Upscale;
    use underpaint_filter::Error;
    use underpaint_filter::testing::{self, Case};

    const METHODS: [&str; 3] = ["photo", "pixel-art", "blocks"];

    #[test]
    fn the_same_in_any_tiles_and_at_every_end() {
        let picture = testing::picture(50, 34);
        for method in METHODS {
            for factor in [1.0, 1.3, 2.0, 2.9, 4.0] {
                let case = Case::<Upscale>::new(50, 34).with("method", method).with("factor", factor);
                let made = case.run(&picture, 64).unwrap();
                let times = if method == "photo" { factor } else { (factor + 0.5).floor() };
                assert_eq!((made.width, made.height), ((50.0 * times + 0.5) as u32, (34.0 * times + 0.5) as u32));
                if made.width != 50 {
                    case.check(&picture);
                }
            }
        }
        let small = Case::<Upscale>::new(1, 1).with("factor", 4.0).run(&[0.2, 0.4, 0.6, 0.5], 64).unwrap();
        assert!(small.pixels.chunks(4).all(|p| (p[0] - 0.2).abs() < 1e-5 && (p[3] - 0.5).abs() < 1e-5));
    }

    /// A diagonal of pixels becomes a slope, and nothing but its two colours. Beyond the edge the picture repeats, so its
    /// corners look like the ends of a line.
    #[test]
    fn pixel_art_gets_slopes_and_no_new_colours() {
        let (b, w) = ([0.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]);
        let picture = [[b, w, w], [w, b, w], [w, w, b]].concat().concat();
        let made = |factor: f32| {
            let case = Case::<Upscale>::new(3, 3).with("method", "pixel-art").with("factor", factor);
            case.run(&picture, 64).unwrap().pixels.chunks(4).map(|p| p[0] as u8).collect::<Vec<_>>()
        };
        #[rustfmt::skip]
        assert_eq!(made(2.0), [
            0, 0, 1, 1, 1, 1,
            0, 1, 0, 1, 1, 1,
            1, 0, 0, 0, 1, 1,
            1, 1, 0, 0, 0, 1,
            1, 1, 1, 0, 1, 0,
            1, 1, 1, 1, 0, 0,
        ]);
        assert!(made(4.0).iter().all(|&v| v < 2));
    }

    #[test]
    fn alpha_0_does_not_bleed_and_flat_colour_stays() {
        let mut picture = [0.7, 0.5, 0.3, 1.0].repeat(20 * 20);
        picture.chunks_exact_mut(4).enumerate().filter(|(i, _)| i % 20 > 12).for_each(|(_, p)| p.fill(0.0));
        let made = Case::<Upscale>::new(20, 20).with("factor", 3.0).with("halos", 100.0).run(&picture, 64).unwrap();
        for pixel in made.pixels.chunks(4).filter(|p| p[3] > 1e-3) {
            assert!((0..3).all(|c| (pixel[c] - [0.7, 0.5, 0.3][c]).abs() < 0.09), "{pixel:?}");
        }
        let made = Case::<Upscale>::new(20, 20).with("factor", 3.0).with("halos", 0.0).run(&picture, 64).unwrap();
        for pixel in made.pixels.chunks(4).filter(|p| p[3] > 1e-3) {
            assert!((0..3).all(|c| (pixel[c] - [0.7, 0.5, 0.3][c]).abs() < 1e-3), "{pixel:?}");
        }
    }

    #[test]
    fn too_large_is_told() {
        let said = Case::<Upscale>::new(20_000, 1).with("factor", 4.0).run(&[0.0; 80_000], 64);
        let Err(Error::BadParameter(name, message)) = said else { panic!("{:?}", said.map(|made| made.width)) };
        assert!(name == "factor" && message.contains("80000x4"), "{message}");
    }
}
