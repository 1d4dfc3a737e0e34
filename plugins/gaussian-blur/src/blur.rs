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

/// Calls a function generic over the length of a kernel, so that the usual ones are unrolled; longer ones go in a loop.
macro_rules! by_length {
    ($length:expr, $fixed:ident, $any:ident, $args:tt, $($n:literal)*) => {
        match $length {
            $($n => $fixed::<$n>$args,)*
            _ => $any $args,
        }
    };
}

impl Blurred for u8 {
    fn blurred(blur: &Blur, tile: &Tile<u8>) -> Vec<u8> {
        let rows = tile.padded();
        if is_opaque(rows.values()) { opaque(blur, tile, &rows) } else { weighed(blur, tile) }
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

/// Rows of values at distances 2p and 2p + 1 on both sides, for each pair p of weights.
type Rows<'a, T> = [&'a [[T; 16]]; 4];

fn opaque(blur: &Blur, tile: &Tile<u8>, rows: &Padded<'_, u8>) -> Vec<u8> {
    let (reach, halo) = (blur.reach(), tile.halo() as usize);
    let weight = |d: usize| blur.bytes.get(d).copied().unwrap_or(0);
    let pairs: Vec<[i16; 2]> = (0..=reach / 2).map(|p| [weight(2 * p), weight(2 * p + 1)]).collect();
    let far = |d: usize| d.min(reach);
    let mut made = vec![0; rows.made * tile.area.height as usize];
    let mut middle = vec![0i16; rows.stride];
    for (y, out) in made.chunks_exact_mut(rows.made).enumerate() {
        let y = y + halo;
        let around = |p: usize| {
            let (a, b) = (far(2 * p), far(2 * p + 1));
            [y - a, y + a, y - b, y + b].map(|y| rows.row(y).as_chunks().0)
        };
        by_length!(pairs.len(), down, down_any, (&pairs, &around, &mut middle), 1 2 3 4 5 6);
        let middle = &middle;
        let around = |p: usize| {
            let (a, b) = (far(2 * p), far(2 * p + 1));
            [halo - a, halo + a, halo - b, halo + b].map(|x| middle[4 * x..][..rows.made].as_chunks().0)
        };
        by_length!(pairs.len(), across, across_any, (&pairs, &around, out), 1 2 3 4 5 6);
    }
    rows.trimmed(made)
}

fn down<'a, const P: usize>(pairs: &[[i16; 2]], rows: &dyn Fn(usize) -> Rows<'a, u8>, out: &mut [i16]) {
    let out = out.as_chunks_mut().0;
    let rows: [_; P] = array::from_fn(|p| rows(p).map(|row| &row[..out.len()]));
    let weights: [_; P] = array::from_fn(|p| pair(pairs[p]));
    convolve(&rows, &weights, out, bytes, to_middle);
}

fn down_any<'a>(pairs: &[[i16; 2]], rows: &dyn Fn(usize) -> Rows<'a, u8>, out: &mut [i16]) {
    let rows: Vec<_> = (0..pairs.len()).map(rows).collect();
    let weights: Vec<_> = pairs.iter().copied().map(pair).collect();
    convolve(&rows, &weights, out.as_chunks_mut().0, bytes, to_middle);
}

fn across<'a, const P: usize>(pairs: &[[i16; 2]], rows: &dyn Fn(usize) -> Rows<'a, i16>, out: &mut [u8]) {
    let out = out.as_chunks_mut().0;
    let rows: [_; P] = array::from_fn(|p| rows(p).map(|row| &row[..out.len()]));
    let weights: [_; P] = array::from_fn(|p| pair(pairs[p]));
    convolve(&rows, &weights, out, words, to_bytes);
}

fn across_any<'a>(pairs: &[[i16; 2]], rows: &dyn Fn(usize) -> Rows<'a, i16>, out: &mut [u8]) {
    let rows: Vec<_> = (0..pairs.len()).map(rows).collect();
    let weights: Vec<_> = pairs.iter().copied().map(pair).collect();
    convolve(&rows, &weights, out.as_chunks_mut().0, words, to_bytes);
}

