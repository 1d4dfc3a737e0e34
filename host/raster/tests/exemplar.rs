//! The exemplar fill: what it rebuilds, what it leaves alone, and that it always comes back.

mod support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use support::{Random, paint, psnr, rect_mask};
use underpaint_raster::{Cancelled, Extent, Image, Job, Mask, Rect, Stage, Unattended, infill, resize, resize_mask};

/// Of any picture and mask, and of every preview on the way that it is small.
fn fill(image: &Image, mask: &Mask) -> Image {
    let watched = Watched::default();
    let filled = infill::exemplar(image, mask, 1, &watched).expect("nobody cancels");
    for preview in watched.seen.into_inner().expect("no panic") {
        assert!(preview.extent().w.max(preview.extent().h) <= 512, "{:?}", preview.extent());
    }
    filled
}

/// Wants a preview whenever there can be one.
#[derive(Default)]
struct Watched {
    seen: Mutex<Vec<Image>>,
}

impl Job for Watched {
    fn is_cancelled(&self) -> bool {
        false
    }
    fn progress(&self, _: Stage, _: u32, _: u32) {}
    fn wants_preview(&self) -> bool {
        true
    }
    fn preview(&self, image: Image) {
        self.seen.lock().expect("no panic").push(image);
    }
}

#[test]
fn previews_show_at_its_place_what_the_hole_becomes() {
    // A slow change of colour under the weave tells a preview that lies beside its place from one at it.
    let slope = |x: u32, y: u32| {
        let [r, g, b, _] = weave(x, y);
        [0.5 * r + x as f32 / 3200.0, 0.5 * g + y as f32 / 2400.0, b, 1.0]
    };
    for (extent, hole) in [
        (Extent::new(1500, 400), Rect::new(900, 150, 120, 100)),
        (Extent::new(333, 1201), Rect::new(0, 1000, 90, 201)),
        (Extent::new(200, 160), Rect::new(60, 50, 70, 60)),
    ] {
        let (image, mask) = (paint(extent, slope), rect_mask(extent, &[hole]));
        let watched = Watched::default();
        let filled = infill::exemplar(&image, &mask, 1, &watched).expect("nobody cancels");
        assert!(
            filled == infill::exemplar(&image, &mask, 1, &Unattended).expect("nobody cancels"),
            "looking changes it"
        );
        let seen = watched.seen.into_inner().expect("no panic");
        let small = seen[0].extent();
        assert!(seen.len() > 10 && seen.iter().all(|preview| preview.extent() == small), "{} of them", seen.len());
        let (filled, whole) = (resize(&filled, small), resize_mask(&mask, small));
        let compared = |preview: &Image| {
            let hole = whole.data().iter().map(|&m| if m < 1.0 { 0.0 } else { 1.0 });
            let pixels = preview.data().chunks_exact(4).zip(filled.data().chunks_exact(4)).zip(hole);
            let (sum, count) = pixels.fold((0.0, 0.0), |(sum, count), ((a, b), hole)| {
                assert!(hole == 0.0 || a[3] == 1.0, "the hole is shown whole");
                (sum + hole * (0..3).map(|c| (a[c] - b[c]).powi(2)).sum::<f32>() / 3.0, count + hole)
            });
            10.0 * (count / sum.max(1e-12)).log10()
        };
        let (first, last) = (compared(&seen[0]), compared(&seen[seen.len() - 1]));
        assert!(first > 15.0 && last > 25.0, "{extent:?}: {first:.1} dB, then {last:.1} dB");
        let far = preview_corner(&seen[0], hole, extent);
        assert_eq!(far, [0.0; 4], "nothing is shown of what is not painted");
    }
}

/// The corner of `preview` that is farthest from `hole`.
fn preview_corner(preview: &Image, hole: Rect, extent: Extent) -> [f32; 4] {
    let end =
        |start: i32, len: u32, side: u32, small: u32| if start as u32 + len / 2 > side / 2 { 0 } else { small - 1 };
    let small = preview.extent();
    preview.pixel(end(hole.x, hole.w, extent.w, small.w), end(hole.y, hole.h, extent.h, small.h))
}

/// A weave with a period of 12 px and a slow change of colour.
fn weave(x: u32, y: u32) -> [f32; 4] {
    let (u, v) = (x % 12 < 5, (y + x / 12 * 6) % 12 < 5);
    let base = match (u, v) {
        (true, _) => 0.75,
        (_, true) => 0.45,
        _ => 0.2,
    };
    [base, base * 0.8, 0.5 * base, 1.0]
}

