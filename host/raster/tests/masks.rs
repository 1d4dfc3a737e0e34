//! The two masks of a repaint, against the numbers they are meant to have.

mod support;

use support::rect_mask;
use underpaint_raster::masks::{Softness, compositing_mask, denoise_mask, softness};
use underpaint_raster::{Extent, Mask, Rect};

#[test]
fn softness_of_hard_selections() {
    let extent = Extent::new(1000, 800);
    #[rustfmt::skip]
    let table = [
        // w, h, strength, feather, grow       -> feather, grow, blend
        (64, 64, 1.0, None, None,              16.0, 12.0, 20.0),
        (400, 300, 1.0, None, None,            50.0, 29.0, 25.0),
        (400, 300, 0.5, None, None,            25.0, 16.5, 25.0),
        (8, 300, 1.0, None, None,              30.0, 19.0, 25.0),
        (40, 40, 0.0, None, None,               0.0,  0.0,  0.0),
        (400, 300, 1.0, Some(10), None,        10.0,  9.0, 14.0),
        (400, 300, 1.0, Some(0), None,          0.0,  0.0,  0.0),
        (400, 300, 1.0, Some(0), Some(6),       0.0,  6.0,  0.0),
        (400, 300, 1.0, None, Some(0),         50.0,  0.0, 25.0),
        (400, 300, 1.0, Some(9999), Some(9999), 499.0, 499.0, 25.0),
    ];
    for (w, h, strength, feather_px, grow_px, feather, grow, blend) in table {
        let mask = rect_mask(extent, &[Rect::new(100, 100, w, h)]);
        let got = softness(&mask, strength, feather_px, grow_px);
        let near = |a: f32, b: f32| (a - b).abs() < 0.05;
        assert!(
            near(got.feather_px, feather) && near(got.grow_px, grow) && near(got.blend_px, blend),
            "{w}x{h} at {strength}, {feather_px:?}, {grow_px:?}: {got:?} instead of {feather}, {grow}, {blend}"
        );
    }
    let nothing = softness(&Mask::new(extent, 0.0), 1.0, None, None);
    assert!(denoise_mask(&Mask::new(extent, 0.0), &nothing).bounds().is_none());
    softness(&Mask::new(extent, 1.0), f64::NAN, None, None);
}

#[test]
fn a_soft_selection_keeps_its_own_softness() {
    let extent = Extent::new(600, 500);
    let hard = rect_mask(extent, &[Rect::new(150, 150, 300, 200)]);
    let wanted = softness(&hard, 1.0, None, None);
    for (own, expected) in [(0, wanted.feather_px), (20, 30.0), (60, 0.0)] {
        let given = Softness { feather_px: own as f32, grow_px: 0.0, blend_px: 0.0 };
        let soft = denoise_mask(&hard, &given);
        let got = softness(&soft, 1.0, None, None);
        assert!((got.feather_px - expected).abs() < 4.0, "own {own}: adds {} of {expected}", got.feather_px);
    }
    // Soft values survive: an own feather that is wide enough comes back as it went in.
    let given = Softness { feather_px: 60.0, grow_px: 0.0, blend_px: 0.0 };
    let soft = denoise_mask(&hard, &given);
    let again = denoise_mask(&soft, &softness(&soft, 1.0, None, None));
    let worst = soft.data().iter().zip(again.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 0.011, "a soft selection changed by {worst}");
}

#[test]
fn both_masks_reach_as_far_as_they_should() {
    let extent = Extent::new(300, 300);
    let selection = Rect::new(118, 118, 64, 64);
    let mask = rect_mask(extent, &[selection]);
    let s = softness(&mask, 1.0, None, None);
    let (denoise, alpha) = (denoise_mask(&mask, &s), compositing_mask(&mask, &s));
    // 64 px widened by grow 12 and half the feather 16: 104 px.
    assert_eq!(denoise.bounds(), Some(Rect::new(98, 98, 104, 104)));
    let reach = alpha.bounds().expect("an alpha");
    assert!(denoise.bounds().expect("a mask").contains(reach) && reach.w >= 100, "{reach:?}");
    for y in selection.y as u32..selection.bottom() as u32 {
        for x in selection.x as u32..selection.right() as u32 {
            assert_eq!((denoise.at(x, y), alpha.at(x, y)), (1.0, 1.0), "({x}, {y})");
        }
    }
    // Monotonous from the middle outwards, with values between.
    let row: Vec<f32> = (150..210).map(|x| alpha.at(x, 150)).collect();
    assert!(row.windows(2).all(|p| p[0] >= p[1]), "{row:?}");
    assert!(row.iter().filter(|v| (0.1..0.9).contains(*v)).count() >= 6, "{row:?}");
}

