//! One pass of a diffusion model: everything it is told brought together, and the model made to know it.

use super::JobError;
use crate::controls::Unseen;
use crate::models::{Catalogue, Models};
use crate::prompts::Words;
use crate::receipt;
use serde_json::Value;
use underpaint_engine::memory;
use underpaint_engine::tiles::Tiling;
use underpaint_engine::{Control, Npy, Region, Request, Saved};
use underpaint_plan::{ControlKind, ControlPlan, Kind, ModelFacts, Plan, Prepared, Preprocessing, Task};
use underpaint_raster::{Image, Job, Mask, Rect};
use underpaint_wire::generate::{ControlCall, Generate};

/// Pictures that steer, resolved.
#[derive(Default)]
pub(super) struct Steering<'a> {
    pub calls: &'a [ControlCall],
    pub plans: Vec<ControlPlan>,
    /// Where each lies on the canvas; absent ones are the canvas itself.
    pub shown: Vec<Option<(Rect, Image)>>,
}

impl<'a> Steering<'a> {
    /// The request's controls.
    pub(super) fn of(
        models: &Models,
        request: &'a Generate,
        model: &ModelFacts,
        shown: Vec<Option<(Rect, Image)>>,
        canvas: bool,
    ) -> Result<Self, JobError> {
        let facts = models.catalogue().controls().check(&request.controls)?;
        let given: Vec<bool> = shown.iter().map(Option::is_some).collect();
        let mut plans = underpaint_plan::controls(request, model, &facts, &given, canvas)?;
        for control in plans.iter_mut().filter(|control| control.preprocess == Some(Preprocessing::Depth)) {
            let id = models.catalogue().controls().estimator(control.preprocessor.as_deref())?;
            control.preprocessor = Some(id.to_owned());
        }
        Ok(Self { calls: &request.controls, plans, shown })
    }

    /// The controls as the receipt tells them.
    pub(super) fn told(&self, catalogue: &Catalogue) -> Value {
        let shown = |i: usize| self.shown.get(i).and_then(Option::as_ref).map(|(rect, _)| *rect);
        let controls = self.plans.iter().zip(self.calls).enumerate();
        controls.map(|(i, (plan, call))| receipt::control(plan, call, shown(i), catalogue)).collect()
    }

    /// What each control model sees of a pass over `canvas`, before depth is estimated and holes are made.
    pub(super) fn seen(&self, plan: &Plan, canvas: Option<&Image>) -> Vec<Image> {
        let picture = |i: usize| self.shown.get(i).and_then(Option::as_ref).map(|(rect, image)| (*rect, image));
        self.plans.iter().enumerate().map(|(i, control)| plan.prepare_control(control, picture(i), canvas)).collect()
    }
}

/// One pass of a diffusion model.
pub(super) struct Painting<'a> {
    pub plan: &'a Plan,
    pub words: &'a Words,
    pub steering: &'a Steering<'a>,
    /// What steers, as [`Steering::seen`].
    pub seen: Vec<Image>,
    /// Masks of the regions, at the model's size.
    pub regions: Vec<Mask>,
    /// Which of the plan's pictures, if not all of them.
    pub only: Option<usize>,
    pub prepared: Prepared,
    pub noise: Option<&'a Npy>,
    pub save: Option<&'a mut Saved>,
}

/// Makes the pictures of one pass with the model `id`, loaded and told everything first. A job that does not fit into memory is
/// refused before anything is read.
pub(super) fn paint(
    models: &mut Models,
    id: &str,
    painting: Painting<'_>,
    job: &dyn Job,
) -> Result<Vec<Image>, JobError> {
    let vae_tiling = room(models, id, (painting.plan, painting.words, painting.steering))?;
    let tiling = tiling(painting.plan, models.catalogue().facts(id)?);
    let Painting { plan, words, steering, seen, regions, only, prepared, noise, save } = painting;
    let seen = shown(models, (plan, steering), seen, prepared.mask.as_ref(), job)?;
    let (model, controls) = models.load_steered(id, &words.loras, steering.calls, job)?;
    model.set_vae_tiling(vae_tiling);
    // Those that were only found by their names may be of another family: then they are words like others.
    words.given().iter().try_for_each(|embedding| model.fits(embedding))?;
    let controls = controls.into_iter().zip(&steering.plans).zip(&seen).map(|((model, control), image)| {
        let ControlPlan { task, weight, start, end, .. } = *control;
        Control { model, image, task, weight, start, end }
    });
    let controls: Vec<Control<'_>> = controls.collect();
    let regions = plan.regions.iter().zip(&regions).map(|(prompt, mask)| Region { prompt, mask });
    let regions: Vec<Region<'_>> = regions.collect();
    let request = Request {
        prompt: &plan.prompt,
        negative_prompt: plan.negative_prompt.as_deref(),
        wordings: only.map_or(&words.prompts.wordings[..], |i| &words.prompts.wordings[i..=i]),
        regions: &regions,
        embeddings: &words.embeddings,
        controls: &controls,
        sampling: &plan.sampling,
        inpaint: plan.inpaint,
        input: &prepared,
        noise,
        save,
    };
    Ok(model.generate_in_tiles(request, tiling, job)?)
}

