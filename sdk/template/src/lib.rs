//! Sepia: a first filter, to be made into your own.

use underpaint_filter::{About, Error, Filter, Param, Request, Tile, export, params};

export!(Sepia);

params! {
    /// What the painter sets.
    pub struct Settings {
        /// 0 leaves the picture as it is.
        strength: f32 = Param::float("Strength", 0.8, 0.0..=1.0),
    }
}

/// One run's parameters.
pub struct Sepia {
    strength: f32,
}

impl Filter for Sepia {
    type Sample = f32;
    type Params = Settings;

    fn about() -> About {
        About::new("Sepia", "Tints the picture as an old photograph.")
    }

    fn new(params: Settings, _request: &mut Request<f32>) -> Result<Self, Error> {
        Ok(Sepia { strength: params.strength })
    }

    fn process(&mut self, tile: Tile<f32>) -> Result<Vec<f32>, Error> {
        Ok(tile.map(|_x, _y, [r, g, b, a]| {
            let grey = 0.299 * r + 0.587 * g + 0.114 * b;
            let mix = |from: f32, tint: f32| from + (grey * tint - from) * self.strength;
            [mix(r, 1.0), mix(g, 0.85), mix(b, 0.65), a]
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::Sepia;
    use underpaint_filter::testing::{self, Case};

    #[test]
    fn does_not_care_how_the_picture_is_cut() {
        Case::<Sepia>::new(150, 100).check(&testing::picture(150, 100));
    }

    #[test]
    fn strength_0_changes_nothing() {
        let picture = testing::picture(20, 20);
        let made = Case::<Sepia>::new(20, 20).with("strength", 0.0).run(&picture, 256);
        assert_eq!(made.unwrap().pixels, picture);
    }
}