/// Sums of (left + right) * weight over all distances, two at a time.
#[inline(always)]
fn convolve<T, O>(
    rows: &[Rows<'_, T>],
    weights: &[i16x8],
    out: &mut [[O; 16]],
    read: impl Fn(&[T; 16]) -> [i16x8; 2],
    write: impl Fn([i32x4; 4], &mut [O; 16]),
) {
    for (i, out) in out.iter_mut().enumerate() {
        let mut sums = [i32x4::splat(0); 4];
        for (rows, &weights) in rows.iter().zip(weights) {
            let [a, b, c, d] = rows.map(|row| read(&row[i]));
            for half in 0..2 {
                let (near, far) = (a[half] + b[half], c[half] + d[half]);
                sums[2 * half] = sums[2 * half] + near.interleave_low(far).dot(weights);
                sums[2 * half + 1] = sums[2 * half + 1] + near.interleave_high(far).dot(weights);
            }
        }
        write(sums, out);
    }
}

#[inline(always)]
fn pair([a, b]: [i16; 2]) -> i16x8 {
    i16x8::new([a, b, a, b, a, b, a, b])
}

#[inline(always)]
fn bytes(values: &[u8; 16]) -> [i16x8; 2] {
    let v: u8x16 = load(values);
    [v.widen_low(), v.widen_high()]
}

#[inline(always)]
fn words(values: &[i16; 16]) -> [i16x8; 2] {
    [load(&values[..8]), load(&values[8..])]
}

/// 8 bits and 14 of weight become 8 bits and 6, at most 16320: two of them still fit 16 bits.
#[inline(always)]
fn to_middle(sums: [i32x4; 4], out: &mut [i16; 16]) {
    let [a, b, c, d] = sums.map(|sum| (sum + i32x4::splat(1 << 7)).shr::<8>());
    store(a.narrow(b), &mut out[..8]);
    store(c.narrow(d), &mut out[8..]);
}

#[inline(always)]
fn to_bytes(sums: [i32x4; 4], out: &mut [u8; 16]) {
    let [a, b, c, d] = sums.map(|sum| (sum + i32x4::splat(1 << 19)).shr::<20>());
    store(a.narrow(b).narrow(c.narrow(d)), out);
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
        let halo = tile.halo() as usize;
        let mut made = vec![0.0; rows.made * tile.area.height as usize];
        let mut middle = vec![0.0; rows.stride];
        for (y, out) in made.chunks_exact_mut(rows.made).enumerate() {
            let y = y + halo;
            let around = |d: usize| [y - d, y + d].map(|y| values[y * rows.stride..][..rows.stride].as_chunks().0);
            by_length!(blur.floats.len(), walk, walk_any, (&blur.floats, &around, &mut middle),
                1 2 3 4 5 6 7 8 9);
            let middle = &middle;
            let around = |d: usize| [halo - d, halo + d].map(|x| middle[4 * x..][..rows.made].as_chunks().0);
            by_length!(blur.floats.len(), walk, walk_any, (&blur.floats, &around, out), 1 2 3 4 5 6 7 8 9);
            if !opaque {
                out.as_chunks_mut::<4>().0.iter_mut().for_each(straighten);
            }
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

fn walk<'a, const N: usize>(weights: &[f32], rows: &dyn Fn(usize) -> [&'a [[f32; 16]]; 2], out: &mut [f32]) {
    let out = out.as_chunks_mut().0;
    let rows: [_; N] = array::from_fn(|d| rows(d).map(|row| &row[..out.len()]));
    let weights: [_; N] = array::from_fn(|d| f32x4::splat(weights[d]));
    convolve_floats(&rows, &weights, out);
}

fn walk_any<'a>(weights: &[f32], rows: &dyn Fn(usize) -> [&'a [[f32; 16]]; 2], out: &mut [f32]) {
    let rows: Vec<_> = (0..weights.len()).map(rows).collect();
    let weights: Vec<_> = weights.iter().copied().map(f32x4::splat).collect();
    convolve_floats(&rows, &weights, out.as_chunks_mut().0);
}

#[inline(always)]
fn convolve_floats(rows: &[[&[[f32; 16]]; 2]], weights: &[f32x4], out: &mut [[f32; 16]]) {
    for (i, out) in out.iter_mut().enumerate() {
        let mut sums = [f32x4::splat(0.0); 4];
        for (&[left, right], &weight) in rows.iter().zip(weights) {
            let (left, right) = (left[i].as_chunks::<4>().0, right[i].as_chunks::<4>().0);
            for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
                *sum = *sum + (load::<f32x4>(left) + load(right)) * weight;
            }
        }
        out.as_chunks_mut::<4>().0.iter_mut().zip(sums).for_each(|(out, sum)| store(sum, out));
    }
}
