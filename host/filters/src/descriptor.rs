//! What callers see of a filter, and how their parameters become what the filter gets.

use crate::contract as wit;
use crate::error::{Reason, plain};
use crate::package::{Manifest, is_name};
use crate::picture::{Encoding, Sample};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A filter as `filters/list` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Descriptor {
    /// What a [`Call`](crate::Call) names.
    pub name: String,
    /// The author's version.
    pub version: String,
    /// "Film grain".
    pub title: String,
    /// One or two sentences: what it does to the picture.
    pub description: String,
    /// SPDX expression; empty if the author gave none.
    pub license: String,
    /// Empty if the author gave none.
    pub authors: String,
    /// Empty if the author gave none.
    pub homepage: String,
    /// The controls, in order.
    pub params: Vec<Param>,
    /// What it wants to see besides the picture.
    pub inputs: Vec<Input>,
    /// The sample types it takes.
    pub samples: Vec<Sample>,
    /// What its numbers stand for.
    pub encoding: Encoding,
    /// What it asks for, and at most gets.
    pub limits: Limits,
    /// SHA-256 of the wasm file, in hexadecimal.
    pub sha256: String,
    /// Public ed25519 key of the author who signed the file, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
}

/// What a filter may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory of each instance in bytes, besides room for four tiles.
    pub memory_bytes: u64,
    /// Milliseconds for each megapixel, or part of one, of the picture.
    pub timeout_ms: u64,
}

/// One control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Param {
    /// Unique in the filter.
    pub name: String,
    /// What the painter reads beside the control.
    pub label: String,
    /// What more of it does to the picture; may be empty.
    pub help: String,
    /// The heading it stands under, with those before and after it that name the same; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Which values it takes.
    #[serde(flatten)]
    pub kind: Kind,
}

/// Which values a parameter takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Kind {
    /// A JSON number in `min..=max`.
    Float {
        /// Used when a call leaves it out.
        default: f64,
        /// Smallest value.
        min: f64,
        /// Largest value.
        max: f64,
        /// What one click changes.
        step: f64,
        /// Shown after the number; may be empty.
        unit: String,
    },
    /// A JSON integer in `min..=max`.
    Int {
        /// Used when a call leaves it out.
        default: i32,
        /// Smallest value.
        min: i32,
        /// Largest value.
        max: i32,
        /// What one click changes.
        step: u32,
        /// Shown after the number; may be empty.
        unit: String,
    },
    /// `true` or `false`.
    Bool {
        /// Used when a call leaves it out.
        default: bool,
    },
    /// The name of one of the choices.
    Choice {
        /// Used when a call leaves it out.
        default: String,
        /// At least one.
        choices: Vec<Choice>,
    },
    /// `"#rrggbb"` or `"#rrggbbaa"`, sRGB with straight alpha.
    Color {
        /// Used when a call leaves it out.
        default: String,
    },
    /// A string.
    Text {
        /// Used when a call leaves it out.
        default: String,
        /// The longest, in bytes of UTF-8.
        max_bytes: u32,
        /// Several lines, which may come from a file.
        multiline: bool,
    },
    /// A whole number that only serves to draw randomness from.
    Seed {
        /// Used when a call leaves it out.
        default: u32,
    },
}

/// Pixels a filter wants besides the picture's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Unique among parameters and inputs.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The picture before the filter.
    Original,
    /// What was selected.
    Mask,
    /// What was there before the generated pixels came.
    Before,
    /// What was generated, before any filter.
    Generated,
    /// Another picture, which the painter chooses.
    Image,
}

/// One of the values of a [`Kind::Choice`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// What a call says.
    pub name: String,
    /// What the painter reads.
    pub label: String,
}

