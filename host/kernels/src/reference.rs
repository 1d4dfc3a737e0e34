//! What the tests compare with: the definitions, one sum after the other, in `f64`.

/// Repeatable values of about unit variance.
pub(crate) fn values(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..len).map(|_| (uniform() + uniform() + uniform()) * 2.0).collect()
}

/// Asserts that `got` is `want` to `tolerance` times the largest value wanted.
pub(crate) fn assert_close(got: &[f32], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}: length");
    let scale = want.iter().fold(1e-30, |m, w| w.abs().max(m));
    for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
        let distance = (f64::from(got) - want).abs() / scale;
        assert!(distance <= tolerance, "{what}: value {i} is {got}, not {want}");
    }
}

/// Convolution of `[batch, channels, height, width]` by `[out, channels, kernel, kernel]`.
pub(crate) struct Conv {
    pub batch: usize,
    pub channels: usize,
    pub size: (usize, usize),
    pub out: usize,
    pub kernel: (usize, usize),
    pub stride: usize,
    pub padding: usize,
}

impl Conv {
    pub(crate) fn apply(&self, x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f64> {
        let (h, w) = self.size;
        let (kh, kw) = self.kernel;
        let (oh, ow) = ((h + 2 * self.padding - kh) / self.stride + 1, (w + 2 * self.padding - kw) / self.stride + 1);
        let mut y = Vec::new();
        for b in 0..self.batch {
            for o in 0..self.out {
                for (row, column) in (0..oh).flat_map(|r| (0..ow).map(move |c| (r, c))) {
                    let mut sum = f64::from(bias[o]);
                    for c in 0..self.channels {
                        for (i, j) in (0..kh).flat_map(|i| (0..kw).map(move |j| (i, j))) {
                            let (r, s) = (row * self.stride + i, column * self.stride + j);
                            if r >= self.padding && s >= self.padding && r - self.padding < h && s - self.padding < w {
                                let at = ((b * self.channels + c) * h + r - self.padding) * w + s - self.padding;
                                sum +=
                                    f64::from(x[at]) * f64::from(weight[((o * self.channels + c) * kh + i) * kw + j]);
                            }
                        }
                    }
                    y.push(sum);
                }
            }
        }
        y
    }
}

/// `x w^T + bias`.
pub(crate) fn linear(x: &[f32], weight: &[f32], bias: &[f32], input: usize) -> Vec<f64> {
    let mut y = Vec::new();
    for x in x.chunks_exact(input) {
        for (weight, &bias) in weight.chunks_exact(input).zip(bias) {
            y.push(f64::from(bias) + x.iter().zip(weight).map(|(&x, &w)| f64::from(x) * f64::from(w)).sum::<f64>());
        }
    }
    y
}

/// Attention of one head: `q` is `[queries][d]`, `k` and `v` `[keys][d]`.
pub(crate) fn attention(q: &[f32], k: &[f32], v: &[f32], d: usize, scale: f64, causal: bool) -> Vec<f64> {
    let mut y = Vec::new();
    for (i, q) in q.chunks_exact(d).enumerate() {
        let keys = k.chunks_exact(d).enumerate().filter(|(j, _)| !causal || *j <= i);
        let scores: Vec<f64> = keys
            .map(|(_, k)| scale * q.iter().zip(k).map(|(&q, &k)| f64::from(q) * f64::from(k)).sum::<f64>())
            .collect();
        let maximum = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|s| (s - maximum).exp()).collect();
        let total: f64 = weights.iter().sum();
        for c in 0..d {
            y.push(weights.iter().zip(v.chunks_exact(d)).map(|(w, v)| w * f64::from(v[c])).sum::<f64>() / total);
        }
    }
    y
}

/// Mean 0 and variance 1 over all of `x`.
pub(crate) fn normalise(x: &[f32], eps: f64) -> Vec<f64> {
    let n = x.len() as f64;
    let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let variance = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
    x.iter().map(|&x| (f64::from(x) - mean) / (variance + eps).sqrt()).collect()
}

/// The normal distribution's cumulative function, by the series of `erf` and, far out, the continued fraction of `erfc`.
pub(crate) fn phi(x: f64) -> f64 {
    let y = x.abs() / std::f64::consts::SQRT_2;
    let upper = if y < 3.0 {
        let (mut term, mut sum) = (y, y);
        for n in 1..200 {
            term *= -y * y / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        0.5 - sum / std::f64::consts::PI.sqrt()
    } else {
        let fraction = (1..200).rev().fold(y, |f, n| y + f64::from(n) / 2.0 / f);
        (-y * y).exp() / fraction / std::f64::consts::PI.sqrt() / 2.0
    };
    if x < 0.0 { upper } else { 1.0 - upper }
}
