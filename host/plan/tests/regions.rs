//! Texts bound to parts of the picture: what is refused, in which words, what is asked for, and where masks go.

use underpaint_plan::{
    CanvasFacts, Defaults, Family, Kind, ModelFacts, Plan, Sampler, Scheduler, check_regions, plan, refine, region_text,
};
use underpaint_raster::{Extent, Mask, Rect};
use underpaint_wire::generate::{Generate, Mode, RegionCall};

fn model(family: Family) -> ModelFacts {
    let defaults = Defaults { steps: 20, guidance_scale: 7.0, sampler: Sampler::Dpmpp2m, scheduler: Scheduler::Karras };
    let (id, kind) = ("tiny".into(), Kind::Text);
    ModelFacts { id, name: None, family, native_side: 64, multiple: 8, in_channels: 4, kind, defaults }
}

fn request(prompts: &[&str]) -> Generate {
    let regions = prompts.iter().map(|prompt| RegionCall { prompt: (*prompt).into() }).collect();
    Generate { regions, extent: Some(Extent::new(64, 64)), ..Generate::default() }
}

#[test]
fn what_cannot_be_a_region_is_named() {
    let (full, empty) = (Mask::new(Extent::new(8, 8), 1.0), Mask::new(Extent::new(8, 8), 0.0));
    let long = "x".repeat(16385);
    for (prompts, masks, field, sentence) in [
        (&["a dog"][..], &[][..], "regions.mask", "regions.mask is missing for `a dog`; white is where it is seen"),
        (&["a dog", "a cat"], &[Some(&full), Some(&empty)], "regions.mask", "regions.mask is empty for `a cat`"),
        (&[" "], &[Some(&full)], "regions.prompt", "regions.prompt is empty; it must say what is to be seen there"),
        (&[&*long], &[Some(&full)], "regions.prompt", "regions.prompt is 16385 long; it must be at most 16384 bytes"),
        (&["a"; 17], &[Some(&full); 17], "regions", "regions is 17 long; it must be a list of at most 16"),
    ] {
        let request = request(prompts);
        let planned = plan(&request, None, None, &model(Family::Sd15)).map(drop);
        let error = planned.and_then(|()| check_regions(&request, masks)).unwrap_err();
        assert_eq!(error.field(), field);
        assert!(error.to_string().starts_with(sentence), "{error} does not begin with {sentence}");
    }
    let canvas = Some(CanvasFacts { extent: Extent::new(64, 64), rect: Rect::new(0, 0, 64, 64) });
    let mut mask = Mask::new(Extent::new(64, 64), 0.0);
    mask.set(30, 30, 1.0);
    let fill = Generate { mode: Mode::Fill, extent: None, ..request(&["a dog"]) };
    let error = plan(&fill, canvas, Some(&mask), &model(Family::Exemplar)).unwrap_err();
    assert_eq!(error.to_string(), "regions are for models that read prompts; `tiny` reads none");
}

#[test]
fn a_region_says_its_own_text_and_then_the_whole() {
    for (region, whole, text) in [
        ("a dog", "oil painting", "a dog, oil painting"),
        ("a (dog:1.2), wet", "", "a (dog:1.2), wet"),
        ("a dog", "  ", "a dog"),
        // As it is where a tag was all of it.
        (" ", "oil painting", "oil painting"),
    ] {
        assert_eq!(region_text(region, whole), text);
    }
    let request = request(&["a dog", "a {red|blue} cat"]);
    for planned in
        [plan(&request, None, None, &model(Family::Sdxl)), refine(&request, Extent::new(200, 90), &model(Family::Sdxl))]
    {
        assert_eq!(planned.unwrap().regions, ["a dog", "a {red|blue} cat"]);
    }
}

/// The mask of the left half of `extent`.
fn left(extent: Extent) -> Mask {
    let value = |i: usize| f32::from((i as u32 % extent.w) < extent.w / 2);
    Mask::from_data(extent, (0..extent.area() as usize).map(value).collect())
}

#[test]
fn masks_lie_where_the_picture_lies() {
    let whole = |plan: &Plan, mask: &Mask, rect| plan.prepare_region(rect, mask);
    // Without a canvas a mask of any size is the whole, wherever it lies.
    let free = plan(&request(&["a dog"]), None, None, &model(Family::Sd15)).unwrap();
    for (extent, rect) in [((64, 64), (0, 0, 64, 64)), ((6, 2), (0, 0, 6, 2)), ((640, 480), (9, 9, 5, 5))] {
        let mask = whole(&free, &left(Extent::new(extent.0, extent.1)), Rect::new(rect.0, rect.1, rect.2, rect.3));
        assert_eq!(mask.extent(), free.context.extent);
        assert_eq!((mask.at(0, 30), mask.at(63, 30)), (1.0, 0.0));
    }
    // In a fill it is seen through the context, scaled as the context is.
    let extent = Extent::new(400, 300);
    let canvas = Some(CanvasFacts { extent, rect: extent.rect() });
    let mut selected = Mask::new(extent, 0.0);
    (180..220).for_each(|x| (130..170).for_each(|y| selected.set(x, y, 1.0)));
    let request = Generate { mode: Mode::Fill, extent: None, ..request(&["a dog"]) };
    let fill = plan(&request, canvas, Some(&selected), &model(Family::Sd15)).unwrap();
    let (rect, seen) = (fill.context.rect, fill.context.extent);
    assert!(rect.x < 200 && rect.right() > 200);
    let share = |plan: &Plan, rect: Rect| {
        let mask = whole(plan, &left(extent), rect);
        assert_eq!(mask.extent(), plan.context.extent);
        mask.data().iter().map(|v| f64::from(*v)).sum::<f64>() / plan.context.fit.area() as f64
    };
    let wanted = (200 - rect.x) as f64 / f64::from(rect.w);
    // Fitted to `fit` and padded by repetition to `seen`, which are near each other.
    let padded = f64::from(seen.w) * f64::from(seen.h) / fill.context.fit.area() as f64 - 1.0;
    assert!((share(&fill, extent.rect()) - wanted).abs() < 0.02 + padded);
    // It ends where its rect ends.
    assert_eq!(share(&fill, Rect::new(-4000, 0, 400, 300)), 0.0);
    assert!(share(&fill, rect) > 0.4);
    let second = fill.second.unwrap_or_else(|| Box::new(free));
    assert_eq!(second.regions, ["a dog"]);
    // Over all of a picture that is refined at its own size, which is no multiple of the model's.
    let refined = refine(&request, Extent::new(200, 90), &model(Family::Sd15)).unwrap();
    let mask = whole(&refined, &left(Extent::new(20, 9)), refined.context.rect);
    assert_eq!(mask.extent(), Extent::new(200, 96));
    assert_eq!([mask.at(80, 95), mask.at(120, 95)], [1.0, 0.0]);
}
