//! Turns a plan into pixels: weights, text encoders, denoisers, samplers, VAE, previews.
//!
//! The only crate that knows candle. It decides nothing a painter could want to decide: sizes, masks, steps and seeds come in
//! as [`Request`], resolved by the planner; what a model is comes from its tensors and configuration ([`inspect`]).
//!
//! The story of a picture: [`Model::load`] opens a [`checkpoint`], reads its [`weights`] into [`unet`], [`vae`] and [`clip`],
//! all made of the same few [`layers`]. [`Model::generate`] turns prompts into embeddings ([`text`], over [`tokenizer`] and [`clip`]), draws
//! [`noise`] as PyTorch would, shows [`Control`]s their pictures, lets a rule of [`samplers`] walk down a [`schedule`] and decodes the result.
//!
//! Absent on purpose: networking, the clock, any global state; code from model files (pickles are refused by content).

pub mod checkpoint;
pub mod clip;
pub mod control;
mod error;
mod generate;
mod guidance;
pub mod layers;
mod model;
pub mod noise;
pub mod npy;
mod pixels;
pub mod preview;
pub mod samplers;
pub mod schedule;
mod share;
pub mod text;
pub mod tokenizer;
pub mod unet;
pub mod vae;
pub mod weights;

pub use checkpoint::inspect;
pub use control::{Control, ControlModel, inspect_control};
pub use error::EngineError;
pub use generate::{Request, Saved};
pub use model::{DeviceKind, Dtype, Model, Options};
pub use npy::Npy;
