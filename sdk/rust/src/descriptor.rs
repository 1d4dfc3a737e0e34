//! What a filter tells about itself.

use std::ops::RangeInclusive;

/// sRGB-encoded with straight alpha, each value 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Color {
    /// Red.
    pub r: f32,
    /// Green.
    pub g: f32,
    /// Blue.
    pub b: f32,
    /// Opacity.
    pub a: f32,
}

/// What a painter sees of a filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Descriptor {
    /// "Film grain".
    pub title: String,
    /// One or two sentences: what it does to the picture.
    pub description: String,
    /// The controls, in the order in which they are shown; at most 64.
    pub params: Vec<Param>,
}

/// One control.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Lower case letters, digits, `-` and `_`, unique in the filter; kept for ever, since presets hold it.
    pub name: String,
    /// What the painter reads beside the control.
    pub label: String,
    /// What more of it does to the picture. May be empty.
    pub help: String,
    /// Which values it takes.
    pub kind: Kind,
}

/// Which values a parameter takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A number; `step` is what one click changes.
    Float {
        /// Inside `min..=max`.
        default: f32,
        /// Smallest value.
        min: f32,
        /// Largest value.
        max: f32,
        /// Above 0.
        step: f32,
        /// Shown after the number.
        unit: String,
    },
    /// A whole number.
    Int {
        /// Inside `min..=max`.
        default: i32,
        /// Smallest value.
        min: i32,
        /// Largest value.
        max: i32,
        /// Shown after the number.
        unit: String,
    },
    /// A switch and its default.
    Boolean(bool),
    /// One of some choices, `(name, label)`, and the default's index.
    Choice {
        /// Index in `choices`.
        default: u32,
        /// Names are made as a parameter's name is; labels are what the painter reads.
        choices: Vec<(String, String)>,
    },
    /// A colour and its default.
    Color(Color),
}

impl Descriptor {
    /// A filter without parameters yet.
    pub fn new(title: &str, description: &str) -> Self {
        Self { title: title.into(), description: description.into(), params: Vec::new() }
    }

    /// Adds a control below the others.
    pub fn param(mut self, param: Param) -> Self {
        self.params.push(param);
        self
    }
}

impl Param {
    /// A number with a slider of a hundred steps; see [`Param::step`] and [`Param::unit`].
    pub fn float(name: &str, label: &str, default: f32, range: RangeInclusive<f32>) -> Self {
        let (min, max) = (*range.start(), *range.end());
        let step = if max > min { (max - min) / 100.0 } else { 1.0 };
        Self::of(name, label, Kind::Float { default, min, max, step, unit: String::new() })
    }

    /// A whole number with a slider.
    pub fn int(name: &str, label: &str, default: i32, range: RangeInclusive<i32>) -> Self {
        Self::of(name, label, Kind::Int { default, min: *range.start(), max: *range.end(), unit: String::new() })
    }

    /// A switch.
    pub fn boolean(name: &str, label: &str, default: bool) -> Self {
        Self::of(name, label, Kind::Boolean(default))
    }

    /// One of some choices, given as `(name, label)`; the first is the default.
    pub fn choice(name: &str, label: &str, choices: &[(&str, &str)]) -> Self {
        let choices = choices.iter().map(|&(name, label)| (name.into(), label.into())).collect();
        Self::of(name, label, Kind::Choice { default: 0, choices })
    }

    /// A colour.
    pub fn color(name: &str, label: &str, default: Color) -> Self {
        Self::of(name, label, Kind::Color(default))
    }

    /// One or two sentences: what more of it does to the picture.
    pub fn help(mut self, help: &str) -> Self {
        self.help = help.into();
        self
    }

    /// What stands after the number: "px", "%", "°".
    pub fn unit(mut self, text: &str) -> Self {
        if let Kind::Float { unit, .. } | Kind::Int { unit, .. } = &mut self.kind {
            *unit = text.into();
        }
        self
    }

    /// What one click changes, for a [`Param::float`].
    pub fn step(mut self, size: f32) -> Self {
        if let Kind::Float { step, .. } = &mut self.kind {
            *step = size;
        }
        self
    }

    fn of(name: &str, label: &str, kind: Kind) -> Self {
        Self { name: name.into(), label: label.into(), help: String::new(), kind }
    }
}
