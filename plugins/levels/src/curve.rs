//! From a tone to a tone.

use crate::Settings;
use underpaint_filter::simd::{f32x4, select};

/// One curve for each of four lanes.
#[derive(Clone, Copy)]
pub struct Curve {
    black: f32x4,
    /// 1 over the distance from black to white.
    scale: f32x4,
    /// 1 over gamma.
    power: f32x4,
    bends: bool,
    /// Of the four quarters: a + b x + c x² + d x³, where x is 0..=1 in a quarter.
    quarters: [[f32; 4]; 4],
    straight: bool,
}

impl Curve {
    /// `black` and `white` become the ends, gamma and the points of the curve are the settings'.
    pub fn new(black: f32, white: f32, settings: &Settings) -> Self {
        let Settings { gamma, shadows, middle, highlights, .. } = *settings;
        Self {
            black: f32x4::splat(black),
            scale: f32x4::splat(1.0 / (white - black)),
            power: f32x4::splat(1.0 / gamma),
            bends: gamma != 1.0,
            quarters: quarters([0.0, 0.25 + shadows * 0.125, 0.5 + middle * 0.125, 0.75 + highlights * 0.125, 1.0]),
            straight: shadows == 0.0 && middle == 0.0 && highlights == 0.0,
        }
    }

    /// Three curves of the same settings as one: red, green and blue in the lanes of a pixel.
    pub fn of_channels([r, g, b]: &[Curve; 3]) -> Self {
        let lanes = |of: fn(&Curve) -> f32x4| f32x4::new([r, g, b, b].map(|curve| of(curve).to_array()[0]));
        Self { black: lanes(|c| c.black), scale: lanes(|c| c.scale), ..*r }
    }

    /// True if every tone stays where it is.
    pub fn is_nothing(&self) -> bool {
        let ends = (self.black.to_array()[0], self.scale.to_array()[0]);
        ends == (0.0, 1.0) && !self.bends && self.straight
    }

    /// Where tones go, 0..=1.
    #[inline(always)]
    pub fn at(&self, v: f32x4) -> f32x4 {
        let (zero, one) = (f32x4::splat(0.0), f32x4::splat(1.0));
        let mut v = ((v - self.black) * self.scale).clamp(zero, one);
        if self.bends {
            v = v.powf(self.power);
        }
        if !self.straight {
            let x = v * f32x4::splat(4.0);
            let [mut a, mut b, mut c, mut d] = self.quarters[0].map(f32x4::splat);
            let mut start = zero;
            for (quarter, from) in self.quarters.iter().zip([0.0, 1.0, 2.0, 3.0]).skip(1) {
                let from = f32x4::splat(from);
                let before = x.lt(from);
                let pick = |now: f32x4, new: f32| select(before, now, f32x4::splat(new));
                (a, b, c, d) = (pick(a, quarter[0]), pick(b, quarter[1]), pick(c, quarter[2]), pick(d, quarter[3]));
                start = select(before, start, from);
            }
            let x = x - start;
            v = (((d * x + c) * x + b) * x + a).clamp(zero, one);
        }
        v
    }
}

/// Cubics between five points a quarter apart that never turn between two of them (Fritsch and Butland, "A method for
/// constructing local monotone piecewise cubic interpolants", 1984).
fn quarters(points: [f32; 5]) -> [[f32; 4]; 4] {
    let rise: [f32; 4] = std::array::from_fn(|i| points[i + 1] - points[i]);
    let slope = |i: usize| match i {
        0 => rise[0],
        4 => rise[3],
        _ if rise[i - 1] * rise[i] <= 0.0 => 0.0,
        _ => 2.0 * rise[i - 1] * rise[i] / (rise[i - 1] + rise[i]),
    };
    std::array::from_fn(|i| {
        let (from, to) = (slope(i), slope(i + 1));
        [points[i], from, 3.0 * rise[i] - 2.0 * from - to, from + to - 2.0 * rise[i]]
    })
}