#[test]
fn a_pattern_is_continued_exactly() {
    let extent = Extent::new(160, 120);
    let truth = paint(extent, weave);
    for (name, rects) in [
        ("inside", vec![Rect::new(60, 40, 40, 33)]),
        ("left border", vec![Rect::new(0, 30, 30, 40)]),
        ("corner", vec![Rect::new(130, 90, 30, 30)]),
        ("a whole side", vec![Rect::new(0, 100, 160, 20)]),
        ("thin", vec![Rect::new(10, 60, 140, 3), Rect::new(80, 5, 2, 110)]),
        ("several", vec![Rect::new(10, 10, 20, 20), Rect::new(90, 20, 25, 17), Rect::new(50, 80, 30, 30)]),
    ] {
        let mask = rect_mask(extent, &rects);
        let mut holed = truth.clone();
        for (p, m) in holed.data_mut().chunks_exact_mut(4).zip(mask.data()) {
            if *m > 0.0 {
                p.copy_from_slice(&[1.0, 0.0, 1.0, 1.0]);
            }
        }
        let got = psnr(&fill(&holed, &mask), &truth);
        assert!(got > 25.0, "{name}: {got:.1} dB");
    }
}

#[test]
fn pixels_under_mask_zero_are_bit_identical() {
    let mut random = Random(7);
    for round in 0..12 {
        let extent = Extent::new(1 + random.below(70), 1 + random.below(70));
        let (image, mask) = (random.image(extent), random.mask(extent));
        let out = fill(&image, &mask);
        for (i, &m) in mask.data().iter().enumerate() {
            let (a, b) = (&image.data()[i * 4..i * 4 + 4], &out.data()[i * 4..i * 4 + 4]);
            assert!(m > 0.0 || a == b, "round {round}, {extent:?}: pixel {i}");
            assert!(b.iter().all(|v| (0.0..=1.0).contains(v)), "round {round}: {b:?}");
        }
    }
}

#[test]
fn any_size_and_any_hole_come_back() {
    let mut random = Random(3);
    for w in [0u32, 1, 2, 6, 7, 8, 13, 33] {
        for h in [0u32, 1, 5, 7, 9, 40] {
            let extent = Extent::new(w, h);
            let image = random.image(extent);
            for value in [0.0, 0.004, 1.0] {
                assert_eq!(fill(&image, &Mask::new(extent, value)).extent(), extent);
            }
            if w > 0 && h > 0 {
                let mut almost = Mask::new(extent, 1.0);
                almost.set(w / 2, h / 2, 0.0);
                fill(&image, &almost);
                almost.data_mut().iter_mut().for_each(|v| *v = 1.0 - *v);
                fill(&image, &almost);
            }
        }
    }
    // One whole patch is known: everything is made of it.
    let extent = Extent::new(60, 50);
    let mut mask = Mask::new(extent, 1.0);
    (20..27).for_each(|y| (30..37).for_each(|x| mask.set(x, y, 0.0)));
    let out = fill(&paint(extent, |_, _| [0.25, 0.5, 0.75, 1.0]), &mask);
    assert!(out.data().chunks_exact(4).all(|p| p == [0.25, 0.5, 0.75, 1.0]));
}

#[test]
fn one_seed_gives_one_picture_with_any_number_of_threads() {
    let mut random = Random(11);
    let extent = Extent::new(120, 90);
    let mut image = random.image(extent);
    image.data_mut().iter_mut().skip(3).step_by(4).for_each(|alpha| *alpha = 1.0);
    let mask = rect_mask(extent, &[Rect::new(30, 20, 50, 50)]);
    let with = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| infill::exemplar(&image, &mask, seed, &Unattended).expect("nobody cancels"))
    };
    let one = with(1, 5);
    // Not assert_eq: nobody wants to read two pictures.
    assert!(one == with(4, 5) && one == with(3, 5), "the number of threads shows");
    assert!(one != with(1, 6), "the seed does not show");
}

#[test]
fn soft_values_are_in_the_hole_and_their_content_does_not_matter() {
    let extent = Extent::new(96, 96);
    let soft = Mask::from_data(
        extent,
        (0..96 * 96)
            .map(|i| (1.2 - (i as f32 % 96.0 - 48.0).hypot(i as f32 / 96.0 - 48.0) / 20.0).clamp(0.0, 1.0))
            .collect(),
    );
    let clean = paint(extent, weave);
    let dirty = paint(extent, |x, y| if soft.at(x, y) > 0.0 { [0.0, 1.0, 0.0, 1.0] } else { weave(x, y) });
    assert!(fill(&clean, &soft) == fill(&dirty, &soft));
}

