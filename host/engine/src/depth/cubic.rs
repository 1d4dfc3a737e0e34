//! PyTorch's bicubic interpolation without antialiasing (Keys' kernel with -0.75), pixel centres at halves, the border going on.

/// `values` `[h, w, C]` at the size `to` `[h, w]`.
pub fn resized(values: &[f32], [h, w, c]: [usize; 3], to: [usize; 2]) -> Vec<f32> {
    let columns = taps(w, to[1]);
    let mut across = Vec::with_capacity(h * to[1] * c);
    for row in values.chunks_exact(w * c) {
        for taps in &columns {
            across.extend((0..c).map(|i| taps.iter().map(|(at, weight)| row[at * c + i] * weight).sum::<f32>()));
        }
    }
    let width = to[1] * c;
    let mut out = Vec::with_capacity(to[0] * width);
    for taps in taps(h, to[0]) {
        out.extend((0..width).map(|i| taps.iter().map(|(at, weight)| across[at * width + i] * weight).sum::<f32>()));
    }
    out
}

/// Where each of `to` values is read among `n`, and by how much.
fn taps(n: usize, to: usize) -> Vec<[(usize, f32); 4]> {
    const A: f32 = -0.75;
    let near = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f32| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let scale = n as f32 / to as f32;
    let one = |i: usize| {
        let center = (i as f32 + 0.5) * scale - 0.5;
        let (first, t) = (center.floor(), center - center.floor());
        let weights = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
        let at = |k: usize| (first + k as f32 - 1.0).clamp(0.0, (n - 1) as f32) as usize;
        [0, 1, 2, 3].map(|k| (at(k), weights[k]))
    };
    (0..to).map(one).collect()
}
