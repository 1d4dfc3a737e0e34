//! Which pictures steer the denoiser, resolved: models, kinds, preprocessing, weights.
//!
//! Decision: a control's picture goes the way of the canvas. It lies on the canvas by its rect and is cropped and resized
//! with the same context; without a picture of its own the canvas itself is read. Only an IP-Adapter's is no place on the canvas: it
//! is shown whole.

use crate::prepare;
use crate::region::shared;
use crate::{ControlFacts, ControlKind, Family, ModelFacts, Plan, PlanError};
use underpaint_raster::preprocess::Preprocess;
use underpaint_raster::{Extent, Image, Rect, resize, resize_part};
use underpaint_wire::control::Preprocess as Asked;
use underpaint_wire::generate::Generate;

/// Controls of one request.
const MAX_CONTROLS: usize = 8;

/// What a control picture shows; in the order in which ControlNet Union numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// Body parts and joints.
    Pose,
    /// Near is light.
    Depth,
    /// Soft edges and scribbles.
    SoftEdge,
    /// Sharp edges and drawn lines.
    Line,
    /// Surface normals.
    Normal,
    /// Flat colours by meaning.
    Segmentation,
    /// The picture itself, small or blurred.
    Tile,
    /// The picture with a hole.
    Repaint,
}

impl Task {
    /// All, in order.
    pub const ALL: [Task; 8] = [
        Self::Pose,
        Self::Depth,
        Self::SoftEdge,
        Self::Line,
        Self::Normal,
        Self::Segmentation,
        Self::Tile,
        Self::Repaint,
    ];

    /// The name on the wire and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pose => "pose",
            Self::Depth => "depth",
            Self::SoftEdge => "soft_edge",
            Self::Line => "line",
            Self::Normal => "normal",
            Self::Segmentation => "segmentation",
            Self::Tile => "tile",
            Self::Repaint => "repaint",
        }
    }

    /// Its number.
    pub fn index(self) -> usize {
        Self::ALL.iter().position(|t| *t == self).unwrap_or(0)
    }

    /// What a preprocessor makes.
    const fn made_by(preprocess: Preprocessing) -> Self {
        match preprocess {
            Preprocessing::Plain(Preprocess::Canny) => Self::Line,
            Preprocessing::Plain(Preprocess::SoftEdge | Preprocess::Scribble) => Self::SoftEdge,
            Preprocessing::Plain(Preprocess::Tile | Preprocess::Blur) => Self::Tile,
            Preprocessing::Depth => Self::Depth,
        }
    }
}

/// What is done to a control's picture first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Preprocessing {
    /// What needs no weights: done by [`Plan::prepare_control`].
    Plain(Preprocess),
    /// What a depth estimator sees in it: done by the engine, to what [`Plan::prepare_control`] gives.
    Depth,
}

impl Preprocessing {
    /// All, in the order shown to painters.
    pub fn all() -> impl Iterator<Item = Self> {
        Preprocess::ALL.into_iter().map(Self::Plain).chain([Self::Depth])
    }

    /// The name on the wire and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain(preprocess) => preprocess.name(),
            Self::Depth => "depth",
        }
    }

    /// The one that a request calls `name` in its member `field`.
    fn named(name: &str, field: &'static str) -> Result<Self, PlanError> {
        Self::all().find(|p| p.name() == name).ok_or_else(|| PlanError::UnknownWord {
            field,
            value: name.chars().take(60).collect(),
            known: Self::all().map(Self::name).collect(),
        })
    }
}

/// One control, resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlPlan {
    /// Id of the model.
    pub model: String,
    /// How it steers.
    pub kind: ControlKind,
    /// What the picture shows, where the model must be told.
    pub task: Option<Task>,
    /// What is done to the picture first, at the model's size.
    pub preprocess: Option<Preprocessing>,
    /// Id of the depth estimator that is to look; the first there is without one.
    pub preprocessor: Option<String>,
    /// How much is added; 1 as trained.
    pub weight: f64,
    /// The share of the steps that are steered.
    pub start: f64,
    /// Its end.
    pub end: f64,
}

impl ControlPlan {
    /// What is prepared of a picture that is read as it is, at its own size: `image` over black. Depth is still to be estimated.
    pub fn prepare(&self, image: &Image) -> Image {
        self.prepared(over_black(image))
    }

    fn prepared(&self, read: Image) -> Image {
        match self.preprocess {
            Some(Preprocessing::Plain(preprocess)) => preprocess.apply(&read),
            Some(Preprocessing::Depth) | None => read,
        }
    }
}

