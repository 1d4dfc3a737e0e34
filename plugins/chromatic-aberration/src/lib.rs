//! Chromatic aberration: coloured fringes towards the corners, as a lens has that bends blue more than red.
//!
//! Decision: the picture is magnified a little differently for each colour, more so the farther from the centre (with
//! the square of the distance, so that the middle stays sharp), and every colour is smeared along that way: real glass
//! spreads a spectrum where three shifted channels show three edges. It works on light.

use underpaint_filter::{About, Error, Filter, Param, Plan, Request, Tile, choices, export, params};

export!(ChromaticAberration);

params! {
    /// What the painter sets.
    pub struct Settings {
        /// How far the fringes reach in the corners.
        amount: f32 = Param::float("Amount", 4.0, 0.0..=64.0).step(0.5).unit("px"),
        fringe: Fringe = Param::choice("Fringes", Fringe::RedBlue),
        /// 0 shifts the colours apart, 100 % spreads them into a spectrum.
        spread: f32 = Param::float("Spectrum", 60.0, 0.0..=100.0).step(1.0).unit("%"),
        /// Where nothing is shifted, from left to right.
        center_x: f32 = Param::float("Centre across", 50.0, 0.0..=100.0).step(1.0).unit("%").group("Centre"),
        /// Where nothing is shifted, from top to bottom.
        center_y: f32 = Param::float("Centre down", 50.0, 0.0..=100.0).step(1.0).unit("%").group("Centre"),
    }
}

choices! {
    /// Which colours part.
    pub enum Fringe {
        RedBlue = "Red outside, blue inside",
        BlueRed = "Blue outside, red inside",
        PurpleGreen = "Purple outside, green inside",
    }
}

/// One run.
pub struct ChromaticAberration {
    /// Pixels, in the farthest corner.
    amount: f32,
    /// Where each channel begins and ends on the way from -1, inside, to 1, outside.
    ways: [[f32; 2]; 3],
    /// Places looked at along a way.
    steps: usize,
    center: [f32; 2],
    /// From the centre to the farthest corner.
    radius: f32,
}

impl Filter for ChromaticAberration {
    type Sample = f32;
    type Params = Settings;

    fn about() -> About {
        About::new("Chromatic aberration", "Parts the colours towards the corners, as a simple lens does.").linear()
    }

    fn new(settings: Settings, request: &mut Request<f32>) -> Result<Self, Error> {
        let (w, h) = (request.width as f32, request.height as f32);
        let center = [settings.center_x * 0.01 * w, settings.center_y * 0.01 * h];
        let reach = [center[0].max(w - center[0]), center[1].max(h - center[1])];
        let amount = settings.amount * request.scale;
        let centers = match settings.fringe {
            Fringe::RedBlue => [1.0, 0.0, -1.0],
            Fringe::BlueRed => [-1.0, 0.0, 1.0],
            Fringe::PurpleGreen => [1.0, -1.0, 1.0],
        };
        // A spectrum from end to end: each channel has two thirds of the way, the outer ones up to its ends.
        let spread = settings.spread * 0.01 * (2.0 / 3.0);
        let ways = centers.map(|at: f32| [at * (1.0 - spread) - spread, at * (1.0 - spread) + spread]);
        // A step of half a pixel shows no gaps.
        let steps = if spread > 0.0 { ((2.0 * spread * amount * 2.0).ceil() as usize + 1).clamp(2, 65) } else { 1 };
        Ok(Self { amount, ways, steps, center, radius: (reach[0] * reach[0] + reach[1] * reach[1]).sqrt() })
    }

    fn plan(&self) -> Plan {
        if self.amount == 0.0 { Plan::unchanged() } else { Plan::tiles(self.amount.ceil() as u32 + 1) }
    }