impl Descriptor {
    /// Checks what the filter says of itself; a control that cannot be drawn or set is refused here.
    pub(crate) fn new(manifest: &Manifest, sha256: String, said: wit::Descriptor) -> Result<Self, Reason> {
        if said.params.len() > 64 {
            return Err(Reason::Description(format!(
                "it has {} parameters, at most 64 may be shown",
                said.params.len()
            )));
        }
        let title = plain(&said.title, 80);
        if title.is_empty() {
            return Err(Reason::Description("the title is empty".into()));
        }
        let mut params: Vec<Param> = Vec::new();
        for param in said.params {
            let param = Param::new(param)?;
            if params.iter().any(|p| p.name == param.name) {
                return Err(Reason::Description(format!("parameter {} is there twice", param.name)));
            }
            params.push(param);
        }
        if said.inputs.len() > 8 {
            return Err(Reason::Description(format!("it has {} inputs, at most 8 may be shown", said.inputs.len())));
        }
        let mut inputs: Vec<Input> = Vec::new();
        for input in said.inputs {
            let input = Input::new(input)?;
            if inputs.iter().map(|i| &i.name).chain(params.iter().map(|p| &p.name)).any(|name| *name == input.name) {
                return Err(Reason::Description(format!("input {} has a name that is there already", input.name)));
            }
            inputs.push(input);
        }
        let mut samples: Vec<Sample> = said.samples.into_iter().map(Sample::from).collect();
        samples.sort_unstable();
        samples.dedup();
        let encoding = Encoding::from(said.encoding);
        if samples.is_empty() {
            return Err(Reason::Description("it takes no sample type; at least one of uint8, uint16, float32".into()));
        }
        if encoding == Encoding::Linear && samples[0] == Sample::Uint8 {
            return Err(Reason::Description("it wants linear light in 8 bits, which are too few; use float32".into()));
        }
        let Manifest { name, version, license, authors, homepage, memory_bytes, timeout_ms, signer, .. } =
            manifest.clone();
        let limits = Limits { memory_bytes, timeout_ms };
        Ok(Self {
            name,
            version,
            title,
            description: plain(&said.description, 1000),
            license,
            authors,
            homepage,
            params,
            inputs,
            samples,
            encoding,
            limits,
            sha256,
            signer,
        })
    }

    /// One value for each parameter: the call's where it has one, else the default.
    pub(crate) fn values<'a>(&'a self, call: &'a Map<String, Value>) -> Result<Vec<wit::ParamValue<'a>>, Reason> {
        if let Some(name) = call.keys().find(|name| self.params.iter().all(|p| p.name != **name)) {
            let known: Vec<&str> = self.params.iter().map(|p| p.name.as_str()).collect();
            let known = if known.is_empty() { "it has none".into() } else { format!("it has {}", known.join(", ")) };
            return Err(Reason::BadParameter {
                name: plain(name, 64),
                message: format!("the filter does not have it; {known}"),
            });
        }
        let value = |p: &'a Param| {
            let given = call.get(&p.name);
            p.kind.value(given).map_err(|message| Reason::BadParameter { name: p.name.clone(), message })
        };
        self.params.iter().map(value).collect()
    }

    /// Finds pictures for inputs that do not exist or take none.
    pub(crate) fn check_images<'a>(&self, mut images: impl Iterator<Item = &'a String>) -> Result<(), Reason> {
        let takes = |name: &String| self.inputs.iter().any(|i| i.role == Role::Image && i.name == *name);
        let Some(name) = images.find(|name| !takes(name)) else { return Ok(()) };
        let known: Vec<&str> = self.inputs.iter().filter(|i| i.role == Role::Image).map(|i| i.name.as_str()).collect();
        let known = if known.is_empty() { "it takes none".into() } else { format!("it takes {}", known.join(", ")) };
        let message = format!("the filter does not take a picture of this name; {known}");
        Err(Reason::BadParameter { name: plain(name, 64), message })
    }

    /// The JSON value of a parameter written as text, as on a command line (`strength=0.5`). What does not fit the
    /// kind stays a string, for [`Filters::check`](crate::Filters::check) to refuse with the reason.
    pub fn parse(&self, name: &str, text: &str) -> Value {
        match self.params.iter().find(|p| p.name == name).map(|p| &p.kind) {
            Some(Kind::Float { .. } | Kind::Int { .. } | Kind::Bool { .. } | Kind::Seed { .. }) => {
                match serde_json::from_str(text) {
                    Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
                    _ => json!(text),
                }
            }
            _ => json!(text),
        }
    }
}

