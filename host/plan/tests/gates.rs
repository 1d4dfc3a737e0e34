//! Seams and drift: what a fill may do to a picture, with engines that stand in for a model.
//!
//! Everything of a job but the model runs as in the daemon's worker: plan, prepare, place, and once more for a second
//! pass. The numbers are what a painter notices.

use underpaint_plan::{
    CanvasFacts, Defaults, Family, Kind, ModelFacts, Placing, Plan, Prepared, Sampler, Scheduler, plan,
};
use underpaint_raster::{
    Extent, Image, Lab, Mask, Matched, Patch, Rect, Unattended, lab_from_srgb, over, resize, srgb_from_lab,
};
use underpaint_wire::generate::{Blend, Generate, Mode};

/// At 1:1 no pixel may change visibly.
const IDENTITY_WORST: f32 = 1.0;
/// Resampled there and back, the mean may change as little as this.
const IDENTITY_MEAN: f32 = 0.5;
/// And all of it as little as this, in dB.
const IDENTITY_PSNR: f64 = 40.0;
/// A picture that was moved back against the original, dB.
const MOVED_PSNR: f64 = 40.0;
/// Mean change in the ring where the patch fades, after a drift of colours.
const DRIFT: f32 = 0.5;
/// What is left of a drift in the outer half of the band where the patch fades, if its colours are bent there.
const BENT: f32 = 0.5;
/// Gradient across the patch's contour over the gradient beside it.
const JUMP: f32 = 1.15;

/// A model of `side` x `side` pixels in many steps.
fn model(side: u32) -> ModelFacts {
    let defaults = Defaults { steps: 20, guidance_scale: 7.0, sampler: Sampler::Dpmpp2m, scheduler: Scheduler::Karras };
    let (family, id) = (Family::Sd15, "stand-in".into());
    ModelFacts { id, name: None, family, native_side: side, multiple: 8, in_channels: 4, kind: Kind::Text, defaults }
}

/// The demo's public-domain photograph, 1024x768.
fn photo() -> Image {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../daemon/assets/demo/raccoon.jpg");
    let image = image::open(path).expect("the demo's photograph").to_rgba32f();
    Image::from_data(Extent::new(image.width(), image.height()), image.into_raw())
}

fn paint(extent: Extent, f: impl Fn(u32, u32) -> [f32; 4]) -> Image {
    let at = |i: u64| ((i % u64::from(extent.w)) as u32, (i / u64::from(extent.w)) as u32);
    Image::from_data(extent, (0..extent.area()).map(at).flat_map(|(x, y)| f(x, y)).collect())
}

fn selection(extent: Extent, rect: Rect) -> Mask {
    let inside = |x: i32, y: i32| rect.contains(Rect::new(x, y, 1, 1));
    let at = |i: u64| ((i % u64::from(extent.w)) as i32, (i / u64::from(extent.w)) as i32);
    Mask::from_data(extent, (0..extent.area()).map(at).map(|(x, y)| f32::from(inside(x, y))).collect())
}

fn lab(image: &Image, x: u32, y: u32) -> Lab {
    let [r, g, b, _] = image.pixel(x, y);
    lab_from_srgb([r, g, b])
}

fn delta_e(a: Lab, b: Lab) -> f32 {
    (0..3).map(|c| (a[c] - b[c]).powi(2)).sum::<f32>().sqrt()
}

/// What a job left.
struct Filled {
    plan: Plan,
    /// The canvas with the patch on it.
    picture: Image,
    /// The patch's alpha over the whole canvas.
    alpha: Mask,
    placing: Vec<Placing>,
}

/// A whole job with `engine` in the model's place.
fn fill(request: &Generate, canvas: &Image, mask: &Mask, side: u32, engine: impl Fn(&Prepared) -> Image) -> Filled {
    let all = canvas.extent().rect();
    let facts = Some(CanvasFacts { extent: canvas.extent(), rect: all });
    let plan = plan(request, facts, Some(mask), &model(side)).expect("a plan");
    let pass = |plan: &Plan, seen: &Image| {
        let prepared = plan.prepare(&plan.scene(Some(seen), Some(mask)), 0, &Unattended).expect("nobody cancels");
        plan.place(engine(&prepared), &plan.scene(Some(canvas), Some(mask))).expect("a patch")
    };
    let (mut patch, how) = pass(&plan, canvas);
    let mut placing = vec![how];
    if let Some(second) = &plan.second {
        let (finer, how) = pass(second, &plan.lay(canvas, &patch));
        placing.push(how);
        patch = finer;
    }
    let alpha = alpha(canvas.extent(), &patch);
    Filled { picture: over(canvas, &patch), plan, alpha, placing }
}