#[test]
fn transparent_pixels_are_never_copied() {
    // A blue figure cut out of nothing; what is under the transparency is a shrill red.
    let extent = Extent::new(90, 90);
    let image = paint(extent, |x, y| {
        let grain = (x * 7 + y * 13) as f32 % 11.0 / 60.0;
        if (20..70).contains(&x) { [0.1, 0.2, 0.6 + grain, 1.0] } else { [1.0, 0.0, 0.0, 0.0] }
    });
    let mask = rect_mask(extent, &[Rect::new(40, 30, 50, 20)]);
    let out = fill(&image, &mask);
    for y in 30..50 {
        for x in 40..90 {
            let [r, _, b, a] = out.pixel(x, y);
            assert!(r < 0.2 && b > 0.5 && a == 1.0, "({x}, {y}) is {:?}", out.pixel(x, y));
        }
    }
}

#[test]
fn sixteen_bit_values_are_not_rounded_to_eight() {
    // A ramp from 0.50 to 0.52 has 1300 steps of 16 bits, 5 of 8 bits.
    let extent = Extent::new(200, 60);
    let image = paint(extent, |x, _| [0.5 + x as f32 / 1e4, 0.5, 0.5, 1.0]);
    let out = fill(&image, &rect_mask(extent, &[Rect::new(70, 20, 60, 20)]));
    for x in 70..130 {
        let got = out.pixel(x, 30)[0];
        assert!((got - (0.5 + x as f32 / 1e4)).abs() < 5e-4, "column {x}: {got}");
    }
}

#[test]
fn the_margin_is_not_copied_from() {
    // A dark fringe around the object is known, but belongs to it.
    let extent = Extent::new(100, 100);
    let image = paint(extent, |x, y| {
        let d = (x as i32 - 50).abs().max((y as i32 - 50).abs());
        let grain = (x * 31 + y * 17) as f32 % 7.0 / 40.0;
        [if (16..20).contains(&d) { 0.0 } else { 0.6 + grain }, 0.5, 0.5, 1.0]
    });
    let mask = rect_mask(extent, &[Rect::new(35, 35, 31, 31)]);
    let dark = |margin| {
        let options = infill::Options { seed: 1, source_margin_px: margin };
        let out = infill::exemplar_with(&image, &mask, &options, &Unattended).expect("nobody cancels");
        (40..60).flat_map(|y| (40..60).map(move |x| (x, y))).filter(|&(x, y)| out.pixel(x, y)[0] < 0.3).count()
    };
    assert_eq!(dark(6), 0, "nothing of the fringe is in the middle of the fill");
}

/// Counts reports and cancels when it was asked `after` times.
struct Watch {
    asked: AtomicU32,
    after: u32,
    seen: Mutex<Vec<(Stage, u32, u32)>>,
}

impl Job for Watch {
    fn is_cancelled(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed) >= self.after
    }
    fn progress(&self, stage: Stage, step: u32, steps: u32) {
        self.seen.lock().expect("no panic").push((stage, step, steps));
    }
}

#[test]
fn progress_goes_forward_and_cancelling_stops() {
    let extent = Extent::new(128, 128);
    let (image, mask) = (paint(extent, weave), rect_mask(extent, &[Rect::new(40, 40, 50, 50)]));
    let watch = |after| Watch { asked: AtomicU32::new(0), after, seen: Mutex::new(Vec::new()) };
    let all = watch(u32::MAX);
    infill::exemplar(&image, &mask, 1, &all).expect("not cancelled");
    let seen = all.seen.lock().expect("no panic");
    assert!(seen.windows(2).all(|p| p[0].1 <= p[1].1 && p[1].0 == Stage::Infill), "{seen:?}");
    assert!(seen.last().is_some_and(|&(_, step, steps)| step == steps), "{seen:?}");
    let asked = all.asked.load(Ordering::Relaxed);
    assert!(asked > 500, "a hole of 50x50 asks more often than every 50 ms: {asked} times");
    for after in [0, 1, 2, 10, asked / 2, asked - 1] {
        assert_eq!(infill::exemplar(&image, &mask, 1, &watch(after)), Err(Cancelled), "after {after}");
    }
}
