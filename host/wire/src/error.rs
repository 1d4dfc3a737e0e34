//! What can go wrong, in one table: a code for JSON-RPC, a kind for programs, a sentence for the painter.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// Whose problem an error is and what may be done about it; programs look only at this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The header is not strict JSON; the connection ends.
    Parse,
    /// Not a request this protocol knows how to read.
    InvalidRequest,
    /// No such method.
    UnknownMethod,
    /// A parameter is missing, of the wrong type or out of range; `data.field` names it.
    InvalidParams,
    /// A fault of the daemon's own.
    Internal,
    /// Wrong or missing token.
    Unauthorized,
    /// No protocol version in common; `data.min` and `data.max` tell the daemon's.
    UnsupportedProtocol,
    /// Beyond a limit told in `hello`.
    TooLarge,
    /// The blob was never completed, was freed, or was refused.
    NoSuchBlob,
    /// Unknown, forgotten or expired job.
    NoSuchJob,
    /// Not an id of `models/list`.
    NoSuchModel,
    /// The model's file is damaged or of a family that cannot do this.
    ModelUnusable,
    /// The device has too little memory.
    OutOfMemory,
    /// The queue is full.
    Busy,
    /// A filter trapped, overran its limits or returned nonsense.
    FilterFailed,
    /// The engine could not compute this.
    EngineFailed,
    /// The daemon is ending.
    ShuttingDown,
    /// The owner no longer wants the job.
    Cancelled,
    /// A newer live job took this one's place.
    Superseded,
}

/// Every kind with its name on the wire, its JSON-RPC code, and whether trying again later can help.
pub const TABLE: [(Kind, &str, i32, bool); 19] = [
    (Kind::Parse, "parse", -32700, false),
    (Kind::InvalidRequest, "invalid_request", -32600, false),
    (Kind::UnknownMethod, "unknown_method", -32601, false),
    (Kind::InvalidParams, "invalid_params", -32602, false),
    (Kind::Internal, "internal", -32603, false),
    (Kind::Unauthorized, "unauthorized", -32001, false),
    (Kind::UnsupportedProtocol, "unsupported_protocol", -32002, false),
    (Kind::TooLarge, "too_large", -32003, false),
    (Kind::NoSuchBlob, "no_such_blob", -32004, false),
    (Kind::NoSuchJob, "no_such_job", -32005, false),
    (Kind::NoSuchModel, "no_such_model", -32006, false),
    (Kind::ModelUnusable, "model_unusable", -32007, false),
    (Kind::OutOfMemory, "out_of_memory", -32008, true),
    (Kind::Busy, "busy", -32009, true),
    (Kind::FilterFailed, "filter_failed", -32010, false),
    (Kind::EngineFailed, "engine_failed", -32011, false),
    (Kind::ShuttingDown, "shutting_down", -32012, true),
    (Kind::Cancelled, "cancelled", -32800, false),
    (Kind::Superseded, "superseded", -32800, false),
];

impl Kind {
    fn row(self) -> &'static (Kind, &'static str, i32, bool) {
        // Every kind has a row; a test walks them. The first row is only there to make this total.
        TABLE.iter().find(|row| row.0 == self).unwrap_or(&TABLE[0])
    }

    /// The name on the wire, e.g. `no_such_blob`.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The JSON-RPC error code.
    pub fn code(self) -> i32 {
        self.row().2
    }

    /// True if the same request may succeed later.
    pub fn is_retryable(self) -> bool {
        self.row().3
    }
}

/// An error as it travels: `{"code", "message", "data": {"kind", "retryable", …}}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// Whose problem it is.
    pub kind: Kind,
    /// One sentence for a painter: what is wrong, and what would be right.
    pub message: String,
    /// Further members of `data`, e.g. `field`, `blob`, `needed_bytes`.
    pub data: Map<String, Value>,
}

impl Error {
    /// An error without further data.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), data: Map::new() }
    }

    /// Bad parameters; `field` is the path of the offending member, e.g. `canvas.rect.w`.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidParams, message).with("field", field)
    }

    /// Adds a member to `data`.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.data.insert(key.to_owned(), value.into());
        self
    }

    /// The error as a JSON object.
    pub fn to_value(&self) -> Value {
        let mut data = self.data.clone();
        data.insert("kind".into(), self.kind.name().into());
        data.insert("retryable".into(), self.kind.is_retryable().into());
        serde_json::json!({ "code": self.kind.code(), "message": self.message, "data": data })
    }

    /// Reads an error object of a peer; a kind this version does not know counts as [`Kind::Internal`].
    pub fn from_value(value: &Value) -> Self {
        let mut data = value["data"].as_object().cloned().unwrap_or_default();
        let name = data.remove("kind");
        data.remove("retryable");
        let kind = name.and_then(|n| serde_json::from_value(n).ok()).unwrap_or(Kind::Internal);
        let message = value["message"].as_str().unwrap_or("The other side reported an error without a message.");
        Self { kind, message: message.to_owned(), data }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_table_are_the_names_on_the_wire() {
        for (kind, name, code, retryable) in TABLE {
            assert_eq!(serde_json::to_value(kind).unwrap(), name);
            assert_eq!((kind.name(), kind.code(), kind.is_retryable()), (name, code, retryable));
            let error = Error::new(kind, "A sentence.").with("field", "steps");
            assert_eq!(Error::from_value(&error.to_value()), error);
        }
    }

    #[test]
    fn protocol_md_has_the_same_table() {
        let text = include_str!("../PROTOCOL.md");
        for (_, name, code, retryable) in TABLE {
            let row = format!("| {code} | `{name}` | {} |", if retryable { "yes" } else { "no" });
            assert!(text.contains(&row), "PROTOCOL.md section 7 lacks: {row}");
        }
    }
}
