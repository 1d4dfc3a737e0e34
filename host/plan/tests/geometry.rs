//! From selection to context: the peers' cases as a table, and what must hold for every selection.

use underpaint_plan::{
    Alpha, CanvasFacts, Defaults, Family, Infill, Inpaint, Kind, ModelFacts, Sampler, Scheduler, Tiles, context, plan,
};
use underpaint_raster::{Extent, Image, Mask, Rect, Unattended};
use underpaint_wire::generate::{Generate, Mode};

fn model(family: Family, native_side: u32, multiple: u32) -> ModelFacts {
    let defaults = Defaults { steps: 20, guidance_scale: 7.0, sampler: Sampler::Dpmpp2m, scheduler: Scheduler::Karras };
    ModelFacts {
        id: "test".into(),
        name: None,
        family,
        native_side,
        multiple,
        in_channels: 4,
        kind: Kind::Text,
        defaults,
    }
}

fn selection(extent: Extent, rect: Rect) -> Mask {
    let mut mask = Mask::new(extent, 0.0);
    for y in rect.y as u32..rect.y as u32 + rect.h {
        for x in rect.x as u32..rect.x as u32 + rect.w {
            mask.set(x, y, 1.0);
        }
    }
    mask
}

/// Selections in the middle of a canvas, a model of 1024 x 1024: area of the context as the side of a square, and
/// how much it is zoomed. Two thirds of the rows are a peer's; small selections are where we differ.
#[test]
fn small_selections_are_zoomed_and_large_ones_get_their_surroundings() {
    let model = model(Family::Sd15, 1024, 16);
    for (w, h, canvas, side, zoom) in [
        (400, 300, Extent::new(4000, 3000), 1024.0, 1.0),
        (800, 600, Extent::new(8000, 6000), 1320.0, 0.78),
        (2400, 1800, Extent::new(4000, 3000), 3464.0, 0.30),
        (64, 64, Extent::new(4000, 3000), 209.0, 4.9),
        (200, 150, Extent::new(4000, 3000), 504.0, 2.03),
        (20, 20, Extent::new(4000, 3000), 128.0, 8.0),
    ] {
        let bounds = Rect::new(canvas.w as i32 / 2 - w / 2, canvas.h as i32 / 2 - h / 2, w as u32, h as u32);
        let rect = context(Mode::Fill, bounds, canvas, 1.0, &model);
        let got = (rect.extent().area() as f64).sqrt();
        assert!((got / side - 1.0).abs() < 0.03, "{w}x{h} on {canvas:?}: {rect:?}, side {got:.0}, expected {side}");
        let mask = selection(canvas, bounds);
        let request = Generate { mode: Mode::Fill, ..Generate::default() };
        let plan =
            plan(&request, Some(CanvasFacts { extent: canvas, rect: canvas.rect() }), Some(&mask), &model).unwrap();
        assert_eq!(plan.context.rect, rect, "the plan takes what fill/context asked for");
        let got = plan.context.zoom();
        assert!((got / zoom - 1.0).abs() < 0.03, "{w}x{h} on {canvas:?}: zoom {got:.3}, expected {zoom}");
        assert!(zoom != 1.0 || plan.context.fit == rect.extent(), "at 1:1 nothing is resampled");
    }
}

/// SplitMix64 (Steele et al. 2014): enough randomness for a property test, the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % u64::from(n)) as u32
    }
}

