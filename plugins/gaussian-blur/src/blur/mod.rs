//! Two walks of a symmetric kernel, down the columns and along the rows, weighed by alpha.
//!
//! A picture may be cut anywhere, so a pixel must come out the same whether its tile holds soft pixels elsewhere or
//! not. Weights are therefore such that they add up to exactly 1: where every pixel around is opaque, the weighed sums
//! are the plain ones to the last bit, and tiles without any transparency can leave the weighing away.
//!
//! Decision: the kernel as it is. A sum of running boxes would be faster for wide ones; this is as fast for the usual
//! ones and has no state that depends on where a tile begins.

mod bytes;
mod floats;

use std::array;
use underpaint_filter::simd::f32x4;
use underpaint_filter::{Sample, Tile};

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

/// Calls a function generic over a kernel's length, `2 * $reach + 1` or 0 for any, and the length of a line.
macro_rules! by_length {
    ($reach:expr, $function:ident $args:tt, $($n:literal)*) => {
        match $reach {
            $($n => $function::<{ 2 * $n + 1 }, LINE>$args,)*
            _ => $function::<0, LONG_LINE>$args,
        }
    };
}
use by_length;

/// Lines above and below those that are made, each read once.
struct Window<T, const LINE: usize> {
    lines: Vec<[T; LINE]>,
    seen: usize,
    top: usize,
}

impl<T: Copy, const LINE: usize> Window<T, LINE> {
    /// `seen` lines at a time, with all but the last of the first.
    fn new(empty: T, seen: usize, mut read: impl FnMut(usize, &mut [T; LINE])) -> Self {
        let mut lines = vec![[empty; LINE]; 4 * seen];
        lines[..seen - 1].iter_mut().enumerate().for_each(|(y, line)| read(y, line));
        Self { lines, seen, top: 0 }
    }

    /// The next window down; `read` gives its last line.
    fn next(&mut self, read: impl FnOnce(&mut [T; LINE])) -> &[[T; LINE]] {
        if self.top + self.seen > self.lines.len() {
            self.lines.copy_within(self.top.., 0);
            self.top = 0;
        }
        let window = &mut self.lines[self.top..][..self.seen];
        self.top += 1;
        read(&mut window[self.seen - 1]);
        window
    }
}

/// The weights as values of their own, which stay in registers.
#[inline(always)]
fn fixed<V: Copy, const TAPS: usize>(weights: &[V]) -> [V; TAPS] {
    array::from_fn(|i| weights.get(i).copied().unwrap_or(weights[0]))
}
