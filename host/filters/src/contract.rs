//! `sdk/filter.wit` as Rust types, generated at compile time, and the one result that is read where it lies.
#![allow(missing_docs)]

use wasmtime::component::{ComponentType, Lift, WasmList};

wasmtime::component::bindgen!({
    path: "../../sdk/filter.wit",
    world: "guest",
    additional_derives: [PartialEq],
    ownership: Borrowing { duplicate_if_necessary: true },
});

pub(crate) use underpaint::filter::types::*;

/// `pixels` as a list in the filter's memory, not copied out of it. wasmtime lends integers only: floats are copied.
#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum PixelsThere {
    #[component(name = "uint8")]
    Uint8(WasmList<u8>),
    #[component(name = "uint16")]
    Uint16(WasmList<u16>),
    #[component(name = "float32")]
    Float32(Vec<f32>),
}
