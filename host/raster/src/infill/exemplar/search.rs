//! PatchMatch: for every target patch the most similar source patch.

use super::level::{Kind, Level};
use crate::{Cancelled, Job};
use rayon::prelude::*;

/// A patch reaches this far from its centre: 7x7 texels.
pub(super) const REACH: usize = 3;
const SIDE: usize = 2 * REACH + 1;

/// Price of a neighbour that is copied from elsewhere, in mean patch costs.
const COHERENCE: f32 = 0.2;

/// Weight of a source's lack of contrast. Of two equally unlike patches the squared difference prefers the
/// smoother one; this keeps fills from losing their texture.
const CONTRAST: f32 = 4.0;

/// Comparisons the first fill of the coarsest level may cost, about a second of one core.
const COMPARISONS: usize = 16_000_000;

/// Rows that one task sweeps in order; part of the result, so not to be derived from the machine.
const BAND: usize = 16;

/// The nearest-neighbour field: per texel of the level (border included) the index of the matching
/// source's centre and the mean squared difference per texel of the two patches. Only meaningful at
/// targets.
pub(super) struct Field {
    pub stride: usize,
    pub source: Vec<u32>,
    pub cost: Vec<f32>,
}

/// The search of one level.
pub(super) struct Search<'a> {
    seed: u64,
    sweeps: u64,
    /// All centres of source patches.
    sources: Vec<u32>,
    /// First radius of the random search, in texels.
    radius: usize,
    job: &'a dyn Job,
}

impl<'a> Search<'a> {
    pub fn new(level: &Level, seed: u64, index: usize, coarsest: bool, job: &'a dyn Job) -> Self {
        let sources = (0..level.source.len() as u32).filter(|&i| level.source[i as usize]).collect();
        // A fine level only corrects what the coarser one found.
        let radius = if index == 0 && !coarsest { 16 } else { level.stride.max(level.rows) };
        Search { seed: seed ^ (index as u64) << 56, sweeps: 0, sources, radius, job }
    }

    /// The coarser level's field brought to this level.
    pub fn refine(&mut self, coarse: &Field, level: &Level) -> Field {
        let mut field = Field::new(level);
        let mut random = Random::new(self.seed, u64::MAX);
        for i in (0..level.target.len()).filter(|&i| level.target[i]) {
            let (x, y) = (i % level.stride - REACH, i / level.stride - REACH);
            let parent = (y / 2 + REACH) * coarse.stride + x / 2 + REACH;
            let from = coarse.source[parent] as usize;
            let candidate = (from != NONE).then(|| {
                let (sx, sy) = (from % coarse.stride - REACH, from / coarse.stride - REACH);
                let sx = (2 * sx + x % 2 + REACH).min(level.stride - 1);
                let sy = (2 * sy + y % 2 + REACH).min(level.rows - 1);
                sy * level.stride + sx
            });
            field.source[i] = match candidate.filter(|&s| level.source[s]) {
                Some(s) => s as u32,
                None => self.sources[random.below(self.sources.len())],
            };
        }
        field
    }

