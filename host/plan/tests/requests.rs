//! What is refused, in which words, and what a request without numbers becomes.

use underpaint_plan::{
    CanvasFacts, Defaults, Family, Inpaint, Kind, ModelFacts, Sampler, Scheduler, Tiles, plan, refine,
};
use underpaint_raster::{Extent, Mask, Rect};
use underpaint_wire::generate::{Generate, LoraCall, Mode};

fn model(family: Family) -> ModelFacts {
    let defaults = Defaults { steps: 20, guidance_scale: 7.0, sampler: Sampler::Dpmpp2m, scheduler: Scheduler::Karras };
    ModelFacts {
        id: "tiny".into(),
        name: None,
        family,
        native_side: 64,
        multiple: 8,
        in_channels: 4,
        kind: Kind::Text,
        defaults,
    }
}

fn whole(w: u32, h: u32) -> Option<CanvasFacts> {
    Some(CanvasFacts { extent: Extent::new(w, h), rect: Rect::new(0, 0, w, h) })
}

#[test]
fn what_is_out_of_range_is_named_with_what_would_be_right() {
    let g = Generate::default;
    let text = |s: &str| Some(s.to_owned());
    let lora = |name: &str, weight, text_weight| LoraCall { name: name.into(), weight, text_weight };
    for (request, field, sentence) in [
        (Generate { steps: Some(0), ..g() }, "steps", "steps is 0; it must be a whole number from 1 to 1000"),
        (Generate { batch: Some(17), ..g() }, "batch", "batch is 17; it must be a whole number from 1 to 16"),
        (
            Generate { clip_skip: Some(0), ..g() },
            "clip_skip",
            "clip_skip is 0; it must be a whole number from 1 (none) to 12",
        ),
        (
            Generate { guidance_scale: Some(f64::NAN), ..g() },
            "guidance_scale",
            "guidance_scale is NaN; it must be a number from 0 to 100",
        ),
        (
            Generate { denoise_strength: Some(1.5), ..g() },
            "denoise_strength",
            "denoise_strength is 1.5; it must be a number from 0 (keep) to 1 (repaint)",
        ),
        (
            Generate { guidance_rescale: Some(7.5), ..g() },
            "guidance_rescale",
            "guidance_rescale is 7.5; it must be a number from 0 (none) to 1 (all)",
        ),
        (
            Generate { feather_px: Some(500), ..g() },
            "feather_px",
            "feather_px is 500; it must be a whole number from 0 to 499",
        ),
        (
            Generate { loras: vec![lora("a", 1.0, None), lora("b", -10.5, None)], ..g() },
            "loras.weight",
            "loras.weight is -10.5; it must be a number from -10 to 10",
        ),
        (
            Generate { loras: vec![lora("a", 1.0, Some(f64::NAN))], ..g() },
            "loras.text_weight",
            "loras.text_weight is NaN; it must be a number from -10 to 10",
        ),
        (
            Generate { loras: vec![lora("a", 1.0, None); 17], ..g() },
            "loras",
            "loras is 17 long; it must be a list of at most 16",
        ),
        (
            Generate { loras: vec![lora(&"x".repeat(201), 1.0, None)], ..g() },
            "loras.name",
            "loras.name is 201 long; it must be at most 200 bytes of text",
        ),
        (
            Generate { passes: Some(3), ..g() },
            "passes",
            "passes is 3; it must be 1, or 2 for a finer second look at large selections",
        ),
        (
            Generate { sampler: text("plms"), ..g() },
            "sampler",
            "sampler `plms` is unknown; known are euler, euler_a, heun, lms, ddim, ddpm, dpmpp_2m, dpmpp_2m_sde, \
             dpmpp_3m_sde, dpmpp_2s_a, dpmpp_sde, unipc, deis, ipndm, lcm, tcd",
        ),
        (
            Generate { scheduler: text("polyexponential"), ..g() },
            "scheduler",
            "scheduler `polyexponential` is unknown; known are normal, karras, exponential, sgm_uniform, simple, beta, \
             ddim_uniform, kl_optimal, align_your_steps",
        ),
        (
            Generate { extent: Some(Extent::new(500, 512)), ..g() },
            "extent",
            "the size 500x512 is not a multiple of 8 on both sides; 504x512 would be right",
        ),
        (
            Generate { extent: Some(Extent::new(0, 512)), ..g() },
            "extent",
            "the size 0x512 is not a multiple of 8 on both sides; 8x512 would be right",
        ),
        (
            Generate { extent: Some(Extent::new(8000, 8000)), ..g() },
            "extent",
            "the size 8000x8000 is more than can be generated at once; at most 8 megapixels and 16384 pixels a side would be right",
        ),
        (
            Generate { extent: Some(Extent::new(16392, 8)), ..g() },
            "extent",
            "the size 16392x8 is more than can be generated at once; at most 8 megapixels and 16384 pixels a side would be right",
        ),
        (Generate { mode: Mode::Fill, ..g() }, "canvas", "mode fill needs a picture to work on"),
    ] {
        let error = plan(&request, None, None, &model(Family::Sd15)).unwrap_err();
        assert_eq!((error.field(), error.to_string().as_str()), (field, sentence));
    }
}

