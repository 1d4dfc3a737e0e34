//! UniPC of second order with `B(h) = exp(h) - 1`, in the clean latents (Zhao et al. 2023, algorithms 5 and 6): each prediction first
//! corrects the step that led to it, then predicts the next one. The first step and the last are of first order.

use super::{Moment, Rule, Space};
use crate::EngineError;
use std::collections::VecDeque;

/// What the last step started from.
#[derive(Default)]
pub struct Unipc {
    /// The clean latents predicted at the last two steps and their levels, newest first.
    known: VecDeque<(Vec<f32>, f64)>,
    /// The last step's latents before it, corrected, and its order.
    last: Option<(Vec<f32>, usize)>,
}

impl Rule for Unipc {
    fn space(&self) -> Space {
        Space::Variance
    }

    fn step(&mut self, at: Moment<'_>) -> Result<(), EngineError> {
        let order = if at.is_last() { 1 } else { (self.known.len() + 1).min(2) };
        let Moment { step, latents, seen, .. } = at;
        if let Some((from, order)) = &self.last {
            let corrected = self.moved(from, step.sigma, *order, Some(&seen.clean));
            latents.copy_from_slice(&corrected);
        }
        self.known.push_front((seen.clean, step.sigma));
        self.known.truncate(2);
        self.last = Some((latents.to_vec(), order));
        let predicted = self.moved(latents, step.next, order, None);
        latents.copy_from_slice(&predicted);
        Ok(())
    }
}

impl Unipc {
    /// The latents `from`, at the newest known level, at level `to`: predicted, or corrected by the clean latents seen `there`.
    fn moved(&self, from: &[f32], to: f64, order: usize, there: Option<&Vec<f32>>) -> Vec<f32> {
        let space = Space::Variance;
        let (clean, sigma) = &self.known[0];
        let (before, ratio) = match self.known.get(1) {
            // How far back the one before lies, in steps of lambda = -ln(sigma).
            Some((before, level)) if order == 2 => (before, (sigma / level).ln() / (sigma / to).ln()),
            _ => (clean, -1.0),
        };
        let shrink = to / sigma - 1.0;
        // The paper's phi functions of -h over B(h).
        let h = (to / sigma).ln();
        let first = shrink / h - 1.0;
        let (b1, b2) = (first / shrink, 2.0 * (first / h - 0.5) / shrink);
        let [slope, change] = match (order, there) {
            (1, None) => [0.0, 0.0],
            (_, None) => [0.5, 0.0],
            (1, Some(_)) => [0.0, 0.5],
            (_, Some(_)) => {
                let slope = (b1 - b2) / (1.0 - ratio);
                [slope, b1 - slope]
            }
        };
        let (keep, gain) = (space.noise(to) / space.noise(*sigma), -space.signal(to) * shrink);
        let there = there.unwrap_or(clean);
        let moved = |(((x, c), b), t): (((&f32, &f32), &f32), &f32)| {
            let [x, c, b, t] = [x, c, b, t].map(|v| *v as f64);
            (keep * x + gain * (c + slope * (b - c) / ratio + change * (t - c))) as f32
        };
        from.iter().zip(clean).zip(before).zip(there).map(moved).collect()
    }
}
