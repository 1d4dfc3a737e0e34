//! Version 0.1.0: one pass, `f32`, sRGB, no inputs.
#![allow(missing_docs)]

use crate::contract as now;

wasmtime::component::bindgen!({
    path: "wit/since_0_1.wit",
    world: "guest",
    ownership: Borrowing { duplicate_if_necessary: true },
});

use underpaint::filter::types as then;

pub fn descriptor(said: then::Descriptor) -> now::Descriptor {
    let then::Descriptor { title, description, params } = said;
    now::Descriptor {
        title,
        description,
        params: params.into_iter().map(param).collect(),
        inputs: Vec::new(),
        samples: vec![now::Sample::Float32],
        encoding: now::Encoding::Srgb,
    }
}

fn param(said: then::Param) -> now::Param {
    let then::Param { name, label, help, kind } = said;
    let kind = match kind {
        then::ParamKind::Float(then::FloatRange { default, min, max, step, unit }) => {
            now::ParamKind::Float(now::FloatRange { default, min, max, step, unit })
        }
        then::ParamKind::Int(then::IntRange { default, min, max, unit }) => {
            now::ParamKind::Int(now::IntRange { default, min, max, step: 1, unit })
        }
        then::ParamKind::Boolean(default) => now::ParamKind::Boolean(default),
        then::ParamKind::Choice(then::ChoiceList { default, choices }) => {
            let choice = |then::Choice { name, label }| now::Choice { name, label };
            now::ParamKind::Choice(now::ChoiceList { default, choices: choices.into_iter().map(choice).collect() })
        }
        then::ParamKind::Color(then::Color { r, g, b, a }) => now::ParamKind::Color(now::Color { r, g, b, a }),
    };
    now::Param { name, label, help, group: String::new(), kind }
}

/// Every kind there can be in what [`descriptor`] made.
pub fn values(values: &[now::ParamValue<'_>]) -> Vec<then::ParamValue> {
    let value = |value: &now::ParamValue<'_>| match *value {
        now::ParamValue::Float(v) => Some(then::ParamValue::Float(v)),
        now::ParamValue::Int(v) => Some(then::ParamValue::Int(v)),
        now::ParamValue::Boolean(v) => Some(then::ParamValue::Boolean(v)),
        now::ParamValue::Choice(v) => Some(then::ParamValue::Choice(v)),
        now::ParamValue::Color(now::Color { r, g, b, a }) => Some(then::ParamValue::Color(then::Color { r, g, b, a })),
        now::ParamValue::Text(_) | now::ParamValue::Seed(_) => None,
    };
    values.iter().filter_map(value).collect()
}

pub fn request<'a>(now: &now::Request<'_>, params: &'a [then::ParamValue]) -> then::Request<'a> {
    then::Request { params, width: now.width, height: now.height, scale: now.scale, seed: now.seed }
}

pub fn plan(said: then::Plan, width: u32, height: u32) -> now::Plan {
    let passes = match said {
        then::Plan::Unchanged => vec![],
        then::Plan::Tiles(halo) => vec![now::Pass::Tiles(halo)],
        then::Plan::WholePicture => vec![now::Pass::WholePicture],
    };
    now::Plan { width, height, passes }
}

/// `None` for pixels of another type, which were never asked for.
pub fn tile<'a>(now: &now::Tile<'a>) -> Option<then::Tile<'a>> {
    let now::PixelsParam::Float32(pixels) = now.pixels else { return None };
    let area = now.area;
    Some(then::Tile { x: area.x as u32, y: area.y as u32, width: area.width, height: area.height, pixels })
}

pub fn error(said: then::Error) -> now::Error {
    match said {
        then::Error::BadParameter(then::BadParameter { name, message }) => {
            now::Error::BadParameter(now::BadParameter { name, message })
        }
        then::Error::Failed(message) => now::Error::Failed(message),
    }
}