#[test]
fn pictures_and_masks_must_fit_each_other() {
    let fill = Generate { mode: Mode::Fill, ..Generate::default() };
    let sd = model(Family::Sd15);
    let mask = |w, h, v| Some(Mask::new(Extent::new(w, h), v));
    let outside = Some(CanvasFacts { extent: Extent::new(64, 64), rect: Rect::new(10, 0, 64, 64) });
    for (canvas, mask, field, sentence) in [
        (whole(64, 64), None, "mask", "mode fill needs a mask that says where to paint"),
        (
            whole(64, 64),
            mask(64, 64, 0.0),
            "mask",
            "the mask is empty: nothing is selected, and white would mean repaint",
        ),
        (
            whole(64, 64),
            mask(32, 64, 1.0),
            "mask",
            "the mask is 32x64 and the picture 64x64; they must have the same size",
        ),
        (
            outside,
            mask(64, 64, 1.0),
            "canvas",
            "the canvas part 64x64 at (10, 0) does not lie inside the document of 64x64",
        ),
        (None, mask(64, 64, 1.0), "canvas", "mode fill needs a picture to work on"),
    ] {
        let error = plan(&fill, canvas, mask.as_ref(), &sd).unwrap_err();
        assert_eq!((error.field(), error.to_string().as_str()), (field, sentence));
    }
    let generate = Generate::default();
    let error = plan(&generate, None, None, &model(Family::Exemplar)).unwrap_err();
    assert_eq!(error.to_string(), "the model `tiny` cannot do mode generate; it can fill, remove");
    let weak = Generate { denoise_strength: Some(0.01), ..Generate::default() };
    let error = plan(&weak, whole(64, 64), None, &sd).unwrap_err();
    assert_eq!(
        error.to_string(),
        "denoise_strength 0.01 of 20 steps leaves not one step to take; at least 0.05 would be right"
    );
}

#[test]
fn defaults_come_from_the_model_and_generate_keeps_diffusers_semantics() {
    let sd = model(Family::Sd15);
    let p = plan(&Generate { prompt: String::new(), ..Generate::default() }, None, None, &sd).unwrap();
    assert_eq!((p.sampling.steps, p.sampling.start_step, p.sampling.batch, p.sampling.clip_skip), (20, 0, 1, 1));
    assert_eq!((p.sampling.sampler, p.sampling.scheduler), (Sampler::Dpmpp2m, Scheduler::Karras));
    assert_eq!((p.context.extent, p.inpaint), (Extent::new(64, 64), Inpaint::None));

    let request = Generate { denoise_strength: Some(0.3), extent: Some(Extent::new(96, 64)), ..Generate::default() };
    let mut mask = Mask::new(Extent::new(96, 64), 0.0);
    mask.set(5, 5, 1.0);
    let p = plan(&request, whole(96, 64), Some(&mask), &sd).unwrap();
    assert_eq!((p.sampling.steps, p.sampling.start_step), (20, 14));
    assert_eq!((p.context.rect, p.context.fit), (Rect::new(0, 0, 96, 64), Extent::new(96, 64)), "no crop");
    assert_eq!(p.inpaint, Inpaint::Replace);
    assert!(p.scene(None, Some(&mask)).alpha().data().iter().all(|a| *a == 1.0), "the whole picture comes back");

    // An editor's canvas of any size is brought to one the model is good at.
    let p = plan(&Generate::default(), whole(333, 210), None, &sd).unwrap();
    assert_eq!(p.context.rect.extent(), Extent::new(333, 210));
    assert!(p.context.fit.area() <= 64 * 64 + 64 && p.context.extent.w.is_multiple_of(8));
}

