//! Everything that can go wrong with a filter, by whose problem it is.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A filter and why it was refused or stopped. Displayed as one sentence for a painter.
#[derive(Clone, Debug, PartialEq, Error, Serialize, Deserialize)]
#[error("filter {filter}: {reason}")]
pub struct FilterError {
    /// The filter's name; the file's where no name could be read.
    pub filter: String,
    /// What happened.
    pub reason: Reason,
}

/// Why a filter was refused or stopped.
#[derive(Clone, Debug, PartialEq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    // The file is not a filter this host takes.
    /// The file cannot be read, or the cache folder not be made.
    #[error("{0}")]
    Io(String),
    /// More bytes than [`MAX_BYTES`](crate::MAX_BYTES).
    #[error("the file has {0} bytes, at most {max} are taken", max = crate::MAX_BYTES)]
    TooLarge(u64),
    /// Truncated, random, or of a feature that is switched off.
    #[error("the file is not WebAssembly that may run here: {0}")]
    NotWasm(String),
    /// It wants something from the machine that no filter gets.
    #[error(
        "it asks for {0}, but a filter may only use underpaint:filter/host@1.0.0: no console, file or clock (build Rust for wasm32-unknown-unknown; in C leave out printf and its like)"
    )]
    Import(String),
    /// It lacks the functions of the contract, or they have other types.
    #[error("it is not a filter as sdk/filter.wit says: {0}")]
    Contract(String),
    /// The manifest is missing or says something impossible.
    #[error("its manifest (custom section underpaint:filter) {0}")]
    Manifest(String),
    /// `describe` answered something impossible.
    #[error("its description is wrong: {0}")]
    Description(String),
    /// It is signed, but the signature is not that of this file.
    #[error("its signature (custom section underpaint:signature) does not hold: {0}")]
    Signature(String),
    /// The painter's list of installed filters says otherwise.
    #[error("{0}")]
    NotAsInstalled(String),
    /// Compiling it took more time or memory than a filter is worth, or broke the compiler.
    #[error("it cannot be compiled: {0}")]
    Compile(String),
    /// A filter of this name is there already.
    #[error("there already is a filter of this name, version {0}; remove one of the two")]
    NameTaken(String),

    // The caller asks for something that is not there.
    /// No such filter; the names there are.
    #[error("there is no filter of this name; there are: {0}")]
    Unknown(String),
    /// A parameter that does not exist or has a wrong value.
    #[error("parameter {name}: {message}")]
    BadParameter {
        /// The parameter.
        name: String,
        /// What is wrong and what would be right.
        message: String,
    },

    // The filter misbehaved while running; the picture is as it was.
    /// It crashed.
    #[error("it crashed: {0}")]
    Trap(String),
    /// It ran longer than it may.
    #[error("it was stopped after {0} ms, the time its manifest allows")]
    Timeout(u64),
    /// It wanted more memory than it may have, in bytes.
    #[error("it wanted more than the {0} bytes of memory it may have")]
    Memory(u64),
    /// Its pixels cannot be used.
    #[error("it returned bad pixels: {0}")]
    BadOutput(String),
    /// It gave up, in its own words.
    #[error("{0}")]
    Failed(String),

    // Nobody's fault.
    /// The job was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The sandbox itself failed.
    #[error("the sandbox failed: {0}")]
    Sandbox(String),
}

impl Reason {
    /// One word for the protocol: `trap`, `timeout`, `memory` and `bad_output` are a filter's misbehaviour,
    /// `failed` its own refusal, `bad_parameter` and `unknown` the caller's mistake, `refused` a file that is no filter.
    pub fn word(&self) -> &'static str {
        match self {
            Reason::Io(_) | Reason::TooLarge(_) | Reason::NotWasm(_) | Reason::Import(_) => "refused",
            Reason::Contract(_) | Reason::Manifest(_) | Reason::Description(_) | Reason::NameTaken(_) => "refused",
            Reason::Compile(_) | Reason::Signature(_) | Reason::NotAsInstalled(_) => "refused",
            Reason::Unknown(_) => "unknown",
            Reason::BadParameter { .. } => "bad_parameter",
            Reason::Trap(_) => "trap",
            Reason::Timeout(_) => "timeout",
            Reason::Memory(_) => "memory",
            Reason::BadOutput(_) => "bad_output",
            Reason::Failed(_) => "failed",
            Reason::Cancelled => "cancelled",
            Reason::Sandbox(_) => "sandbox",
        }
    }

    pub(crate) fn of(self, filter: &str) -> FilterError {
        FilterError { filter: filter.into(), reason: self }
    }
}

/// Text from a filter or its file, fit to be shown: no control characters, no line breaks, at most `max` bytes.
pub(crate) fn plain(text: &str, max: usize) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let c = if c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            ' '
        } else {
            c
        };
        if out.len() + c.len_utf8() > max {
            break;
        }
        out.push(c);
    }
    out.trim().into()
}