fn alpha(extent: Extent, patch: &Patch) -> Mask {
    let mut alpha = Mask::new(extent, 0.0);
    for y in 0..patch.rect.h {
        for x in 0..patch.rect.w {
            alpha.set(x + patch.rect.x as u32, y + patch.rect.y as u32, patch.image.pixel(x, y)[3]);
        }
    }
    alpha
}

fn input(prepared: &Prepared) -> Image {
    prepared.init.clone().expect("a picture goes in")
}

/// A weak repaint, so that the original is what the engine sees under the mask.
fn weak() -> Generate {
    Generate { mode: Mode::Fill, denoise_strength: Some(0.5), passes: Some(1), ..Generate::default() }
}

#[test]
fn an_engine_that_returns_its_input_changes_nothing() {
    let photo = photo();
    let large = Rect::new(250, 150, 500, 400);
    for (name, rect, side, passes, zoom, least) in [
        ("1:1", Rect::new(400, 250, 160, 160), 448, 1, 1.0..1.0, f64::INFINITY),
        ("zoomed in twice", Rect::new(400, 250, 90, 70), 512, 1, 1.6..2.6, IDENTITY_PSNR),
        ("zoomed in a lot", Rect::new(430, 300, 24, 24), 512, 1, 4.0..8.0, IDENTITY_PSNR),
        ("the whole picture larger than it is", Rect::new(100, 100, 700, 600), 1024, 1, 1.05..1.3, IDENTITY_PSNR),
        ("a little shrunk", large, 656, 1, 0.75..0.9, IDENTITY_PSNR),
        ("shrunk", large, 384, 1, 0.4..0.6, IDENTITY_PSNR),
        ("shrunk, then in full", large, 384, 2, 0.4..0.6, IDENTITY_PSNR),
    ] {
        let mask = selection(photo.extent(), rect);
        let request = Generate { passes: Some(passes), ..weak() };
        let filled = fill(&request, &photo, &mask, side, input);
        let z = filled.plan.context.zoom();
        assert!(zoom.contains(&z) || z == zoom.end, "{name}: zoom {z}");
        let (mut sum, mut squares, mut count, mut worst) = (0.0, 0.0, 0u32, 0.0f32);
        let mut ring = (0.0, 0u32);
        for y in 0..photo.extent().h {
            for x in 0..photo.extent().w {
                let (before, after) = (photo.pixel(x, y), filled.picture.pixel(x, y));
                if filled.alpha.at(x, y) > 0.0 {
                    let d = delta_e(lab(&photo, x, y), lab(&filled.picture, x, y));
                    (sum, count, worst) = (sum + f64::from(d), count + 1, worst.max(d));
                    if filled.alpha.at(x, y) < 1.0 {
                        ring = (ring.0 + d, ring.1 + 1);
                    }
                    squares += (0..3).map(|c| f64::from(before[c] - after[c]).powi(2)).sum::<f64>();
                } else {
                    assert_eq!(before, after, "{name}: ({x}, {y})");
                }
            }
        }
        let (mean, psnr) = (sum / f64::from(count), -10.0 * (squares / f64::from(3 * count)).log10());
        let ring = ring.0 / ring.1 as f32;
        println!("{name}: zoom {z:.2}, mean dE {mean:.3}, in the ring {ring:.3}, worst {worst:.2}, {psnr:.1} dB");
        assert!(ring <= IDENTITY_MEAN, "{name}: mean {ring} where the patch fades");
        match least == f64::INFINITY {
            true => assert!(worst <= IDENTITY_WORST, "{name}: worst {worst}"),
            false => assert!(psnr >= least, "{name}: {psnr:.1} dB"),
        }
        assert!(mean <= f64::from(IDENTITY_MEAN), "{name}: mean {mean}");
        // Any other alignment is worse.
        let inner = Rect::new(rect.x + 4, rect.y + 4, rect.w - 8, rect.h - 8);
        let error = |dx: i32, dy: i32| -> f64 {
            let (a, b) =
                (photo.crop(inner), filled.picture.crop(Rect::new(inner.x + dx, inner.y + dy, inner.w, inner.h)));
            a.data().iter().zip(b.data()).map(|(a, b)| f64::from(a - b).powi(2)).sum()
        };
        for (dx, dy) in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1)] {
            assert!(error(dx, dy) > error(0, 0), "{name}: better at ({dx}, {dy})");
        }
    }
}

