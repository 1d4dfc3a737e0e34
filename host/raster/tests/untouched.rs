//! Untouched means untouched: masks, patches and merging, over random pictures.

mod support;

use support::{Random, rect_mask};
use underpaint_raster::{Extent, Image, Mask, Patch, Rect, composite, infill, masks, over};

#[test]
fn random_repaints_change_nothing_outside_their_alpha() {
    let mut random = Random(2024);
    for round in 0..60 {
        let canvas_extent = Extent::new(20 + random.below(120), 20 + random.below(120));
        let canvas = random.image(canvas_extent);
        // A context somewhere in the canvas, its mask, and a model that paints noise everywhere.
        let (w, h) = (1 + random.below(canvas_extent.w), 1 + random.below(canvas_extent.h));
        let (x, y) = (random.below(canvas_extent.w - w + 1), random.below(canvas_extent.h - h + 1));
        let context = Rect::new(x as i32, y as i32, w, h);
        let mask = random.mask(context.extent());
        let softness = masks::softness(&mask, f64::from(random.unit()), None, None);
        let denoise = masks::denoise_mask(&mask, &softness);
        let alpha = masks::compositing_mask(&mask, &softness);
        for (a, d) in alpha.data().iter().zip(denoise.data()) {
            assert!(*d > 0.0 || *a == 0.0, "round {round}: alpha {a} where nothing was painted");
        }
        let result = random.image(context.extent());
        let Some(patch) = composite(result.clone(), &alpha, (context.x, context.y)) else {
            assert!(alpha.bounds().is_none(), "round {round}: a mask but no patch");
            continue;
        };
        assert!(context.contains(patch.rect), "round {round}: {:?} beyond {context:?}", patch.rect);
        assert_eq!(patch.rect.extent(), patch.image.extent());
        for p in patch.image.data().chunks_exact(4) {
            assert!(p[3] > 0.0 || p == [0.0; 4], "round {round}: {p:?} leaks");
        }
        let merged = over(&canvas, &patch);
        for cy in 0..canvas_extent.h {
            for cx in 0..canvas_extent.w {
                let (px, py) = (cx as i32 - context.x, cy as i32 - context.y);
                let inside = px >= 0 && py >= 0 && (px as u32) < w && (py as u32) < h;
                let painted = inside && alpha.at(px as u32, py as u32) > 0.0;
                let (before, after) = (canvas.pixel(cx, cy), merged.pixel(cx, cy));
                assert!(painted || before == after, "round {round}: ({cx}, {cy})");
            }
        }
    }
}

#[test]
fn smooth_infills_keep_unmasked_pixels_and_finite_values() {
    let mut random = Random(5);
    for round in 0..40 {
        let extent = Extent::new(1 + random.below(50), 1 + random.below(50));
        let (image, mask) = (random.image(extent), random.mask(extent));
        for (name, out) in [
            ("push_pull", infill::push_pull(&image, &mask)),
            ("neutral", infill::neutral(&image, &mask, 9.0)),
            ("grey", infill::neutral(&image, &mask, 0.0)),
            ("outward", infill::outward(&image, &mask)),
            ("grain", infill::grain(&image, &mask)),
        ] {
            for (i, &m) in mask.data().iter().enumerate() {
                let (a, b) = (&image.data()[i * 4..i * 4 + 4], &out.data()[i * 4..i * 4 + 4]);
                assert!(m > 0.0 || a == b, "{name}, round {round}, pixel {i}");
                assert!(b.iter().all(|v| (0.0..=1.0).contains(v)), "{name}, round {round}: {b:?}");
            }
        }
    }
    for extent in [Extent::new(0, 0), Extent::new(0, 7), Extent::new(3, 0), Extent::new(1, 1)] {
        let (image, mask) = (Image::new(extent), Mask::new(extent, 1.0));
        assert_eq!(infill::push_pull(&image, &mask).extent(), extent);
        assert_eq!(infill::neutral(&image, &mask, 9.0).extent(), extent);
        assert_eq!(infill::outward(&image, &mask).extent(), extent);
        assert_eq!(infill::grain(&image, &mask).extent(), extent);
    }
}

