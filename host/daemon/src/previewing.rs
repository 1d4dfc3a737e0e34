//! Previews at their place: the part that will be painted, as transparent as the patch will be, and where it lies.

use std::borrow::Cow;
use std::sync::OnceLock;
use underpaint_plan::{Plan, Scene};
use underpaint_raster::{Extent, Image, Job, Mask, Rect, Wrapper, composite, resize_mask};

/// A job that is told of the engine's previews as small patches ([`Job::preview_at`]).
pub struct Previewing<'a> {
    job: &'a dyn Job,
    plan: &'a Plan,
    scene: &'a Scene<'a>,
    /// The patch's opacity at the first preview's size, which mostly is that of all; many jobs are not watched.
    alpha: OnceLock<Mask>,
}

impl<'a> Previewing<'a> {
    /// For one pass of `plan` over `scene`.
    pub fn new(job: &'a dyn Job, plan: &'a Plan, scene: &'a Scene<'a>) -> Self {
        Self { job, plan, scene, alpha: OnceLock::new() }
    }
}

impl Wrapper for Previewing<'_> {
    fn owner(&self) -> &dyn Job {
        self.job
    }

    fn preview(&self, image: Image) {
        let context = &self.plan.context;
        // Without what the model's picture has beyond the context.
        let part = |whole: u32, fit: u32, extent: u32| {
            (f64::from(whole) * f64::from(fit) / f64::from(extent)).round().clamp(1.0, f64::from(whole)) as u32
        };
        let seen = Extent::new(
            part(image.extent().w, context.fit.w, context.extent.w),
            part(image.extent().h, context.fit.h, context.extent.h),
        );
        let image = image.crop(seen.rect());
        let shrunk = || resize_mask(self.scene.alpha(), seen);
        let alpha = match self.alpha.get_or_init(shrunk) {
            alpha if alpha.extent() == seen => Cow::Borrowed(alpha),
            _ => Cow::Owned(shrunk()),
        };
        let Some(patch) = composite(image, &alpha, (0, 0)) else { return };
        // In canvas pixels, from edge to edge.
        let edge = |at: i64, of: u32, side: u32| (at as f64 / f64::from(of) * f64::from(side)).round() as i32;
        let (x, y) =
            (edge(patch.rect.x.into(), seen.w, context.rect.w), edge(patch.rect.y.into(), seen.h, context.rect.h));
        let (right, bottom) =
            (edge(patch.rect.right(), seen.w, context.rect.w), edge(patch.rect.bottom(), seen.h, context.rect.h));
        let rect = Rect::new(x + context.rect.x, y + context.rect.y, (right - x) as u32, (bottom - y) as u32);
        self.job.preview_at(patch.image, rect);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use underpaint_plan::{CanvasFacts, Defaults, Family, ModelFacts, Sampler, Scheduler, plan};
    use underpaint_raster::Stage;
    use underpaint_wire::generate::{Generate, Mode};

    #[derive(Default)]
    struct Seen(Mutex<Vec<(Image, Rect)>>);

    impl Job for Seen {
        fn is_cancelled(&self) -> bool {
            false
        }
        fn progress(&self, _: Stage, _: u32, _: u32) {}
        fn wants_preview(&self) -> bool {
            true
        }
        fn preview_at(&self, image: Image, rect: Rect) {
            self.0.lock().unwrap().push((image, rect));
        }
    }

    #[test]
    fn a_preview_lies_where_the_patch_will_be() {
        let defaults =
            Defaults { steps: 20, guidance_scale: 7.0, sampler: Sampler::Euler, scheduler: Scheduler::Normal };
        let (id, family) = ("test".into(), Family::Sd15);
        let model = ModelFacts {
            id,
            name: None,
            family,
            native_side: 512,
            multiple: 8,
            in_channels: 4,
            kind: underpaint_plan::Kind::Text,
            defaults,
        };
        for (canvas, x) in [(Extent::new(2000, 1500), 900), (Extent::new(333, 217), 100)] {
            let mut mask = Mask::new(canvas, 0.0);
            (x..x + 80).for_each(|x| (70..130).for_each(|y| mask.set(x, y, 1.0)));
            let facts = Some(CanvasFacts { extent: canvas, rect: canvas.rect() });
            let plan = plan(&Generate { mode: Mode::Fill, ..Generate::default() }, facts, Some(&mask), &model).unwrap();
            let seen = Seen::default();
            let scene = plan.scene(None, Some(&mask));
            let job: &dyn Job = &Previewing::new(&seen, &plan, &scene);
            let latents = Extent::new(plan.context.extent.w / 8, plan.context.extent.h / 8);
            job.preview(Image::from_data(latents, [0.2, 0.4, 0.6, 1.0].repeat(latents.area() as usize)));
            let (image, rect) = seen.0.lock().unwrap().pop().expect("a preview");
            let alpha = scene.alpha().bounds().unwrap();
            let (left, top) = (alpha.x + plan.context.rect.x, alpha.y + plan.context.rect.y);
            // Within a latent cell of the canvas.
            let cell = (8.0 / plan.context.zoom()).ceil() as i32 + 1;
            for (got, wanted) in [
                (rect.x, left),
                (rect.y, top),
                (rect.right() as i32, left + alpha.w as i32),
                (rect.bottom() as i32, top + alpha.h as i32),
            ] {
                assert!((got - wanted).abs() <= cell, "{canvas:?}: {rect:?}, the patch is at {left}, {top}, {alpha:?}");
            }
            let middle = image.pixel(image.extent().w / 2, image.extent().h / 2);
            assert_eq!(middle, [0.2, 0.4, 0.6, 1.0], "opaque in the selection");
            assert!(image.pixel(0, 0)[3] < 0.5 && image.extent().w < latents.w, "and gone around it");
        }
    }

    #[test]
    fn what_is_rebuilt_is_seen_before_it_is_done() {
        let canvas = Extent::new(1500, 900);
        let pixels = (0..canvas.area()).flat_map(|i| [(i % 1500) as f32 / 1500.0, (i / 1500) as f32 / 900.0, 0.3, 1.0]);
        let image = Image::from_data(canvas, pixels.collect());
        let hole = Rect::new(1000, 300, 130, 90);
        let mut mask = Mask::new(canvas, 0.0);
        (hole.x..hole.right() as i32)
            .for_each(|x| (hole.y..hole.bottom() as i32).for_each(|y| mask.set(x as u32, y as u32, 1.0)));
        let facts = Some(CanvasFacts { extent: canvas, rect: canvas.rect() });
        let request = Generate { mode: Mode::Remove, ..Generate::default() };
        let plan = plan(&request, facts, Some(&mask), &crate::models::exemplar()).unwrap();
        let scene = plan.scene(Some(&image), Some(&mask));
        let seen = Seen::default();
        let patch = plan.rebuild(&scene, 1, &Previewing::new(&seen, &plan, &scene)).unwrap().expect("a patch");
        let seen = seen.0.into_inner().unwrap();
        assert!(seen.len() > 10, "{} previews", seen.len());
        for (image, rect) in &seen {
            // Within a pixel of a preview, three of the canvas.
            let edges = |r: &Rect| [i64::from(r.x), i64::from(r.y), r.right(), r.bottom()];
            let apart = edges(rect).into_iter().zip(edges(&patch.rect)).map(|(a, b)| (a - b).abs()).max();
            assert!(apart <= Some(4), "{rect:?} instead of {:?}", patch.rect);
            assert!(image.extent().w > 30, "{:?}", image.extent());
            assert_eq!(image.pixel(image.extent().w / 2, image.extent().h / 2)[3], 1.0);
        }
    }
}
