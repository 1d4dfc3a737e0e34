//! DPM-Solver++(3M) of the stochastic equation, multistep (k-diffusion, `sample_dpmpp_3m_sde`, eta 1): the clean latents as a parabola
//! over lambda through the last three predictions. The order grows from the first step that is taken; a step to no noise is of first order.

use super::{Moment, Rule, Space};
use crate::{EngineError, brownian::Brownian};
use std::collections::VecDeque;

/// The path its noise is taken from, and the clean latents predicted at the last steps with the step's length in lambda, newest first.
#[derive(Default)]
pub struct Dpmpp3mSde {
    path: Option<Brownian>,
    known: VecDeque<(Vec<f32>, f64)>,
}

impl Rule for Dpmpp3mSde {
    fn space(&self) -> Space {
        Space::Signal
    }

    fn step(&mut self, at: Moment<'_>) -> Result<(), EngineError> {
        let path = at.path(&mut self.path);
        let Moment { step, latents, seen, .. } = at;
        if step.next == 0.0 {
            latents.copy_from_slice(&seen.clean);
            return Ok(());
        }
        let h = (step.sigma / step.next).ln();
        // With eta 1 a step forgets as much noise as it removes.
        let far = 2.0 * h;
        let keep = (-far).exp();
        let phi2 = (-far).exp_m1() / far + 1.0;
        let phi3 = phi2 / far - 0.5;
        // Weights of the differences between this prediction and the last one, and the last one and that before it.
        let [new, old] = match (self.known.front(), self.known.get(1)) {
            (Some((_, h1)), Some((_, h2))) => {
                let (r0, r1) = (h1 / h, h2 / h);
                let bend = (phi2 * r0 - phi3) / (r0 + r1);
                [(phi2 + bend) / r0, -bend / r1]
            }
            (Some((_, h1)), None) => [phi2 * h / h1, 0.0],
            _ => [0.0, 0.0],
        };
        let one = self.known.front().map_or(&seen.clean, |(clean, _)| clean);
        let two = self.known.get(1).map_or(one, |(clean, _)| clean);
        let lift = step.next * (-(-far).exp_m1()).sqrt();
        let noise = path.noise(step.sigma, step.next);
        for ((((x, c), a), b), n) in latents.iter_mut().zip(&seen.clean).zip(one).zip(two).zip(noise) {
            let [c, a, b] = [c, a, b].map(|v| *v as f64);
            *x = (c + keep * (*x as f64 - c) + new * (c - a) + old * (a - b) + lift * n as f64) as f32;
        }
        self.known.push_front((seen.clean, h));
        self.known.truncate(2);
        Ok(())
    }
}
