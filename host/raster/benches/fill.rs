//! What a painter waits for in this crate: `cargo bench -p underpaint-raster` (add `--profile dev` to time the
//! profile everything else here is built with).

use criterion::Criterion;
use std::hint::black_box;
use std::time::Duration;
use underpaint_raster::{ColorMatch, Extent, Image, Mask, Unattended, infill, masks, resize};

/// A picture of `extent` with structure at every scale: octaves of smoothed noise under a few edges.
fn picture(extent: Extent) -> Image {
    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u32 << 24) as f32
    };
    let mut out = Image::from_data(extent, [0.3, 0.35, 0.3, 1.0].repeat(extent.area() as usize));
    for octave in [4u32, 8, 32, 128, 512] {
        let small = Extent::new(extent.w.div_ceil(octave), extent.h.div_ceil(octave));
        let noise = Image::from_data(small, (0..small.area() * 4).map(|_| random()).collect());
        let noise = resize(&noise, extent);
        let amplitude = 0.05 + 0.0003 * octave as f32;
        for (p, n) in out.data_mut().chunks_exact_mut(4).zip(noise.data().chunks_exact(4)) {
            (0..3).for_each(|c| p[c] += amplitude * (n[c] - 0.5));
        }
    }
    for (i, p) in out.data_mut().chunks_exact_mut(4).enumerate() {
        let (x, y) = (i as u32 % extent.w, i as u32 / extent.w);
        let edge = f32::from((x + y / 3) % 300 < 40) * 0.3;
        (0..3).for_each(|c| p[c] = (p[c] + edge).clamp(0.0, 1.0));
    }
    out
}

/// An ellipse in the middle that covers `share` of the picture.
fn ellipse(extent: Extent, share: f32) -> Mask {
    let radius = (share / std::f32::consts::PI).sqrt();
    let inside = |i: u32| {
        let x = (i % extent.w) as f32 / extent.w as f32 - 0.5;
        let y = (i / extent.w) as f32 / extent.h as f32 - 0.5;
        f32::from(x.hypot(y) < radius)
    };
    Mask::from_data(extent, (0..extent.w * extent.h).map(inside).collect())
}

fn main() {
    let mut c = Criterion::default().configure_from_args();
    let two = Extent::new(1732, 1155);
    let (image, mask) = (picture(two), ellipse(two, 0.10));
    let softness = masks::softness(&mask, 1.0, None, None);
    let denoise = masks::denoise_mask(&mask, &softness);

    let mut fill = c.benchmark_group("2 MP, 10 % hole");
    fill.sample_size(10).measurement_time(Duration::from_secs(10));
    fill.bench_function("exemplar", |b| {
        b.iter(|| infill::exemplar(black_box(&image), black_box(&mask), 1, &Unattended).is_ok())
    });
    fill.bench_function("push_pull", |b| b.iter(|| infill::push_pull(black_box(&image), black_box(&mask))));
    fill.bench_function("outward", |b| b.iter(|| infill::outward(black_box(&image), black_box(&mask))));
    fill.bench_function("both masks", |b| {
        b.iter(|| (masks::denoise_mask(black_box(&mask), &softness), masks::compositing_mask(&mask, &softness)))
    });
    fill.bench_function("colours measured", |b| b.iter(|| ColorMatch::measure(black_box(&image), &image, &denoise)));
    fill.bench_function("resize to 512x342", |b| b.iter(|| resize(black_box(&image), Extent::new(512, 342))));
    fill.bench_function("resize 512x342 to 2 MP", |b| {
        let small = resize(&image, Extent::new(512, 342));
        b.iter(|| resize(black_box(&small), two))
    });
    fill.finish();
    c.final_summary();
}