/// Resolves the controls of `request`. `facts` are those of its controls, in order; `pictures` tells which come with a
/// picture of their own, `canvas` whether there is one to take its place.
pub fn controls(
    request: &Generate,
    model: &ModelFacts,
    facts: &[&ControlFacts],
    pictures: &[bool],
    canvas: bool,
) -> Result<Vec<ControlPlan>, PlanError> {
    let refuse = |what: String| Err(PlanError::Control { what });
    if request.controls.len() > MAX_CONTROLS {
        return refuse(format!("are {}; at most {MAX_CONTROLS} can be used at once", request.controls.len()));
    }
    if model.family == Family::Exemplar && !facts.is_empty() {
        return refuse(format!("steer a diffusion model; `{}` is none", model.id));
    }
    let mut plans = Vec::with_capacity(facts.len());
    for (i, (control, facts)) in request.controls.iter().zip(facts).enumerate() {
        let id = &facts.id;
        let rather = match facts.kind {
            ControlKind::ImageEncoder => Some("an IP-Adapter looks through it"),
            ControlKind::Depth => Some("preprocess: depth makes pictures with it"),
            _ => None,
        };
        if let Some(rather) = rather {
            let what = facts.kind.title();
            return refuse(format!("name `{id}`, {what}, which steers nothing; {rather}"));
        }
        if let Some(made) = facts.family.filter(|family| *family != model.family) {
            let (made, is) = (made.title(), model.family.title());
            let kind = facts.kind.title();
            return refuse(format!("name `{id}`, {kind} for {made}; the model `{}` is of {is}", model.id));
        }
        if !pictures.get(i).copied().unwrap_or(false) && !canvas {
            return refuse(format!("name `{id}` without an image, and there is no canvas to take its place"));
        }
        for (name, value, allowed) in [
            ("weight", control.weight, -10.0..=10.0),
            ("start", control.start, 0.0..=1.0),
            ("end", control.end, 0.0..=1.0),
        ] {
            // NaN is in no range.
            if !allowed.contains(&value) {
                let (low, high) = (allowed.start(), allowed.end());
                return refuse(format!("give `{id}` the {name} {value}; it must be a number from {low} to {high}"));
            }
        }
        if control.start > control.end {
            return refuse(format!("let `{id}` start at {} and end at {}, before it", control.start, control.end));
        }
        let preprocess =
            control.preprocess.as_deref().map(|name| Preprocessing::named(name, "controls")).transpose()?;
        if let Some(preprocessor) = control.preprocessor.as_deref().filter(|_| preprocess != Some(Preprocessing::Depth))
        {
            let named: String = preprocessor.chars().take(60).collect();
            return refuse(format!("name the preprocessor `{named}` for `{id}`; only preprocess: depth has one"));
        }
        let task = match control.kind.as_deref() {
            None => preprocess.map(Task::made_by),
            Some(name) => match Task::ALL.into_iter().find(|t| t.name() == name) {
                Some(task) => Some(task),
                None => {
                    let known = Task::ALL.map(Task::name);
                    return Err(PlanError::UnknownWord {
                        field: "controls",
                        value: name.chars().take(60).collect(),
                        known: known.to_vec(),
                    });
                }
            },
        };
        if facts.kind == ControlKind::Union && task.is_none_or(|t| t.index() >= facts.tasks as usize) {
            let known: Vec<_> = Task::ALL.iter().take(facts.tasks as usize).map(|t| t.name()).collect();
            return refuse(format!("must tell `{id}` the kind of its picture: {}", known.join(", ")));
        }
        plans.push(ControlPlan {
            model: id.clone(),
            kind: facts.kind,
            task,
            preprocess,
            preprocessor: control.preprocessor.clone(),
            weight: control.weight,
            start: control.start,
            end: control.end,
        });
    }
    Ok(plans)
}

/// The control whose picture `asked` wants to see: one of no model, as any that reads a place on the canvas would be shown it.
pub fn preprocessed(asked: &Asked) -> Result<ControlPlan, PlanError> {
    let made = Preprocessing::named(&asked.preprocess, "preprocess")?;
    if asked.preprocessor.is_some() && made != Preprocessing::Depth {
        let what = format!("is what sees depth; `{}` is made without one", made.name());
        return Err(PlanError::Preprocess { field: "preprocessor", what });
    }
    Ok(ControlPlan {
        model: String::new(),
        kind: ControlKind::ControlNet,
        task: Some(Task::made_by(made)),
        preprocess: Some(made),
        preprocessor: asked.preprocessor.clone(),
        weight: 1.0,
        start: 0.0,
        end: 1.0,
    })
}

impl Plan {
    /// The picture that `control` reads, as large as the context is made (`context.fit`): `picture` scaled to its rect on the
    /// canvas, black where it does not reach, or without one the `canvas`, whose pixels count for this alone. Without a
    /// canvas a picture is the whole; an IP-Adapter's is left as it is. Depth is still to be estimated, then
    /// [`Plan::padded_control`] follows.
    pub fn prepare_control(
        &self,
        control: &ControlPlan,
        picture: Option<(Rect, &Image)>,
        canvas: Option<&Image>,
    ) -> Image {
        let on_canvas = canvas.is_some() || self.available.is_some();
        let read = match (picture, canvas) {
            (Some((_, image)), _) if control.kind == ControlKind::IpAdapter => over_black(image),
            (Some((rect, image)), _) if !on_canvas || rect == self.context.rect => self.resized(&over_black(image)),
            (Some((rect, image)), _) => {
                let scaled = resize(&over_black(image), rect.extent());
                self.resized(&placed(&scaled, rect, self.context.rect))
            }
            (None, Some(canvas)) => prepare::opaque(&resize_part(canvas, self.local(), self.context.fit)).into_owned(),
            (None, None) => Image::new(self.context.fit),
        };
        control.prepared(read)
    }

    /// What was made of [`Plan::prepare_control`]'s picture, at the model's extent.
    pub fn padded_control(&self, control: &ControlPlan, made: Image) -> Image {
        if control.kind == ControlKind::IpAdapter { made } else { self.padded(made) }
    }
}

/// `image` at `rect` as seen through `window`: black where it does not reach.
fn placed(image: &Image, rect: Rect, window: Rect) -> Image {
    let mut out = Image::from_data(window.extent(), [0.0, 0.0, 0.0, 1.0].repeat(window.extent().area() as usize));
    for (from, to) in shared(rect, window) {
        out.set_pixel(to.0, to.1, image.pixel(from.0, from.1));
    }
    out
}

/// Nothing is drawn where a control picture is transparent.
fn over_black(image: &Image) -> Image {
    let pixel = |p: &[f32]| [p[0] * p[3], p[1] * p[3], p[2] * p[3], 1.0];
    let Extent { w, h } = image.extent();
    Image::from_data(Extent::new(w, h), image.data().chunks_exact(4).flat_map(pixel).collect())
}