#[test]
fn push_pull_continues_a_flat_colour_and_hides_what_was_masked() {
    let extent = Extent::new(64, 48);
    let hole = Rect::new(10, 5, 40, 30);
    let mask = rect_mask(extent, &[hole]);
    let flat =
        support::paint(extent, |x, y| if mask.at(x, y) > 0.0 { [1.0, 0.0, 1.0, 1.0] } else { [0.2, 0.4, 0.6, 1.0] });
    for p in infill::push_pull(&flat, &mask).data().chunks_exact(4) {
        assert!((p[0] - 0.2).abs() < 1e-5 && (p[1] - 0.4).abs() < 1e-5 && (p[2] - 0.6).abs() < 1e-5, "{p:?}");
    }
    let grey = infill::neutral(&flat, &mask, 9.0);
    assert_eq!(grey.pixel(30, 20), [0.5, 0.5, 0.5, 1.0]);
    assert!((grey.pixel(10, 20)[2] - 0.6).abs() < 0.02, "the edge fades into the surroundings");
    let hard = infill::neutral(&flat, &mask, 0.0);
    assert_eq!((hard.pixel(10, 20), hard.pixel(9, 20)), ([0.5, 0.5, 0.5, 1.0], [0.2, 0.4, 0.6, 1.0]));
    // A grain that nobody sees: at most two steps of 8 bits, without a colour of its own.
    let grained = infill::grain(&flat, &Mask::new(extent, 1.0));
    for c in 0..3 {
        let noise = || grained.data().iter().zip(flat.data()).skip(c).step_by(4).map(|(g, f)| g - f);
        assert!(noise().all(|d| d.abs() <= 2.0 / 255.0 + 1e-6), "channel {c}");
        assert!(noise().filter(|d| d.abs() > 0.2 / 255.0).count() > 1000, "channel {c}");
        assert!(noise().sum::<f32>().abs() < 0.05 * 64.0, "channel {c}");
    }
}

/// A strip to the right of a picture of stripes: near the border they go on, mirrored; farther out there is only their
/// mean.
#[test]
fn outward_mirrors_the_detail_and_lets_it_fade() {
    let extent = Extent::new(220, 60);
    let strip = Rect::new(120, 0, 100, 60);
    let mask = rect_mask(extent, &[strip]);
    let stripes = |y: u32| if y % 8 < 4 { 0.7 } else { 0.3 };
    let picture =
        support::paint(extent, |x, y| if x < 120 { [stripes(y), 0.5, 0.5, 1.0] } else { [0.0, 1.0, 0.0, 1.0] });
    let out = infill::outward(&picture, &mask);
    let contrast = |x: u32| {
        let column: Vec<f32> = (10..50).map(|y| out.pixel(x, y)[0]).collect();
        column.iter().copied().fold(0.0, f32::max) - column.iter().copied().fold(1.0, f32::min)
    };
    assert!(contrast(121) > 0.3, "{}", contrast(121));
    assert!(contrast(121) > contrast(150) && contrast(150) > contrast(175) && contrast(200) < 0.05, "it fades");
    for x in [124, 140] {
        let wrong = (10..50).filter(|&y| (out.pixel(x, y)[0] > 0.5) != (stripes(y) > 0.5)).count();
        assert!(wrong <= 2, "column {x}: the stripes lie elsewhere, {wrong} pixels");
    }
}

#[test]
fn merging_follows_the_over_rule() {
    let one = Extent::new(1, 1);
    let pixel = |rgba: [f32; 4]| Image::from_data(one, rgba.to_vec());
    for (below, top, wanted) in [
        ([0.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 0.25], [0.25, 0.25, 0.25, 1.0]),
        ([0.3, 0.2, 0.1, 0.0], [0.9, 0.8, 0.7, 0.5], [0.9, 0.8, 0.7, 0.5]),
        ([0.0, 0.0, 0.0, 0.5], [1.0, 1.0, 1.0, 0.5], [2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0, 0.75]),
        ([0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 1.0], [0.5, 0.6, 0.7, 1.0]),
    ] {
        let out = over(&pixel(below), &Patch { rect: one.rect(), image: pixel(top) });
        let near = out.data().iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near, "{top:?} over {below:?}: {:?}", out.data());
    }
    // A patch beyond the canvas is cut, far away it is dropped.
    let canvas = Image::new(Extent::new(2, 2));
    let white = Image::from_data(Extent::new(2, 2), vec![1.0; 16]);
    let at = |x, y| over(&canvas, &Patch { rect: Rect::new(x, y, 2, 2), image: white.clone() });
    assert_eq!(at(1, -1).pixel(1, 0), [1.0; 4]);
    assert_eq!(at(1, -1).pixel(0, 0), [0.0; 4]);
    assert_eq!(at(i32::MAX, i32::MIN), canvas);
}

#[test]
fn empty_pictures_go_through_every_operator() {
    for extent in [Extent::new(0, 0), Extent::new(0, 7), Extent::new(3, 0)] {
        let (image, mask) = (Image::new(extent), Mask::new(extent, 1.0));
        let s = masks::softness(&mask, 1.0, Some(9), Some(5));
        assert_eq!(masks::denoise_mask(&mask, &s).extent(), extent);
        let alpha = masks::compositing_mask(&mask, &s);
        assert_eq!(composite(image.clone(), &alpha, (3, 3)), None);
        underpaint_raster::ColorMatch::measure(&image, &image, &mask);
    }
}
