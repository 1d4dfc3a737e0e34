//! The scenes: each lays in one subject, back to front, from the facts. No strokes here; the manner comes later.

mod city;
mod desert;
mod field;
mod flowers;
mod forest;
mod hills;
mod lake;
mod material;
mod mountains;
mod sea;
mod sky;
mod snow;
mod still_life;
mod things;

use crate::facts::{Facts, Subject};
use crate::rng::Rng;
use crate::sketch::Sketch;

/// Lays in the scene of `facts`.
pub fn lay_in(facts: &Facts, sketch: &mut Sketch, rng: &mut Rng) {
    match facts.subject {
        Subject::Sea => sea::lay_in(facts, sketch, rng),
        Subject::Lake => lake::lay_in(facts, sketch, rng),
        Subject::Hills => hills::lay_in(facts, sketch, rng),
        Subject::Mountains => mountains::lay_in(facts, sketch, rng),
        Subject::Forest => forest::lay_in(facts, sketch, rng),
        Subject::Field => field::lay_in(facts, sketch, rng),
        Subject::Snow => snow::lay_in(facts, sketch, rng),
        Subject::Desert => desert::lay_in(facts, sketch, rng),
        Subject::City => city::lay_in(facts, sketch, rng),
        Subject::StillLife => still_life::lay_in(facts, sketch, rng),
        Subject::Flowers => flowers::lay_in(facts, sketch, rng),
        Subject::Material => material::lay_in(facts, sketch, rng),
    }
}
