//! JSON-RPC 2.0 headers: who asks what, and who is answered.

use crate::{Error, Kind, json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;

/// Largest integer id: what a JavaScript number holds exactly.
pub const MAX_INT_ID: u64 = (1 << 53) - 1;
/// Longest string id in bytes.
pub const MAX_TEXT_ID: usize = 64;

/// Name of a request, chosen by the client, unique among its pending ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Id {
    /// 0..=2^53-1.
    Int(u64),
    /// 1..=64 bytes.
    Text(String),
}

impl Id {
    /// Reads an id; `None` for anything that may not be one.
    pub fn from_value(value: &Value) -> Option<Id> {
        match value {
            Value::Number(n) => n.as_u64().filter(|&n| n <= MAX_INT_ID).map(Id::Int),
            Value::String(s) if (1..=MAX_TEXT_ID).contains(&s.len()) => Some(Id::Text(s.clone())),
            _ => None,
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Int(n) => write!(f, "{n}"),
            Id::Text(s) => write!(f, "{s:?}"),
        }
    }
}

/// One header, understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Wants exactly one response.
    Request {
        /// Repeated in the response.
        id: Id,
        /// E.g. `generate`.
        method: String,
        /// Absent ones read as empty.
        params: Map<String, Value>,
    },
    /// Wants no response.
    Notification {
        /// E.g. `blob/put`.
        method: String,
        /// Absent ones read as empty.
        params: Map<String, Value>,
    },
    /// The answer to a request.
    Response {
        /// `None` when the other side could not tell which request it was.
        id: Option<Id>,
        /// Result or error.
        outcome: Result<Value, Error>,
    },
}

/// A header that is no message.
#[derive(Clone, Debug, PartialEq)]
pub enum Malformed {
    /// Not one strict JSON object: answer with `id: null`, then close.
    Fatal(Error),
    /// A well-formed object with bad content: answer it, the connection lives.
    Answer(Option<Id>, Error),
}

impl Message {
    /// Reads the header of `frame`. A response that was too long for a header has its result in the tail.
    pub fn parse(frame: &crate::frame::Frame<'_>) -> Result<Message, Malformed> {
        let mut object = json::object(frame.header).map_err(Malformed::Fatal)?;
        let id = object.get("id").map(|v| (v.is_null(), Id::from_value(v)));
        let known = id.as_ref().and_then(|(_, id)| id.clone());
        let invalid = |message: &str| Malformed::Answer(known.clone(), Error::new(Kind::InvalidRequest, message));
        if object.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(invalid("A message must say \"jsonrpc\":\"2.0\"."));
        }
        let Some(method) = object.remove("method") else {
            let outcome = response_outcome(&mut object, frame.tail).map_err(|m| invalid(&m))?;
            return Ok(Message::Response { id: known, outcome });
        };
        let Value::String(method) = method else {
            return Err(invalid("`method` must be a string."));
        };
        let params = match object.remove("params") {
            None => Map::new(),
            Some(Value::Object(map)) => map,
            Some(_) => {
                return Err(Malformed::Answer(
                    known,
                    Error::field("params", "`params` must be an object with named members."),
                ));
            }
        };
        match id {
            None => Ok(Message::Notification { method, params }),
            Some((_, Some(id))) => Ok(Message::Request { id, method, params }),
            Some(_) => Err(invalid("`id` must be an integer from 0 to 2^53-1 or a string of 1 to 64 bytes.")),
        }
    }
}

fn response_outcome(object: &mut Map<String, Value>, tail: &[u8]) -> Result<Result<Value, Error>, String> {
    if let Some(error) = object.get("error") {
        return Ok(Err(Error::from_value(error)));
    }
    if object.get("tail").and_then(Value::as_str) == Some("result") {
        return serde_json::from_slice(tail)
            .map(Ok)
            .map_err(|e| format!("The result in the tail is not valid JSON: {e}."));
    }
    object.remove("result").map(Ok).ok_or_else(|| "A message must have `method`, `result` or `error`.".to_owned())
}

/// A request as one frame, if it is short enough for one.
pub fn request(id: &Id, method: &str, params: &impl Serialize, tail: &[u8]) -> Result<Vec<u8>, Error> {
    let header = json::bytes(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
    let (bytes, most) = (header.len(), crate::frame::MAX_HEADER_BYTES);
    if bytes > most as usize {
        let message =
            format!("The request has {bytes} bytes; at most {most} fit a message, so its texts must be shorter.");
        return Err(Error::new(Kind::TooLarge, message));
    }
    Ok(crate::frame::encode(&header, tail))
}

/// A notification as one frame.
pub fn notification(method: &str, params: &impl Serialize, tail: &[u8]) -> Vec<u8> {
    crate::frame::encode(&notification_header(method, params), tail)
}

/// The header of a notification, for tails that are written separately.
pub fn notification_header(method: &str, params: &impl Serialize) -> Vec<u8> {
    json::bytes(&json!({ "jsonrpc": "2.0", "method": method, "params": params }))
}

/// A response as one frame. A result too long for a header (many models, a long receipt) travels as JSON in the
/// tail and the header says `"tail":"result"`.
pub fn response(id: Option<&Id>, outcome: &Result<Value, Error>) -> Vec<u8> {
    let header = match outcome {
        Ok(result) => json::bytes(&json!({ "jsonrpc": "2.0", "id": id, "result": result })),
        Err(error) => json::bytes(&json!({ "jsonrpc": "2.0", "id": id, "error": error.to_value() })),
    };
    if header.len() <= crate::frame::MAX_HEADER_BYTES as usize {
        return crate::frame::encode(&header, &[]);
    }
    let tail = match outcome {
        Ok(result) => json::bytes(result),
        Err(_) => Vec::new(),
    };
    if outcome.is_err() || tail.len() > 8 << 20 {
        let error = Error::new(Kind::TooLarge, "The answer is too long for one message.");
        return crate::frame::encode(
            &json::bytes(&json!({ "jsonrpc": "2.0", "id": id, "error": error.to_value() })),
            &[],
        );
    }
    crate::frame::encode(&json::bytes(&json!({ "jsonrpc": "2.0", "id": id, "tail": "result" })), &tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::MAX_HEADER_BYTES;

    #[test]
    fn a_request_that_no_message_holds_is_a_sentence() {
        let request = |bytes: usize| request(&Id::Int(1), "generate", &json!({ "prompt": "a".repeat(bytes) }), &[]);
        let around = request(0).unwrap().len() - 8;
        let most = MAX_HEADER_BYTES as usize - around;
        assert_eq!(request(most).unwrap().len(), MAX_HEADER_BYTES as usize + 8);
        let error = request(most + 1).unwrap_err();
        assert_eq!(error.kind, Kind::TooLarge);
        assert!(error.message.contains("65537 bytes") && error.message.contains("at most 65536"), "{error}");
    }
}
