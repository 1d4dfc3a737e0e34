//! Where the steps are put: curves of sigma and choices of timesteps, noisiest first, without the last level.

use super::training::{Aligned, Spacing, Training};

impl Training {
    /// Timesteps by spacing. `whole` rounds to whole timesteps; `solver` also leaves out the quiet end, as DPM-Solver's class does.
    pub(super) fn spaced(&self, spacing: Spacing, steps: usize, whole: bool, solver: bool) -> Vec<f64> {
        let n = self.timesteps as f64;
        let timesteps: Vec<f64> = match spacing {
            Spacing::Linspace => {
                let points = if solver { steps + 1 } else { steps };
                // Stride first, as NumPy's linspace has it: halves are rounded below, so the last bit decides.
                let stride = if points == 1 { 0.0 } else { (n - 1.0) / (points - 1) as f64 };
                let at = |i: usize| i as f64 * stride;
                let rounded = |t: f64| if whole { t.round_ties_even() } else { t };
                (points - steps..points).rev().map(|i| rounded(at(i))).collect()
            }
            Spacing::Leading => {
                let skipped = usize::from(solver);
                let stride = (self.timesteps / (steps + skipped)) as f64;
                (skipped..steps + skipped).rev().map(|i| i as f64 * stride + self.steps_offset).collect()
            }
            Spacing::Trailing => {
                (0..steps).map(|i| (n - i as f64 * (n / steps as f64)).round_ties_even() - 1.0).collect()
            }
        };
        timesteps.into_iter().map(|t| t.clamp(0.0, n - 1.0)).collect()
    }

    /// Timesteps of a distilled model: some of the fifty that its teacher was asked at (diffusers' `original_inference_steps`),
    /// of more only if more are wanted.
    pub(super) fn distilled(&self, steps: usize) -> Vec<f64> {
        let of = steps.max(50).min(self.timesteps);
        let (stride, skip) = (self.timesteps / of, of as f64 / steps as f64);
        (0..steps).map(|i| ((of - (i as f64 * skip) as usize) * stride - 1) as f64).collect()
    }

    /// Evenly from the noisy end, each cut to a whole timestep (ComfyUI, `simple`).
    pub(super) fn simple(&self, steps: usize) -> Vec<f64> {
        let stride = self.timesteps as f64 / steps as f64;
        (0..steps).map(|i| (self.timesteps - 1 - (i as f64 * stride) as usize) as f64).collect()
    }

    /// Evenly from the noisy end, the quiet end left out (Stability's generative models; ComfyUI, `sgm_uniform`).
    pub(super) fn sgm_uniform(&self, steps: usize) -> Vec<f64> {
        let last = (self.timesteps - 1) as f64;
        (0..steps).map(|i| last * (1.0 - i as f64 / steps as f64)).collect()
    }

    /// Every so many timesteps from 1 upwards as long as there are any: one more than `steps` where these do not divide the
    /// training schedule (ComfyUI, `ddim_uniform`).
    pub(super) fn ddim_uniform(&self, steps: usize) -> Vec<f64> {
        let stride = (self.timesteps / steps).max(1);
        let rising: Vec<f64> = (1..self.timesteps).step_by(stride).map(|t| t as f64).collect();
        rising.into_iter().rev().collect()
    }

    /// Whole timesteps at quantiles of the beta distribution, dense at both ends; those that coincide are taken once (Lee et al.
    /// 2024, arXiv:2407.12173; ComfyUI, `beta`).
    pub(super) fn beta(&self, steps: usize) -> Vec<f64> {
        let last = (self.timesteps - 1) as f64;
        let at = |i: usize| (beta_quantile(1.0 - i as f64 / steps as f64) * last).round_ties_even();
        let mut timesteps: Vec<f64> = (0..steps).map(at).collect();
        timesteps.dedup();
        timesteps
    }
}

impl Aligned {
    /// The published levels, interpolated in log sigma for other than ten steps.
    pub(super) fn levels(self, steps: usize) -> Vec<f64> {
        let table: [f64; 11] = match self {
            Self::Sd1 => [
                14.6146412293,
                6.4745760956,
                3.8636745985,
                2.6946151520,
                1.8841921177,
                1.3943805092,
                0.9642583904,
                0.6523686016,
                0.3977456272,
                0.1515232662,
                0.0291671582,
            ],
            Self::Sdxl => [
                14.6146412293,
                6.3184485287,
                3.7681790315,
                2.1811480769,
                1.3405244945,
                0.8620721141,
                0.5550693289,
                0.3798540708,
                0.2332364134,
                0.1114188177,
                0.0291671582,
            ],
        };
        (0..steps).map(|i| log_interpolate(&table, 10.0 * i as f64 / steps as f64)).collect()
    }
}

