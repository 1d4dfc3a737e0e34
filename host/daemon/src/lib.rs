//! The daemon and the command line of Underpaint, as a library so that tests can call what the binary calls.
//!
//! This is the only crate that knows sockets, clocks, files and the terminal. [`cli`] turns arguments into requests,
//! `server` turns frames into requests, and both end in the same function, `worker::run`, which is the product on
//! one page.

pub mod cli;
pub mod client;
pub mod config;
pub mod controls;
pub mod filters;
pub mod history;
pub mod home;
pub mod loras;
pub mod models;
pub mod picture;
mod platform;
mod playground;
mod previewing;
pub mod prompts;
pub mod receipt;
mod refining;
pub mod save;
pub mod server;
pub mod styles;
mod thumbnail;
pub mod timing;
pub mod worker;
