//! Something is taken out of a photograph by the embedded fill, which needs no weights.

use super::{FILTER, SEED, Story, Studio, sheet};
use crate::cli::Failure;
use crate::models::EXEMPLAR;
use crate::picture;
use crate::worker::{self, Input};
use std::path::Path;
use std::time::Instant;
use underpaint_raster::over;
use underpaint_wire::generate::{Generate, Mode};

/// A photograph and what is to go; licences are in assets/demo/README.md.
pub struct Scene {
    name: &'static str,
    what: &'static str,
    photograph: &'static [u8],
    mask: &'static [u8],
}

/// The photographs.
pub const SCENES: &[Scene] = &[
    Scene {
        name: "raccoon",
        what: "the blades of grass across nose and fur taken away",
        photograph: include_bytes!("../../../assets/demo/raccoon.jpg"),
        mask: include_bytes!("../../../assets/demo/raccoon-mask.png"),
    },
    Scene {
        name: "rocket",
        what: "the two towers beside the rocket taken away",
        photograph: include_bytes!("../../../assets/demo/rocket.jpg"),
        mask: include_bytes!("../../../assets/demo/rocket-mask.png"),
    },
];

impl Scene {
    /// The photograph, the selection, the fill, the filter.
    pub fn play(&self, studio: &mut Studio) -> Result<Story, Failure> {
        let before = picture::decode(Path::new(self.name), self.photograph)?.image;
        let mask = picture::as_mask(&picture::decode(Path::new(self.name), self.mask)?);
        let extent = before.extent();
        let pictures = vec![("before", before.clone()), ("selection", sheet::marked(&before, &mask))];
        let told = vec![format!("{}x{}", extent.w, extent.h)];
        let mut story = Story { name: self.name, pictures, told, besides: Vec::new(), columns: 2 };
        let began = Instant::now();
        let model = Some(EXEMPLAR.to_owned());
        let request = Generate { mode: Mode::Remove, model, seed: Some(SEED), ..Generate::default() };
        let input = Input {
            canvas: Some((extent, extent.rect(), before.clone())),
            mask: Some((extent.rect(), mask)),
            ..Input::default()
        };
        let output = worker::run(&mut studio.models, &studio.filters, &request, input, &studio.job)?;
        let filled = output.patches.iter().fold(before, |canvas, (patch, _)| over(&canvas, patch));
        story.add("filled", filled.clone(), self.what, began);
        let began = Instant::now();
        story.add("film-grain", studio.grained(&filled)?, FILTER, began);
        Ok(story)
    }
}