/// How much of the detail that a shrunk context lost is in the picture again, where everything was repainted by half: all of it
/// where the model gave back what it saw, nearly none where it painted something else.
#[test]
fn detail_returns_where_the_picture_is_still_the_original() {
    let photo = photo();
    let rect = Rect::new(250, 150, 500, 400);
    let mask = selection(photo.extent(), rect);
    let moved = |input: Image, from: &dyn Fn(u32, u32, Extent) -> (u32, u32)| {
        let extent = input.extent();
        paint(extent, |x, y| {
            let (x, y) = from(x, y, extent);
            input.pixel(x, y)
        })
    };
    let noisy = |prepared: &Prepared| {
        let mut random = Random(3);
        let mut image = input(prepared);
        image.data_mut().iter_mut().for_each(|v| *v = (*v + 0.02 * (random.unit() - 0.5)).clamp(0.0, 1.0));
        image
    };
    let blurred = |prepared: &Prepared| {
        let image = input(prepared);
        resize(&resize(&image, Extent::new(image.extent().w / 3, image.extent().h / 3)), image.extent())
    };
    type Engine<'a> = &'a dyn Fn(&Prepared) -> Image;
    #[rustfmt::skip]
    let table: [(&str, Engine<'_>, std::ops::RangeInclusive<f64>); 6] = [
        ("as it was",           &input,   0.99..=1.01),
        ("with noise",          &noisy,   0.8..=1.0),
        ("with other colours",  &drifted, 0.8..=1.1),
        ("mirrored",            &|p| moved(input(p), &|x, y, e| (e.w - 1 - x, y)),          -0.05..=0.1),
        ("five pixels beside",  &|p| moved(input(p), &|x, y, e| ((x + 5).min(e.w - 1), y)), -0.05..=0.1),
        ("blurred",             &blurred, -0.05..=0.1),
    ];
    for (name, engine, range) in table {
        let filled = fill(&weak(), &photo, &mask, 384, engine);
        let scene = filled.plan.scene(Some(&photo), Some(&mask));
        let prepared = filled.plan.prepare(&scene, 0, &Unattended).expect("nobody cancels");
        let coarse = filled.plan.restore(input(&prepared));
        let made = filled.plan.restore(engine(&prepared));
        let whole = scene.denoise_mask().expect("there is a mask");
        let (at, mut found, mut all) = (filled.plan.context.rect, 0.0, 0.0);
        for (x, y) in (0..at.h).flat_map(|y| (0..at.w).map(move |x| (x, y))).filter(|&(x, y)| whole.at(x, y) >= 1.0) {
            let on = |image: &Image| image.pixel(x + at.x as u32, y + at.y as u32);
            for c in 0..3 {
                let lost = f64::from(on(&photo)[c] - coarse.pixel(x, y)[c]);
                found += lost * f64::from(on(&filled.picture)[c] - made.pixel(x, y)[c]);
                all += lost * lost;
            }
        }
        println!("{name}: {:.3} of the lost detail", found / all);
        assert!(range.contains(&(found / all)), "{name}: {:.3} of the lost detail", found / all);
    }
}

/// The whole picture 5 L* lighter, with 0.95 of its contrast, and yellower.
fn drifted(prepared: &Prepared) -> Image {
    let input = input(prepared);
    paint(input.extent(), |x, y| {
        let [l, a, b] = lab(&input, x, y);
        let [r, g, b] = srgb_from_lab([(l - 50.0) * 0.95 + 55.0, a, b + 3.0]);
        [r.clamp(0.0, 1.0), g.clamp(0.0, 1.0), b.clamp(0.0, 1.0), 1.0]
    })
}

#[test]
fn a_colour_drift_is_taken_back() {
    let photo = photo();
    for (rect, side) in
        [(Rect::new(400, 250, 160, 160), 448), (Rect::new(400, 250, 90, 70), 512), (Rect::new(250, 150, 500, 400), 704)]
    {
        let mask = selection(photo.extent(), rect);
        let filled = fill(&weak(), &photo, &mask, side, drifted);
        let matched = filled.placing[0].color_match.expect("colours are matched");
        assert_eq!(matched.matched, Matched::Full);
        // Against the same fill without the drift: what resampling does is the identity's matter.
        let still = fill(&weak(), &photo, &mask, side, input);
        let (mut sum, mut count) = (0.0, 0);
        for y in 0..768 {
            for x in 0..1024 {
                if (0.5..1.0).contains(&filled.alpha.at(x, y)) {
                    sum += delta_e(lab(&still.picture, x, y), lab(&filled.picture, x, y));
                    count += 1;
                }
            }
        }
        println!("{rect:?}: mean dE in the ring {:.3}", sum / count as f32);
        assert!(sum / count as f32 <= DRIFT, "{rect:?}: mean dE in the ring {}", sum / count as f32);
    }
}

/// What comes back one or two of the model's pixels beside its place, which is several of the canvas', is moved back, and its
/// detail returns where it belongs.
#[test]
fn what_lies_beside_its_place_is_moved_back() {
    let photo = photo();
    let mask = selection(photo.extent(), Rect::new(250, 150, 500, 400));
    for (dx, dy) in [(1, 0), (0, 1), (1, 1), (2, 0)] {
        let beside = |prepared: &Prepared| {
            let input = input(prepared);
            let at = |at: u32, by: u32| at.saturating_sub(by);
            paint(input.extent(), |x, y| input.pixel(at(x, dx), at(y, dy)))
        };
        let filled = fill(&weak(), &photo, &mask, 384, beside);
        let found = filled.placing[0].registered.expect("it is looked for");
        let zoom = filled.plan.context.zoom() as f32;
        assert!(zoom < 0.6 && found.corrected, "({dx}, {dy}) at zoom {zoom}: {found:?}");
        let off = (found.shift[0] * zoom - dx as f32).hypot(found.shift[1] * zoom - dy as f32);
        assert!(off < 0.05, "({dx}, {dy}) at zoom {zoom}: {found:?}");
        let (mut squares, mut count) = (0.0, 0);
        for (x, y) in
            (0..768).flat_map(|y| (0..1024).map(move |x| (x, y))).filter(|&(x, y)| filled.alpha.at(x, y) > 0.0)
        {
            let (before, after) = (photo.pixel(x, y), filled.picture.pixel(x, y));
            squares += (0..3).map(|c| f64::from(before[c] - after[c]).powi(2)).sum::<f64>();
            count += 3;
        }
        let psnr = -10.0 * (squares / f64::from(count)).log10();
        println!("({dx}, {dy}): {psnr:.1} dB");
        assert!(psnr >= MOVED_PSNR, "({dx}, {dy}): {psnr:.1} dB");
    }
}

/// A drift that is another on each side of the picture, which no match of colours takes back: where the patch fades, bending
/// its colours takes back most of what fading leaves, and nothing else changes.
#[test]
fn bent_colours_meet_the_surroundings() {
    let photo = photo();
    let uneven = |prepared: &Prepared| {
        let input = input(prepared);
        let w = input.extent().w as f32;
        paint(input.extent(), |x, y| {
            let [l, a, b] = lab(&input, x, y);
            let [r, g, b] = srgb_from_lab([l + 16.0 * (x as f32 / w - 0.5), a, b - 8.0 * (x as f32 / w - 0.5)]);
            [r.clamp(0.0, 1.0), g.clamp(0.0, 1.0), b.clamp(0.0, 1.0), 1.0]
        })
    };
    for (rect, side) in [(Rect::new(400, 250, 160, 160), 448), (Rect::new(250, 150, 500, 400), 704)] {
        let mask = selection(photo.extent(), rect);
        let [faded, bent] =
            [None, Some(Blend::Gradient)].map(|blend| fill(&Generate { blend, ..weak() }, &photo, &mask, side, uneven));
        assert_eq!(faded.alpha, bent.alpha);
        let (mut drifts, mut count) = ([0.0; 2], 0);
        for (x, y) in (0..768).flat_map(|y| (0..1024).map(move |x| (x, y))) {
            match faded.alpha.at(x, y) {
                0.0 | 1.0 => assert_eq!(faded.picture.pixel(x, y), bent.picture.pixel(x, y), "({x}, {y})"),
                // Its outer half, where the old picture is beside it.
                a if a <= 0.5 => {
                    let before = lab(&photo, x, y);
                    let drift = [&faded, &bent].map(|filled| delta_e(before, lab(&filled.picture, x, y)));
                    drifts = [drifts[0] + drift[0], drifts[1] + drift[1]];
                    count += 1;
                }
                _ => {}
            }
        }
        let [faded, bent] = drifts.map(|drift| drift / count as f32);
        println!("{rect:?}: mean dE in the outer half of the band {faded:.3} faded, {bent:.3} bent");
        assert!(bent <= BENT * faded, "{rect:?}: mean dE {faded:.3} faded, {bent:.3} bent");
    }
}

#[test]
fn a_shifted_ramp_shows_no_edge() {
    let extent = Extent::new(300, 240);
    let grey = |l: f32| {
        let [r, g, b] = srgb_from_lab([l, 0.0, 0.0]);
        [r, g, b, 1.0]
    };
    let level = |x: f32, y: f32| 20.0 + 0.12 * x + 0.1 * y;
    let canvas = paint(extent, |x, y| grey(level(x as f32, y as f32)));
    let mask = selection(extent, Rect::new(100, 80, 100, 80));
    for side in [232, 512] {
        let filled = fill(&weak(), &canvas, &mask, side, |prepared| {
            // Four canvas pixels further along the ramp.
            let context = filled_context(&canvas, &mask, side);
            let z = context.zoom() as f32;
            paint(prepared.extent, |x, y| {
                let at = |v: u32, from: i32| (v as f32 + 0.5) / z - 0.5 + from as f32;
                grey(level(at(x, context.rect.x) + 4.0, at(y, context.rect.y)))
            })
        });
        let jump = gradient_jump(&filled.picture, &filled.alpha);
        println!("model of {side}: gradient jump {jump:.3}");
        assert!(jump <= JUMP, "model of {side}: gradient jump {jump:.3}");
    }
}

fn filled_context(canvas: &Image, mask: &Mask, side: u32) -> underpaint_plan::Context {
    let facts = Some(CanvasFacts { extent: canvas.extent(), rect: canvas.extent().rect() });
    plan(&weak(), facts, Some(mask), &model(side)).expect("a plan").context
}

/// The mean gradient of L* within 2 px of the contour alpha = 0.5 over that 8 to 16 px beside it.
fn gradient_jump(picture: &Image, alpha: &Mask) -> f32 {
    let Extent { w, h } = picture.extent();
    let l = |x: u32, y: u32| lab(picture, x, y)[0];
    let gradient = |x: u32, y: u32| (l(x + 1, y) - l(x - 1, y)).hypot(l(x, y + 1) - l(x, y - 1)) / 2.0;
    let inside = |x: u32, y: u32| alpha.at(x, y) >= 0.5;
    let pixels = |margin: u32| (margin..h - margin).flat_map(move |y| (margin..w - margin).map(move |x| (x, y)));
    let contour: Vec<(u32, u32)> =
        pixels(1).filter(|&(x, y)| inside(x, y) != inside(x + 1, y) || inside(x, y) != inside(x, y + 1)).collect();
    let mut away = vec![f32::MAX; (w * h) as usize];
    for (cx, cy) in contour {
        for y in cy.max(17) - 16..(cy + 17).min(h - 1) {
            for x in cx.max(17) - 16..(cx + 17).min(w - 1) {
                let at = &mut away[(y * w + x) as usize];
                *at = at.min((cx.abs_diff(x) as f32).hypot(cy.abs_diff(y) as f32));
            }
        }
    }
    let (mut near, mut beside) = ((0.0, 0), (0.0, 0));
    for (i, d) in (0..w * h).zip(away) {
        let band = match d {
            d if d <= 2.0 => &mut near,
            d if (8.0..=16.0).contains(&d) => &mut beside,
            _ => continue,
        };
        *band = (band.0 + gradient(i % w, i / w), band.1 + 1);
    }
    (near.0 / near.1 as f32) / (beside.0 / beside.1 as f32)
}

/// SplitMix64 (Steele et al. 2014).
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u32 << 24) as f32
    }

    fn below(&mut self, n: u32) -> u32 {
        (self.bits() % u64::from(n)) as u32
    }

    fn image(&mut self, extent: Extent) -> Image {
        Image::from_data(extent, (0..extent.area() * 4).map(|i| if i % 4 == 3 { 1.0 } else { self.unit() }).collect())
    }
}

