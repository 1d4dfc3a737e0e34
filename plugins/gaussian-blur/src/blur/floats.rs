//! Floats, one pixel a vector. Colours are weighed by alpha beforehand and divided by the blurred one afterwards.

use super::{Blur, Blurred, Window, by_length, fixed};
use underpaint_filter::simd::{f32x4, i32x4, load, select, store};
use underpaint_filter::{Padded, Sample, Tile};

/// Values of a line. Lines lie this far apart whatever the tile: where each value of a kernel is, is then known when
/// this is compiled.
const LINE: usize = 1088;

/// The same for kernels that no [`by_length`] knows, which are wider.
const LONG_LINE: usize = 2560;

impl Blurred for u16 {
    fn blurred(blur: &Blur, tile: &Tile<u16>) -> Vec<u16> {
        let tile = tile.to_floats();
        f32::blurred(blur, &tile).into_iter().map(u16::from_unit).collect()
    }
}

impl Blurred for f32 {
    fn blurred(blur: &Blur, tile: &Tile<f32>) -> Vec<f32> {
        let rows = tile.padded();
        let opaque = rows.values().chunks(1024).all(|run| run.as_chunks::<4>().0.iter().all(|p| p[3] == 1.0));
        let mut weighed = Vec::new();
        if !opaque {
            weighed = rows.values().to_vec();
            weighed.as_chunks_mut::<4>().0.iter_mut().for_each(|p| {
                let v: f32x4 = load(p);
                store(select(alpha(), v, v * v.splat_lane::<3>()), p);
            });
        }
        let values: &[f32] = if opaque { rows.values() } else { &weighed };
        let mut made = by_length!(blur.reach(), floats (blur, tile, &rows, values), 1 2 3 4 5 6 7 8);
        if !opaque {
            made.as_chunks_mut::<4>().0.iter_mut().for_each(straighten);
        }
        rows.trimmed(made)
    }
}

/// Colours divided by their alpha again, 0 where nothing shows.
fn straighten(pixel: &mut [f32; 4]) {
    let v: f32x4 = load(pixel);
    let a = v.splat_lane::<3>();
    let straight = select(alpha(), v, v / a);
    store(select(f32x4::splat(0.0).lt(a), straight, f32x4::splat(0.0)), pixel);
}

/// The last of four values.
fn alpha() -> f32x4 {
    i32x4::new([0, 0, 0, -1]).as_f32()
}

/// `TAPS` is the length of the kernel, or 0 for any; `values` are the rows, weighed or not.
fn floats<const TAPS: usize, const LINE: usize>(
    blur: &Blur,
    tile: &Tile<f32>,
    rows: &Padded<'_, f32>,
    values: &[f32],
) -> Vec<f32> {
    let (reach, halo, made) = (blur.reach(), tile.halo() as usize, rows.made);
    let weights: Vec<f32x4> = blur.floats.iter().copied().map(f32x4::splat).collect();
    let taps = 2 * reach + 1;
    let mut out = vec![0.0; made * tile.area.height as usize];
    let step = (LINE - 8 * reach) / 16 * 16;
    let mut middle = [0.0; LINE];
    for left in (0..made).step_by(step) {
        let width = step.min(made - left);
        let used = width + 8 * reach;
        let from = left + 4 * (halo - reach);
        let copied = |y: usize, line: &mut [f32; LINE]| {
            line[..used].copy_from_slice(&values[(y + halo - reach) * rows.stride + from..][..used]);
        };
        let mut window = Window::new(0.0, taps, copied);
        for (y, out) in out.chunks_exact_mut(made).enumerate() {
            let lines = window.next(|line| copied(y + taps - 1, line));
            let (middle, out) = (&mut middle, &mut out[left..left + width]);
            down_floats::<TAPS, LINE>(lines, &weights, used, middle);
            across_floats::<TAPS, LINE>(middle, &weights, out);
        }
    }
    out
}

#[inline(never)]
fn down_floats<const TAPS: usize, const LINE: usize>(
    lines: &[[f32; LINE]],
    weights: &[f32x4],
    used: usize,
    out: &mut [f32; LINE],
) {
    match lines.first_chunk::<TAPS>() {
        Some(lines) if TAPS > 0 => columns_floats(lines, &fixed::<f32x4, TAPS>(weights)[..TAPS / 2 + 1], used, out),
        _ => columns_floats(lines, weights, used, out),
    }
}

#[inline(always)]
fn columns_floats<const LINE: usize>(lines: &[[f32; LINE]], weights: &[f32x4], used: usize, out: &mut [f32; LINE]) {
    let reach = lines.len() / 2;
    let vectors = used.div_ceil(16).min(LINE / 16);
    for (i, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate().take(vectors) {
        let value = |line: usize, part: usize| load::<f32x4>(&lines[line].as_chunks::<16>().0[i][4 * part..]);
        sum_floats(weights, |d, part| value(reach - d, part) + value(reach + d, part), out);
    }
}

#[inline(never)]
fn across_floats<const TAPS: usize, const LINE: usize>(line: &[f32; LINE], weights: &[f32x4], out: &mut [f32]) {
    match TAPS {
        0 => along_floats(line, weights, out),
        _ => along_floats(line, &fixed::<f32x4, TAPS>(weights)[..TAPS / 2 + 1], out),
    }
}

#[inline(always)]
fn along_floats<const LINE: usize>(line: &[f32; LINE], weights: &[f32x4], out: &mut [f32]) {
    let reach = weights.len() - 1;
    for (i, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let window = &line[i * 16..][..16 + 8 * reach];
        let value = |x: usize| load::<f32x4>(&window[4 * x..]);
        sum_floats(weights, |d, part| value(part + reach - d) + value(part + reach + d), out);
    }
}

#[inline(always)]
fn sum_floats(weights: &[f32x4], both: impl Fn(usize, usize) -> f32x4, out: &mut [f32; 16]) {
    let mut sums = [f32x4::splat(0.0); 4];
    for (d, &weight) in weights.iter().enumerate() {
        for (part, sum) in sums.iter_mut().enumerate() {
            *sum = *sum + both(d, part) * weight;
        }
    }
    out.as_chunks_mut::<4>().0.iter_mut().zip(sums).for_each(|(out, sum)| store(sum, out));
}