/// The longest text a parameter may ask for, in bytes.
const MAX_TEXT: u32 = 16 << 20;

impl Input {
    fn new(said: wit::Input) -> Result<Self, Reason> {
        if !is_name(&said.name) {
            let name = plain(&said.name, 80);
            return Err(Reason::Description(format!(
                "input {name:?}: a name is 1 to 64 lower case letters, digits, - and _"
            )));
        }
        let role = match said.role {
            wit::Role::Original => Role::Original,
            wit::Role::Mask => Role::Mask,
            wit::Role::Before => Role::Before,
            wit::Role::Generated => Role::Generated,
            wit::Role::Image => Role::Image,
        };
        let label = plain(&said.label, 80);
        let label = if label.is_empty() { said.name.clone() } else { label };
        Ok(Self { name: said.name, label, help: plain(&said.help, 500), role, required: said.required })
    }
}

impl Param {
    fn new(said: wit::Param) -> Result<Self, Reason> {
        if !is_name(&said.name) {
            let name = plain(&said.name, 80);
            return Err(Reason::Description(format!(
                "parameter {name:?}: a name is 1 to 64 lower case letters, digits, - and _"
            )));
        }
        let kind =
            Kind::new(said.kind).map_err(|what| Reason::Description(format!("parameter {}: {what}", said.name)))?;
        let label = plain(&said.label, 80);
        let label = if label.is_empty() { said.name.clone() } else { label };
        Ok(Self { name: said.name, label, help: plain(&said.help, 500), group: plain(&said.group, 80), kind })
    }
}

impl Kind {
    fn new(said: wit::ParamKind) -> Result<Self, String> {
        Ok(match said {
            wit::ParamKind::Float(wit::FloatRange { default, min, max, step, unit }) => {
                let finite = [default, min, max, step].iter().all(|v| v.is_finite());
                if !finite || !(min..=max).contains(&default) || step <= 0.0 {
                    return Err(format!(
                        "default {default} must be in {min}..={max}, step {step} above 0, and all of them finite"
                    ));
                }
                let [default, min, max, step] = [default, min, max, step].map(decimal);
                Kind::Float { default, min, max, step, unit: plain(&unit, 16) }
            }
            wit::ParamKind::Int(wit::IntRange { default, min, max, step, unit }) => {
                if !(min..=max).contains(&default) || step == 0 {
                    return Err(format!("default {default} must be in {min}..={max}, and step {step} above 0"));
                }
                Kind::Int { default, min, max, step, unit: plain(&unit, 16) }
            }
            wit::ParamKind::Boolean(default) => Kind::Bool { default },
            wit::ParamKind::Choice(list) => {
                if list.choices.len() > 64 {
                    return Err(format!("it has {} choices, at most 64 may be shown", list.choices.len()));
                }
                let mut choices: Vec<Choice> = Vec::new();
                for choice in list.choices {
                    if !is_name(&choice.name) || choices.iter().any(|c| c.name == choice.name) {
                        return Err(format!(
                            "the choice {:?} has no proper name, or one that is there twice",
                            plain(&choice.name, 80)
                        ));
                    }
                    choices.push(Choice { label: plain(&choice.label, 80), name: choice.name });
                }
                let default =
                    choices.get(list.default as usize).ok_or("the default is not among the choices")?.name.clone();
                Kind::Choice { default, choices }
            }
            wit::ParamKind::Color(wit::Color { r, g, b, a }) => {
                if ![r, g, b, a].iter().all(|v| (0.0..=1.0).contains(v)) {
                    return Err("each value of a colour must be in 0..=1".into());
                }
                let [r, g, b, a] = [r, g, b, a].map(|v| (v * 255.0).round() as u8);
                Kind::Color { default: format!("#{r:02x}{g:02x}{b:02x}{a:02x}") }
            }
            wit::ParamKind::Text(wit::TextField { default, max_bytes, multiline }) => {
                if !(1..=MAX_TEXT).contains(&max_bytes) || default.len() > max_bytes as usize {
                    return Err(format!(
                        "max-bytes {max_bytes} must be in 1..={MAX_TEXT}, and the default no longer than that"
                    ));
                }
                Kind::Text { default, max_bytes, multiline }
            }
            wit::ParamKind::Seed(default) => Kind::Seed { default },
        })
    }

