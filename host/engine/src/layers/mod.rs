//! The few layers all models are made of, in one place, so that a faster kernel takes a layer over without a model noticing.
//!
//! A layer takes its tensors from a [`Scope`](crate::weights::Scope) by diffusers' names and learns its widths from their
//! shapes. Weights and biases can be exchanged while the model is loaded, which is how
//! [`lora`](crate::lora) works. Pictures travel as `[B, C, H, W]`, tokens as `[B, N, C]`.

mod attention;
mod conv;
mod geglu;
mod linear;
mod norm;

pub use attention::{Attention, Seen, Weight, What, attend};
pub use conv::Conv2d;
pub use geglu::GeGlu;
pub use linear::Linear;
pub use norm::{GroupNorm, LayerNorm};
