//! Bytes: opaque pictures as three planes, two rows and two columns at a time.
//!
//! Decision: products of 16 bits are summed in 32, with weights of 14 bits and 6 bits below the point between the walks,
//! so that a result is never more than one step away from the exact one. Two neighbours lie side by side in 32 bits, so
//! that one multiplication weighs both and adds them up, and a pair is read once for both of the pixels that it is
//! nearest to. Alpha, which is the same everywhere, is not blurred. Products of 16 bits that are rounded at once
//! (`i16x8.q15mulr_sat_s`) would need half the instructions natively, but in wasm two more for each, for the sake of
//! -1 * -1, and so be no faster.

use super::{Blur, Blurred, Window, by_length, fixed};
use std::cell::Cell;
use underpaint_filter::simd::{any, i16x8, i32x4, load, store, u8x16};
use underpaint_filter::{Padded, Tile};

/// Pixels of a line. Lines lie this far apart whatever the tile: where each value of a kernel is, is then known when
/// this is compiled.
const LINE: usize = 320;

/// The same for kernels that no [`by_length`] knows, which are wider.
const LONG_LINE: usize = 704;

/// Pixels of a row that are made between two looks at the clock, which wasmtime takes whenever a loop begins again.
const STEP: usize = 32;

/// Two rows of pixels: the red, green and blue of every four, each above beside the one below.
type Pairs<const LINE: usize> = [[i16; 6]; LINE];

/// Rows of red, green and blue.
type Planes<T, const LINE: usize> = [[T; LINE]; 3];

impl Blurred for u8 {
    fn blurred(blur: &Blur, tile: &Tile<u8>) -> Vec<u8> {
        let rows = tile.padded();
        let opaque = by_length!(blur.halo() as usize / 2, opaque (blur, tile, &rows), 1 2 3 4 5 6);
        opaque.unwrap_or_else(|| weighed(blur, tile))
    }
}

/// Weights of every pair of neighbours for both pixels of the pair in the middle.
fn weights(blur: &Blur) -> Vec<[i16x8; 2]> {
    let reach = blur.halo() as usize;
    let weight = |d: usize| if d == 0 { 2 * blur.bytes[0] } else { blur.bytes.get(d).copied().unwrap_or(0) };
    let of = |pair: usize, middle: usize| {
        let [a, b] = [2 * pair, 2 * pair + 1].map(|x| weight(x.abs_diff(middle)));
        i16x8::new([a, b, a, b, a, b, a, b])
    };
    (0..=reach).map(|pair| [of(pair, reach), of(pair, reach + 1)]).collect()
}

/// `None` if not all is opaque. `PAIRS` is how many weights there are, or 0 for any number.
fn opaque<const PAIRS: usize, const LINE: usize>(
    blur: &Blur,
    tile: &Tile<u8>,
    rows: &Padded<'_, u8>,
) -> Option<Vec<u8>> {
    let weights = weights(blur);
    let (reach, made) = (blur.halo() as usize, rows.made);
    let (skip, last) = (tile.halo() as usize - reach, tile.source.height as usize - 1);
    let mut out = vec![0; made * tile.area.height as usize];
    let step = (LINE - 2 * reach - STEP) / STEP * STEP;
    let mut middle = [[[0; LINE]; 3]; 2];
    let mut planes = [[0; LINE]; 3];
    let opaque = Cell::new(true);
    for left in (0..made / 4).step_by(step) {
        let width = step.min(made / 4 - left);
        let paired = |y: usize, line: &mut Pairs<LINE>| {
            // Below the last row nothing has weight.
            let row = |y: usize| &rows.row((y + skip).min(last))[4 * (left + skip)..][..4 * (width + 2 * reach)];
            opaque.set(opaque.get() & pair(row(2 * y), row(2 * y + 1), line.as_flattened_mut()));
        };
        let mut window = Window::<[i16; 6], LINE>::new(weights.len(), paired);
        for (y, out) in out.chunks_mut(2 * made).enumerate() {
            let lines = window.next(|line| paired(y + reach, line));
            if !opaque.get() {
                return None;
            }
            down::<PAIRS, LINE>(lines, &weights, width.next_multiple_of(STEP) + 2 * reach + 2, &mut middle);
            for (row, out) in middle.iter().zip(out.chunks_exact_mut(made)) {
                for (row, plane) in row.iter().zip(&mut planes) {
                    across::<PAIRS, LINE>(row, &weights, width, plane);
                }
                interleave(&planes, &mut out[4 * left..4 * (left + width)]);
            }
        }
    }
    Some(rows.trimmed(out))
}

