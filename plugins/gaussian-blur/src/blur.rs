//! Two walks of a symmetric kernel, down the columns and along the rows, weighed by alpha.
//!
//! A picture may be cut anywhere, so a pixel must come out the same whether its tile holds soft pixels elsewhere or
//! not. Weights are therefore such that they add up to exactly 1: where every pixel around is opaque, the weighed sums
//! are the plain ones to the last bit, and tiles without any transparency can leave the weighing away.
//!
//! Decision: bytes are summed as products of 16 bits in 32, with weights of 14 bits and 6 bits below the point between
//! the walks, so that a result is never more than one step away from the exact one. A sum of running boxes would be
//! faster for wide kernels; the plain kernel is as fast for the usual ones and has no state that depends on where a
//! tile begins.

use std::array;
use underpaint_filter::simd::{any, f32x4, i16x8, i32x4, load, select, store, u8x16};
use underpaint_filter::{Padded, Sample, Tile};

/// A Gaussian kernel that ends.
pub struct Blur {
    /// Weights of the distances 0, 1, 2, …, that of 0 halved: a pixel is the sum of (left + right) * weight.
    floats: Vec<f32>,
    /// The same in steps of 2^-14.
    bytes: Vec<i16>,
}

/// A sample type that can be blurred.
pub trait Blurred: Sample {
    /// The tile's area, blurred. The tile has a halo of at least [`Blur::reach`].
    fn blurred(blur: &Blur, tile: &Tile<Self>) -> Vec<Self>;
}

impl Blur {
    /// `sigma` is the standard deviation in pixels, 0..=64. The kernel reaches three times as far, rounded.
    pub fn new(sigma: f32) -> Self {
        let reach = (3.0 * sigma - 0.5).max(0.0).ceil() as usize;
        // e^(-d²/2σ²) as a power of 2.
        let falloff = -std::f32::consts::LOG2_E / (2.0 * (sigma * sigma).max(1e-6));
        let half: Vec<f32> = (0..=reach).map(|d| f32x4::splat((d * d) as f32 * falloff).exp2().to_array()[0]).collect();
        let sum = half[0] + 2.0 * half[1..].iter().sum::<f32>();
        Self {
            floats: whole_steps(&half, sum, 1 << 20).map(|w| w as f32 / (1 << 20) as f32).collect(),
            bytes: whole_steps(&half, sum, 1 << 14).map(|w| w as i16).collect(),
        }
    }

    /// How far the kernel reaches, in pixels; 0 if it leaves pictures as they are.
    pub fn reach(&self) -> usize {
        self.floats.len() - 1
    }

    /// The halo to plan: even, so that tiles come in whole vectors.
    pub fn halo(&self) -> u32 {
        (self.reach() as u32).next_multiple_of(2)
    }
}

/// A kernel's half in steps that add up to `one` exactly. What rounding leaves over goes to the next weight inwards, so
/// that long flat tails stay as heavy as they are; the middle gets the rest, which is even, and is halved.
fn whole_steps(half: &[f32], sum: f32, one: i32) -> impl Iterator<Item = i32> {
    let mut steps = vec![0; half.len()];
    let mut owed = 0.0;
    for d in (1..half.len()).rev() {
        owed += half[d] / sum * one as f32;
        steps[d] = (owed + 0.5) as i32;
        owed -= steps[d] as f32;
    }
    steps[0] = one / 2 - steps[1..].iter().sum::<i32>();
    steps.into_iter()
}

/// Values of a row that are summed at a time. Rows lie this far apart whatever the tile: where each value of a kernel
/// is, is then known when this is compiled, and one register finds them all.
const LINE: usize = 1088;

/// The same for kernels that no [`by_length`] knows, which are wider.
const LONG_LINE: usize = 2560;

/// Calls a function generic over the number of taps of a kernel and the length of a line.
macro_rules! by_length {
    ($reach:expr, $function:ident $args:tt, $($n:literal)*) => {
        match $reach {
            $($n => $function::<{ 2 * $n + 1 }, LINE>$args,)*
            _ => $function::<0, LONG_LINE>$args,
        }
    };
}

/// Rows above and below the one that is made, each read once.
struct Window<T, const LINE: usize> {
    lines: Vec<[T; LINE]>,
    taps: usize,
    top: usize,
}

impl<T: Copy + Default, const LINE: usize> Window<T, LINE> {
    /// With all but the last of the first rows.
    fn new(taps: usize, mut read: impl FnMut(usize, &mut [T; LINE])) -> Self {
        let mut lines = vec![[T::default(); LINE]; 4 * taps];
        lines[..taps - 1].iter_mut().enumerate().for_each(|(y, line)| read(y, line));
        Self { lines, taps, top: 0 }
    }

    /// The next window down; `read` gives its last row.
    fn next(&mut self, read: impl FnOnce(&mut [T; LINE])) -> &[[T; LINE]] {
        if self.top + self.taps > self.lines.len() {
            self.lines.copy_within(self.top.., 0);
            self.top = 0;
        }
        let window = &mut self.lines[self.top..][..self.taps];
        self.top += 1;
        read(&mut window[self.taps - 1]);
        window
    }
}

