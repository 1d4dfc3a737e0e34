//! Pictures that steer: what is refused, in which words, and where a picture goes.

use underpaint_plan::{
    CanvasFacts, ControlFacts, ControlKind, ControlPlan, Defaults, Family, Kind, ModelFacts, Preprocessing, Sampler,
    Scheduler, Task, controls, plan,
};
use underpaint_raster::preprocess::Preprocess;
use underpaint_raster::{Extent, Image, Mask, Rect, Unattended};
use underpaint_wire::generate::{ControlCall, Generate, Mode};

fn model(family: Family) -> ModelFacts {
    let defaults = Defaults { steps: 20, guidance_scale: 7.0, sampler: Sampler::Dpmpp2m, scheduler: Scheduler::Karras };
    let (id, kind) = ("tiny".into(), Kind::Text);
    ModelFacts { id, name: None, family, native_side: 64, multiple: 8, in_channels: 4, kind, defaults }
}

fn facts(kind: ControlKind, family: Option<Family>) -> ControlFacts {
    let tasks = if kind == ControlKind::Union { 6 } else { 0 };
    ControlFacts { id: "lines".into(), kind, family, tasks, whole: None, patches: None }
}

fn call() -> ControlCall {
    let model = "lines".to_owned();
    ControlCall {
        model,
        kind: None,
        preprocess: None,
        preprocessor: None,
        encoder: None,
        weight: 1.0,
        start: 0.0,
        end: 1.0,
    }
}

#[test]
fn what_cannot_steer_is_named_with_what_would() {
    let text = |s: &str| Some(s.to_owned());
    let net = facts(ControlKind::ControlNet, Some(Family::Sd15));
    let xl = facts(ControlKind::T2iAdapter, Some(Family::Sdxl));
    let union = facts(ControlKind::Union, None);
    let (eye, depth) = (facts(ControlKind::ImageEncoder, None), facts(ControlKind::Depth, None));
    for (facts, call, picture, sentence) in [
        (&net, call(), false, "controls name `lines` without an image, and there is no canvas"),
        (
            &net,
            ControlCall { weight: f64::NAN, ..call() },
            true,
            "controls give `lines` the weight NaN; it must be a number from -10 to 10",
        ),
        (&net, ControlCall { start: -0.1, ..call() }, true, "controls give `lines` the start -0.1"),
        (
            &net,
            ControlCall { end: 1.1, ..call() },
            true,
            "controls give `lines` the end 1.1; it must be a number from 0 to 1",
        ),
        (
            &net,
            ControlCall { start: 0.6, end: 0.5, ..call() },
            true,
            "controls let `lines` start at 0.6 and end at 0.5",
        ),
        (
            &net,
            ControlCall { preprocess: text("hed"), ..call() },
            true,
            "controls `hed` is unknown; known are canny, soft_edge, scribble, tile, blur, depth",
        ),
        (&net, ControlCall { kind: text("cat"), ..call() }, true, "controls `cat` is unknown; known are pose, depth"),
        (
            &xl,
            call(),
            true,
            "controls name `lines`, a T2I-Adapter for Stable Diffusion XL; the model `tiny` is of Stable Diffusion 1.x",
        ),
        (
            &union,
            call(),
            true,
            "controls must tell `lines` the kind of its picture: pose, depth, soft_edge, line, normal, segmentation",
        ),
        (&union, ControlCall { kind: text("tile"), ..call() }, true, "controls must tell `lines` the kind"),
        (&eye, call(), true, "controls name `lines`, an image encoder, which steers nothing; an IP-Adapter looks"),
        (
            &depth,
            call(),
            true,
            "controls name `lines`, a depth estimator, which steers nothing; preprocess: depth makes",
        ),
        (
            &net,
            ControlCall { preprocess: text("canny"), preprocessor: text("vits"), ..call() },
            true,
            "controls name the preprocessor `vits` for `lines`; only preprocess: depth has one",
        ),
    ] {
        let request = Generate { controls: vec![call], ..Generate::default() };
        let error = controls(&request, &model(Family::Sd15), &[facts], &[picture], false).unwrap_err();
        assert_eq!(error.field(), "controls");
        assert!(error.to_string().starts_with(sentence), "{error} does not begin with {sentence}");
    }
    let many = Generate { controls: vec![call(); 9], ..Generate::default() };
    let error = controls(&many, &model(Family::Sd15), &[&net; 9], &[true; 9], false).unwrap_err();
    assert!(error.to_string().starts_with("controls are 9; at most 8"), "{error}");
    let request = Generate { controls: vec![call()], ..Generate::default() };
    let error = controls(&request, &model(Family::Exemplar), &[&eye], &[true], false).unwrap_err();
    assert!(error.to_string().contains("steer a diffusion model"), "{error}");
}

#[test]
fn a_union_is_told_what_the_preprocessor_makes() {
    for (preprocess, kind, task) in [
        (Some("canny"), None, Task::Line),
        (Some("scribble"), None, Task::SoftEdge),
        (Some("canny"), Some("soft_edge"), Task::SoftEdge),
        (Some("depth"), None, Task::Depth),
        (None, Some("depth"), Task::Depth),
    ] {
        let call = ControlCall { preprocess: preprocess.map(Into::into), kind: kind.map(Into::into), ..call() };
        let request = Generate { controls: vec![call], ..Generate::default() };
        let union = facts(ControlKind::Union, Some(Family::Sdxl));
        let plans = controls(&request, &model(Family::Sdxl), &[&union], &[true], false).unwrap();
        assert_eq!(plans[0].task, Some(task));
    }
}