/// Two rows as a line of pairs. True if all are opaque.
#[inline(never)]
fn pair(above: &[u8], below: &[u8], line: &mut [i16]) -> bool {
    let (above, above_rest) = above.as_chunks::<64>();
    let (below, below_rest) = below.as_chunks::<64>();
    let (line, line_rest) = line.split_at_mut(96 * above.len());
    let mut all = i32x4::splat(-1);
    for ((above, below), line) in above.iter().zip(below).zip(line.as_chunks_mut::<96>().0) {
        all = all & pixels(above, below, line);
    }
    all = all & pixels(above_rest, below_rest, line_rest);
    !any((i32x4::splat(-1) - all) & i32x4::splat(0xff << 24))
}

/// The same; returns the bits that all pixels have.
#[inline(always)]
fn pixels(above: &[u8], below: &[u8], line: &mut [i16]) -> i32x4 {
    let mut all = i32x4::splat(-1);
    let rows = above.as_chunks::<16>().0.iter().zip(below.as_chunks::<16>().0);
    for ((above, below), line) in rows.zip(line.as_chunks_mut::<24>().0) {
        let (above, below) = (load::<u8x16>(above).as_i32(), load::<u8x16>(below).as_i32());
        all = all & above & below;
        let both = above & i32x4::splat(0xffff) | below.shl::<16>();
        let bytes = i32x4::splat(0xff_00ff);
        store((both & bytes).as_i16(), &mut line[..8]);
        store((both.shr::<8>() & bytes).as_i16(), &mut line[8..16]);
        store((above.shr::<16>() & i32x4::splat(0xff) | below & i32x4::splat(0xff_0000)).as_i16(), &mut line[16..]);
    }
    all
}

/// `used` pixels of two rows.
///
/// A function of its own: in a larger one, wasmtime has no register left for where memory begins.
#[inline(never)]
fn down<const PAIRS: usize, const LINE: usize>(
    lines: &[Pairs<LINE>],
    weights: &[[i16x8; 2]],
    used: usize,
    out: &mut [Planes<i16, LINE>; 2],
) {
    match lines.first_chunk::<PAIRS>() {
        Some(lines) if PAIRS > 0 => columns(lines, &fixed::<_, PAIRS>(weights), used, out),
        _ => columns(lines, weights, used, out),
    }
}

#[inline(always)]
fn columns<const LINE: usize>(
    lines: &[Pairs<LINE>],
    weights: &[[i16x8; 2]],
    used: usize,
    [first, second]: &mut [Planes<i16, LINE>; 2],
) {
    for x in (0..used.min(LINE - 7)).step_by(8) {
        // One look whether all of it is there.
        let window = lines.as_flattened()[x..][..LINE * (weights.len() - 1) + 8].as_flattened();
        for color in 0..3 {
            // Four pixels of either row, and four more.
            let value = |p: usize, half: usize| load::<i16x8>(&window[6 * LINE * p + 24 * half + 8 * color..]);
            let [a, b, c, d] = sums(weights.len(), |p, n| value(p, n / 2).dot(weights[p][n % 2]));
            store(to_middle([a, c]), &mut first[color][x..]);
            store(to_middle([b, d]), &mut second[color][x..]);
        }
    }
}

