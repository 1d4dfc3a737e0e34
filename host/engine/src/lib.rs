//! Turns a plan into pixels: weights, text encoders, denoisers, samplers, VAE, previews.
//!
//! The only crate that knows candle. It decides nothing a painter could want to decide: sizes, masks, steps and seeds come in
//! as [`Request`], resolved by the planner; what a model is comes from its tensors and configuration ([`inspect`]).
//!
//! The story of a picture: [`Model::load`] opens a [`checkpoint`], reads its [`weights`] into [`unet`], [`vae`] and [`clip`],
//! all made of the same few [`layers`]. [`Model::generate`] turns the prompt into chunks of tokens ([`tokenizer`]) and those into embeddings, draws
//! [`noise`] as PyTorch would (and a [`brownian`] path for the samplers that want one), lets a rule of [`samplers`] walk down a [`schedule`] and decodes the result.
//!
//! Absent on purpose: networking, the clock, any global state; code from model files (pickles are refused by content).

pub mod brownian;
pub mod checkpoint;
pub mod clip;
mod error;
mod generate;
pub mod layers;
mod model;
pub mod noise;
pub mod npy;
mod pixels;
pub mod preview;
pub mod samplers;
pub mod schedule;
mod share;
pub mod tokenizer;
pub mod unet;
pub mod vae;
pub mod weights;

pub use checkpoint::inspect;
pub use error::EngineError;
pub use generate::{Request, Saved};
pub use model::{DeviceKind, Dtype, Model, Options};
pub use npy::Npy;