impl Blurred for u8 {
    fn blurred(blur: &Blur, tile: &Tile<u8>) -> Vec<u8> {
        let rows = tile.padded();
        if !is_opaque(rows.values()) {
            return weighed(blur, tile);
        }
        by_length!(blur.reach(), opaque (blur, tile, &rows), 1 2 3 4 5 6 7)
    }
}

/// True if every pixel is opaque.
fn is_opaque(values: &[u8]) -> bool {
    let alpha = u8x16::new(array::from_fn(|i| if i % 4 == 3 { 255 } else { 0 }));
    // A few rows' worth at a time: what is not opaque is mostly found early.
    let see_through = |run: &[u8]| {
        let least = run.as_chunks::<16>().0.iter().fold(u8x16::splat(255), |least, v| least.min(load(v)));
        any((alpha - alpha.min(least)) & alpha)
    };
    !values.chunks(4096).any(see_through)
}

/// `TAPS` is the length of the kernel, or 0 for any.
fn opaque<const TAPS: usize, const LINE: usize>(blur: &Blur, tile: &Tile<u8>, rows: &Padded<'_, u8>) -> Vec<u8> {
    let (reach, halo) = (blur.reach(), tile.halo() as usize);
    let weight = |d: usize| blur.bytes.get(d).copied().unwrap_or(0);
    let pairs: Vec<i16x8> = (0..=reach / 2).map(|p| pair([weight(2 * p), weight(2 * p + 1)])).collect();
    let (taps, made) = (2 * reach + 1, rows.made);
    let mut out = vec![0; made * tile.area.height as usize];
    let step = (LINE - 8 * reach) / 16 * 16;
    let mut middle = [0i16; LINE];
    for left in (0..made).step_by(step) {
        let width = step.min(made - left);
        let used = width + 8 * reach;
        let from = left + 4 * (halo - reach);
        let widened = |y: usize, line: &mut [i16; LINE]| widen(&rows.row(y + halo - reach)[from..from + used], line);
        let mut window = Window::<i16, LINE>::new(taps, widened);
        for (y, out) in out.chunks_exact_mut(made).enumerate() {
            let lines = window.next(|line| widened(y + taps - 1, line));
            let (middle, out) = (&mut middle, &mut out[left..left + width]);
            down::<TAPS, LINE>(lines, &pairs, used, middle);
            across::<TAPS, LINE>(middle, taps, &pairs, out);
        }
    }
    rows.trimmed(out)
}

/// The weights as values of their own, which stay in registers.
#[inline(always)]
fn fixed<V: Copy, const TAPS: usize>(weights: &[V]) -> [V; TAPS] {
    array::from_fn(|i| weights.get(i).copied().unwrap_or(weights[0]))
}

fn widen<const LINE: usize>(bytes: &[u8], line: &mut [i16; LINE]) {
    let (vectors, rest) = bytes.as_chunks::<16>();
    let (lines, _) = line.as_chunks_mut::<16>();
    for (v, out) in vectors.iter().zip(lines) {
        let v: u8x16 = load(v);
        store(v.widen_low(), &mut out[..8]);
        store(v.widen_high(), &mut out[8..]);
    }
    line[vectors.len() * 16..].iter_mut().zip(rest).for_each(|(out, &v)| *out = v.into());
}

/// Sums of (above + below) * weight over all distances, two at a time, for `used` columns.
///
/// A function of its own: in a larger one, wasmtime has no register left for where memory begins.
#[inline(never)]
fn down<const TAPS: usize, const LINE: usize>(
    lines: &[[i16; LINE]],
    pairs: &[i16x8],
    used: usize,
    out: &mut [i16; LINE],
) {
    match lines.first_chunk::<TAPS>() {
        Some(lines) if TAPS > 0 => columns(lines, &fixed::<i16x8, TAPS>(pairs)[..TAPS / 4 + 1], used, out),
        _ => columns(lines, pairs, used, out),
    }
}

