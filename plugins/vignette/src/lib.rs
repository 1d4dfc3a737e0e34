//! Vignette: light that falls off towards the corners, as lenses and darkrooms make it.
//!
//! Decision: it works on light. A lens loses a share of the light, so darkening multiplies, and colours keep their hue
//! and saturation where an overlay of black would turn them grey; brightening goes towards white, as it does on paper.

use underpaint_filter::{About, Color, Error, Filter, Param, Plan, Request, Tile, export, params};

export!(Vignette);

params! {
    /// What the painter sets.
    pub struct Settings {
        /// Above 0 the corners become darker, below 0 lighter; 100 % leaves them nothing but the colour.
        amount: f32 = Param::float("Amount", 55.0, -100.0..=100.0).step(1.0).unit("%"),
        /// Where the falloff is half done: 0 at the centre, 100 % in the corners.
        midpoint: f32 = Param::float("Midpoint", 75.0, 0.0..=100.0).step(1.0).unit("%").group("Shape"),
        /// How softly it begins and ends; 0 is an edge.
        feather: f32 = Param::float("Feather", 70.0, 0.0..=100.0).step(1.0).unit("%").group("Shape"),
        /// 0 follows the picture's sides, 100 % is a circle.
        roundness: f32 = Param::float("Roundness", 30.0, 0.0..=100.0).step(1.0).unit("%").group("Shape"),
        /// Where the light is, from left to right.
        center_x: f32 = Param::float("Centre across", 50.0, 0.0..=100.0).step(1.0).unit("%").group("Centre"),
        /// Where the light is, from top to bottom.
        center_y: f32 = Param::float("Centre down", 50.0, 0.0..=100.0).step(1.0).unit("%").group("Centre"),
        /// Bright lights shine through the dark corners.
        highlights: f32 = Param::float("Keep highlights", 20.0, 0.0..=100.0).step(1.0).unit("%").group("Tone"),
        /// What dark corners tend to.
        color: Color = Param::color("Colour", 0x000000).group("Tone"),
    }
}

/// One run's shape and strength.
pub struct Vignette {
    amount: f32,
    /// Distance 0..1 where it begins, and the width of the falloff.
    begin: f32,
    width: f32,
    center: [f32; 2],
    /// What a pixel's distance from the centre is divided by, across and down.
    size: [f32; 2],
    highlights: f32,
    color: [f32; 3],
}

impl Filter for Vignette {
    type Sample = f32;
    type Params = Settings;

    fn about() -> About {
        About::new("Vignette", "Darkens or brightens the picture towards its corners.").linear()
    }

    fn new(settings: Settings, request: &mut Request<f32>) -> Result<Self, Error> {
        let (w, h) = (request.width as f32, request.height as f32);
        let center = [settings.center_x * 0.01 * w, settings.center_y * 0.01 * h];
        // From the farthest corner's ellipse to the circle through it.
        let reach = [center[0].max(w - center[0]), center[1].max(h - center[1])];
        let diagonal = (reach[0] * reach[0] + reach[1] * reach[1]).sqrt();
        let root_2 = 2f32.sqrt();
        let size = reach.map(|side| {
            let ellipse = side * root_2;
            ellipse + (diagonal - ellipse) * settings.roundness * 0.01
        });
        let width = (settings.feather * 0.01).max(1.0 / diagonal);
        Ok(Self {
            amount: settings.amount * 0.01,
            begin: settings.midpoint * 0.01 - 0.5 * width,
            width,
            center,
            size,
            highlights: settings.highlights * 0.01,
            color: settings.color.linear(),
        })
    }

    fn plan(&self) -> Plan {
        if self.amount == 0.0 { Plan::unchanged() } else { Plan::pointwise() }
    }

    fn process(&mut self, tile: Tile<f32>) -> Result<Vec<f32>, Error> {
        Ok(tile.map(|x, y, [r, g, b, a]| {
            let dx = (x as f32 + 0.5 - self.center[0]) / self.size[0];
            let dy = (y as f32 + 0.5 - self.center[1]) / self.size[1];
            let t = (((dx * dx + dy * dy).sqrt() - self.begin) / self.width).clamp(0.0, 1.0);
            // Perlin's smootherstep: no edge where it begins or ends.
            let fall = t * t * t * (t * (6.0 * t - 15.0) + 10.0) * self.amount;
            if fall < 0.0 {
                return [r - (1.0 - r) * fall, g - (1.0 - g) * fall, b - (1.0 - b) * fall, a];
            }
            // Squared: the eye sees half the light as hardly darker.
            let bright = r.max(g).max(b);
            let left = 1.0 - fall * (1.0 - self.highlights * bright * bright);
            let left = left * left;
            let mix = |v: f32, to: f32| to + (v - to) * left;
            [mix(r, self.color[0]), mix(g, self.color[1]), mix(b, self.color[2]), a]
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::Vignette;
    use underpaint_filter::testing::{self, Case};

    #[test]
    fn the_same_in_any_tiles_and_at_every_end() {
        let picture = testing::picture(150, 90);
        let case = || Case::<Vignette>::new(150, 90);
        case().check(&picture);
        for (name, ends) in [
            ("amount", [-100.0, 100.0]),
            ("midpoint", [0.0, 100.0]),
            ("feather", [0.0, 100.0]),
            ("roundness", [0.0, 100.0]),
            ("center_x", [0.0, 100.0]),
            ("highlights", [0.0, 100.0]),
        ] {
            ends.iter().for_each(|&end| case().with(name, end).check(&picture));
        }
        assert_eq!(case().with("amount", 0.0).run(&picture, 64).unwrap().pixels, picture);
    }

    #[test]
    fn the_centre_stays_and_corners_darken_alike() {
        let picture = [0.5, 0.4, 0.3, 1.0].repeat(101 * 61);
        let made = Case::<Vignette>::new(101, 61).run(&picture, 64).unwrap().pixels;
        let at = |x: usize, y: usize| &made[(y * 101 + x) * 4..][..4];
        assert_eq!(at(50, 30), [0.5, 0.4, 0.3, 1.0]);
        assert_eq!(at(0, 0), at(100, 60));
        assert!(at(0, 0)[0] < 0.2, "{:?}", at(0, 0));
        // Hue stays: all three lose the same share.
        assert!((at(0, 0)[0] / at(0, 0)[2] - 0.5 / 0.3).abs() < 1e-4);
    }

    /// A preview is the picture, smaller: the shape is told in shares of it.
    #[test]
    fn a_preview_looks_the_same() {
        let corner = |w: u32, h: u32, scale: f32| {
            let picture = [0.5, 0.5, 0.5, 1.0].repeat((w * h) as usize);
            Case::<Vignette>::new(w, h).scale(scale).run(&picture, 64).unwrap().pixels[0]
        };
        assert!((corner(400, 300, 1.0) - corner(100, 75, 0.25)).abs() < 0.01);
    }
}