#[test]
fn mask_in_context_in_canvas_for_every_selection() {
    let mut random = Random(2);
    for round in 0..400 {
        let canvas = Extent::new(1 + random.below(700), 1 + random.below(700));
        let (w, h) = (1 + random.below(canvas.w), 1 + random.below(canvas.h));
        let (w, h) = if round % 3 == 0 { (w, h.min(3)) } else { (w, h) };
        let at = (random.below(canvas.w - w + 1) as i32, random.below(canvas.h - h + 1) as i32);
        let bounds = Rect::new(at.0, at.1, w, h);
        let multiple = [8, 16, 64][random.below(3) as usize];
        let family = if round % 5 == 0 { Family::Exemplar } else { Family::Sd15 };
        let model = model(family, [64, 512, 1024][random.below(3) as usize], multiple);
        let strength = 0.05 + 0.95 * f64::from(random.below(100)) / 99.0;
        let request = Generate {
            mode: Mode::Fill,
            denoise_strength: Some(strength),
            feather_px: (round % 7 == 0).then(|| random.below(500)),
            grow_px: (round % 11 == 0).then(|| random.below(500)),
            ..Generate::default()
        };
        // Every other adapter sends only what fill/context asked for.
        let wanted = context(Mode::Fill, bounds, canvas, strength, &model);
        let sent = if round % 2 == 0 { canvas.rect() } else { wanted };
        let local = Rect::new(bounds.x - sent.x, bounds.y - sent.y, w, h);
        let mask = selection(sent.extent(), local);
        let what = format!("round {round}: {bounds:?} on {canvas:?}, sent {sent:?}, {model:?}, {request:?}");
        assert!(wanted.x >= 0 && canvas.rect().contains(wanted) && wanted.contains(bounds), "{what}: {wanted:?}");

        let plan = plan(&request, Some(CanvasFacts { extent: canvas, rect: sent }), Some(&mask), &model).expect(&what);
        let c = plan.context;
        assert!(sent.contains(c.rect) && c.rect.contains(bounds), "{what}: {c:?}");
        assert!(c.extent.w >= c.fit.w && c.extent.h >= c.fit.h, "{what}: {c:?}");
        if family == Family::Exemplar && request.feather_px.or(request.grow_px).is_none() {
            assert_eq!(c.rect, wanted, "{what}: no more is asked for than is looked at");
        }
        if family == Family::Sd15 {
            assert!(c.extent.w.is_multiple_of(multiple) && c.extent.h.is_multiple_of(multiple), "{what}: {c:?}");
            assert!(c.extent.area() <= 8 << 20, "{what}: {c:?}");
            assert!(c.zoom() < 9.0, "{what}: {c:?}");
            // Scaled the same in x and y, to within half a model pixel's rounding on each side.
            let (zx, zy) = (f64::from(c.fit.w) / f64::from(c.rect.w), f64::from(c.fit.h) / f64::from(c.rect.h));
            let rounding = 0.51 / f64::from(c.rect.w) + 0.51 / f64::from(c.rect.h);
            assert!((zx - zy).abs() <= rounding, "{what}: {c:?}, {zx} and {zy}");
        }
    }
}

#[test]
fn the_surroundings_are_at_least_64_model_pixels_wide() {
    let model = model(Family::Sd15, 512, 64);
    let canvas = Extent::new(3000, 2000);
    for (w, h) in [(40, 40), (900, 20), (20, 900), (500, 400)] {
        let bounds = Rect::new(1000, 600, w, h);
        let mask = selection(canvas, bounds);
        let request = Generate { mode: Mode::Fill, ..Generate::default() };
        let p = plan(&request, Some(CanvasFacts { extent: canvas, rect: canvas.rect() }), Some(&mask), &model).unwrap();
        let (c, zoom) = (p.context.rect, p.context.zoom());
        for ring in [bounds.x - c.x, (c.right() - bounds.right()) as i32] {
            assert!(f64::from(ring) * zoom >= 63.0, "{w}x{h}: ring {ring} px at zoom {zoom:.2}");
        }
    }
}