#[inline(always)]
fn columns<const LINE: usize>(lines: &[[i16; LINE]], pairs: &[i16x8], used: usize, out: &mut [i16; LINE]) {
    let reach = lines.len() / 2;
    let vectors = used.div_ceil(16).min(LINE / 16);
    for (i, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate().take(vectors) {
        let value = |line: usize, half: usize| load::<i16x8>(&lines[line].as_chunks::<16>().0[i][8 * half..]);
        let both = |d: usize, half: usize| match d <= reach {
            true => value(reach - d, half) + value(reach + d, half),
            false => i16x8::splat(0),
        };
        to_middle(sums(pairs, both), out);
    }
}

/// Sums of (left + right) * weight over all distances.
#[inline(never)]
fn across<const TAPS: usize, const LINE: usize>(line: &[i16; LINE], taps: usize, pairs: &[i16x8], out: &mut [u8]) {
    match TAPS {
        0 => along(line, taps, pairs, out),
        _ => along(line, TAPS, &fixed::<i16x8, TAPS>(pairs)[..TAPS / 4 + 1], out),
    }
}

#[inline(always)]
fn along<const LINE: usize>(line: &[i16; LINE], taps: usize, pairs: &[i16x8], out: &mut [u8]) {
    let reach = taps / 2;
    for (i, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        // One look whether all of it is there.
        let window = &line[i * 16..][..16 + 8 * reach];
        let both = |d: usize, half: usize| match d <= reach {
            true => load::<i16x8>(&window[4 * (reach - d) + 8 * half..]) + load(&window[4 * (reach + d) + 8 * half..]),
            false => i16x8::splat(0),
        };
        to_bytes(sums(pairs, both), out);
    }
}

/// `both(d, half)` is what lies `d` away on both sides, of the first or the second eight values.
#[inline(always)]
fn sums(pairs: &[i16x8], both: impl Fn(usize, usize) -> i16x8) -> [i32x4; 4] {
    let mut sums = [i32x4::splat(0); 4];
    for (p, &weights) in pairs.iter().enumerate() {
        for half in 0..2 {
            let (near, far) = (both(2 * p, half), both(2 * p + 1, half));
            sums[2 * half] = sums[2 * half] + near.interleave_low(far).dot(weights);
            sums[2 * half + 1] = sums[2 * half + 1] + near.interleave_high(far).dot(weights);
        }
    }
    sums
}

#[inline(always)]
fn pair([a, b]: [i16; 2]) -> i16x8 {
    i16x8::new([a, b, a, b, a, b, a, b])
}

/// 8 bits and 14 of weight become 8 bits and 6, at most 16320: two of them still fit 16 bits.
#[inline(always)]
fn to_middle(sums: [i32x4; 4], out: &mut [i16; 16]) {
    let [a, b, c, d] = sums.map(|sum| (sum + i32x4::splat(1 << 7)).shr::<8>());
    store(a.narrow(b), &mut out[..8]);
    store(c.narrow(d), &mut out[8..]);
}

/// Rounded once: what the first shift drops could not have mattered to the second.
#[inline(always)]
fn to_bytes(sums: [i32x4; 4], out: &mut [u8; 16]) {
    let [a, b, c, d] = sums.map(|sum| sum.shr::<13>());
    let [low, high] = [a.narrow(b), c.narrow(d)].map(|v| (v + i16x8::splat(1 << 6)).shr::<7>());
    store(low.narrow(high), out);
}

/// As `opaque`, with every colour weighed by its alpha. The same numbers where every alpha around is 255.
fn weighed(blur: &Blur, tile: &Tile<u8>) -> Vec<u8> {
    let (reach, halo) = (blur.reach(), tile.halo() as usize);
    let (width, height, source) = (tile.area.width as usize, tile.area.height as usize, tile.source.width as usize);
    let mut made = Vec::with_capacity(width * height * 4);
    let mut sums = vec![[0u32; 4]; source];
    let mut middle = vec![[0u32; 4]; source];
    for y in halo..halo + height {
        sums.fill([0; 4]);
        for (d, &weight) in blur.bytes.iter().enumerate() {
            for y in [y - d, y + d] {
                for (sum, p) in sums.iter_mut().zip(tile.pixels[y * source * 4..].as_chunks::<4>().0) {
                    let alpha = weight as u32 * u32::from(p[3]);
                    (0..3).for_each(|c| sum[c] += alpha * u32::from(p[c]));
                    sum[3] += alpha;
                }
            }
        }
        for (middle, &[r, g, b, a]) in middle.iter_mut().zip(&sums) {
            let [r, g, b] = [r, g, b].map(|sum| ((sum + 127) / 255 + 128) >> 8);
            *middle = [r, g, b, (a + 128) >> 8];
        }
        for x in halo..halo + width {
            let mut sum = [0u32; 4];
            for (d, &weight) in blur.bytes.iter().enumerate() {
                let (left, right) = (middle[x - d], middle[x + d]);
                (0..4).for_each(|c| sum[c] += (left[c] + right[c]) * weight as u32);
            }
            let alpha = sum[3];
            debug_assert!(reach <= halo);
            let color = |sum: u32| {
                let straight = (u64::from(sum) * 255 + u64::from(alpha / 2)) / u64::from(alpha.max(1));
                straight.min(255) as u8
            };
            let opacity = ((alpha + (1 << 19)) >> 20) as u8;
            let shown = |v: u8| if opacity == 0 { 0 } else { v };
            made.extend([color(sum[0]), color(sum[1]), color(sum[2])].map(shown));
            made.push(opacity);
        }
    }
    made
}

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

/// As `opaque` for floats; `values` are the rows, weighed or not.
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
        let mut window = Window::<f32, LINE>::new(taps, copied);
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
