//! Gaussian blur: every pixel becomes the mean of those around it, the near ones counting most.
//!
//! Works on the numbers as they are, sRGB-encoded, which is what painters know from their editors. Alpha is blurred
//! too, and colours count by their alpha: nothing dark creeps in from where the picture is transparent.

mod blur;

use blur::{Blur, Blurred};
use underpaint_filter::{About, Error, Filter, Param, Plan, Request, Tile, export, params};

export!(GaussianBlur<u8>, GaussianBlur<u16>, GaussianBlur<f32>);

params! {
    /// What the painter sets.
    pub struct Settings {
        /// How far the picture is blurred: the standard deviation of the kernel. 0 leaves it as it is.
        sigma: f32 = Param::float("Radius", 4.0, 0.0..=64.0).step(0.5).unit("px"),
    }
}

/// One run's kernel.
pub struct GaussianBlur<S> {
    blur: Blur,
    sample: std::marker::PhantomData<S>,
}

impl<S: Blurred> Filter for GaussianBlur<S> {
    type Sample = S;
    type Params = Settings;

    fn about() -> About {
        About::new("Gaussian blur", "Softens the picture evenly, as through a lens out of focus.")
    }

    fn new(params: Settings, request: &mut Request<S>) -> Result<Self, Error> {
        Ok(Self { blur: Blur::new(params.sigma * request.scale), sample: std::marker::PhantomData })
    }

    fn plan(&self) -> Plan {
        if self.blur.reach() == 0 { Plan::unchanged() } else { Plan::tiles(self.blur.halo()) }
    }

    fn process(&mut self, tile: Tile<S>) -> Result<Vec<S>, Error> {
        Ok(S::blurred(&self.blur, &tile))
    }
}

#[cfg(test)]
mod tests {
    use super::{Blurred, GaussianBlur};
    use underpaint_filter::Sample;
    use underpaint_filter::testing::{self, Case};

    fn in_any_tiles<S: Blurred>() {
        let picture = testing::picture::<S>(131, 75);
        for sigma in [0.4, 1.5, 2.6, 9.0] {
            Case::<GaussianBlur<S>>::new(131, 75).with("sigma", sigma).check(&picture);
        }
        let opaque: Vec<S> = picture.chunks(4).flat_map(|p| [p[0], p[1], p[2], S::MAX]).collect();
        Case::<GaussianBlur<S>>::new(131, 75).with("sigma", 1.5).check(&opaque);
    }

    #[test]
    fn the_same_in_any_tiles() {
        in_any_tiles::<u8>();
        in_any_tiles::<u16>();
        in_any_tiles::<f32>();
    }

    fn keeps_flat_colours<S: Blurred>(values: [f32; 4]) {
        let flat = values.map(S::from_unit).repeat(40 * 30);
        for sigma in [0.3, 1.5, 20.0, 64.0] {
            let made = Case::<GaussianBlur<S>>::new(40, 30).with("sigma", sigma).run(&flat, 256).unwrap().pixels;
            for (is, was) in made.iter().zip(&flat) {
                assert!((is.to_unit() - was.to_unit()).abs() < 1e-5, "{is:?}, not {was:?}, at sigma {sigma}");
            }
        }
    }

    #[test]
    fn a_flat_colour_stays() {
        for values in [[1.0; 4], [0.2, 0.7, 0.0, 1.0], [0.8, 0.4, 1.0, 0.6]] {
            keeps_flat_colours::<u8>(values);
            keeps_flat_colours::<u16>(values);
            keeps_flat_colours::<f32>(values);
        }
    }

    #[test]
    fn every_flat_opaque_byte_stays() {
        for value in 0..=255 {
            let flat = [value, 255 - value, value / 2, 255].repeat(20 * 11);
            for sigma in [0.3, 0.7, 1.5, 2.2, 4.0, 5.0] {
                let made = Case::<GaussianBlur<u8>>::new(20, 11).with("sigma", sigma).run(&flat, 256).unwrap();
                assert!(made.pixels == flat, "{value} at sigma {sigma}");
            }
        }
    }

    /// How far a byte may be from the exact blur, in steps: half of one is the rounding.
    const MOST: f64 = 0.56;