/// How the autoencoder must work so that a pass of `plan` fits into memory.
pub(super) fn room(
    models: &Models,
    id: &str,
    (plan, words, steering): (&Plan, &Words, &Steering<'_>),
) -> Result<Option<Tiling>, JobError> {
    let (sampling, facts) = (&plan.sampling, models.catalogue().facts(id)?);
    let rows = match (sampling.guidance_scale > 1.0, facts.kind) {
        (false, _) => 1,
        (true, Kind::Text | Kind::Inpaint) => 2,
        (true, Kind::Edit) => 3,
    };
    let pictures = 1 + steering.plans.len() + sampling.batch as usize;
    let painting = memory::Painting { extent: plan.context.extent, tiling: tiling(plan, facts), rows, pictures };
    Ok(models.room(id, &words.loras, steering.calls, painting)?)
}

/// How the denoiser sees the picture of `plan`, in latents.
fn tiling(plan: &Plan, model: &ModelFacts) -> Tiling {
    let cells = |pixels: u32| (pixels / model.multiple.max(1)) as usize;
    plan.tiles.map_or(Tiling::WHOLE, |tiles| Tiling { tile: cells(tiles.tile), overlap: cells(tiles.overlap) })
}

/// `seen` at the model's extent, with the depth of those whose depth steers, and with the hole of `mask` in a canvas that shows
/// what to repaint.
fn shown(
    models: &mut Models,
    (plan, steering): (&Plan, &Steering<'_>),
    seen: Vec<Image>,
    mask: Option<&Mask>,
    job: &dyn Job,
) -> Result<Vec<Image>, JobError> {
    let show = |(i, (control, image)): (usize, (&ControlPlan, Image))| {
        let image = plan.padded_control(control, made(models, control, image, &Unseen(job))?);
        match (control.preprocess, control.task, mask) {
            (None, Some(Task::Repaint), Some(mask)) if steering.shown.get(i).is_none_or(Option::is_none) => {
                Ok(holed(image, mask, control.kind))
            }
            _ => Ok(image),
        }
    };
    steering.plans.iter().zip(seen).enumerate().map(show).collect()
}

/// What `control` makes of `prepared`, which [`Plan::prepare_control`] gave: only depth needs a model.
pub(super) fn made(
    models: &mut Models,
    control: &ControlPlan,
    prepared: Image,
    job: &dyn Job,
) -> Result<Image, JobError> {
    match (control.preprocess, control.preprocessor.as_deref()) {
        (Some(Preprocessing::Depth), id) => Ok(models.depth(id.unwrap_or_default(), &prepared, job)?),
        _ => Ok(prepared),
    }
}

/// `image` without what `mask` repaints, as a model of `kind` was trained to see a hole: ControlNet Union ProMax as black,
/// ControlNet 1.1 for inpainting as -1.
fn holed(mut image: Image, mask: &Mask, kind: ControlKind) -> Image {
    let hole = match kind {
        ControlKind::Union => 0.0,
        ControlKind::ControlNet => -1.0,
        _ => return image,
    };
    let pixels = image.data_mut().chunks_exact_mut(4).zip(mask.data());
    pixels.filter(|(_, m)| **m >= 0.5).for_each(|(p, _)| p[..3].fill(hole));
    image
}

#[cfg(test)]
mod tests {
    use super::*;
    use underpaint_raster::Extent;

    #[test]
    fn a_hole_is_what_the_model_was_trained_to_see() {
        let extent = Extent::new(4, 1);
        let image = Image::from_data(extent, [0.2, 0.4, 0.6, 1.0].repeat(4));
        for (kind, hole) in [(ControlKind::Union, 0.0), (ControlKind::ControlNet, -1.0), (ControlKind::T2iAdapter, 0.2)]
        {
            let made = holed(image.clone(), &Mask::from_data(extent, vec![0.0, 0.4, 0.5, 1.0]), kind);
            let red: Vec<f32> = made.data().chunks_exact(4).map(|p| p[0]).collect();
            assert_eq!(red, [0.2, 0.2, hole, hole]);
            assert!(made.data().chunks_exact(4).all(|p| p[3] == 1.0));
        }
    }
}
