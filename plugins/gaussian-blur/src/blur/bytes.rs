//! Bytes: a plane for each colour, two rows and two columns at a time; one for alpha where not all is opaque.
//!
//! Decision: products of 16 bits are summed in 32, with weights of 14 bits and 6 bits below the point between the walks,
//! so that a result is never more than one step away from the exact one. Two neighbours lie side by side in 32 bits, so
//! that one multiplication weighs both and adds them up, and a pair is read once for both of the pixels that it is
//! nearest to. Colours times alpha have 15 bits; what is opaque is whole among them, and comes out as it would have
//! without alpha. Products of 16 bits that are rounded at once (`i16x8.q15mulr_sat_s`) would need half the instructions
//! natively, but in wasm two more for each, for the sake of -1 * -1, and so be no faster.

use super::{Blur, Blurred, Window, by_length, fixed};
use std::cell::Cell;
use underpaint_filter::simd::{any, f32x4, i16x8, i32x4, load, select, store, u8x16};
use underpaint_filter::{Padded, Tile};

/// Pixels of a line. Lines lie this far apart whatever the tile: where each value of a kernel is, is then known when
/// this is compiled.
const LINE: usize = 320;

/// The same for kernels that no [`by_length`] knows, which are wider.
const LONG_LINE: usize = 704;

/// Pixels of a row that are made between two looks at the clock, which wasmtime takes whenever a loop begins again.
const STEP: usize = 32;

/// Two rows of pixels, `2 * PLANES` values each: every four in one plane and then the next, each above beside below.
type Pairs<const VALUES: usize, const LINE: usize> = [[i16; VALUES]; LINE];

/// Rows of each plane.
type Planes<T, const PLANES: usize, const LINE: usize> = [[T; LINE]; PLANES];

impl Blurred for u8 {
    fn blurred(blur: &Blur, tile: &Tile<u8>) -> Vec<u8> {
        let rows = tile.padded();
        let reach = blur.halo() as usize / 2;
        by_length!(reach, opaque (blur, tile, &rows), 1 2 3 4 5 6)
            .or_else(|| by_length!(reach, weighed (blur, tile, &rows), 1 2 3 4 5 6))
            .unwrap_or_default()
    }
}

/// `None` if not all is opaque. `PAIRS` is how many weights there are, or 0 for any number.
fn opaque<const PAIRS: usize, const LINE: usize>(
    blur: &Blur,
    tile: &Tile<u8>,
    rows: &Padded<'_, u8>,
) -> Option<Vec<u8>> {
    walks::<6, 3, 8, true, PAIRS, LINE>(blur, tile, rows, colors, |planes, out| {
        interleave(planes.each_ref(), None, out);
    })
}

