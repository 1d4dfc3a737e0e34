//! One pass of a diffusion model: everything it is told brought together, and the model made to know it.

use super::JobError;
use crate::models::Models;
use crate::prompts::Words;
use underpaint_engine::memory;
use underpaint_engine::tiles::Tiling;
use underpaint_engine::{Control, Npy, Region, Request, Saved};
use underpaint_plan::{ControlPlan, Kind, ModelFacts, Plan, Prepared};
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
        let plans = underpaint_plan::controls(request, model, &facts, &given, canvas)?;
        Ok(Self { calls: &request.controls, plans, shown })
    }

    /// What each control model sees of a pass over `canvas`.
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
    let Painting { plan, words, steering, seen, regions, only, prepared, noise, save } = painting;
    let facts = models.catalogue().facts(id)?;
    let cells = |pixels: u32| (pixels / facts.multiple.max(1)) as usize;
    let tiling = plan.tiles.map_or(Tiling::WHOLE, |t| Tiling { tile: cells(t.tile), overlap: cells(t.overlap) });
    let rows = match (plan.sampling.guidance_scale > 1.0, facts.kind) {
        (false, _) => 1,
        (true, Kind::Text | Kind::Inpaint) => 2,
        (true, Kind::Edit) => 3,
    };
    let vae_tiling = models.room(id, memory::Painting { extent: prepared.extent, tiling, rows })?;
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