#[test]
fn each_mode_prepares_what_its_model_should_see() {
    let sd = model(Family::Sd15, 64, 8);
    let exemplar = model(Family::Exemplar, 64, 1);
    for (mode, strength, model, infill, alpha, color_match) in [
        (Mode::Fill, 1.0, &sd, Infill::PushPull, Alpha::Blend, true),
        (Mode::Fill, 0.5, &sd, Infill::Original, Alpha::Blend, true),
        (Mode::Expand, 0.5, &sd, Infill::Outward, Alpha::Blend, true),
        (Mode::Add, 1.0, &sd, Infill::Neutral, Alpha::Blend, true),
        (Mode::Remove, 1.0, &sd, Infill::Exemplar, Alpha::Blend, true),
        (Mode::Background, 1.0, &sd, Infill::Grey, Alpha::Blend, false),
        (Mode::Fill, 1.0, &exemplar, Infill::Exemplar, Alpha::Denoise, false),
        (Mode::Remove, 1.0, &exemplar, Infill::Exemplar, Alpha::Denoise, false),
    ] {
        let canvas = Extent::new(100, 75);
        let mut image = Image::new(canvas);
        image.data_mut().chunks_exact_mut(4).enumerate().for_each(|(i, p)| {
            p.copy_from_slice(&[(i % 100) as f32 / 99.0, 0.5, 0.25, 1.0]);
        });
        let mask = selection(canvas, Rect::new(40, 30, 16, 16));
        let request = Generate { mode, denoise_strength: Some(strength), ..Generate::default() };
        let plan =
            plan(&request, Some(CanvasFacts { extent: canvas, rect: canvas.rect() }), Some(&mask), model).unwrap();
        assert_eq!((plan.infill, plan.alpha, plan.color_match), (infill, alpha, color_match), "{mode:?} {strength}");
        assert_eq!(plan.inpaint, Inpaint::Differential);
        let scene = plan.scene(Some(&image), Some(&mask));
        let denoise = scene.denoise_mask().unwrap();
        if model.family == Family::Exemplar {
            let patch = plan.rebuild(&scene, 1, &Unattended).unwrap().expect("something is painted");
            let (at, painted) = (plan.context.rect, denoise.bounds().unwrap());
            assert_eq!(patch.rect, Rect { x: painted.x + at.x, y: painted.y + at.y, ..painted });
            continue;
        }
        let prepared = plan.prepare(&scene, 1, &Unattended).unwrap();
        let (init, inner) = (prepared.init.unwrap(), prepared.mask.unwrap());
        assert_eq!((init.extent(), inner.extent()), (plan.context.extent, plan.context.extent));
        assert!(init.data().chunks_exact(4).all(|p| p[3] == 1.0), "what the engine sees is opaque");
        let back = plan.restore(init);
        assert_eq!(back.extent(), plan.context.rect.extent());
        // The patch fades out no later than what was repainted.
        let alpha = scene.alpha();
        assert!(alpha.data().iter().zip(denoise.data()).all(|(a, d)| *a == 0.0 || *d > 0.0));
    }
}