/// 8 bits and 14 of weight become 8 bits and 6, and half a step for the rounding that comes last.
#[inline(always)]
fn to_middle(sums: [i32x4; 2]) -> i16x8 {
    let [low, high] = sums.map(|sum| (sum + i32x4::splat(1 << 7)).shr::<8>());
    low.narrow(high) + i16x8::splat(1 << 5)
}

/// `width` pixels of a plane, or some more: even ones in the lower halves, odd ones in the upper.
#[inline(never)]
fn across<const PAIRS: usize, const LINE: usize>(
    row: &[i16; LINE],
    weights: &[[i16x8; 2]],
    width: usize,
    out: &mut [i32; LINE],
) {
    match PAIRS {
        0 => along::<8, LINE>(row, weights, width, out),
        _ => along::<2, LINE>(row, &fixed::<_, PAIRS>(weights), width, out),
    }
}

#[inline(always)]
fn along<const SUMS: usize, const LINE: usize>(
    row: &[i16; LINE],
    weights: &[[i16x8; 2]],
    width: usize,
    out: &mut [i32; LINE],
) {
    let steps = out.as_chunks_mut::<{ STEP / 2 }>().0.iter_mut().take(width.div_ceil(STEP));
    for (i, out) in steps.enumerate() {
        let window = &row[STEP * i..][..STEP + 2 * weights.len()];
        for x in (0..STEP).step_by(4 * SUMS) {
            let value = |p: usize, n: usize| load::<i16x8>(&window[x + n / 2 * 8 + 2 * p + n % 2..]);
            let sums: [i32x4; SUMS] = sums(weights.len(), |p, n| value(p, n).dot(weights[p][0]));
            for n in 0..SUMS / 2 {
                let (even, odd) = (sums[2 * n].shr::<20>(), sums[2 * n + 1].shr::<4>());
                store(even | odd & i32x4::splat(!0xffff), &mut out[x / 2 + 4 * n..]);
            }
        }
    }
}

/// `SUMS` sums of products over all pairs: few where registers hold the weights as well, many where those are read
/// for every sum.
#[inline(always)]
fn sums<const SUMS: usize>(pairs: usize, product: impl Fn(usize, usize) -> i32x4) -> [i32x4; SUMS] {
    let mut sums = [i32x4::splat(0); SUMS];
    for p in 0..pairs {
        for (n, sum) in sums.iter_mut().enumerate() {
            *sum = *sum + product(p, n);
        }
    }
    sums
}

/// Three planes as opaque pixels.
#[inline(never)]
fn interleave<const LINE: usize>([red, green, blue]: &Planes<i32, LINE>, out: &mut [u8]) {
    let colors = red.as_chunks::<16>().0.iter().zip(green.as_chunks::<16>().0).zip(blue.as_chunks::<16>().0);
    let (whole, rest) = out.as_chunks_mut::<128>();
    let mut pixels = colors.map(|((red, green), blue)| mixed(red, green, blue));
    whole.iter_mut().zip(&mut pixels).for_each(|(out, made)| *out = made);
    if let Some(made) = pixels.next() {
        rest.copy_from_slice(&made[..rest.len()]);
    }
}

#[inline(always)]
fn mixed(red: &[i32; 16], green: &[i32; 16], blue: &[i32; 16]) -> [u8; 128] {
    let mut out = [0; 128];
    for x in 0..4 {
        let value = |plane: &[i32; 16]| load::<i32x4>(&plane[4 * x..]);
        let front = (value(red) | value(green).shl::<8>()).as_i16();
        let back = (value(blue) | i32x4::splat(0xff00_ff00_u32 as i32)).as_i16();
        store(front.interleave_low(back).as_u8(), &mut out[32 * x..]);
        store(front.interleave_high(back).as_u8(), &mut out[32 * x + 16..]);
    }
    out
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
