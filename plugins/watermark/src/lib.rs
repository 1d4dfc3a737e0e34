//! Watermark: a signature, a logo or a stamp on the picture, once or all over it.
//!
//! Decision: sizes are shares of the picture, so that one preset suits every picture, and the stamp is laid over as a
//! layer in normal mode would be: on the encoded colours, and only where the picture is.

use underpaint_filter::math::sin_cos;
use underpaint_filter::resample::{lanczos, resample};
use underpaint_filter::{
    About, Error, Filter, Image, Input, Param, Plan, Request, Tile, choices, export, host, params,
};

// The stamp as it is given and as it is laid.
export!(Watermark; memory_bytes = 268435456);

params! {
    /// What the painter sets.
    pub struct Settings {
        place: Place = Param::choice("Place", Place::BottomRight),
        /// The stamp's width as a share of the picture's.
        size: f32 = Param::float("Size", 18.0, 1.0..=100.0).step(1.0).unit("%"),
        opacity: f32 = Param::float("Opacity", 70.0, 0.0..=100.0).step(1.0).unit("%"),
        /// From the picture's edges, or between the stamps when they are all over; a share of the picture's width.
        margin: f32 = Param::float("Margin", 3.0, 0.0..=50.0).step(0.5).unit("%"),
        /// Turns the stamp, or the rows of stamps, to the left.
        angle: f32 = Param::float("Angle", 0.0, -180.0..=180.0).step(1.0).unit("°"),
    }
}

choices! {
    /// Where the stamp is.
    pub enum Place {
        TopLeft = "Top left",
        Top = "Top",
        TopRight = "Top right",
        Left = "Left",
        Center = "Centre",
        Right = "Right",
        BottomLeft = "Bottom left",
        Bottom = "Bottom",
        BottomRight = "Bottom right",
        Tiled = "All over",
    }
}

/// One run.
pub struct Watermark {
    /// Colour times opacity; `None` without a stamp.
    stamp: Option<Image<f32>>,
    opacity: f32,
    tiled: bool,
    /// What everything turns around, and the sine and cosine.
    pivot: [f32; 2],
    turn: (f32, f32),
    /// From one stamp to the next.
    pitch: [f32; 2],
}

impl Filter for Watermark {
    type Sample = f32;
    type Params = Settings;

    fn about() -> About {
        About::new("Watermark", "Lays a signature, logo or stamp over the picture, in a corner or all over.")
            .input(Input::image("stamp", "Stamp").help("A picture with a transparent background."))
    }

    fn new(settings: Settings, request: &mut Request<f32>) -> Result<Self, Error> {
        let (width, height) = (request.width as f32, request.height as f32);
        let stamp = request.image("stamp").map(|image| sized(&image, settings.size * 0.01 * width));
        let Some(stamp) = stamp else {
            host::log(host::Level::Warn, "There is no stamp: choose a picture for it.");
            let (pivot, turn, pitch) = ([0.0; 2], (0.0, 1.0), [1.0; 2]);
            return Ok(Self { stamp: None, opacity: 0.0, tiled: false, pivot, turn, pitch });
        };
        let turn = sin_cos(settings.angle * (std::f32::consts::PI / 180.0));
        let margin = settings.margin * 0.01 * width;
        let (w, h) = (stamp.width as f32, stamp.height as f32);
        // The box around the turned stamp keeps the margin.
        let (sin, cos) = (turn.0.abs(), turn.1.abs());
        let reach = [0.5 * (w * cos + h * sin), 0.5 * (w * sin + h * cos)];
        let along = |end: f32, reach: f32, place: u32| match place {
            0 => margin + reach,
            1 => 0.5 * end,
            _ => end - margin - reach,
        };
        let (column, row) = match settings.place {
            Place::TopLeft => (0, 0),
            Place::Top => (1, 0),
            Place::TopRight => (2, 0),
            Place::Left => (0, 1),
            Place::Center | Place::Tiled => (1, 1),
            Place::Right => (2, 1),
            Place::BottomLeft => (0, 2),
            Place::Bottom => (1, 2),
            Place::BottomRight => (2, 2),
        };
        // Where its corner is on a whole pixel an upright stamp stays as sharp as it is.
        let whole = |middle: f32, side: f32| (middle - 0.5 * side).round_ties_even() + 0.5 * side;
        let pivot = [whole(along(width, reach[0], column), w), whole(along(height, reach[1], row), h)];
        let pitch = [(w + margin).ceil(), (h + margin).ceil()];
        let tiled = settings.place == Place::Tiled;
        Ok(Self { stamp: Some(stamp), opacity: settings.opacity * 0.01, tiled, pivot, turn, pitch })
    }

    fn plan(&self) -> Plan {
        if self.stamp.is_none() || self.opacity == 0.0 { Plan::unchanged() } else { Plan::pointwise() }
    }

    fn process(&mut self, tile: Tile<f32>) -> Result<Vec<f32>, Error> {
        let Some(stamp) = &self.stamp else { return Ok(tile.pixels) };
        let (sin, cos) = self.turn;
        let (w, h) = (stamp.width as f32, stamp.height as f32);
        Ok(tile.map(|x, y, [r, g, b, a]| {
            let (dx, dy) = (x as f32 + 0.5 - self.pivot[0], y as f32 + 0.5 - self.pivot[1]);
            let (mut u, mut v) = (dx * cos - dy * sin + 0.5 * w, dx * sin + dy * cos + 0.5 * h);
            if self.tiled {
                let row = (v / self.pitch[1]).floor();
                v -= row * self.pitch[1];
                // As bricks lie: every other row by half.
                u -= if row as i32 & 1 == 0 { 0.0 } else { (0.5 * self.pitch[0]).floor() };
                u -= (u / self.pitch[0]).floor() * self.pitch[0];
            }
            let [sr, sg, sb, sa] = sample(stamp, u - 0.5, v - 0.5);
            let (left, all) = (1.0 - sa * self.opacity, self.opacity);
            [r * left + sr * all, g * left + sg * all, b * left + sb * all, a]
        }))
    }
}

