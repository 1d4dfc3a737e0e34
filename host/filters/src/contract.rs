//! `sdk/filter.wit` as Rust types, generated at compile time.
#![allow(missing_docs)]

wasmtime::component::bindgen!({
    path: "../../sdk/filter.wit",
    world: "guest",
    additional_derives: [PartialEq],
    ownership: Borrowing { duplicate_if_necessary: true },
});

pub(crate) use underpaint::filter::types::*;
