//! The contract with the adapters, version 1: what may be said, not how it travels.
//!
//! Types here are plain serde data. Unknown members are ignored, absent ones have a default taken from the
//! model, numbers out of range are errors found by `plan`, never clamped. PROTOCOL.md is the public text.

pub mod generate;
