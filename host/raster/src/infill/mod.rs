//! Filling what is under a mask from what is around it.
//!
//! Four answers to four questions: [`push_pull`] gives a diffusion model smooth colours to start from (with a little
//! [`grain`]), [`outward`] continues a picture over its old border, [`neutral`] gives a model nothing to hold on to, and
//! [`exemplar`] needs no model at all: it rebuilds the hole from patches of the picture itself. All are pure and
//! deterministic, none depends on the number of threads, and all return pixels under mask 0 bit-identical.

mod exemplar;
mod grain;
mod neutral;
mod outward;
mod push_pull;

pub use exemplar::{Options, exemplar, exemplar_with, rebuild};
pub use grain::grain;
pub use neutral::neutral;
pub use outward::outward;
pub use push_pull::push_pull;