    /// The coarsest level's first fill, from the edge inwards ("onion peel"): each layer's patches are
    /// compared, in what is known of them, with every source (or a sample of them).
    pub fn onion(&mut self, level: &mut Level) -> Result<Field, Cancelled> {
        let mut field = Field::new(level);
        let mut random = Random::new(self.seed, u64::MAX - 1);
        // Until a layer is filled it does not count.
        let trusted = level.confidence.clone();
        let hole = level.kind.iter().map(|&k| k == Kind::Hole);
        level.confidence.iter_mut().zip(hole).filter(|(_, h)| *h).for_each(|(c, _)| *c = 0.0);
        let stride = level.stride;
        let neighbours = |i: usize| [i - 1, i + 1, i - stride, i + stride];
        let mut todo: Vec<usize> = (0..level.target.len()).filter(|&i| level.kind[i] == Kind::Hole).collect();
        // Targets around the hole have their centre known and are matched with the first layer.
        let mut layer: Vec<usize> =
            (0..level.target.len()).filter(|&i| level.target[i] && level.kind[i] != Kind::Hole).collect();
        // Long thin holes have many targets already here; their rounds of search make up for fewer samples.
        let targets = level.target.iter().filter(|t| **t).count();
        let most = (COMPARISONS / targets.max(1)).clamp(64, 4096);
        let sample: Vec<u32> = if self.sources.len() <= most {
            self.sources.clone()
        } else {
            (0..most).map(|_| self.sources[random.below(self.sources.len())]).collect()
        };
        loop {
            level.weigh();
            let (job, now) = (self.job, &*level);
            let best: Result<Vec<(u32, f32)>, Cancelled> = layer
                .par_iter()
                .map(|&i| {
                    if job.is_cancelled() {
                        return Err(Cancelled);
                    }
                    let mut best = (sample[0], f32::INFINITY);
                    for &s in &sample {
                        let cost = patch_cost(now, i, s as usize, best.1);
                        if cost < best.1 {
                            best = (s, cost);
                        }
                    }
                    Ok(best)
                })
                .collect();
            for (&i, (s, cost)) in layer.iter().zip(best?) {
                (field.source[i], field.cost[i]) = (s, cost);
                if level.kind[i] == Kind::Hole {
                    level.texels[i] = level.texels[s as usize];
                    level.confidence[i] = trusted[i];
                }
            }
            if todo.is_empty() {
                level.weigh();
                return Ok(field);
            }
            let (next, rest): (Vec<_>, Vec<_>) =
                todo.into_iter().partition(|&i| neighbours(i).iter().any(|&j| level.confidence[j] > 0.0));
            // A hole that no known texel touches lies in transparent surroundings: take it whole.
            (layer, todo) = if next.is_empty() { (rest, Vec::new()) } else { (next, rest) };
        }
    }

    /// Brings the costs up to date after the hole's colours changed.
    pub fn rescore(&self, level: &Level, field: &mut Field) -> Result<(), Cancelled> {
        let stride = level.stride;
        field.cost.par_chunks_exact_mut(stride).enumerate().try_for_each(|(y, costs)| {
            if self.job.is_cancelled() {
                return Err(Cancelled);
            }
            for (x, cost) in costs.iter_mut().enumerate() {
                let i = y * stride + x;
                if level.target[i] {
                    *cost = patch_cost(level, i, field.source[i] as usize, f32::INFINITY);
                }
            }
            Ok(())
        })
    }

    /// One pass of propagation and random search, alternately down and up.
    pub fn sweep(&mut self, level: &Level, field: &mut Field) -> Result<(), Cancelled> {
        let stride = level.stride;
        let up = self.sweeps % 2 == 1;
        let number = self.sweeps;
        self.sweeps += 1;
        let before = field.source.clone();
        let coherence = COHERENCE * field.mean_cost(level);
        let bands = field.source.par_chunks_mut(stride * BAND).zip(field.cost.par_chunks_mut(stride * BAND));
        bands.enumerate().try_for_each(|(band, (source, cost))| {
            if self.job.is_cancelled() {
                return Err(Cancelled);
            }
            let first = band * BAND * stride;
            let len = source.len();
            let mut random = Random::new(self.seed ^ number << 40, band as u64);
            let mut visit = |k: usize| {
                let i = first + k;
                if !level.target[i] {
                    return;
                }
                // Neighbours within the band are this sweep's, beyond it the last sweep's.
                let at = |j: usize| {
                    let own = j >= first && j < first + len;
                    (if own { source[j - first] } else { before[j] }) as usize
                };
                let around = [i - 1, i + 1, i - stride, i + stride].map(|j| (j, at(j)));
                // What a candidate pays for not continuing its neighbours' copies.
                let breaks = |s: usize| {
                    let broken = |&&(j, t): &&(usize, usize)| t != NONE && t + i != s + j;
                    around.iter().filter(broken).count() as f32 * coherence
                };
                let mut best = (source[k] as usize, cost[k]);
                let mut total = cost[k] + breaks(best.0);
                let mut consider = |best: &mut (usize, f32), s: usize| {
                    if s != best.0 && level.source[s] {
                        let extra = breaks(s);
                        let c = if extra < total { patch_cost(level, i, s, total - extra) } else { f32::INFINITY };
                        if c + extra < total {
                            *best = (s, c);
                            total = c + extra;
                        }
                    }
                };
                let ahead = if up { [around[1], around[3]] } else { [around[0], around[2]] };
                for (j, s) in ahead {
                    if s != NONE {
                        consider(&mut best, (s + i).wrapping_sub(j).min(level.source.len() - 1));
                    }
                }
                let mut radius = self.radius;
                while radius >= 1 {
                    let (x, y) = (best.0 % stride, best.0 / stride);
                    let (x, y) = (random.around(x, radius, stride), random.around(y, radius, level.rows));
                    consider(&mut best, y * stride + x);
                    radius /= 2;
                }
                (source[k], cost[k]) = (best.0 as u32, best.1);
            };
            if up {
                (0..len).rev().for_each(&mut visit);
            } else {
                (0..len).for_each(&mut visit);
            }
            Ok(())
        })
    }
}