/// The order of the published models' embeddings, which is also that of diffusers' `control_mode`.
#[test]
fn kinds_are_numbered_as_the_models_were_trained() {
    let names = ["pose", "depth", "soft_edge", "line", "normal", "segmentation", "tile", "repaint"];
    assert_eq!(Task::ALL.map(Task::name), names);
    let promax = ControlFacts { tasks: 8, ..facts(ControlKind::Union, Some(Family::Sdxl)) };
    for (i, name) in names.into_iter().enumerate() {
        let call = ControlCall { kind: Some(name.into()), ..call() };
        let request = Generate { controls: vec![call], ..Generate::default() };
        let plans = controls(&request, &model(Family::Sdxl), &[&promax], &[true], false).unwrap();
        assert_eq!(plans[0].task.map(Task::index), Some(i), "{name}");
    }
}

fn ramp(extent: Extent) -> Image {
    let pixel = |i: u64| {
        let (x, y) = (i % u64::from(extent.w), i / u64::from(extent.w));
        [x as f32 / extent.w as f32, y as f32 / extent.h as f32, 0.3, 1.0]
    };
    Image::from_data(extent, (0..extent.area()).flat_map(pixel).collect())
}

#[test]
fn a_control_picture_goes_the_way_of_the_canvas() {
    let extent = Extent::new(200, 150);
    let canvas = ramp(extent);
    let mut mask = Mask::new(extent, 0.0);
    (60..90).for_each(|y| (70..110).for_each(|x| mask.set(x, y, 1.0)));
    let request =
        Generate { mode: Mode::Fill, denoise_strength: Some(0.5), controls: vec![call()], ..Generate::default() };
    let facts_of_canvas = CanvasFacts { extent, rect: extent.rect() };
    let (net, adapter) = (facts(ControlKind::ControlNet, None), facts(ControlKind::IpAdapter, None));
    let resolve = |facts| controls(&request, &model(Family::Sd15), &[facts], &[true], true).unwrap().remove(0);
    let plan = plan(&request, Some(facts_of_canvas), Some(&mask), &model(Family::Sd15)).unwrap();
    let prepared = plan.prepare(&plan.scene(Some(&canvas), Some(&mask)), 0, &Unattended).unwrap();
    let init = prepared.init.unwrap();
    let control = resolve(&net);
    let shown = |control: &ControlPlan, picture: Option<(Rect, &Image)>| {
        let made = plan.prepare_control(control, picture, Some(&canvas));
        assert!(control.kind == ControlKind::IpAdapter || made.extent() == plan.context.fit);
        plan.padded_control(control, made)
    };
    // Itself where there is none, and the same where it is given, at whatever size.
    assert!(shown(&control, None) == init);
    let apart = |a: &Image, b: &Image| a.data().iter().zip(b.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let given = shown(&control, Some((extent.rect(), &canvas)));
    assert!(given.extent() == init.extent() && apart(&given, &init) < 1e-5);
    let twice = ramp(Extent::new(400, 300));
    let seen = shown(&control, Some((extent.rect(), &twice)));
    assert!(apart(&seen, &init) < 0.02, "{}", apart(&seen, &init));
    // Black where it does not reach.
    let right = Rect::new(100, 0, 100, 150);
    let half = canvas.crop(right);
    let seen = shown(&control, Some((right, &half)));
    let at = |x: f32| {
        let c = plan.context.rect;
        let column = (x - c.x as f32) / c.w as f32 * plan.context.fit.w as f32;
        seen.pixel(column as u32, seen.extent().h / 2)
    };
    assert!(at(85.0)[2] < 0.02, "{:?}", at(85.0));
    assert!((at(105.0)[2] - 0.3).abs() < 0.02 && seen.extent() == prepared.extent);
    // An IP-Adapter's is shown whole.
    assert!(shown(&resolve(&adapter), Some((right, &half))) == half);
    // Depth is the engine's to estimate, of just what would be read without.
    let depth = ControlPlan { preprocess: Some(Preprocessing::Depth), ..control.clone() };
    assert!(shown(&depth, None) == init);
    let canny = ControlPlan { preprocess: Some(Preprocessing::Plain(Preprocess::Canny)), ..control };
    let edges = shown(&canny, Some((right, &half)));
    assert!(edges.data().chunks_exact(4).all(|p| p[0] == 0.0 || p[0] == 1.0) && edges.extent() == prepared.extent);
}

#[test]
fn without_a_canvas_a_control_picture_is_the_whole() {
    let request = Generate { extent: Some(Extent::new(64, 48)), controls: vec![call()], ..Generate::default() };
    let net = facts(ControlKind::ControlNet, None);
    let control = controls(&request, &model(Family::Sd15), &[&net], &[true], false).unwrap().remove(0);
    let plan = plan(&request, None, None, &model(Family::Sd15)).unwrap();
    let picture = ramp(Extent::new(64, 48));
    assert!(plan.prepare_control(&control, Some((Rect::new(7, 9, 64, 48), &picture)), None) == picture);
    let mut clear = picture.clone();
    clear.set_pixel(3, 3, [1.0, 1.0, 1.0, 0.0]);
    let seen = plan.prepare_control(&control, Some((Rect::new(0, 0, 64, 48), &clear)), None);
    assert_eq!(seen.pixel(3, 3), [0.0, 0.0, 0.0, 1.0], "nothing is drawn where it is transparent");
}