/// The stamp `width` pixels wide, its colours times its opacity.
fn sized(image: &Image<f32>, width: f32) -> Image<f32> {
    let side = |v: f32| (v + 0.5).clamp(1.0, 16_384.0) as u32;
    let (w, h) = (side(width), side(width * image.height as f32 / image.width as f32));
    let (columns, rows) = (lanczos(image.width, w, 0, w), lanczos(image.height, h, 0, h));
    let pixels = resample(&columns, &rows, |x, y| {
        let [r, g, b, a] = image.at(x, y);
        [r * a, g * a, b * a, a]
    });
    let tamed = pixels.into_iter().flat_map(|[r, g, b, a]| {
        let a = a.clamp(0.0, 1.0);
        [r.clamp(0.0, a), g.clamp(0.0, a), b.clamp(0.0, a), a]
    });
    Image { width: w, height: h, pixels: tamed.collect() }
}

/// A place between pixels; outside there is nothing.
fn sample(stamp: &Image<f32>, u: f32, v: f32) -> [f32; 4] {
    let (left, top) = (u.floor(), v.floor());
    let (fx, fy) = (u - left, v - top);
    let mut sum = [0.0; 4];
    for (x, y, share) in [
        (left, top, (1.0 - fx) * (1.0 - fy)),
        (left + 1.0, top, fx * (1.0 - fy)),
        (left, top + 1.0, (1.0 - fx) * fy),
        (left + 1.0, top + 1.0, fx * fy),
    ] {
        let inside = x >= 0.0 && y >= 0.0 && x < stamp.width as f32 && y < stamp.height as f32;
        if inside && share > 0.0 {
            let pixel = stamp.at(x as i32, y as i32);
            (0..4).for_each(|c| sum[c] += share * pixel[c]);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::Watermark;
    use underpaint_filter::testing::{self, Case};
    use underpaint_filter::{Choice, Image};

    fn red(width: u32, height: u32, alpha: f32) -> Image<f32> {
        Image { width, height, pixels: [1.0, 0.0, 0.0, alpha].repeat((width * height) as usize) }
    }

    #[test]
    fn the_same_in_any_tiles_and_at_every_end() {
        let picture = testing::picture(120, 80);
        let stamp = Image { width: 40, height: 30, pixels: testing::picture(40, 30) };
        for (_, name, _) in super::Place::ALL {
            let name: String = name.chars().fold(String::new(), |mut out, c| {
                if c.is_uppercase() && !out.is_empty() {
                    out.push('-');
                }
                out.extend(c.to_lowercase());
                out
            });
            let case = Case::<Watermark>::new(120, 80).image("stamp", stamp.clone()).with("place", name.as_str());
            case.with("angle", 33.0).check(&picture);
        }
        for (size, margin) in [(1.0, 0.0), (100.0, 50.0)] {
            let case = Case::<Watermark>::new(120, 80).image("stamp", stamp.clone());
            case.with("size", size).with("margin", margin).check(&picture);
        }
        assert_eq!(Case::<Watermark>::new(120, 80).run(&picture, 64).unwrap().pixels, picture);
    }

    #[test]
    fn lies_where_it_should_and_weighs_opacity() {
        let picture = [0.0, 0.5, 1.0, 1.0].repeat(100 * 50);
        let case =
            Case::<Watermark>::new(100, 50).image("stamp", red(4, 2, 0.5)).with("size", 20.0).with("margin", 5.0);
        let made = case.with("opacity", 100.0).run(&picture, 64).unwrap().pixels;
        let at = |x: usize, y: usize| &made[(y * 100 + x) * 4..][..4];
        for (x, y, inside) in
            [(75, 35, true), (94, 44, true), (74, 40, false), (95, 40, false), (80, 34, false), (80, 45, false)]
        {
            let near = |rgb: [f32; 3]| (0..3).all(|c| (at(x, y)[c] - rgb[c]).abs() < 1e-5);
            assert!(near(if inside { [0.5, 0.25, 0.5] } else { [0.0, 0.5, 1.0] }), "({x}, {y}) is {:?}", at(x, y));
        }
    }

    /// Colour under a stamp's alpha 0 is not in its soft edges, and a stamp paints nothing where no picture is.
    #[test]
    fn alpha_0_does_not_bleed() {
        let mut stamp = red(32, 32, 1.0);
        stamp.pixels.chunks_exact_mut(4).enumerate().filter(|(i, _)| i % 32 > 15).for_each(|(_, p)| {
            p.copy_from_slice(&[0.0, 1.0, 0.0, 0.0]);
        });
        let mut picture = [1.0, 0.0, 0.0, 1.0].repeat(60 * 60);
        picture[..60 * 30 * 4].fill(0.0);
        let case = Case::<Watermark>::new(60, 60).image("stamp", stamp).with("place", "tiled").with("angle", 20.0);
        let made = case.run(&picture, 64).unwrap().pixels;
        for (new, old) in made.chunks(4).zip(picture.chunks(4)) {
            assert!(new[3] == old[3] && new[1].abs() < 1e-5, "{new:?}");
        }
    }
}
