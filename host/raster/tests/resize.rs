//! The resampler: registration, round trips, alpha, odd sizes.

mod support;

use support::{Random, delta_e, lab, paint, photo, psnr};
use underpaint_raster::{Extent, Image, Mask, Rect, enlarge, resize, resize_mask, resize_part};

#[test]
fn nothing_shifts() {
    // The centre of gravity of a blob stays where it is, relative to the side, at every ratio.
    let from = Extent::new(96, 80);
    let blob = |x: u32, y: u32| {
        let (dx, dy) = ((x as f32 + 0.5 - 40.0) / 9.0, (y as f32 + 0.5 - 45.0) / 9.0);
        (-(dx * dx + dy * dy) / 2.0).exp()
    };
    let image = paint(from, |x, y| [blob(x, y), blob(x, y), blob(x, y), 1.0]);
    let mask = Mask::from_data(from, (0..96 * 80).map(|i| blob(i % 96, i / 96)).collect());
    for to in [(48, 40), (96, 160), (192, 160), (37, 53), (131, 97), (24, 20), (960, 800)] {
        let to = Extent::new(to.0, to.1);
        let (big, soft) = (resize(&image, to), resize_mask(&mask, to));
        let centre = |value: &dyn Fn(u32, u32) -> f32| {
            let (mut x, mut y, mut sum) = (0.0f64, 0.0f64, 0.0f64);
            for v in 0..to.h {
                for u in 0..to.w {
                    // Far from the blob there is only rounding.
                    let w = f64::from((value(u, v) - 0.02).max(0.0));
                    x += w * (f64::from(u) + 0.5) / f64::from(to.w) * 96.0;
                    y += w * (f64::from(v) + 0.5) / f64::from(to.h) * 80.0;
                    sum += w;
                }
            }
            (x / sum, y / sum)
        };
        for (name, (x, y)) in [("image", centre(&|u, v| big.pixel(u, v)[0])), ("mask", centre(&|u, v| soft.at(u, v)))] {
            assert!((x - 40.0).abs() < 0.03 && (y - 45.0).abs() < 0.03, "{name} to {to:?}: ({x:.3}, {y:.3})");
        }
    }
}

#[test]
fn a_photo_enlarged_and_reduced_is_the_same_photo() {
    let photo = photo().crop(Rect::new(400, 200, 240, 200));
    for zoom in [1.25, 1.5, 2.0, 3.3, 4.9] {
        let there = Extent::new((240.0 * zoom) as u32, (200.0 * zoom) as u32);
        let back = resize(&resize(&photo, there), photo.extent());
        let got = psnr(&photo, &back);
        assert!(got >= 40.0, "zoom {zoom}: {got:.1} dB");
        let mut sum = 0.0;
        for y in 0..200 {
            for x in 0..240 {
                sum += delta_e(lab(&photo, x, y), lab(&back, x, y));
            }
        }
        assert!(sum / 48000.0 <= 0.5, "zoom {zoom}: mean delta E {}", sum / 48000.0);
        // Any other alignment is worse.
        let shifted = |dx: i32, dy: i32| {
            let a = photo.crop(Rect::new(2, 2, 230, 190));
            psnr(&a, &back.crop(Rect::new(2 + dx, 2 + dy, 230, 190)))
        };
        for (dx, dy) in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1)] {
            assert!(shifted(dx, dy) < shifted(0, 0), "zoom {zoom}: better at ({dx}, {dy})");
        }
    }
}