/// A picture that goes through the model untouched comes back where it was: at 1:1 exactly, zoomed nearly.
#[test]
fn a_picture_returns_to_its_place() {
    for (side, rect) in [(64, Rect::new(70, 50, 12, 10)), (64, Rect::new(20, 20, 4, 4)), (512, Rect::new(3, 3, 60, 60))]
    {
        let canvas = Extent::new(150, 110);
        let mut image = Image::new(canvas);
        for (i, p) in image.data_mut().chunks_exact_mut(4).enumerate() {
            let (x, y) = ((i % 150) as f32, (i / 150) as f32);
            p.copy_from_slice(&[0.5 + 0.4 * (x * 0.21).sin(), 0.5 + 0.4 * (y * 0.17).cos(), x / 150.0, 1.0]);
        }
        let model = model(Family::Sd15, side, 8);
        let request = Generate { mode: Mode::Fill, denoise_strength: Some(0.5), ..Generate::default() };
        let mask = selection(canvas, rect);
        let plan =
            plan(&request, Some(CanvasFacts { extent: canvas, rect: canvas.rect() }), Some(&mask), &model).unwrap();
        let scene = plan.scene(Some(&image), Some(&mask));
        let prepared = plan.prepare(&scene, 1, &Unattended).unwrap();
        let back = plan.restore(prepared.init.unwrap());
        let original = scene.original().unwrap();
        let worst = back.data().iter().zip(original.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let limit = if plan.context.fit == plan.context.rect.extent() { 0.0 } else { 0.02 };
        assert!(worst <= limit, "{:?}: {worst}", plan.context);
    }
}

fn whole(extent: Extent) -> Option<CanvasFacts> {
    Some(CanvasFacts { extent, rect: extent.rect() })
}

/// A canvas smaller than what the model would like to see is taken whole and zoomed up to what it was trained at.
#[test]
fn small_canvases_are_taken_whole_and_larger() {
    let model = model(Family::Sd15, 512, 8);
    for (w, h, zoom) in [(256, 256, 2.0), (200, 150, 2.96), (500, 500, 1.0), (300, 60, 3.8)] {
        let canvas = Extent::new(w, h);
        let mask = selection(canvas, Rect::new(w as i32 / 2 - 10, h as i32 / 2 - 10, 20, 20));
        let request = Generate { mode: Mode::Fill, feather_px: Some(200), ..Generate::default() };
        let context = plan(&request, whole(canvas), Some(&mask), &model).unwrap().context;
        assert_eq!(context.rect, canvas.rect());
        assert!((context.zoom() / zoom - 1.0).abs() < 0.04, "{w}x{h}: {context:?}, zoom {:.2}", context.zoom());
    }
}

/// Selections in the middle of a canvas, a model of 256 x 256 in 20 steps: where a second pass is taken, at what scale,
/// from which step on, and in what tiles.
#[test]
fn large_selections_are_gone_over_again() {
    let many = model(Family::Sd15, 256, 8);
    let few = ModelFacts { defaults: Defaults { steps: 4, ..many.defaults }, ..many.clone() };
    let exemplar = model(Family::Exemplar, 256, 1);
    let (medium, large, huge) = ((100, 75, 1000, 750), (240, 180, 2000, 1500), (600, 450, 1000, 750));
    let (whole_of, vast) = ((1000, 750, 1000, 750), (5000, 4000, 5000, 4000));
    let at = |zoom, steps, start, overlap| Some((zoom, steps, start, Some(Tiles { tile: 384, overlap })));
    #[rustfmt::skip]
    let table = [
        (&many,     medium, None,    1.0,  None),
        (&many,     medium, Some(2), 1.0,  None),
        (&many,     large,  None,    1.0,  Some((1.0, 20, 12, None))),
        (&many,     large,  Some(2), 1.0,  Some((1.0, 20, 12, None))),
        (&many,     large,  Some(1), 1.0,  None),
        (&many,     huge,   None,    1.0,  at(1.0, 20, 12, 80)),
        // No more is changed than was asked for.
        (&many,     huge,   None,    0.2,  at(1.0, 20, 16, 56)),
        (&many,     huge,   None,    0.1,  at(1.0, 40, 36, 48)),
        (&many,     whole_of, None,  1.0,  at(1.0, 20, 12, 80)),
        // In detail as far as memory allows.
        (&many,     vast,   None,    1.0,  at(0.89, 20, 12, 80)),
        // Models of few steps are chosen for their speed.
        (&few,      large,  None,    1.0,  None),
        (&few,      large,  Some(2), 1.0,  Some((1.0, 10, 6, None))),
        (&exemplar, large,  Some(2), 1.0,  None),
    ];
    for (model, (w, h, cw, ch), passes, strength, expected) in table {
        let canvas = Extent::new(cw, ch);
        let bounds = Rect::new(cw as i32 / 2 - w / 2, ch as i32 / 2 - h / 2, w as u32, h as u32);
        let mask = selection(canvas, bounds);
        let request = Generate {
            mode: Mode::Fill,
            passes,
            denoise_strength: Some(strength),
            batch: Some(3),
            ..Generate::default()
        };
        let first = plan(&request, whole(canvas), Some(&mask), model).unwrap();
        let what = format!("{w}x{h} on {canvas:?}, {passes:?} passes, {strength}, {:?}", model.family);
        let second = first.second.as_ref();
        let got = second.map(|s| (s.context.zoom(), s.sampling.steps, s.sampling.start_step, s.tiles));
        match (got, expected) {
            (None, None) => {}
            (Some((zoom, steps, start, tiles)), Some((z, n, k, t))) => {
                let same = (steps, start, tiles) == (n, k, t);
                assert!((zoom / z - 1.0).abs() < 0.03 && same, "{what}: {got:?}, not {expected:?}");
            }
            _ => panic!("{what}: {got:?}, not {expected:?}"),
        }
        let Some(second) = second else { continue };
        let seen = second.context;
        assert!(first.context.zoom() < 0.8 && seen.zoom() >= 1.25 * first.context.zoom(), "{what}");
        assert!(first.context.rect.contains(seen.rect), "{what}: what fill/context asked for is enough");
        assert!(seen.extent.area() <= 20_000_000, "{what}: {seen:?}");
        assert!(second.tiles.is_some() || (zoom_is_exact(seen) && seen.extent.area() <= 5 << 16), "{what}: {seen:?}");
        // All of the first patch is replaced, with surroundings to see.
        let painted = first.scene(None, Some(&mask)).denoise_mask().unwrap().bounds().unwrap();
        let (x, y) = (painted.x + first.context.rect.x, painted.y + first.context.rect.y);
        assert!(seen.rect.contains(Rect { x, y, ..painted }), "{what}: {painted:?} in {seen:?}");
        assert!(f64::from(x - seen.rect.x) * seen.zoom() >= 56.0 || x == 0, "{what}: the ring");
        assert_eq!((second.infill, second.softness, second.alpha), (Infill::Original, first.softness, first.alpha));
        assert_eq!((second.sampling.seed, second.sampling.batch), (first.sampling.seed, 1));
        assert_eq!((&second.prompt, &second.second), (&first.prompt, &None));
    }
}

fn zoom_is_exact(c: underpaint_plan::Context) -> bool {
    c.extent == c.fit && u64::from(c.fit.w) * u64::from(c.rect.h) == u64::from(c.fit.h) * u64::from(c.rect.w)
}

/// New strips beside an old picture: how far it is repainted, softly, and that `fill/context` knew.
#[test]
fn an_expansion_overlaps_the_old_picture() {
    let model = model(Family::Sd15, 512, 8);
    for (name, canvas, strips, overlap) in [
        ("right", Extent::new(1300, 900), vec![Rect::new(1000, 0, 300, 900)], 90),
        ("above, a narrow picture", Extent::new(400, 1000), vec![Rect::new(0, 0, 400, 200)], 64),
        ("left of a tiny picture", Extent::new(150, 200), vec![Rect::new(0, 0, 100, 200)], 25),
        (
            "right and below",
            Extent::new(1000, 1100),
            vec![Rect::new(800, 0, 200, 1100), Rect::new(0, 900, 1000, 200)],
            80,
        ),
    ] {
        let mut mask = Mask::new(canvas, 0.0);
        for strip in &strips {
            let one = selection(canvas, *strip);
            mask.data_mut().iter_mut().zip(one.data()).for_each(|(m, s)| *m = m.max(*s));
        }
        let request = Generate { mode: Mode::Expand, ..Generate::default() };
        let first = plan(&request, whole(canvas), Some(&mask), &model).unwrap();
        let blend = (overlap as f32 / 2.0).clamp(25.0, 100.0);
        assert_eq!((first.softness.feather_px, first.softness.blend_px), (overlap as f32, blend), "{name}");
        let bounds = mask.bounds().unwrap();
        let asked = context(Mode::Expand, bounds, canvas, 1.0, &model);
        assert!(asked.contains(first.context.rect), "{name}: {asked:?} and {:?}", first.context.rect);
        if name == "right" {
            assert_eq!(first.context.rect, asked);
            let scene = first.scene(None, Some(&mask));
            let denoise = scene.denoise_mask().unwrap();
            let row = |x: i32| denoise.at((x - asked.x) as u32, 450);
            assert_eq!((row(1000), row(1299), row(1000 - 96)), (1.0, 1.0, 0.0), "{name}");
            assert!((0.4..0.6).contains(&row(1000 - 49)), "{name}: half way {}", row(1000 - 49));
        }
        // What an adapter sends is what fill/context asked for.
        let sent = Some(CanvasFacts { extent: canvas, rect: asked });
        let part = plan(&request, sent, Some(&mask.crop(asked)), &model).unwrap();
        assert_eq!((part.context, part.softness), (first.context, first.softness), "{name}");
    }
}

/// What is replaced before the model begins is smaller than what it may paint: it still sees the true edge.
#[test]
fn the_infill_leaves_the_edge_of_the_surroundings() {
    let (canvas, hole) = (Extent::new(400, 300), Rect::new(150, 100, 100, 80));
    let mask = selection(canvas, hole);
    let mut image = Image::new(canvas);
    image.data_mut().chunks_exact_mut(4).enumerate().for_each(|(i, p)| {
        p.copy_from_slice(&[((i * 7) % 11) as f32 / 10.0, ((i * 3) % 5) as f32 / 4.0, 0.5, 1.0]);
    });
    let nine = ModelFacts { in_channels: 9, ..model(Family::Sd15, 256, 8) };
    for (mode, facts, exact) in
        [(Mode::Fill, &model(Family::Sd15, 256, 8), false), (Mode::Add, &nine, true), (Mode::Background, &nine, true)]
    {
        // A new background has no soft edge of its own accord.
        let feather_px = (mode == Mode::Background).then_some(20);
        let request = Generate { mode, feather_px, ..Generate::default() };
        let plan = plan(&request, whole(canvas), Some(&mask), facts).unwrap();
        assert_eq!(plan.context.zoom(), 1.0, "{:?}", plan.context);
        let scene = plan.scene(Some(&image), Some(&mask));
        let prepared = plan.prepare(&scene, 0, &Unattended).unwrap();
        let (init, inner) = (prepared.init.unwrap(), prepared.mask.unwrap());
        let original = scene.original().unwrap();
        let (mut replaced, mut painted) = (0, 0);
        for y in 0..original.extent().h {
            for x in 0..original.extent().w {
                let changed = init.pixel(x, y) != original.pixel(x, y);
                assert!(!changed || inner.at(x, y) == 1.0, "{mode:?}: ({x}, {y}) is replaced, but not painted anew");
                assert!(!changed || !exact || init.pixel(x, y) == [0.5, 0.5, 0.5, 1.0], "{mode:?}: exactly grey");
                replaced += u32::from(changed);
                painted += u32::from(inner.at(x, y) > 0.0);
            }
        }
        assert!(replaced >= 100 * 80 * 9 / 10 && replaced * 5 < painted * 3, "{mode:?}: {replaced} of {painted}");
    }
}

/// Around a new background's mask lies what the painter keeps: it stays whole, however large the picture, and an edge that
/// the selection has itself stays as soft as it is.
#[test]
fn a_new_background_keeps_what_stands_before_it() {
    let model = model(Family::Sd15, 512, 8);
    for (canvas, kept) in [
        (Extent::new(800, 600), Rect::new(200, 150, 280, 200)),
        (Extent::new(3000, 2000), Rect::new(900, 700, 90, 120)),
    ] {
        let mut mask = Mask::new(canvas, 1.0);
        for y in kept.y as u32..kept.y as u32 + kept.h {
            (kept.x as u32..kept.x as u32 + kept.w).for_each(|x| mask.set(x, y, 0.0));
        }
        mask.set(kept.x as u32, kept.y as u32, 0.25);
        let facts = Some(CanvasFacts { extent: canvas, rect: canvas.rect() });
        let alpha = |feather_px| {
            let request = Generate { mode: Mode::Background, feather_px, ..Generate::default() };
            plan(&request, facts, Some(&mask), &model).unwrap().scene(None, Some(&mask)).alpha().clone()
        };
        let hard = alpha(None);
        assert_eq!((hard.data()[0], hard.crop(kept).data()[0]), (1.0, 0.5), "twice the selection's own value");
        assert!(hard.crop(kept).data()[1..].iter().all(|&a| a == 0.0), "{canvas:?}");
        // What the painter says goes before.
        assert!(alpha(Some(20)).crop(kept).data()[1] > 0.0);
    }
}