/// As `opaque`, with every colour weighed by its alpha. The same numbers where every alpha around is 255.
fn weighed<const PAIRS: usize, const LINE: usize>(
    blur: &Blur,
    tile: &Tile<u8>,
    rows: &Padded<'_, u8>,
) -> Option<Vec<u8>> {
    walks::<8, 4, 15, false, PAIRS, LINE>(blur, tile, rows, weigh, |planes, out| {
        straighten(planes, out.len() / 4);
        let [colors @ .., alpha] = planes.each_ref();
        interleave(colors, Some(alpha), out);
    })
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

/// Both walks. `pair` makes pairs of two rows or says that it cannot, `finish` pixels of what was made of them. `DROP`
/// bits are dropped between the walks, so that 6 below the point remain; in the end all are, if that makes `BYTES`.
fn walks<
    const VALUES: usize,
    const PLANES: usize,
    const DROP: u32,
    const BYTES: bool,
    const PAIRS: usize,
    const LINE: usize,
>(
    blur: &Blur,
    tile: &Tile<u8>,
    rows: &Padded<'_, u8>,
    pair: impl Fn(&[u8], &[u8], &mut [i16]) -> bool,
    finish: impl Fn(&mut Planes<i32, PLANES, LINE>, &mut [u8]),
) -> Option<Vec<u8>> {
    let weights = weights(blur);
    let (reach, made) = (blur.halo() as usize, rows.made);
    let (skip, last) = (tile.halo() as usize - reach, tile.source.height as usize - 1);
    let mut out = vec![0; made * tile.area.height as usize];
    let step = (LINE - 2 * reach - STEP) / STEP * STEP;
    let mut middle = [[[0; LINE]; PLANES]; 2];
    let mut planes = [[0; LINE]; PLANES];
    let paired = Cell::new(true);
    for left in (0..made / 4).step_by(step) {
        let width = step.min(made / 4 - left);
        let read = |y: usize, line: &mut Pairs<VALUES, LINE>| {
            // Below the last row nothing has weight.
            let row = |y: usize| &rows.row((y + skip).min(last))[4 * (left + skip)..][..4 * (width + 2 * reach)];
            paired.set(paired.get() & pair(row(2 * y), row(2 * y + 1), line.as_flattened_mut()));
        };
        let mut window = Window::new([0; VALUES], weights.len(), read);
        for (y, out) in out.chunks_mut(2 * made).enumerate() {
            let lines = window.next(|line| read(y + reach, line));
            if !paired.get() {
                return None;
            }
            let used = width.next_multiple_of(STEP) + 2 * reach + 2;
            down::<VALUES, PLANES, DROP, PAIRS, LINE>(lines, &weights, used, &mut middle);
            for (row, out) in middle.iter().zip(out.chunks_exact_mut(made)) {
                for (row, plane) in row.iter().zip(&mut planes) {
                    across::<BYTES, PAIRS, LINE>(row, &weights, width, plane);
                }
                finish(&mut planes, &mut out[4 * left..4 * (left + width)]);
            }
        }
    }
    Some(rows.trimmed(out))
}

/// Two rows of colours. True if all are opaque.
#[inline(never)]
fn colors(above: &[u8], below: &[u8], line: &mut [i16]) -> bool {
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

/// Two rows of colours times alpha, and alpha, with 7 bits below the point.
#[inline(never)]
fn weigh(above: &[u8], below: &[u8], line: &mut [i16]) -> bool {
    let rows = above.as_chunks::<16>().0.iter().zip(below.as_chunks::<16>().0);
    for ((above, below), line) in rows.zip(line.as_chunks_mut::<32>().0) {
        let [above, below] = [premultiplied(above), premultiplied(below)];
        for c in 0..4 {
            store((above[c] | below[c].shl::<16>()).as_i16(), &mut line[8 * c..]);
        }
    }
    true
}

/// Four pixels' red, green, blue and alpha.
#[inline(always)]
fn premultiplied(pixels: &[u8; 16]) -> [i32x4; 4] {
    let (pixels, byte) = (load::<u8x16>(pixels).as_i32(), i32x4::splat(0xff));
    let alpha = pixels.shr::<24>() & byte;
    let by = alpha.to_f32() * f32x4::splat(128.0 / 255.0);
    let color = |color: i32x4| rounded((color & byte).to_f32() * by);
    [color(pixels), color(pixels.shr::<8>()), color(pixels.shr::<16>()), alpha.shl::<7>()]
}

/// The nearest whole numbers of 0..32768.
#[inline(always)]
fn rounded(v: f32x4) -> i32x4 {
    // Adding 2^23 leaves no bits below the point.
    (v + f32x4::splat(8_388_608.0)).as_i32() & i32x4::splat(0x7fff)
}

/// `used` pixels of two rows.
///
/// A function of its own: in a larger one, wasmtime has no register left for where memory begins.
#[inline(never)]
fn down<const VALUES: usize, const PLANES: usize, const BITS: u32, const PAIRS: usize, const LINE: usize>(
    lines: &[Pairs<VALUES, LINE>],
    weights: &[[i16x8; 2]],
    used: usize,
    out: &mut [Planes<i16, PLANES, LINE>; 2],
) {
    match lines.first_chunk::<PAIRS>() {
        Some(lines) if PAIRS > 0 => {
            columns::<VALUES, PLANES, BITS, LINE>(lines, &fixed::<_, PAIRS>(weights), used, out);
        }
        _ => columns::<VALUES, PLANES, BITS, LINE>(lines, weights, used, out),
    }
}

#[inline(always)]
fn columns<const VALUES: usize, const PLANES: usize, const BITS: u32, const LINE: usize>(
    lines: &[Pairs<VALUES, LINE>],
    weights: &[[i16x8; 2]],
    used: usize,
    [first, second]: &mut [Planes<i16, PLANES, LINE>; 2],
) {
    for x in (0..used.min(LINE - 7)).step_by(8) {
        // One look whether all of it is there.
        let window = lines.as_flattened()[x..][..LINE * (weights.len() - 1) + 8].as_flattened();
        for plane in 0..PLANES {
            // Four pixels of either row, and four more.
            let value = |p: usize, half: usize| load::<i16x8>(&window[VALUES * (LINE * p + 4 * half) + 8 * plane..]);
            let [a, b, c, d] = sums(weights.len(), |p, n| value(p, n / 2).dot(weights[p][n % 2]));
            store(to_middle::<BITS>([a, c]), &mut first[plane][x..]);
            store(to_middle::<BITS>([b, d]), &mut second[plane][x..]);
        }
    }
}

/// Drops all but 6 bits below the point, and adds half a step for the rounding that comes last.
#[inline(always)]
fn to_middle<const BITS: u32>(sums: [i32x4; 2]) -> i16x8 {
    let [low, high] = sums.map(|sum| (sum + i32x4::splat(1 << (BITS - 1))).shr::<BITS>());
    low.narrow(high) + i16x8::splat(1 << 5)
}

/// `width` pixels of a plane, or some more: bytes with even ones in the lower halves and odd ones in the upper, or sums
/// of four even ones and four odd ones in turns.
#[inline(never)]
fn across<const BYTES: bool, const PAIRS: usize, const LINE: usize>(
    row: &[i16; LINE],
    weights: &[[i16x8; 2]],
    width: usize,
    out: &mut [i32; LINE],
) {
    match PAIRS {
        0 => along::<8, BYTES, LINE>(row, weights, width, out),
        _ => along::<2, BYTES, LINE>(row, &fixed::<_, PAIRS>(weights), width, out),
    }
}

#[inline(always)]
fn along<const SUMS: usize, const BYTES: bool, const LINE: usize>(
    row: &[i16; LINE],
    weights: &[[i16x8; 2]],
    width: usize,
    out: &mut [i32; LINE],
) {
    let (out, apart) = if BYTES { (&mut out[..LINE / 2], 1) } else { (&mut out[..], 2) };
    for (i, out) in out.chunks_exact_mut(apart * STEP / 2).enumerate().take(width.div_ceil(STEP)) {
        let window = &row[STEP * i..][..STEP + 2 * weights.len()];
        for x in (0..STEP).step_by(4 * SUMS) {
            let value = |p: usize, n: usize| load::<i16x8>(&window[x + n / 2 * 8 + 2 * p + n % 2..]);
            let sums: [i32x4; SUMS] = sums(weights.len(), |p, n| value(p, n).dot(weights[p][0]));
            for n in 0..SUMS / 2 {
                let (even, odd) = (sums[2 * n], sums[2 * n + 1]);
                let out = &mut out[apart * (x / 2 + 4 * n)..];
                if BYTES {
                    store(even.shr::<20>() | odd.shr::<4>() & i32x4::splat(!0xffff), out);
                } else {
                    store(even, out);
                    store(odd, &mut out[4..]);
                }
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

/// Sums of colours divided by those of alpha, 0 where nothing shows; all become bytes, as `across` makes them.
#[inline(never)]
fn straighten<const LINE: usize>(planes: &mut Planes<i32, 4, LINE>, width: usize) {
    for i in 0..width.div_ceil(8).min(LINE / 8) {
        // 8 bits and 16 below the point, half a step among them: floats hold as many.
        let bits = planes.each_ref().map(|plane| [0, 4].map(|x| load::<i32x4>(&plane[8 * i + x..]).shr::<4>()));
        let half = f32x4::splat(32768.0);
        let straight = |x: usize| {
            let alpha = bits[3][x].to_f32();
            let by = f32x4::splat(255.0) / (alpha - half);
            let shown = f32x4::splat(65535.0).lt(alpha).as_i32();
            let whole = f32x4::splat(16_744_447.0).lt(alpha).as_i32();
            let color = |c: usize| {
                let color = rounded(((bits[c][x].to_f32() - half) * by).min(f32x4::splat(255.0)));
                select(whole, bits[c][x].shr::<16>(), color) & shown
            };
            [color(0), color(1), color(2), bits[3][x].shr::<16>()]
        };
        let (even, odd) = (straight(0), straight(1));
        for (c, plane) in planes.iter_mut().enumerate() {
            store(even[c] | odd[c].shl::<16>(), &mut plane[4 * i..]);
        }
    }
}

/// Planes as pixels, opaque ones where there is no plane of alpha.
#[inline(always)]
fn interleave<const LINE: usize>([red, green, blue]: [&[i32; LINE]; 3], alpha: Option<&[i32; LINE]>, out: &mut [u8]) {
    const OPAQUE: [i32; 16] = [0xff_00ff; 16];
    let colors = red.as_chunks::<16>().0.iter().zip(green.as_chunks::<16>().0).zip(blue.as_chunks::<16>().0);
    let (whole, rest) = out.as_chunks_mut::<128>();
    let mut pixels = colors.enumerate().map(|(i, ((red, green), blue))| {
        mixed(red, green, blue, alpha.map_or(&OPAQUE, |alpha| &alpha.as_chunks::<16>().0[i]))
    });
    whole.iter_mut().zip(&mut pixels).for_each(|(out, made)| *out = made);
    if let Some(made) = pixels.next() {
        rest.copy_from_slice(&made[..rest.len()]);
    }
}

#[inline(always)]
fn mixed(red: &[i32; 16], green: &[i32; 16], blue: &[i32; 16], alpha: &[i32; 16]) -> [u8; 128] {
    let mut out = [0; 128];
    for x in 0..4 {
        let value = |plane: &[i32; 16]| load::<i32x4>(&plane[4 * x..]);
        let front = (value(red) | value(green).shl::<8>()).as_i16();
        let back = (value(blue) | value(alpha).shl::<8>()).as_i16();
        store(front.interleave_low(back).as_u8(), &mut out[32 * x..]);
        store(front.interleave_high(back).as_u8(), &mut out[32 * x + 16..]);
    }
    out
}
