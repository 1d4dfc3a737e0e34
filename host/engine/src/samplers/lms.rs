//! Linear multistep of up to fourth order: the polynomial through the last predictions, integrated over the step
//! (Adams and Bashforth on uneven levels; k-diffusion, `sample_lms`). The order grows from the first step that is taken;
//! diffusers 0.42 counts those left out by image to image too, so there it makes another, wrong picture.

use super::{Moment, Rule, Space};
use crate::EngineError;
use std::collections::VecDeque;

const ORDER: usize = 4;

/// The last predictions with their levels, newest first.
#[derive(Default)]
pub struct Lms {
    known: VecDeque<(f64, Vec<f32>)>,
}

impl Rule for Lms {
    fn space(&self) -> Space {
        Space::Signal
    }

    fn step(&mut self, at: Moment<'_>) -> Result<(), EngineError> {
        let Moment { step, latents, seen, .. } = at;
        self.known.push_front((step.sigma, seen.noise));
        self.known.truncate(ORDER);
        let levels: Vec<f64> = self.known.iter().map(|(sigma, _)| *sigma).collect();
        for (i, (_, epsilon)) in self.known.iter().enumerate() {
            let weight = weight(&levels, i, step.sigma, step.next) as f32;
            latents.iter_mut().zip(epsilon).for_each(|(x, e)| *x += weight * e);
        }
        Ok(())
    }
}

/// The integral from `from` to `to` of the polynomial that is 1 at level `i` and 0 at the others. Two points of Gauss and
/// Legendre are exact up to degree 3, which is [`ORDER`] - 1.
fn weight(levels: &[f64], i: usize, from: f64, to: f64) -> f64 {
    let (middle, half) = ((from + to) / 2.0, (to - from) / 2.0);
    let basis = |at: f64| -> f64 {
        let others = levels.iter().enumerate().filter(|(k, _)| *k != i);
        others.map(|(_, level)| (at - level) / (levels[i] - level)).product()
    };
    let away = half / 3f64.sqrt();
    half * (basis(middle - away) + basis(middle + away))
}
