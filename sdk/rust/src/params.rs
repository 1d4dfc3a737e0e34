//! Parameters as the fields of a struct.

use crate::descriptor::{Color, Control};

/// A parameter's value, as it comes from the host: of its kind, inside its range.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Float(f32),
    /// A whole number.
    Int(i32),
    /// A switch.
    Boolean(bool),
    /// Index of the choice.
    Choice(u32),
    /// A colour.
    Color(Color),
    /// Words.
    Text(String),
    /// A number to draw randomness from.
    Seed(u32),
}

/// A number to draw randomness from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(
    /// Any.
    pub u32,
);

/// All parameters of a filter: what [`params!`](crate::params) makes of a struct. `()` for a filter without any.
pub trait Params: Sized {
    /// The controls, in order.
    fn list() -> Vec<Control>;

    /// The values, in the order of [`Params::list`].
    fn read(values: &mut Values) -> Self;
}

/// The values of a run, one after the other.
pub struct Values(pub(crate) std::vec::IntoIter<Value>);

impl Values {
    /// The next value. Panics when it is of another kind, which cannot be with what [`params!`](crate::params) makes.
    pub fn take<T: Parameter>(&mut self) -> T {
        match self.0.next().and_then(T::from_value) {
            Some(value) => value,
            None => panic!("the host sent other values than the filter's parameters"),
        }
    }
}

/// A type a parameter can have.
pub trait Parameter: Sized {
    /// `None` for a value of another kind.
    fn from_value(value: Value) -> Option<Self>;
}

macro_rules! parameter {
    ($($ty:ty: $case:ident),* $(,)?) => {
        $(impl Parameter for $ty {
            fn from_value(value: Value) -> Option<Self> {
                if let Value::$case(value) = value { Some(value) } else { None }
            }
        })*
    };
}

parameter!(f32: Float, i32: Int, bool: Boolean, Color: Color, String: Text);

impl Parameter for Seed {
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Seed(value) = value { Some(Seed(value)) } else { None }
    }
}

impl Params for () {
    fn list() -> Vec<Control> {
        Vec::new()
    }

    fn read(_: &mut Values) -> Self {}
}

/// The variants of an enum as choices: what [`choices!`](crate::choices) implements.
pub trait Choice: Copy + PartialEq + 'static {
    /// Every choice, its variant's name and what the painter reads.
    const ALL: &'static [(Self, &'static str, &'static str)];
}

/// `SoftLight` as `soft-light`.
pub(crate) fn kebab(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// Parameters as a struct: every field is a control, its comment the control's help, its name the parameter's.
///
/// ```
/// use underpaint_filter::{Param, choices, params};
///
/// params! {
///     /// What the painter sets.
///     pub struct Settings {
///         /// 0 leaves the picture as it is.
///         strength: f32 = Param::float("Strength", 0.5, 0.0..=1.0),
///         /// How far colours run.
///         radius: f32 = Param::float("Radius", 4.0, 0.0..=64.0).step(0.5).unit("px").group("Shape"),
///         edge: Edge = Param::choice("Edge", Edge::Soft).group("Shape"),
///         paper: underpaint_filter::Color = Param::color("Paper", 0xfff8e7),
///     }
/// }
///
/// choices! {
///     /// What lies at the border.
///     pub enum Edge {
///         Soft = "Soft",
///         TornPaper = "Torn paper",
///     }
/// }
/// ```
#[macro_export]
macro_rules! params {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $($(#[doc = $help:literal])* $field:ident: $ty:ty = $param:expr),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $name {
            $($(#[doc = $help])* #[allow(missing_docs)] pub $field: $ty,)*
        }

        impl $crate::Params for $name {
            fn list() -> Vec<$crate::Control> {
                vec![$({
                    let param: $crate::Param<$ty> = $param;
                    param.named(stringify!($field), &[$($help),*])
                }),*]
            }

            fn read(values: &mut $crate::Values) -> Self {
                $name { $($field: values.take(),)* }
            }
        }
    };
}

/// Choices as an enum: every variant with what the painter reads. `SoftLight` is stored as `soft-light`.
#[macro_export]
macro_rules! choices {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $($(#[$of:meta])* $variant:ident = $label:literal),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name {
            $($(#[$of])* #[allow(missing_docs)] $variant,)+
        }

        impl $crate::Choice for $name {
            const ALL: &'static [(Self, &'static str, &'static str)] =
                &[$(($name::$variant, stringify!($variant), $label)),+];
        }

        impl $crate::Parameter for $name {
            fn from_value(value: $crate::Value) -> Option<Self> {
                let $crate::Value::Choice(index) = value else { return None };
                <Self as $crate::Choice>::ALL.get(index as usize).map(|choice| choice.0)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::{Params, Seed, Value, Values};
    use crate::{Color, Kind, Param};

    params! {
        struct All {
            /// More of it,
            /// and more.
            strength: f32 = Param::float("Strength", 0.5, 0.0..=2.0).step(0.25).unit("px").group("Shape"),
            count: i32 = Param::int("Count", 3, 1..=9).step(2),
            on: bool = Param::boolean("On", true),
            edge: Edge = Param::choice("Edge", Edge::TornPaper),
            paper: Color = Param::color("Paper", 0xff8000),
            words: String = Param::text("Words", "hello"),
            seed: Seed = Param::seed("Seed"),
        }
    }

    choices! {
        enum Edge {
            Soft = "Soft",
            TornPaper = "Torn paper",
        }
    }

    #[test]
    fn a_struct_is_its_controls() {
        let list = All::list();
        let names: Vec<&str> = list.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["strength", "count", "on", "edge", "paper", "words", "seed"]);
        assert_eq!((list[0].help.as_str(), list[0].group.as_str()), ("More of it, and more.", "Shape"));
        assert_eq!(list[0].kind, Kind::Float { default: 0.5, min: 0.0, max: 2.0, step: 0.25, unit: "px".into() });
        let choices = vec![("soft".into(), "Soft".into()), ("torn-paper".into(), "Torn paper".into())];
        assert_eq!(list[3].kind, Kind::Choice { default: 1, choices });
        let values = vec![
            Value::Float(1.5),
            Value::Int(4),
            Value::Boolean(false),
            Value::Choice(0),
            Value::Color(Color { r: 0.0, g: 0.5, b: 1.0, a: 1.0 }),
            Value::Text("words".into()),
            Value::Seed(9),
        ];
        let read = All::read(&mut Values(values.into_iter()));
        assert_eq!((read.strength, read.count, read.on, read.edge), (1.5, 4, false, Edge::Soft));
        assert_eq!((read.paper.g, read.words.as_str(), read.seed), (0.5, "words", Seed(9)));
    }
}
