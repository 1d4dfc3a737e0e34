//! The noise of stochastic samplers: increments of a Brownian path that the seed alone determines, wherever it is asked for.
//!
//! Decision: k-diffusion and diffusers draw it from `torchsde.BrownianTree`, so that tree is reproduced to the last bit or two. Its interval is
//! halved again and again until a half ends where one was asked for; every halving has noise of its own, seeded by its place in the tree.
//! Nothing is kept between two questions: a level of the tree costs less than a thousandth of an evaluation of the denoiser.

use crate::noise::Noise;

/// Times are rounded to six digits after the point, as `tol=1e-6` wants; that bounds the depth too.
const DIGITS: usize = 6;

/// A path over an interval of noise levels.
pub struct Brownian {
    seed: u64,
    ends: [f64; 2],
    /// The increment over the whole interval.
    whole: Vec<f32>,
}

/// An interval of the tree.
#[derive(Clone, Copy)]
struct Node {
    start: f64,
    end: f64,
    /// Which one of its depth, from the left.
    index: u64,
    depth: u32,
}

impl Brownian {
    /// A path of `n` values over the levels `low` to `high`.
    pub fn new(seed: u64, [low, high]: [f64; 2], n: usize) -> Self {
        let (low, high) = (single(low), single(high));
        let scale = (high - low).sqrt() as f32;
        let whole = Noise::new(hash(seed, &[]).into()).randn(n).into_iter().map(|v| v * scale).collect();
        Self { seed, ends: [round(low), round(high)], whole }
    }

    /// Unit noise for the step from level `from` to level `to`, within the path's interval.
    pub fn noise(&self, from: f64, to: f64) -> Vec<f32> {
        let (from, to) = (single(from), single(to));
        let [start, end] = self.ends;
        let clamped = |t: f64| round(t.clamp(start, end));
        let (low, high) = (clamped(from.min(to)), clamped(from.max(to)));
        let mut sum = None;
        let root = Node { start, end, index: 0, depth: 0 };
        if low < high {
            self.collect(root, &self.whole, low, high, &mut sum);
        }
        // Sampling runs against the path's direction.
        let sign = if from > to { -1.0 } else { 1.0 };
        let width = ((to as f32) - (from as f32)).abs().sqrt();
        sum.unwrap_or_else(|| vec![0.0; self.whole.len()]).into_iter().map(|w: f32| w * sign / width).collect()
    }

    /// Adds the increment over `low..high`, which lies within `node`, to `sum`; `increment` is that over the node.
    fn collect(&self, node: Node, increment: &[f32], low: f64, high: f64, sum: &mut Option<Vec<f32>>) {
        let Node { start, end, index, depth } = node;
        let middle = round(0.5 * (end + start));
        if (low <= start && high >= end) || middle <= start || middle >= end {
            match sum {
                None => *sum = Some(increment.to_vec()),
                Some(sum) => sum.iter_mut().zip(increment).for_each(|(s, w)| *s += w),
            }
            return;
        }
        let share = 1.0 / (end - start);
        let (left, right) = (middle - start, end - middle);
        let std = (left * right * share).sqrt() as f32;
        let (left, share) = (left as f32, share as f32);
        let fresh = Noise::new(hash(self.seed, &[index, depth.into()]).into()).randn(increment.len());
        let mut half: Vec<f32> = increment.iter().zip(fresh).map(|(w, n)| left * w * share + std * n).collect();
        if low < middle {
            let node = Node { start, end: middle, index: 2 * index, depth: depth + 1 };
            self.collect(node, &half, low, high.min(middle), sum);
        }
        if high > middle {
            half.iter_mut().zip(increment).for_each(|(h, w)| *h = w - *h);
            let node = Node { start: middle, end, index: 2 * index + 1, depth: depth + 1 };
            self.collect(node, &half, low.max(middle), high, sum);
        }
    }
}

/// Levels are held in `f32` where the reference computes them.
fn single(level: f64) -> f64 {
    level as f32 as f64
}

/// To [`DIGITS`] decimals, as Python's `round` does it: correctly, by way of the decimal text.
fn round(t: f64) -> f64 {
    format!("{t:.DIGITS$}").parse().unwrap_or(t)
}

/// The first word that `numpy.random.SeedSequence(entropy, spawn_key=place, pool_size=24)` generates (O'Neill's `seed_seq`, 2015).
fn hash(entropy: u64, place: &[u64]) -> u32 {
    const POOL: usize = 24;
    let mut words = words(entropy);
    if !place.is_empty() {
        words.resize(POOL.max(words.len()), 0);
        words.extend(place.iter().flat_map(|&number| self::words(number)));
    }
    let mut constant = 0x43b0_d7e5u32;
    let mut scramble = |word: u32| {
        let word = word ^ constant;
        constant = constant.wrapping_mul(0x931e_8875);
        let word = word.wrapping_mul(constant);
        word ^ (word >> 16)
    };
    let mix = |x: u32, y: u32| {
        let word = x.wrapping_mul(0xca01_f9dd).wrapping_sub(y.wrapping_mul(0x4973_f715));
        word ^ (word >> 16)
    };
    let mut pool = [0; POOL];
    for (i, slot) in pool.iter_mut().enumerate() {
        *slot = scramble(words.get(i).copied().unwrap_or(0));
    }
    for from in 0..POOL {
        for to in (0..POOL).filter(|&to| to != from) {
            pool[to] = mix(pool[to], scramble(pool[from]));
        }
    }
    for &word in words.iter().skip(POOL) {
        for slot in &mut pool {
            *slot = mix(*slot, scramble(word));
        }
    }
    const FIRST: u32 = 0x8b51_f9dd;
    let word = (pool[0] ^ FIRST).wrapping_mul(FIRST.wrapping_mul(0x58f3_8ded));
    word ^ (word >> 16)
}

/// A number in words of 32 bits, the lowest first, without leading zeros.
fn words(number: u64) -> Vec<u32> {
    let (low, high) = (number as u32, (number >> 32) as u32);
    if high == 0 { vec![low] } else { vec![low, high] }
}
