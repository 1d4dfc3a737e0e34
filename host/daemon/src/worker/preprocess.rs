//! What a control model would be shown, to look at before anything is painted and to draw on.
//!
//! Decision: nothing is made here in a way of its own. The request that would be steered is planned as it would be painted,
//! and the picture is prepared by the functions that prepare it then.

use super::pass::made;
use super::{JobError, Output};
use crate::models::{Catalogue, Models};
use crate::timing::Timed;
use serde_json::json;
use underpaint_plan::{
    CanvasFacts, ControlPlan, Family, Plan, PlanError, Preprocessing, Task, placed, plan, preprocessed,
};
use underpaint_raster::{Extent, Image, Job, Mask, Patch, Rect, Stage, resize};
use underpaint_wire::control::Preprocess;

/// Pixels that a request comes with.
#[derive(Debug, Default)]
pub struct Shown {
    /// The picture and where it lies on the canvas; the canvas itself without one.
    pub picture: Option<(Rect, Image)>,
    /// Size of the document that would be painted in, which part of it, and its pixels.
    pub canvas: Option<(Extent, Rect, Option<Image>)>,
    /// Where what would be repainted lies, in canvas pixels, and its values.
    pub mask: Option<(Rect, Mask)>,
}

/// What is known of them before they are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    /// Whether there is a picture.
    pub picture: bool,
    /// The document that would be painted in.
    pub canvas: Option<CanvasFacts>,
    /// Whether there are pixels of it.
    pub pixels: bool,
}

/// A request, resolved.
pub(crate) struct Resolved {
    control: ControlPlan,
    /// The id of what would paint, and how; `None`: the picture is read as it is.
    painting: Option<(String, Plan)>,
}

/// Resolves a request: everything that can be wrong with it is found here. `mask` as in [`Shown`].
pub(crate) fn resolved(
    catalogue: &Catalogue,
    request: &Preprocess,
    given: Given,
    mask: Option<(Rect, Mask)>,
) -> Result<Resolved, JobError> {
    let mut control = preprocessed(request)?;
    if control.preprocess == Some(Preprocessing::Depth) {
        control.preprocessor = Some(catalogue.controls().estimator(control.preprocessor.as_deref())?.to_owned());
    }
    if !given.picture && !given.pixels {
        return Err(missing());
    }
    let Some(generate) = &request.generate else { return Ok(Resolved { control, painting: None }) };
    let model = catalogue.choose_for(generate.model.as_deref(), generate.mode, false)?;
    if model.family == Family::Exemplar {
        let what = format!("`{}` is no diffusion model, so nothing steers it", model.id);
        return Err(PlanError::Preprocess { field: "model", what }.into());
    }
    let mask = match (mask, given.canvas) {
        (Some((rect, mask)), Some(canvas)) => Some(placed(mask, rect, canvas.rect)),
        (Some(_), None) => return Err(PlanError::CanvasMissing { mode: generate.mode }.into()),
        (None, _) => None,
    };
    let plan = plan(generate, given.canvas, mask.as_ref(), model)?;
    Ok(Resolved { control, painting: Some((model.id.clone(), plan)) })
}

/// Makes the picture that `request` asks for; the one patch. Blocks as [`run`](super::run) does.
///
/// Of the size that the model sees it fits nowhere on the canvas: the patch's rect then is at the origin, and `used.rect` tells
/// which part of the canvas it shows. Resized to that it lies there.
pub fn preprocess(models: &mut Models, request: &Preprocess, given: Shown, job: &dyn Job) -> Result<Output, JobError> {
    let job = &Timed::new(job);
    let Shown { picture, canvas, mask } = given;
    let known = Given {
        picture: picture.is_some(),
        canvas: canvas.as_ref().map(|(extent, rect, _)| CanvasFacts { extent: *extent, rect: *rect }),
        pixels: canvas.as_ref().is_some_and(|(.., image)| image.is_some()),
    };
    let Resolved { control, painting } = resolved(models.catalogue(), request, known, mask)?;
    job.between();
    let canvas = canvas.and_then(|(.., image)| image);
    let prepared = match (&painting, &picture) {
        (Some((_, plan)), picture) => {
            let picture = picture.as_ref().map(|(rect, image)| (*rect, image));
            plan.prepare_control(&control, picture, canvas.as_ref())
        }
        (None, Some((_, image))) => control.prepare(image),
        (None, None) => return Err(missing()),
    };
    job.step(Stage::Encode, 0, 1)?;
    let image = made(models, &control, prepared, job)?;
    job.step(Stage::Encode, 1, 1)?;
    job.between();
    let (image, rect) = match (&painting, &picture) {
        (Some((_, plan)), _) => (image, plan.context.rect),
        (None, Some((rect, _))) => (image, *rect),
        (None, None) => return Err(missing()),
    };
    let used = json!({
        "preprocess": request.preprocess,
        "kind": control.task.map(Task::name),
        "preprocessor": control.preprocessor,
        "model": painting.map(|(model, _)| model),
        "rect": rect,
        "extent": image.extent(),
    });
    let patch = match request.resize {
        true => Patch { rect, image: resize(&image, rect.extent()) },
        false if rect.extent() == image.extent() => Patch { rect, image },
        false => Patch { rect: image.extent().rect(), image },
    };
    let receipt = json!({"used": used, "underpaint": env!("CARGO_PKG_VERSION")});
    Ok(Output { patches: vec![(patch, 0)], used, receipt, timing_ms: job.finish(), saved: None })
}

fn missing() -> JobError {
    let what = "is missing, and there is no canvas with pixels to take its place".into();
    PlanError::Preprocess { field: "image", what }.into()
}