    fn process(&mut self, tile: Tile<f32>) -> Result<Vec<f32>, Error> {
        let mut out = tile.area_pixels();
        let width = tile.area.width as usize;
        for (i, pixel) in out.chunks_exact_mut(4).enumerate() {
            if pixel[3] == 0.0 {
                continue;
            }
            let (x, y) = ((i % width) as i32, (i / width) as i32);
            let dx = ((x + tile.area.x) as f32 + 0.5 - self.center[0]) / self.radius;
            let dy = ((y + tile.area.y) as f32 + 0.5 - self.center[1]) / self.radius;
            // What lands here came from nearer to the centre.
            let far = -self.amount * (dx * dx + dy * dy).sqrt();
            for (c, &[from, to]) in self.ways.iter().enumerate() {
                let (mut light, mut weight) = (0.0, 0.0);
                for step in 0..self.steps {
                    let t = from + (to - from) * (step as f32 + 0.5) / self.steps as f32;
                    let (l, a) = sample(&tile, x, y, t * far * dx, t * far * dy, c);
                    light += l;
                    weight += a;
                }
                if weight > 0.0 {
                    pixel[c] = light / weight;
                }
            }
        }
        Ok(out)
    }
}

/// Channel `c` at a place between pixels, times its opacity; and that.
fn sample(tile: &Tile<f32>, x: i32, y: i32, dx: f32, dy: f32, c: usize) -> (f32, f32) {
    let (left, top) = (dx.floor(), dy.floor());
    let (fx, fy) = (dx - left, dy - top);
    let (x, y) = (x + left as i32, y + top as i32);
    let (mut light, mut weight) = (0.0, 0.0);
    for (x, y, share) in [
        (x, y, (1.0 - fx) * (1.0 - fy)),
        (x + 1, y, fx * (1.0 - fy)),
        (x, y + 1, (1.0 - fx) * fy),
        (x + 1, y + 1, fx * fy),
    ] {
        let pixel = tile.at(x, y);
        light += share * pixel[3] * pixel[c];
        weight += share * pixel[3];
    }
    (light, weight)
}

#[cfg(test)]
mod tests {
    use super::ChromaticAberration;
    use underpaint_filter::testing::{self, Case};

    #[test]
    fn the_same_in_any_tiles_and_at_every_end() {
        let picture = testing::picture(150, 90);
        let case = || Case::<ChromaticAberration>::new(150, 90);
        case().check(&picture);
        case().with("amount", 64.0).with("center_x", 0.0).check(&picture);
        case().with("spread", 0.0).with("fringe", "purple-green").check(&picture);
        case().with("spread", 100.0).with("fringe", "blue-red").check(&picture);
        assert_eq!(case().with("amount", 0.0).run(&picture, 64).unwrap().pixels, picture);
    }

    /// Flat colour has no fringes, and what nobody sees gives none to its neighbours.
    #[test]
    fn flat_colour_stays_and_alpha_0_does_not_bleed() {
        let mut picture = [0.5, 0.4, 0.3, 1.0].repeat(60 * 60);
        for (i, pixel) in picture.chunks_exact_mut(4).enumerate() {
            if i % 60 > 45 {
                pixel.copy_from_slice(&[0.0; 4]);
            } else if i % 60 > 40 {
                pixel[3] = 0.25;
            }
        }
        let made = Case::<ChromaticAberration>::new(60, 60).with("amount", 12.0).run(&picture, 64).unwrap().pixels;
        for (new, old) in made.chunks(4).zip(picture.chunks(4)) {
            assert!(new.iter().zip(old).all(|(a, b)| (a - b).abs() < 1e-6), "{new:?} {old:?}");
        }
    }

    /// A white line on black: red farther out than blue.
    #[test]
    fn red_lands_outside_of_blue() {
        let mut picture = [0.0, 0.0, 0.0, 1.0].repeat(100 * 11);
        (0..11).for_each(|y| picture[(y * 100 + 90) * 4..][..3].fill(1.0));
        let made = Case::<ChromaticAberration>::new(100, 11).with("amount", 6.0).run(&picture, 256).unwrap().pixels;
        let middle = |c: usize| {
            let row = &made[5 * 400..6 * 400];
            let (sum, at) =
                row.chunks(4).enumerate().fold((0.0, 0.0), |(s, a), (x, p)| (s + p[c], a + p[c] * x as f32));
            at / sum
        };
        assert!(
            middle(0) > 92.0 && (middle(1) - 90.0).abs() < 0.3 && middle(2) < 88.0,
            "{} {} {}",
            middle(0),
            middle(1),
            middle(2)
        );
    }
}