/// Random canvases, masks and modes, an engine that paints noise everywhere, one and two passes, the whole document or
/// only a part sent: every pixel under alpha 0 keeps its bits.
#[test]
fn untouched_is_untouched() {
    let mut random = Random(7);
    let mut twice = 0;
    for round in 0..40 {
        let document = Extent::new(40 + random.below(300), 40 + random.below(300));
        let (w, h) = (8 + random.below(document.w - 8), 8 + random.below(document.h - 8));
        let sent = match round % 2 {
            0 => document.rect(),
            _ => Rect::new(random.below(document.w - w + 1) as i32, random.below(document.h - h + 1) as i32, w, h),
        };
        let mut canvas = random.image(sent.extent());
        let (x, y, radius) = (random.below(sent.w) as f32, random.below(sent.h) as f32, 2.0 + random.unit() * 60.0);
        let soft = 0.5 + random.unit() * 20.0;
        let value = |u: u32, v: u32| ((radius - (u as f32 - x).hypot(v as f32 - y)) / soft + 0.5).clamp(0.0, 1.0);
        let mask = (0..sent.h).flat_map(|v| (0..sent.w).map(move |u| (u, v))).map(|(u, v)| value(u, v)).collect();
        let mask = Mask::from_data(sent.extent(), mask);
        // Some of the canvas is transparent.
        canvas.data_mut().chunks_exact_mut(4).take(30).for_each(|p| p[3] = 0.0);
        let modes = [Mode::Fill, Mode::Expand, Mode::Add, Mode::Remove, Mode::Background];
        let mode = modes[round % modes.len()];
        let request =
            Generate { mode, denoise_strength: Some(0.2 + 0.8 * f64::from(random.unit())), ..Generate::default() };
        let facts = Some(CanvasFacts { extent: document, rect: sent });
        let plan = plan(&request, facts, Some(&mask), &model(64)).expect("a plan");
        let mut seen = canvas.clone();
        let mut patch = None;
        for plan in [Some(&plan), plan.second.as_deref()].into_iter().flatten() {
            plan.prepare(&plan.scene(Some(&seen), Some(&mask)), 1, &Unattended).expect("nobody cancels");
            let noise = random.image(plan.context.extent);
            patch = plan.place(noise, &plan.scene(Some(&canvas), Some(&mask))).map(|(patch, _)| patch);
            seen = patch.as_ref().map_or_else(|| canvas.clone(), |patch| plan.lay(&canvas, patch));
        }
        twice += u32::from(plan.second.is_some());
        let Some(patch) = patch else { continue };
        assert!(sent.contains(patch.rect), "round {round}: {:?} lies beyond {sent:?}", patch.rect);
        for v in 0..sent.h {
            for u in 0..sent.w {
                let (px, py) = (u as i32 + sent.x - patch.rect.x, v as i32 + sent.y - patch.rect.y);
                let there = px >= 0 && py >= 0 && (px as u32) < patch.rect.w && (py as u32) < patch.rect.h;
                let painted = there && patch.image.pixel(px as u32, py as u32)[3] > 0.0;
                assert!(painted || canvas.pixel(u, v) == seen.pixel(u, v), "round {round}: ({u}, {v})");
            }
        }
        assert!(patch.image.data().chunks_exact(4).all(|p| p[3] > 0.0 || p == [0.0; 4]), "round {round}: a leak");
    }
    assert!(twice >= 8, "only {twice} rounds had a second pass");
}
