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