/// Marks a texel without a match.
pub(super) const NONE: usize = u32::MAX as usize;

impl Field {
    /// Over all targets, summed by rows so that the number of threads does not show.
    fn mean_cost(&self, level: &Level) -> f32 {
        let rows = self.cost.par_chunks(self.stride).zip(level.target.par_chunks(self.stride));
        let sums: Vec<(f64, u32)> = rows
            .map(|(costs, targets)| {
                let costs = costs.iter().zip(targets).filter(|(_, t)| **t);
                costs.fold((0.0, 0), |(sum, n), (c, _)| (sum + f64::from(*c), n + 1))
            })
            .collect();
        let (sum, n) = sums.iter().fold((0.0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        (sum / f64::from(n.max(1))) as f32
    }

    fn new(level: &Level) -> Field {
        let n = level.target.len();
        Field { stride: level.stride, source: vec![NONE as u32; n], cost: vec![0.0; n] }
    }
}

/// Mean squared difference per texel of the patches at `target` and `source`, weighted by the target's
/// confidence; anything at least `limit` once it is known to reach it.
#[inline]
fn patch_cost(level: &Level, target: usize, source: usize, limit: f32) -> f32 {
    let (texels, confidence, stride) = (&level.texels, &level.confidence, level.stride);
    let corner = REACH * stride + REACH;
    let mass = level.mass[target].max(1e-6);
    let limit = limit * mass;
    let contrast = level.contrast[target];
    let mut sum =
        if contrast > 0.0 { mass * CONTRAST * (contrast - level.contrast[source]).max(0.0).powi(2) } else { 0.0 };
    for row in 0..SIDE {
        let start = target - corner + row * stride;
        let (a, w) = (&texels[start..][..SIDE], &confidence[start..][..SIDE]);
        let b = &texels[source - corner + row * stride..][..SIDE];
        // Two chains of additions keep the pipeline busy.
        let mut even = [0.0f32; 4];
        let mut odd = [0.0f32; 4];
        for x in 0..SIDE {
            let to = if x % 2 == 0 { &mut even } else { &mut odd };
            for c in 0..4 {
                let d = a[x][c] - b[x][c];
                to[c] += w[x] * d * d;
            }
        }
        sum += (even[0] + odd[0]) + (even[1] + odd[1]) + ((even[2] + odd[2]) + (even[3] + odd[3]));
        if sum >= limit {
            break;
        }
    }
    sum / mass
}

/// SplitMix64 (Steele et al. 2014): small, and any two keys give independent streams.
struct Random(u64);

impl Random {
    fn new(seed: u64, stream: u64) -> Self {
        let mut r = Random(seed ^ stream.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        r.next();
        r
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// Uniform in `0..n`; `n` > 0.
    fn below(&mut self, n: usize) -> usize {
        ((self.next() >> 32) as usize * n) >> 32
    }

    /// Uniform within `radius` of `center`, kept in `0..n`.
    fn around(&mut self, center: usize, radius: usize, n: usize) -> usize {
        let low = center.saturating_sub(radius);
        let high = (center + radius).min(n - 1);
        low + self.below(high - low + 1)
    }
}