#[test]
fn the_canvas_edge_does_not_fade() {
    let extent = Extent::new(200, 150);
    let mask = rect_mask(extent, &[Rect::new(0, 40, 90, 110)]);
    let s = softness(&mask, 1.0, None, None);
    let (denoise, alpha) = (denoise_mask(&mask, &s), compositing_mask(&mask, &s));
    for y in 60..150 {
        assert_eq!((denoise.at(0, y), alpha.at(0, y)), (1.0, 1.0), "row {y}");
    }
    let all = Mask::new(extent, 1.0);
    let s = softness(&all, 1.0, None, None);
    assert_eq!(denoise_mask(&all, &s), all);
    assert!(compositing_mask(&all, &s).data().iter().all(|&v| v > 0.9999));
}

#[test]
fn thin_selections_keep_their_alpha() {
    let extent = Extent::new(300, 200);
    for width in [1, 2, 5] {
        let line = Rect::new(20, 100, 250, width);
        let mask = rect_mask(extent, &[line]);
        for (feather, grow) in [(None, None), (Some(20), Some(0)), (Some(3), None), (Some(0), None)] {
            let s = softness(&mask, 1.0, feather, grow);
            let alpha = compositing_mask(&mask, &s);
            assert!(alpha.at(150, 100) > 0.999, "{width} px, {feather:?}, {grow:?}: {}", alpha.at(150, 100));
        }
    }
}

/// A selection that is soft by itself fades as the painter drew it: nothing of a patch is more than twice as opaque, and
/// from a half on it is whole.
#[test]
fn a_soft_selection_fades_as_it_was_drawn() {
    let extent = Extent::new(400, 300);
    let hard = rect_mask(extent, &[Rect::new(100, 90, 200, 120)]);
    let soft = denoise_mask(&hard, &Softness { feather_px: 80.0, grow_px: 0.0, blend_px: 0.0 });
    let s = softness(&soft, 1.0, None, None);
    assert_eq!((s.feather_px, s.grow_px), (0.0, 0.0), "it is soft enough");
    let alpha = compositing_mask(&soft, &s);
    let mut between = 0;
    for (a, m) in alpha.data().iter().zip(soft.data()) {
        assert!(*a <= 2.0 * m + 1e-6, "{a} where {m} is selected");
        assert!(*m < 0.5 || *a == 1.0, "{a} where {m} is selected");
        between += usize::from((0.1..0.9).contains(a));
    }
    assert!(between > 5000, "it fades over {between} pixels");
}

/// Only the selection and what its softness reaches is computed: that must not be seen.
#[test]
fn the_size_of_the_surroundings_does_not_matter() {
    let soft = |x: u32, y: u32| (1.4 - (x as f32 - 30.0).hypot(y as f32 - 24.0) / 16.0).clamp(0.0, 1.0);
    let within = |w: u32, h: u32, left: u32, top: u32| {
        let value = |x: u32, y: u32| if x >= left && y >= top { soft(x - left, y - top) } else { 0.0 };
        Mask::from_data(Extent::new(w, h), (0..h).flat_map(|y| (0..w).map(move |x| value(x, y))).collect())
    };
    for s in [
        Softness { feather_px: 20.0, grow_px: 14.0, blend_px: 18.0 },
        Softness { feather_px: 0.0, grow_px: 3.0, blend_px: 25.0 },
        Softness { feather_px: 9.0, grow_px: 0.0, blend_px: 0.0 },
    ] {
        let (small, large) = (within(150, 140, 40, 45), within(700, 500, 400, 300));
        let part = Rect::new(360, 255, 150, 140);
        assert_eq!(denoise_mask(&small, &s), denoise_mask(&large, &s).crop(part), "{s:?}");
        assert_eq!(compositing_mask(&small, &s), compositing_mask(&large, &s).crop(part), "{s:?}");
        assert_eq!(
            denoise_mask(&large, &s).bounds(),
            denoise_mask(&large, &s)
                .crop(part)
                .bounds()
                .map(|inner| { Rect::new(inner.x + part.x, inner.y + part.y, inner.w, inner.h) })
        );
        assert_eq!(softness(&small, 1.0, None, None), softness(&large, 1.0, None, None));
    }
}