#[test]
fn flat_stays_flat_and_light_adds_up() {
    let mut random = Random(9);
    for _ in 0..30 {
        let from = Extent::new(1 + random.below(40), 1 + random.below(40));
        let to = Extent::new(1 + random.below(60), 1 + random.below(60));
        let color = [random.unit(), random.unit(), random.unit(), 0.25 + 0.75 * random.unit()];
        for p in resize(&paint(from, |_, _| color), to).data().chunks_exact(4) {
            assert!((0..4).all(|c| (p[c] - color[c]).abs() < 2e-5), "{from:?} to {to:?}: {p:?} from {color:?}");
        }
        assert_eq!(resize_mask(&Mask::new(from, 1.0), to), Mask::new(to, 1.0), "{from:?} to {to:?}");
        assert!(resize_mask(&Mask::new(from, 0.7), to).data().iter().all(|v| (v - 0.7).abs() < 1e-6));
    }
    // Half white, half black is 50 % of the light: sRGB 0.7354, not 0.5.
    let checks = paint(Extent::new(64, 64), |x, y| {
        let v = ((x + y) % 2) as f32;
        [v, v, v, 1.0]
    });
    let grey = resize(&checks, Extent::new(8, 8)).pixel(4, 4)[0];
    assert!((grey - 0.7354).abs() < 0.002, "{grey}");
}

#[test]
fn transparent_pixels_lend_no_colour() {
    let image = paint(Extent::new(40, 40), |x, _| if x < 20 { [0.0, 0.0, 1.0, 1.0] } else { [1.0, 0.0, 0.0, 0.0] });
    for to in [Extent::new(13, 13), Extent::new(90, 90)] {
        for p in resize(&image, to).data().chunks_exact(4) {
            assert!(p[3] < 1e-3 || (p[0] < 1e-3 && p[2] > 0.999), "{to:?}: {p:?}");
        }
    }
}

#[test]
fn masks_average_when_shrinking() {
    let mask = Mask::from_data(Extent::new(6, 2), vec![1.0, 0.0, 0.0, 0.0, 0.5, 0.5, 1.0, 0.0, 1.0, 0.0, 0.5, 0.5]);
    assert_eq!(resize_mask(&mask, Extent::new(3, 1)).data(), [0.5, 0.25, 0.5]);
    let third = resize_mask(&mask, Extent::new(4, 2));
    assert!((third.at(0, 0) - 2.0 / 3.0).abs() < 1e-6, "{third:?}");
}

#[test]
fn every_size_is_possible() {
    for (w, h) in [(0, 0), (0, 5), (1, 1), (3, 1), (500, 1)] {
        for (tw, th) in [(0, 0), (1, 1), (1, 400), (7, 3)] {
            let to = Extent::new(tw, th);
            assert_eq!(resize(&Image::new(Extent::new(w, h)), to).extent(), to);
            assert_eq!(resize_mask(&Mask::new(Extent::new(w, h), 1.0), to).extent(), to);
        }
    }
}

#[test]
fn a_part_is_resized_as_its_crop() {
    let photo = photo();
    for part in [photo.extent().rect(), Rect::new(100, 50, 333, 250), Rect::new(0, 700, 1024, 68)] {
        for to in [Extent::new(64, 48), part.extent(), Extent::new(700, 41)] {
            assert_eq!(resize_part(&photo, part, to), resize(&photo.crop(part), to), "{part:?} to {to:?}");
        }
    }
    assert_eq!(resize_part(&photo, Rect::new(7, 7, 0, 0), Extent::new(2, 1)), Image::new(Extent::new(2, 1)));
}

/// A part of an enlarged or reduced picture is the crop of the whole one, to the bit; moved by whole pixels at its own size it is
/// the picture beside it.
#[test]
fn a_part_of_what_comes_out_is_its_crop() {
    let photo = photo().crop(Rect::new(300, 200, 150, 90));
    let other = photo.data().chunks_exact(4).flat_map(|p| [p[1], p[0], p[2], 1.0]).collect();
    let other = Image::from_data(photo.extent(), other);
    for (w, h) in [(400, 240), (150, 240), (90, 60)] {
        let (to, part) = (Extent::new(w, h), Rect::new(11, 7, w / 2, h - 20));
        for picture in [&photo, &other] {
            assert_eq!(enlarge(picture, to, [0.0; 2], part, None), resize(picture, to).crop(part), "{w}x{h}");
        }
    }
    let part = Rect::new(20, 10, 100, 60);
    let moved = enlarge(&photo, photo.extent(), [3.0, -2.0], part, None);
    let beside = photo.crop(Rect { x: part.x - 3, y: part.y + 2, ..part });
    let worst = moved.data().iter().zip(beside.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-5, "{worst}");
}
