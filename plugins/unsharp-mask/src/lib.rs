//! Unsharp mask: what a blur takes away is added once more.
//!
//! The darkroom's way to sharpen: a pixel moves away from the blurred picture by `amount` times its difference from
//! it, if that is larger than a threshold, so that noise and skin stay as they are. Alpha stays as it is.

#[path = "../../gaussian-blur/src/blur/mod.rs"]
mod blur;

use blur::{Blur, Blurred};
use underpaint_filter::{About, Error, Filter, Param, Plan, Request, Tile, export, params};

export!(UnsharpMask<u8>, UnsharpMask<u16>, UnsharpMask<f32>);

params! {
    /// What the painter sets.
    pub struct Settings {
        /// How much edges are lifted; 0 leaves the picture as it is.
        amount: f32 = Param::float("Amount", 0.6, 0.0..=5.0).step(0.05),
        /// How wide the lifted border is: the standard deviation of the blur.
        sigma: f32 = Param::float("Radius", 1.5, 0.2..=32.0).step(0.1).unit("px"),
        /// Differences smaller than this stay as they are.
        threshold: f32 = Param::float("Threshold", 0.0, 0.0..=0.5).step(0.005),
    }
}

/// One run's parameters and kernel.
pub struct UnsharpMask<S> {
    amount: f32,
    threshold: f32,
    blur: Blur,
    sample: std::marker::PhantomData<S>,
}

impl<S: Blurred> Filter for UnsharpMask<S> {
    type Sample = S;
    type Params = Settings;

    fn about() -> About {
        About::new("Unsharp mask", "Sharpens the picture by lifting its edges.")
    }

    fn new(params: Settings, request: &mut Request<S>) -> Result<Self, Error> {
        let Settings { amount, sigma, threshold } = params;
        Ok(Self { amount, threshold, blur: Blur::new(sigma * request.scale), sample: std::marker::PhantomData })
    }

    fn plan(&self) -> Plan {
        if self.amount == 0.0 || self.blur.reach() == 0 { Plan::unchanged() } else { Plan::tiles(self.blur.halo()) }
    }

    fn process(&mut self, tile: Tile<S>) -> Result<Vec<S>, Error> {
        let mut made = S::blurred(&self.blur, &tile);
        for (out, was) in made.chunks_exact_mut(4).zip(tile.area_pixels().chunks_exact(4)) {
            for c in 0..3 {
                let (blurred, sharp) = (out[c].to_unit(), was[c].to_unit());
                let difference = sharp - blurred;
                let lifted = if difference.abs() < self.threshold { 0.0 } else { self.amount * difference };
                out[c] = S::from_unit(sharp + lifted);
            }
            out[3] = was[3];
        }
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::{Blurred, UnsharpMask};
    use underpaint_filter::testing::{self, Case};

    fn in_any_tiles<S: Blurred>() {
        let picture = testing::picture::<S>(90, 61);
        Case::<UnsharpMask<S>>::new(90, 61).check(&picture);
        Case::<UnsharpMask<S>>::new(90, 61).with("sigma", 4.0).with("threshold", 0.02).check(&picture);
    }

    #[test]
    fn the_same_in_any_tiles() {
        in_any_tiles::<u8>();
        in_any_tiles::<u16>();
        in_any_tiles::<f32>();
    }

    #[test]
    fn edges_are_lifted_and_small_differences_are_not() {
        let step = |low: u8, high: u8| -> Vec<u8> {
            (0..32 * 8).map(|i| if i % 32 < 16 { low } else { high }).flat_map(|v| [v, v, v, 255]).collect()
        };
        let run = |picture: &[u8], threshold: f32| {
            let case = Case::<UnsharpMask<u8>>::new(32, 8).with("threshold", threshold);
            case.run(picture, 256).unwrap().pixels
        };
        let made = run(&step(60, 180), 0.1);
        assert!(made[15 * 4] < 45 && made[16 * 4] > 195, "{} {}", made[15 * 4], made[16 * 4]);
        assert_eq!((made[0], made[31 * 4]), (60, 180));
        assert_eq!(run(&step(100, 110), 0.1), step(100, 110));
    }
}
