//! Turns a plan into pixels: weights, text encoders, denoisers, samplers, VAE, previews.
//!
//! The only crate that knows candle. It decides nothing a painter could want to decide: sizes, masks, steps and seeds come in
//! as [`Request`], resolved by the planner; what a model is comes from its tensors and configuration ([`inspect`]).
//!
//! The story of a picture: [`Model::load`] opens a [`checkpoint`], reads its [`weights`] into [`unet`], [`vae`] and [`clip`],
//! all made of the same few [`layers`], whose weights [`Model::set_loras`] changes and restores ([`lora`]). [`Model::generate`]
//! turns prompts ([`prompt`]) into embeddings ([`text`], over [`tokenizer`] and [`clip`]), draws [`noise`] as PyTorch would (and a
//! [`brownian`] path for the samplers that want one), shows [`Control`]s their pictures, lets a rule of [`samplers`] walk down
//! a [`schedule`] and decodes the result.
//!
//! Beside it: [`upscale`] enlarges pictures by networks of their own, [`depth`] says how near what they show is. What is too large for memory is done in [`tiles`].
//!
//! Absent on purpose: networking, the clock, any global state; code from model files (pickles are refused by content).

pub mod brownian;
pub mod checkpoint;
pub mod clip;
pub mod control;
pub mod depth;
mod device;
mod error;
mod generate;
mod guidance;
pub mod layers;
pub mod lora;
pub mod memory;
mod model;
pub mod noise;
pub mod npy;
mod pillow;
mod pixels;
pub mod preview;
pub mod prompt;
pub mod samplers;
pub mod schedule;
pub mod taesd;
pub mod text;
pub mod tiles;
pub mod tokenizer;
pub mod unet;
pub mod upscale;
pub mod vae;
pub mod weights;

pub use checkpoint::inspect;
pub use control::{Control, ControlModel, inspect_control};
pub use depth::DepthEstimator;
pub use device::{DeviceKind, Dtype};
pub use error::EngineError;
pub use generate::{Region, Request, Saved, Wording};
pub use lora::LoraUse;
pub use model::{Model, Options};
pub use npy::Npy;
pub use upscale::Upscaler;