/// The embedded fill takes the selection as it was drawn; a painter's own numbers win.
#[test]
fn the_exemplar_fill_adds_no_softness_of_its_own() {
    let exemplar = model(Family::Exemplar);
    let mut mask = Mask::new(Extent::new(64, 64), 0.0);
    (20..40).for_each(|x| (20..40).for_each(|y| mask.set(x, y, 1.0)));
    mask.set(19, 30, 0.4);
    let fill = Generate { mode: Mode::Fill, ..Generate::default() };
    let p = plan(&fill, whole(64, 64), Some(&mask), &exemplar).unwrap();
    assert_eq!(p.context.rect, Rect::new(0, 0, 64, 64));
    assert_eq!(p.scene(None, Some(&mask)).alpha(), &mask);
    let wider = Generate { feather_px: Some(4), grow_px: Some(6), ..fill };
    let p = plan(&wider, whole(64, 64), Some(&mask), &exemplar).unwrap();
    assert_eq!((p.softness.feather_px, p.softness.grow_px), (4.0, 6.0));
}

/// A removal without words asks a model that reads for what should be there; the embedded fill reads nothing.
#[test]
fn removing_without_words_asks_for_the_background() {
    let mut mask = Mask::new(Extent::new(64, 64), 0.0);
    (20..40).for_each(|x| mask.set(x, 30, 1.0));
    for (family, mode, prompt, expected) in [
        (Family::Sd15, Mode::Remove, "", "background scenery"),
        (Family::Sd15, Mode::Remove, "  ", "background scenery"),
        (Family::Sd15, Mode::Remove, "a meadow", "a meadow"),
        (Family::Sd15, Mode::Fill, "", ""),
        (Family::Exemplar, Mode::Remove, "", ""),
    ] {
        let request = Generate { mode, prompt: prompt.into(), ..Generate::default() };
        let p = plan(&request, whole(64, 64), Some(&mask), &model(family)).unwrap();
        assert_eq!(p.prompt, expected, "{family:?} {mode:?} {prompt:?}");
    }
}

#[test]
fn an_enlarged_picture_is_refined_at_its_own_size_in_tiles() {
    let request = |strength| Generate { denoise_strength: strength, prompt: "x".into(), ..Generate::default() };
    for (native_side, strength, steps, tiles) in [
        (512, None, (20, 14), Tiles { tile: 768, overlap: 72 }),
        (512, Some(1.0), (20, 0), Tiles { tile: 768, overlap: 160 }),
        (1024, Some(0.1), (40, 36), Tiles { tile: 1024, overlap: 48 }),
        (64, None, (20, 14), Tiles { tile: 96, overlap: 48 }),
    ] {
        let model = ModelFacts { native_side, ..model(Family::Sd15) };
        let plan = refine(&request(strength), Extent::new(2001, 4000), &model).unwrap();
        assert_eq!((plan.sampling.steps, plan.sampling.start_step), steps);
        assert_eq!(plan.tiles, Some(tiles));
        // Nothing is resampled; what a multiple lacks is added on the right.
        assert_eq!((plan.context.rect, plan.context.fit), (Rect::new(0, 0, 2001, 4000), Extent::new(2001, 4000)));
        assert_eq!((plan.context.extent, plan.inpaint), (Extent::new(2008, 4000), Inpaint::None));
    }
    let error = refine(&request(Some(0.0)), Extent::new(64, 64), &model(Family::Sd15)).unwrap_err();
    assert_eq!(error.field(), "denoise_strength");
    let error = refine(&request(Some(2.0)), Extent::new(64, 64), &model(Family::Sd15)).unwrap_err();
    assert!(error.to_string().contains("denoise_strength is 2"), "{error}");
    assert!(refine(&request(None), Extent::new(64, 64), &model(Family::Exemplar)).is_err());
}