    #[test]
    fn opaque_bytes_are_as_near_as_promised() {
        const WIDTH: i64 = 150;
        const HEIGHT: i64 = 31;
        let noise = |i: u32| if i % 4 == 3 { 255 } else { (i.wrapping_mul(0x9e37_79b1) >> 24) as u8 };
        let picture: Vec<u8> = (0..WIDTH as u32 * HEIGHT as u32 * 4).map(noise).collect();
        for sigma in [0.5f32, 1.5, 2.2, 4.0, 7.0] {
            let reach = (3.0 * sigma - 0.5).ceil() as i64;
            let taps: Vec<f64> =
                (-reach..=reach).map(|d| (-((d * d) as f64) / (2.0 * f64::from(sigma * sigma))).exp()).collect();
            let sum: f64 = taps.iter().sum();
            // `at` says where a value lies of how many, which are `step` apart.
            let walk = |values: &[f64], step: i64, at: fn(i64) -> i64, side: i64| -> Vec<f64> {
                let near = |i: i64, d: i64| values[(i + ((at(i) + d).clamp(0, side - 1) - at(i)) * step) as usize];
                let mean = |i: i64| (-reach..=reach).zip(&taps).map(|(d, tap)| near(i, d) * tap / sum).sum();
                (0..values.len() as i64).map(mean).collect()
            };
            let exact: Vec<f64> = picture.iter().map(|&v| v.into()).collect();
            let exact = walk(&exact, 4 * WIDTH, |i| i / (4 * WIDTH), HEIGHT);
            let exact = walk(&exact, 4, |i| i / 4 % WIDTH, WIDTH);
            let case = Case::<GaussianBlur<u8>>::new(WIDTH as u32, HEIGHT as u32).with("sigma", sigma);
            let made = case.run(&picture, 256).unwrap();
            let off = made.pixels.iter().zip(&exact).map(|(&is, should)| (f64::from(is) - should).abs());
            let off = off.fold(0.0, f64::max);
            assert!(off < MOST, "{off} steps at sigma {sigma}");
        }
    }

    /// Colours by what shows of them: under an alpha of one step there is nothing to be right about.
    #[test]
    fn soft_bytes_are_as_near_as_promised() {
        let (width, height) = (90, 40);
        let picture: Vec<u8> = testing::picture(width, height);
        let floats: Vec<f32> = picture.iter().map(|v| v.to_unit()).collect();
        for sigma in [0.5, 1.5, 4.0, 7.0] {
            let made = Case::<GaussianBlur<u8>>::new(width, height).with("sigma", sigma).run(&picture, 256).unwrap();
            let exact = Case::<GaussianBlur<f32>>::new(width, height).with("sigma", sigma).run(&floats, 256).unwrap();
            for (is, should) in made.pixels.chunks(4).zip(exact.pixels.chunks(4)) {
                let off = |c: usize| f64::from((is[c].to_unit() - should[c]).abs() * 255.0);
                assert!(off(3) < MOST, "{is:?}, not {should:?} at sigma {sigma}");
                let colors = (0..3).map(|c| off(c) * f64::from(should[3])).fold(0.0, f64::max);
                assert!(colors < MOST, "{is:?}, not {should:?} at sigma {sigma}");
            }
        }
    }

    /// One soft pixel changes how its tile is blurred, and nothing out of its reach.
    #[test]
    fn soft_pixels_do_not_show_afar() {
        let (width, height) = (90, 40);
        let mut picture: Vec<u8> = testing::picture(width, height);
        picture.chunks_mut(4).for_each(|p| p[3] = 255);
        for sigma in [0.4, 1.5, 3.0, 5.5] {
            let run = |picture: &[u8]| {
                Case::<GaussianBlur<u8>>::new(width, height).with("sigma", sigma).run(picture, 256).unwrap().pixels
            };
            let opaque = run(&picture);
            picture[3] = 200;
            let soft = run(&picture);
            picture[3] = 255;
            let reach = (3.0 * sigma - 0.5).ceil() as usize;
            for (i, (is, should)) in soft.chunks(4).zip(opaque.chunks(4)).enumerate() {
                let far = i % width as usize > reach || i / width as usize > reach;
                assert!(!far || is == should, "pixel {i} at sigma {sigma}");
            }
            assert!(soft != opaque);
        }
    }

    /// White beside nothing stays white while it fades.
    #[test]
    fn nothing_dark_creeps_in() {
        let picture: Vec<u8> = (0..32 * 4).flat_map(|i| if i % 32 < 16 { [255; 4] } else { [0; 4] }).collect();
        let mut case = Case::<GaussianBlur<u8>>::new(32, 4).with("sigma", 3.0);
        case = case.seed(0);
        let made = case.run(&picture, 256).unwrap().pixels;
        assert!(made.chunks(4).all(|p| p[3] == 0 || p[..3] == [255; 3]));
        assert!(made.chunks(4).any(|p| (1..255).contains(&p[3])));
    }

    #[test]
    fn a_preview_is_blurred_less() {
        let picture = testing::picture::<u8>(64, 64);
        let half = Case::<GaussianBlur<u8>>::new(64, 64).with("sigma", 3.0).scale(0.5).run(&picture, 256);
        assert_eq!(half, Case::<GaussianBlur<u8>>::new(64, 64).with("sigma", 1.5).run(&picture, 256));
        let none = Case::<GaussianBlur<u8>>::new(64, 64).with("sigma", 0.0).run(&picture, 256).unwrap();
        assert_eq!(none.pixels, picture);
    }
}
