//! JSON with one meaning or none: duplicate keys and deep nesting are errors, as is anything after the value.
//!
//! Two readers of the same bytes must see the same message; with duplicate keys one takes the first and another
//! the last. The depth bound keeps a hostile header from using up a stack, here or in a peer.

use crate::{Error, Kind};
use serde::Serialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Deepest nesting of objects and arrays; the outermost counts as 1.
pub const MAX_DEPTH: u32 = 32;

/// Reads one JSON object from UTF-8 bytes.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, Error> {
    let parse = |e: serde_json::Error| Error::new(Kind::Parse, format!("The message is not valid JSON: {e}."));
    let text = std::str::from_utf8(bytes).map_err(|_| Error::new(Kind::Parse, "The message is not valid UTF-8."))?;
    let mut de = serde_json::Deserializer::from_str(text);
    let value = Strict { depth: 0 }.deserialize(&mut de).map_err(parse)?;
    de.end().map_err(parse)?;
    match value {
        Value::Object(map) => Ok(map),
        Value::Array(_) => {
            Err(Error::new(Kind::InvalidRequest, "Batches of messages are not supported; send one object per frame."))
        }
        _ => Err(Error::new(Kind::InvalidRequest, "A message must be a JSON object.")),
    }
}

/// Reads `params` as `T`; on failure the error names the member (`data.field`).
pub fn params<T: de::DeserializeOwned>(params: &Map<String, Value>) -> Result<T, Error> {
    serde_path_to_error::deserialize(Params(params)).map_err(|e| {
        let path = e.path().to_string();
        let inner = e.into_inner().to_string();
        // A missing member is reported at its parent; name the member itself.
        let missing = inner.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        let field = match (missing, path.as_str()) {
            (Some(name), ".") => name.to_owned(),
            (Some(name), parent) => format!("{parent}.{name}"),
            (None, path) => path.to_owned(),
        };
        match missing {
            Some(_) => Error::field(&field, format!("`{field}` is missing.")),
            None => Error::field(&field, format!("`{field}` cannot be used: {inner}.")),
        }
    })
}

/// A header as bytes.
pub fn bytes(value: &impl Serialize) -> Vec<u8> {
    // Our own types have string keys and finite numbers, so this cannot fail; an empty object is still a frame.
    serde_json::to_vec(value).unwrap_or_else(|_| b"{}".to_vec())
}

struct Params<'a>(&'a Map<String, Value>);

impl<'de> Deserializer<'de> for Params<'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_map(de::value::MapDeserializer::new(self.0.iter().map(|(k, v)| (k.as_str(), v))))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[derive(Clone, Copy)]
struct Strict {
    /// Objects and arrays around the value.
    depth: u32,
}

impl Strict {
    fn inside<E: de::Error>(self) -> Result<Strict, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH}")));
        }
        Ok(Strict { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut out = Vec::new();
        while let Some(value) = seq.next_element_seed(inside)? {
            out.push(value);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut out = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(inside)?;
            if out.contains_key(&key) {
                return Err(de::Error::custom(format_args!("the key `{}` occurs twice", key.escape_debug())));
            }
            out.insert(key, value);
        }
        Ok(Value::Object(out))
    }
}
