//! What a filter tells about itself.

use crate::params::{Choice, Seed};
use std::marker::PhantomData;
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

/// What a painter reads of a filter, and what it wants its pixels to be.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    /// "Film grain".
    pub title: String,
    /// One or two sentences: what it does to the picture.
    pub description: String,
    /// Pixels it wants besides the picture's; at most 8.
    pub inputs: Vec<Input>,
    /// True for linear light, false for sRGB-encoded values.
    pub linear: bool,
}

/// Pixels a filter wants besides the picture's.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// As a parameter's name, and unique among parameters and inputs.
    pub name: String,
    /// What the painter reads.
    pub label: String,
    /// May be empty.
    pub help: String,
    /// Where the pixels come from.
    pub role: Role,
    /// Without it the filter does not run.
    pub required: bool,
}

/// Where an input's pixels come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// The picture as it was before the first pass of this run.
    Original,
    /// What was selected: red is 0 where nothing was, 1 where all was.
    Mask,
    /// What was in the painter's picture before the generated pixels came.
    Before,
    /// What was generated, before any filter and without the soft edge.
    Generated,
    /// Another picture or layer, which the painter chooses. It has a size of its own.
    Image,
}

/// One control, for a value of type `T`: a field of [`params!`](crate::params).
#[derive(Clone, Debug, PartialEq)]
pub struct Param<T> {
    pub(crate) control: Control,
    pub(crate) value: PhantomData<T>,
}

/// One control, in the order in which it is shown. A filter has at most 64.
#[derive(Clone, Debug, PartialEq)]
pub struct Control {
    /// Lower case letters, digits, `-` and `_`, unique in the filter; kept for ever, since presets hold it.
    pub name: String,
    /// What the painter reads beside the control.
    pub label: String,
    /// What more of it does to the picture. May be empty.
    pub help: String,
    /// Controls that follow each other and name the same group are shown under this heading.
    pub group: String,
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
        /// At least 1.
        step: u32,
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
    /// Words, or a text file's content.
    Text {
        /// Shown at first.
        default: String,
        /// The longest, in bytes; at most 16 MiB.
        max_bytes: u32,
        /// Several lines, which may be loaded from a file.
        multiline: bool,
    },
    /// A whole number to draw randomness from, and its default.
    Seed(u32),
}

impl About {
    /// Title and description of a filter that wants sRGB-encoded values and nothing besides the picture.
    pub fn new(title: &str, description: &str) -> Self {
        Self { title: title.into(), description: description.into(), inputs: Vec::new(), linear: false }
    }

    /// The filter wants linear light: twice the number is twice the light.
    pub fn linear(mut self) -> Self {
        self.linear = true;
        self
    }

    /// The filter wants to see this too.
    pub fn input(mut self, input: Input) -> Self {
        self.inputs.push(input);
        self
    }
}

impl Input {
    /// The picture as it was before the first pass: for filters of several passes.
    pub fn original(name: &str) -> Self {
        Self::of(name, "", Role::Original)
    }

    /// What was selected.
    pub fn mask(name: &str, label: &str) -> Self {
        Self::of(name, label, Role::Mask)
    }

    /// What was in the painter's picture before the generated pixels came.
    pub fn before(name: &str, label: &str) -> Self {
        Self::of(name, label, Role::Before)
    }

    /// What was generated, before any filter.
    pub fn generated(name: &str, label: &str) -> Self {
        Self::of(name, label, Role::Generated)
    }

    /// Another picture, which the painter chooses.
    pub fn image(name: &str, label: &str) -> Self {
        Self::of(name, label, Role::Image)
    }

    /// Without it the filter does not run.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// One or two sentences for the painter.
    pub fn help(mut self, help: &str) -> Self {
        self.help = help.into();
        self
    }

    fn of(name: &str, label: &str, role: Role) -> Self {
        Self { name: name.into(), label: label.into(), help: String::new(), role, required: false }
    }
}

impl Param<f32> {
    /// A number with a slider of a hundred steps; see [`Param::step`] and [`Param::unit`].
    pub fn float(label: &str, default: f32, range: RangeInclusive<f32>) -> Self {
        let (min, max) = (*range.start(), *range.end());
        let step = if max > min { (max - min) / 100.0 } else { 1.0 };
        Self::of(label, Kind::Float { default, min, max, step, unit: String::new() })
    }

    /// What one click changes.
    pub fn step(mut self, size: f32) -> Self {
        if let Kind::Float { step, .. } = &mut self.control.kind {
            *step = size;
        }
        self
    }
}

impl Param<i32> {
    /// A whole number with a slider.
    pub fn int(label: &str, default: i32, range: RangeInclusive<i32>) -> Self {
        let (min, max) = (*range.start(), *range.end());
        Self::of(label, Kind::Int { default, min, max, step: 1, unit: String::new() })
    }

    /// What one click changes.
    pub fn step(mut self, size: u32) -> Self {
        if let Kind::Int { step, .. } = &mut self.control.kind {
            *step = size;
        }
        self
    }
}

impl Param<bool> {
    /// A switch.
    pub fn boolean(label: &str, default: bool) -> Self {
        Self::of(label, Kind::Boolean(default))
    }
}

impl<C: Choice> Param<C> {
    /// One of some choices, which [`choices!`](crate::choices) names.
    pub fn choice(label: &str, default: C) -> Self {
        let choices = C::ALL.iter().map(|&(_, name, label)| (crate::params::kebab(name), label.into())).collect();
        let default = C::ALL.iter().position(|&(choice, _, _)| choice == default).unwrap_or(0) as u32;
        Self::of(label, Kind::Choice { default, choices })
    }
}

impl Param<Color> {
    /// A colour, given as 0xRRGGBB, opaque.
    pub fn color(label: &str, default: u32) -> Self {
        let channel = |shift: u32| (default >> shift & 255) as f32 / 255.0;
        Self::of(label, Kind::Color(Color { r: channel(16), g: channel(8), b: channel(0), a: 1.0 }))
    }
}

impl Param<String> {
    /// A line of words, at most 1000 bytes.
    pub fn text(label: &str, default: &str) -> Self {
        Self::of(label, Kind::Text { default: default.into(), max_bytes: 1000, multiline: false })
    }

    /// Several lines, which may be loaded from a file of at most `max_bytes` (16 MiB at most).
    pub fn lines(label: &str, default: &str, max_bytes: u32) -> Self {
        Self::of(label, Kind::Text { default: default.into(), max_bytes, multiline: true })
    }
}

impl Param<Seed> {
    /// A number to draw randomness from, with a button that draws another.
    pub fn seed(label: &str) -> Self {
        Self::of(label, Kind::Seed(0))
    }
}

impl<T> Param<T> {
    /// What stands after the number: "px", "%", "°".
    pub fn unit(mut self, text: &str) -> Self {
        if let Kind::Float { unit, .. } | Kind::Int { unit, .. } = &mut self.control.kind {
            *unit = text.into();
        }
        self
    }

    /// The heading it is shown under, with those before and after it that name the same.
    pub fn group(mut self, group: &str) -> Self {
        self.control.group = group.into();
        self
    }

    /// With the name and the help of a field.
    #[doc(hidden)]
    pub fn named(mut self, name: &str, help: &[&str]) -> Control {
        self.control.name = name.trim_start_matches("r#").into();
        self.control.help = help.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
        self.control
    }

    fn of(label: &str, kind: Kind) -> Self {
        let control =
            Control { name: String::new(), label: label.into(), help: String::new(), group: String::new(), kind };
        Self { control, value: PhantomData }
    }
}