/// Karras et al. 2022, equation 5, rho 7.
pub(super) fn karras(high: f64, low: f64, steps: usize) -> Vec<f64> {
    const RHO: f64 = 7.0;
    between(high.powf(1.0 / RHO), low.powf(1.0 / RHO), steps).map(|v| v.powf(RHO)).collect()
}

/// Evenly spaced in log sigma.
pub(super) fn exponential(high: f64, low: f64, steps: usize) -> Vec<f64> {
    between(high.ln(), low.ln(), steps).map(f64::exp).collect()
}

/// Evenly spaced in the arc tangent of sigma (Sabour et al. 2024, theorem 3.1: the best levels for data of unit variance).
pub(super) fn kl_optimal(high: f64, low: f64, steps: usize) -> Vec<f64> {
    between(high.atan(), low.atan(), steps).map(f64::tan).collect()
}

/// `n` numbers from `first` to `last`; a single one is the first.
fn between(first: f64, last: f64, n: usize) -> impl Iterator<Item = f64> {
    let ramp = move |i: usize| if n == 1 { 0.0 } else { i as f64 / (n - 1) as f64 };
    (0..n).map(move |i| first + ramp(i) * (last - first))
}

/// The table's value at a fractional index.
pub(super) fn interpolate(table: &[f64], at: f64) -> f64 {
    let low = (at as usize).min(table.len() - 1);
    let high = (low + 1).min(table.len() - 1);
    table[low] + (table[high] - table[low]) * (at - low as f64)
}

/// The same in the logarithm of the values.
pub(super) fn log_interpolate(table: &[f64], at: f64) -> f64 {
    let low = (at as usize).min(table.len() - 1);
    let high = (low + 1).min(table.len() - 1);
    table[low] * (table[high] / table[low]).powf(at - low as f64)
}

/// The fractional training timestep whose noise level is `sigma`, interpolated in log sigma. The table's logarithms are rounded to
/// `f32`, as diffusers has them: where timesteps are cut to whole ones, the last bit decides.
pub(super) fn timestep_of(table: &[f64], sigma: f64) -> f64 {
    let low = table.partition_point(|&s| s <= sigma).saturating_sub(1).min(table.len() - 2);
    let log = |i: usize| (table[i] as f32).ln() as f64;
    let (a, b) = (log(low), log(low + 1));
    let w = ((a - sigma.max(1e-10).ln()) / (a - b)).clamp(0.0, 1.0);
    low as f64 + w
}

/// Below which a share `p` of the beta distribution lies whose two parameters are both 0.6.
fn beta_quantile(p: f64) -> f64 {
    if p > 0.5 {
        return 1.0 - beta_quantile(1.0 - p);
    }
    let wanted = 2.0 * p * beta_integral(0.5);
    let (mut low, mut high) = (0.0, 0.5);
    // Halved until f64 has no number between the two.
    for _ in 0..1100 {
        let middle = (low + high) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if beta_integral(middle) <= wanted { low = middle } else { high = middle }
    }
    high
}

/// The integral of `(u (1 - u))^(0.6 - 1)` from 0 to `x`, 0..=0.5, by the power series of the second factor.
fn beta_integral(x: f64) -> f64 {
    const SHAPE: f64 = 0.6;
    let mut term = 1.0;
    let mut sum = 0.0;
    for k in 0..64 {
        let k = k as f64;
        sum += term / (SHAPE + k);
        term *= x * (k + 1.0 - SHAPE) / (k + 1.0);
    }
    x.powf(SHAPE) * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_beta_distribution() {
        // scipy.stats.beta.ppf(p, 0.6, 0.6)
        for (p, x) in [
            (0.0, 0.0),
            (0.001, 1.855873851745199e-5),
            (0.1, 0.03958440558878085),
            (0.25, 0.17568037865269498),
            (0.5, 0.5),
            (0.9, 0.9604155944112192),
            (1.0, 1.0),
        ] {
            assert!((beta_quantile(p) - x).abs() < 1e-12, "{p}: {}", beta_quantile(p));
        }
    }
}
