//! Filling what is under a mask from what is around it.
//!
//! Three answers to three questions: [`push_pull`] gives a diffusion model smooth colours to start from,
//! [`neutral`] gives it nothing to hold on to, and [`exemplar`] needs no model at all: it rebuilds the
//! hole from patches of the picture itself. All are pure and deterministic, none depends on the number
//! of threads, and all return pixels under mask 0 bit-identical.

mod exemplar;
mod neutral;
mod push_pull;

pub use exemplar::{Options, exemplar, exemplar_with};
pub use neutral::neutral;
pub use push_pull::push_pull;
