//! One run: the picture it is about, how the filter wants its pixels, why it may give up.

use crate::{Image, Sample};

/// One run of a filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Request<S> {
    /// Width of the whole picture in pixels.
    pub width: u32,
    /// Height of the whole picture in pixels.
    pub height: u32,
    /// 1 for the picture itself; below 1 for a preview reduced by this factor: multiply lengths in pixels by it.
    pub scale: f32,
    /// All randomness comes from this number and a pixel's position, see [`Noise`](crate::Noise).
    pub seed: u64,
    /// What there is of every declared input, in their order.
    pub inputs: Vec<(String, Given<S>)>,
}

/// What there is of a declared input.
#[derive(Clone, Debug, PartialEq)]
pub enum Given<S> {
    /// Nothing.
    Absent,
    /// It comes with each tile: [`Tile::input`](crate::Tile::input).
    WithTiles,
    /// A picture of its own size.
    Whole(Image<S>),
}

impl<S: Sample> Request<S> {
    /// True if there is anything of the input.
    pub fn has(&self, name: &str) -> bool {
        self.inputs.iter().any(|(input, given)| input == name && *given != Given::Absent)
    }

    /// The picture of an [`Input::image`](crate::Input::image), taken out of the request.
    pub fn image(&mut self, name: &str) -> Option<Image<S>> {
        let (_, given) = self.inputs.iter_mut().find(|(input, _)| input == name)?;
        match std::mem::replace(given, Given::Absent) {
            Given::Whole(image) => Some(image),
            other => {
                *given = other;
                None
            }
        }
    }
}

/// How a run goes, decided from its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Width and height of the result, where it is not the picture's.
    pub size: Option<(u32, u32)>,
    /// One walk over the picture after the other, at most 16; none at all leaves the picture as it is.
    pub passes: Vec<Pass>,
}

/// One walk over the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Each pixel depends on itself and its position alone. Tiles have any shape, often whole rows.
    Pointwise,
    /// Tiles on all cores.
    Tiles {
        /// How many pixels on every side of a tile its result depends on, 0..=512.
        halo: u32,
    },
    /// One tile, the whole picture, on one core: only for what cannot be done in tiles.
    WholePicture,
    /// Makes no pixels: [`Filter::survey`](crate::Filter::survey) sees every tile once, then
    /// [`Filter::learn`](crate::Filter::learn) hears all answers, in every instance.
    Survey,
}

impl Plan {
    /// With these parameters the picture stays as it is; nothing more is called.
    pub fn unchanged() -> Self {
        Self::passes([])
    }

    /// Each pixel depends on itself and its position alone.
    pub fn pointwise() -> Self {
        Self::passes([Pass::Pointwise])
    }

    /// Tiles with `halo` more pixels on every side, 0..=512.
    pub fn tiles(halo: u32) -> Self {
        Self::passes([Pass::Tiles { halo }])
    }

    /// The whole picture as one tile, on one core.
    pub fn whole_picture() -> Self {
        Self::passes([Pass::WholePicture])
    }

    /// Several walks. What passes before the last make is seen by the next pass alone and may hold any number.
    pub fn passes(passes: impl Into<Vec<Pass>>) -> Self {
        Self { size: None, passes: passes.into() }
    }

    /// The last pass makes a picture of this size.
    pub fn resized(mut self, width: u32, height: u32) -> Self {
        self.size = Some((width, height));
        self
    }
}

/// Why a filter gives up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// These parameters do not go together: the name of a parameter or input, and what would be right.
    BadParameter(String, String),
    /// One sentence for the painter.
    Failed(String),
}
