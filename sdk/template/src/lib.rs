//! Sepia: a first filter, to be made into your own.

use underpaint_filter::{Descriptor, Error, Filter, Param, Request, Tile, export};

export!(Sepia);

/// One run's parameters.
pub struct Sepia {
    strength: f32,
}

impl Filter for Sepia {
    fn describe() -> Descriptor {
        Descriptor::new("Sepia", "Tints the picture as an old photograph.")
            .param(Param::float("strength", "Strength", 0.8, 0.0..=1.0).help("0 leaves the picture as it is."))
    }

    fn new(request: &Request) -> Result<Self, Error> {
        Ok(Sepia { strength: request.float("strength") })
    }

    fn process(&mut self, tile: Tile) -> Result<Vec<f32>, Error> {
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
    use underpaint_filter::{Filter, Request, Value, testing};

    #[test]
    fn does_not_care_how_the_picture_is_cut() {
        let request = Request::defaults(&Sepia::describe(), 150, 100);
        testing::check::<Sepia>(&request, &testing::picture(150, 100));
    }

    #[test]
    fn strength_0_changes_nothing() {
        let picture = testing::picture(20, 20);
        let request = Request::defaults(&Sepia::describe(), 20, 20).with("strength", Value::Float(0.0));
        assert_eq!(testing::run::<Sepia>(&request, &picture, 256), Ok(picture));
    }
}
