//! `sdk/filter.wit` as Rust types, generated at compile time, and the one result that is read where it lies.
#![allow(missing_docs)]

use crate::sandbox::State;
use wasmtime::Store;
use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext};
use wasmtime::component::{ComponentType, Lift, WasmList};

wasmtime::component::bindgen!({
    path: "../../sdk/filter.wit",
    world: "guest",
    additional_derives: [PartialEq],
    ownership: Borrowing { duplicate_if_necessary: true },
});

pub(crate) use underpaint::filter::types::*;

/// `pixels` as a list in the filter's memory, not copied out of it.
#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum PixelsThere {
    #[component(name = "uint8")]
    Uint8(WasmList<u8>),
    #[component(name = "uint16")]
    Uint16(WasmList<u16>),
    #[component(name = "float32")]
    Float32(Floats),
}

/// `list<f32>` in the filter's memory. wasmtime lends lists of whole numbers only, so this is one of their bits.
pub(crate) struct Floats(WasmList<u32>);

impl Floats {
    #[allow(unsafe_code)]
    pub fn as_slice<'a>(&self, store: &'a Store<State>) -> &'a [f32] {
        let bits = self.0.as_le_slice(store);
        // SAFETY: u32 and f32 have one size and alignment, and any bits are a float. Both are read in the machine's own
        // order, which wasmtime makes sure is the filter's wherever we run.
        unsafe { std::slice::from_raw_parts(bits.as_ptr().cast(), bits.len()) }
    }
}

// SAFETY: the layout of a list is a pointer and a length, whatever is in it, and that is all that is said here; whether
// the filter's list holds floats is asked of wasmtime's own `[f32]`.
#[allow(unsafe_code)]
unsafe impl ComponentType for Floats {
    type Lower = <WasmList<u32> as ComponentType>::Lower;
    const ABI: CanonicalAbiInfo = <WasmList<u32> as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<()> {
        <[f32] as ComponentType>::typecheck(ty, types)
    }
}

// SAFETY: bounds and alignment are checked by `WasmList`, for four bytes as for `f32`.
#[allow(unsafe_code)]
unsafe impl Lift for Floats {
    fn linear_lift_from_flat(
        context: &mut LiftContext<'_>,
        ty: InterfaceType,
        from: &Self::Lower,
    ) -> wasmtime::Result<Self> {
        WasmList::linear_lift_from_flat(context, ty, from).map(Self)
    }

    fn linear_lift_from_memory(
        context: &mut LiftContext<'_>,
        ty: InterfaceType,
        bytes: &[u8],
    ) -> wasmtime::Result<Self> {
        WasmList::linear_lift_from_memory(context, ty, bytes).map(Self)
    }
}