    fn value<'a>(&'a self, given: Option<&'a Value>) -> Result<wit::ParamValue<'a>, String> {
        match self {
            Kind::Float { default, min, max, .. } => {
                let value = given.map_or(Some(*default), Value::as_f64).filter(|v| (*min..=*max).contains(v));
                value
                    .map(|v| wit::ParamValue::Float(v as f32))
                    .ok_or_else(|| wrong(given, &format!("a number from {min} to {max}")))
            }
            Kind::Int { default, min, max, .. } => {
                let value = given.map_or(Some(i64::from(*default)), Value::as_i64).and_then(|v| i32::try_from(v).ok());
                let value = value.filter(|v| (*min..=*max).contains(v));
                value
                    .map(wit::ParamValue::Int)
                    .ok_or_else(|| wrong(given, &format!("a whole number from {min} to {max}")))
            }
            Kind::Bool { default } => {
                let value = given.map_or(Some(*default), Value::as_bool);
                value.map(wit::ParamValue::Boolean).ok_or_else(|| wrong(given, "true or false"))
            }
            Kind::Choice { default, choices } => {
                let name = given.map_or(Some(default.as_str()), Value::as_str);
                let index = name.and_then(|name| choices.iter().position(|c| c.name == name));
                let names = || choices.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
                index
                    .map(|i| wit::ParamValue::Choice(i as u32))
                    .ok_or_else(|| wrong(given, &format!("one of {}", names())))
            }
            Kind::Color { default } => {
                let color = given.map_or(Some(default.as_str()), Value::as_str).and_then(color);
                color.map(wit::ParamValue::Color).ok_or_else(|| wrong(given, "a colour as #rrggbb or #rrggbbaa"))
            }
            Kind::Text { default, max_bytes, .. } => {
                let text = given.map_or(Some(default.as_str()), Value::as_str);
                let text = text.filter(|text| text.len() <= *max_bytes as usize);
                text.map(wit::ParamValue::Text)
                    .ok_or_else(|| wrong(given, &format!("a text of at most {max_bytes} bytes")))
            }
            Kind::Seed { default } => {
                let value = given.map_or(Some(u64::from(*default)), Value::as_u64).and_then(|v| u32::try_from(v).ok());
                value.map(wit::ParamValue::Seed).ok_or_else(|| wrong(given, "a whole number from 0 to 4294967295"))
            }
        }
    }
}

fn wrong(given: Option<&Value>, right: &str) -> String {
    let given = plain(&given.map(Value::to_string).unwrap_or_default(), 80);
    format!("{given} is not {right}")
}

fn color(text: &str) -> Option<wit::Color> {
    let hex =
        text.strip_prefix('#').filter(|h| matches!(h.len(), 6 | 8) && h.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let channel =
        |i: usize| u8::from_str_radix(hex.get(i * 2..i * 2 + 2).unwrap_or("ff"), 16).map(|v| f32::from(v) / 255.0).ok();
    Some(wit::Color { r: channel(0)?, g: channel(1)?, b: channel(2)?, a: channel(3)? })
}

/// 0.1 for 0.1f32, where a cast would give 0.10000000149.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

impl From<wit::Sample> for Sample {
    fn from(said: wit::Sample) -> Self {
        match said {
            wit::Sample::Uint8 => Sample::Uint8,
            wit::Sample::Uint16 => Sample::Uint16,
            wit::Sample::Float32 => Sample::Float32,
        }
    }
}

impl From<Sample> for wit::Sample {
    fn from(sample: Sample) -> Self {
        match sample {
            Sample::Uint8 => wit::Sample::Uint8,
            Sample::Uint16 => wit::Sample::Uint16,
            Sample::Float32 => wit::Sample::Float32,
        }
    }
}

impl From<wit::Encoding> for Encoding {
    fn from(said: wit::Encoding) -> Self {
        match said {
            wit::Encoding::Srgb => Encoding::Srgb,
            wit::Encoding::Linear => Encoding::Linear,
        }
    }
}
