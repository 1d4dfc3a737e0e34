//! The contract with the adapters, version 1: what may be said and how it is laid out in bytes.
//!
//! PROTOCOL.md beside this crate is the public text; every table in it is a type or a constant here.
//! Nothing in this crate opens a socket, reads a clock or starts a thread: [`frame::Reader`] is fed bytes and
//! hands out frames, [`rpc::Message`] makes sense of their headers, the other modules are the vocabulary.
//!
//! Decisions: lengths are checked before anything is allocated for them; JSON is read strictly (one meaning or
//! none: no duplicate keys, bounded depth); unknown members are ignored so that newer peers can talk to older
//! ones; numbers out of range are errors, never clamped.

pub mod blob;
pub mod control;
pub mod error;
pub mod event;
pub mod frame;
pub mod generate;
pub mod hello;
pub mod history;
pub mod image;
pub mod json;
pub mod methods;
pub mod pairing;
pub mod proof;
pub mod rpc;
pub mod websocket;

pub use error::{Error, Kind};
