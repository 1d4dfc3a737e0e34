//! Any JSON is planned or refused: whatever numbers a request has, the plan of a picture, a mask and a model keeps to what is possible,
//! and small ones can be carried out, pictures of its controls included.
#![no_main]

use libfuzzer_sys::fuzz_target;
use underpaint_plan::{
    CanvasFacts, Defaults, Family, Kind, ModelFacts, Sampler, Scheduler, plan, preprocessed, refine,
};
use underpaint_raster::{Extent, Image, Mask, Rect, Unattended};
use underpaint_wire::control::Preprocess;
use underpaint_wire::generate::Generate;

/// The largest side that a model may be asked for.
const MAX_SIDE: u32 = 16384;

fuzz_target!(|input: ([u8; 12], &[u8])| {
    let ([family, kind, w, h, x, y, left, top, right, bottom, soft, more], json) = input;
    let shown = serde_json::from_slice::<Preprocess>(json).ok();
    let asked = shown.as_ref().map(preprocessed);
    if let Some(Err(error)) = &asked {
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
    // A `control/preprocess` is for a request.
    let request = shown.and_then(|shown| shown.generate).or_else(|| serde_json::from_slice::<Generate>(json).ok());
    let Some(request) = request else { return };
    let family = [Family::Sd15, Family::Sd2, Family::Sdxl, Family::SdxlRefiner, Family::Exemplar][family as usize % 5];
    let kind = [Kind::Text, Kind::Inpaint, Kind::Edit][kind as usize % 3];
    let defaults = Defaults { steps: 20, guidance_scale: 7.0, sampler: Sampler::Dpmpp2m, scheduler: Scheduler::Karras };
    let multiple = if family == Family::Exemplar { 1 } else { 8 };
    let facts =
        ModelFacts { id: "m".into(), name: None, family, native_side: 64, multiple, in_channels: 4, kind, defaults };
    let extent = Extent::new(w.max(1).into(), h.max(1).into());
    let selected = |i: u32| {
        let (px, py) = (i % extent.w, i / extent.w);
        let inside =
            (u32::from(left)..u32::from(right)).contains(&px) && (u32::from(top)..u32::from(bottom)).contains(&py);
        if inside { 1.0 } else { f32::from(soft) / 255.0 * f32::from(u8::from(px % 7 == 0)) }
    };
    let mask = Mask::from_data(extent, (0..extent.w * extent.h).map(selected).collect());
    let rect = Rect::new(x.into(), y.into(), extent.w, extent.h);
    let around = Extent::new(u32::from(x) + extent.w + u32::from(more), u32::from(y) + extent.h);
    let canvas = CanvasFacts { extent: around, rect };
    let _ = refine(&request, extent, &facts);
    let pixels = |i: u32| [i as f32 % 17.0 / 16.0, 0.5, i as f32 % 5.0 / 4.0, f32::from(u8::from(i % 11 > 0))];
    let image = Image::from_data(extent, (0..extent.w * extent.h).flat_map(pixels).collect());
    for (canvas, mask) in [(None, None), (Some(canvas), None), (Some(canvas), Some(&mask))] {
        match plan(&request, canvas, mask, &facts) {
            Err(error) => assert_eq!(error.to_string().lines().count(), 1, "{error}"),
            Ok(plan) => {
                let Extent { w, h } = plan.context.extent;
                assert!(w.min(h) > 0 && w.max(h) <= MAX_SIDE && w % multiple == 0 && h % multiple == 0, "{w}x{h}");
                assert!(plan.sampling.start_step < plan.sampling.steps || plan.sampling.steps == 0);
                if plan.context.extent.area() > 128 * 128 {
                    continue;
                }
                let image = canvas.map(|_| &image);
                if let Some(Ok(control)) = &asked {
                    let picture = Image::from_data(Extent::new(2, 1), vec![0.5; 8]);
                    for picture in [None, Some((Rect::new(left.into(), top.into(), w, h), &picture))] {
                        let made = plan.prepare_control(control, picture, image);
                        assert_eq!(made.extent(), plan.context.fit);
                        assert_eq!(plan.padded_control(control, made).extent(), plan.context.extent);
                    }
                }
                let scene = plan.scene(image, mask);
                let prepared = plan.prepare(&scene, 0, &Unattended).expect("nobody cancels");
                assert_eq!(prepared.extent, plan.context.extent);
                let made = prepared.init.unwrap_or_else(|| Image::new(prepared.extent));
                if let Some((patch, _)) = plan.place(made, &scene) {
                    assert!(patch.image.data().iter().all(|value| value.is_finite()));
                    assert!(canvas.is_none_or(|canvas| canvas.rect.contains(patch.rect)), "{:?}", patch.rect);
                }
            }
        }
    }
});
