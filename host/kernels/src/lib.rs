//! The arithmetic a diffusion model spends its time in: convolution, linear layers, attention,
//! normalisation and activations, for the CPU over `f32` slices and for NVIDIA cards (feature `cuda`),
//! behind functions that take and return candle tensors.
//!
//! Decisions, and why:
//! - *One matrix product.* `gemm` holds the only hot inner loop; convolution, linear layers and
//!   attention differ in how they lay its operands out and in what they do with a finished
//!   tile. Weights are laid out for it once ([`PackedConv`], [`PackedLinear`]) and replace the
//!   original tensor, kept in 16 bits where that loses nothing (`kept`): weights are most of a model's memory.
//! - *One source for every processor.* `simd` compiles the same bodies for AVX-512, for AVX2 with
//!   FMA and for the baseline of the target (SSE2, NEON), and picks one at run time.
//! - *All threads, nothing serial.* Work is cut into tasks over the rayon pool; every task owns its
//!   part of the output, and its scratch memory is a few hundred KiB kept per thread.
//! - *Other devices and types.* On the CPU every other type is computed in `f32` and rounded
//!   back. On NVIDIA cards of compute capability 8.0 and up kernels of our own (`nvidia`, `cuda/*.cu`) convolve, attend,
//!   normalise and add, on the matrix units where there is something to multiply; cuBLAS does the linear layers; everything
//!   else, and every other device, is done with candle's operations.
//! - *Inference only.* Results do not carry gradients.
//!
//! `unsafe` is allowed in this crate alone: vector instructions chosen at run time and
//! several threads writing disjoint parts of one output cannot be said without it, nor can the launch of a kernel on a card. Each block
//! states why it is sound, and the tests run each one on every instruction set the machine has, and on its card.
#![allow(unsafe_code)]

mod activation;
mod attention;
mod conv;
mod device;
mod gather;
mod gemm;
mod kept;
#[cfg(all(target_os = "linux", any(feature = "cuda", test)))]
mod libraries;
mod linear;
mod norm;
#[cfg(feature = "cuda")]
mod nvidia;
mod output;
mod simd;
mod tensor;

pub use activation::{add_channels, geglu, gelu, leaky_relu, prelu, quick_gelu, silu};
pub use attention::attention;
pub use candle_core::Result;
pub use conv::{PackedConv, conv2d};
pub use device::{cuda, memory, round_products};
pub use linear::{PackedLinear, linear};
pub use norm::{group_norm, layer_norm};

#[cfg(test)]
mod reference;
