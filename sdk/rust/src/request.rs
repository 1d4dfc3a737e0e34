//! One run: what the painter asked for, how the filter wants its pixels, why it may give up.

use crate::{Color, Descriptor, Kind};

/// One run of a filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Parameter names and values, in the order of the descriptor.
    pub params: Vec<(String, Value)>,
    /// Width of the whole picture in pixels.
    pub width: u32,
    /// Height of the whole picture in pixels.
    pub height: u32,
    /// 1 for the picture itself; below 1 for a preview reduced by this factor: multiply lengths in pixels by it.
    pub scale: f32,
    /// All randomness comes from this number and a pixel's position, see [`Noise`](crate::Noise).
    pub seed: u64,
}

/// A parameter's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a [`Kind::Float`].
    Float(f32),
    /// Of a [`Kind::Int`].
    Int(i32),
    /// Of a [`Kind::Boolean`].
    Boolean(bool),
    /// Of a [`Kind::Choice`]: the choice's name.
    Choice(String),
    /// Of a [`Kind::Color`].
    Color(Color),
}

/// How a run goes, decided from its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// With these parameters the picture stays as it is; nothing more is called.
    Unchanged,
    /// Tiles on all cores.
    Tiles {
        /// How many pixels on every side of a tile its result depends on, 0..=512.
        halo: u32,
    },
    /// One tile, the whole picture, on one core: only for what cannot be done in tiles.
    WholePicture,
}

/// Why a filter gives up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// These parameters do not go together: the parameter's name, and what would be right.
    BadParameter(String, String),
    /// One sentence for the painter.
    Failed(String),
}

impl Request {
    /// The descriptor's defaults for a picture of this size: what tests start from.
    pub fn defaults(descriptor: &Descriptor, width: u32, height: u32) -> Self {
        let params = descriptor.params.iter().map(|p| {
            let value = match &p.kind {
                Kind::Float { default, .. } => Value::Float(*default),
                Kind::Int { default, .. } => Value::Int(*default),
                Kind::Boolean(default) => Value::Boolean(*default),
                Kind::Choice { default, choices } => Value::Choice(choices[*default as usize].0.clone()),
                Kind::Color(default) => Value::Color(*default),
            };
            (p.name.clone(), value)
        });
        Self { params: params.collect(), width, height, scale: 1.0, seed: 0 }
    }

    /// The same request with one parameter changed. Panics on a name the filter does not have.
    pub fn with(mut self, name: &str, value: Value) -> Self {
        match self.params.iter_mut().find(|(param, _)| param == name) {
            Some((_, old)) => *old = value,
            None => panic!("there is no parameter {name:?}"),
        }
        self
    }

    /// The value of a float. Panics, as the others below do, on a name that `describe` does not give that kind: a
    /// mistake in the filter, which its first unit test finds.
    pub fn float(&self, name: &str) -> f32 {
        match self.value(name) {
            Value::Float(value) => *value,
            other => wrong_kind(name, "float", other),
        }
    }

    /// The value of a whole number.
    pub fn int(&self, name: &str) -> i32 {
        match self.value(name) {
            Value::Int(value) => *value,
            other => wrong_kind(name, "int", other),
        }
    }

    /// The value of a switch.
    pub fn boolean(&self, name: &str) -> bool {
        match self.value(name) {
            Value::Boolean(value) => *value,
            other => wrong_kind(name, "boolean", other),
        }
    }

    /// The name of the choice.
    pub fn choice(&self, name: &str) -> &str {
        match self.value(name) {
            Value::Choice(value) => value,
            other => wrong_kind(name, "choice", other),
        }
    }

    /// The value of a colour.
    pub fn color(&self, name: &str) -> Color {
        match self.value(name) {
            Value::Color(value) => *value,
            other => wrong_kind(name, "color", other),
        }
    }

    fn value(&self, name: &str) -> &Value {
        match self.params.iter().find(|(param, _)| param == name) {
            Some((_, value)) => value,
            None => panic!("there is no parameter {name:?}"),
        }
    }
}

fn wrong_kind(name: &str, wanted: &str, is: &Value) -> ! {
    // No `{is:?}`: printing floats would add 20 KB to every filter.
    let is = match is {
        Value::Float(_) => "float",
        Value::Int(_) => "int",
        Value::Boolean(_) => "boolean",
        Value::Choice(_) => "choice",
        Value::Color(_) => "color",
    };
    panic!("parameter {name:?} is not a {wanted} but a {is}")
}
