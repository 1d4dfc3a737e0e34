//! Write an Underpaint filter in Rust: one struct, one trait, no dependency.
//!
//! ```
//! use underpaint_filter::{Descriptor, Error, Filter, Param, Request, Tile};
//!
//! struct Sepia {
//!     strength: f32,
//! }
//!
//! impl Filter for Sepia {
//!     fn describe() -> Descriptor {
//!         Descriptor::new("Sepia", "Tints the picture as an old photograph.")
//!             .param(Param::float("strength", "Strength", 0.8, 0.0..=1.0).help("0 leaves the picture as it is."))
//!     }
//!
//!     fn new(request: &Request) -> Result<Self, Error> {
//!         Ok(Sepia { strength: request.float("strength") })
//!     }
//!
//!     fn process(&mut self, tile: Tile) -> Result<Vec<f32>, Error> {
//!         Ok(tile.map(|_x, _y, [r, g, b, a]| {
//!             let grey = 0.299 * r + 0.587 * g + 0.114 * b;
//!             let mix = |from: f32, tint: f32| from + (grey * tint - from) * self.strength;
//!             [mix(r, 1.0), mix(g, 0.85), mix(b, 0.65), a]
//!         }))
//!     }
//! }
//!
//! underpaint_filter::export!(Sepia);
//! # fn main() {}
//! ```
//!
//! `cargo build --release --target wasm32-unknown-unknown` makes the filter: one `.wasm` file, which
//! `underpaint filter run` takes as it is. What a filter may do and what the numbers mean is written in
//! `sdk/filter.wit`; these types are that contract in Rust.
//!
//! Decision: the few types of the contract are written by hand ([`abi`](crate::export) is a few hundred lines), so that an
//! author waits for no code generator and needs no network. Everything but the exports also compiles natively:
//! [`testing`] runs a filter on a picture as the host would, in a unit test or a debugger.

mod abi;
mod descriptor;
pub mod host;
mod noise;
mod request;
pub mod testing;
mod tile;

pub use descriptor::{Color, Descriptor, Kind, Param};
pub use noise::Noise;
pub use request::{Error, Plan, Request, Value};
pub use tile::Tile;

#[doc(hidden)]
pub use abi::{describe, manifest, prepare, process, realloc};

/// A filter. The host makes one value of it per processor core and run, so fields are the place for whatever is
/// worked out once: parameters, tables, kernels.
pub trait Filter: Sized + 'static {
    /// Title, description and parameters. Always the same answer.
    fn describe() -> Descriptor;

    /// Begins a run with the painter's parameters, each already of its kind and inside its range.
    fn new(request: &Request) -> Result<Self, Error>;

    /// How the picture must be cut. Without this method: tiles without a halo, each pixel depends on itself alone.
    fn plan(&self) -> Plan {
        Plan::Tiles { halo: 0 }
    }

    /// The new pixels of the tile's area: `width * height * 4` values, RGBA, see [`Tile`]. Must not depend on which
    /// tiles came before, nor on their size: [`testing::check`] finds out.
    fn process(&mut self, tile: Tile) -> Result<Vec<f32>, Error>;
}

/// Makes a type that implements [`Filter`] the filter of this crate, once, in `lib.rs`.
///
/// Name, version, licence, authors and homepage come from `Cargo.toml`. Limits other than the usual ones are given
/// as `export!(Blur, memory_bytes = 67108864, timeout_ms = 30000)`; `filter.wit` says what they count.
#[macro_export]
macro_rules! export {
    ($filter:ty $(, memory_bytes = $memory:literal)? $(, timeout_ms = $timeout:literal)? $(,)?) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code)]
        const _: () = {
            const FIELDS: &[(&str, &str)] = &[
                ("api", "0.1.0"),
                ("name", env!("CARGO_PKG_NAME")),
                ("version", env!("CARGO_PKG_VERSION")),
                ("license", env!("CARGO_PKG_LICENSE")),
                ("authors", env!("CARGO_PKG_AUTHORS")),
                ("homepage", env!("CARGO_PKG_HOMEPAGE")),
            ];
            const NUMBERS: &[(&str, u64)] = &[$(("memory_bytes", $memory),)? $(("timeout_ms", $timeout),)?];
            const LEN: usize = $crate::manifest::<0>(FIELDS, NUMBERS).1;
            #[unsafe(link_section = "underpaint:filter")]
            #[used]
            static MANIFEST: [u8; LEN] = $crate::manifest::<LEN>(FIELDS, NUMBERS).0;

            #[unsafe(export_name = "cabi_realloc")]
            unsafe extern "C" fn realloc(old: *mut u8, old_len: usize, align: usize, len: usize) -> *mut u8 {
                // SAFETY: the host calls it as the canonical ABI says, which is the function's contract.
                unsafe { $crate::realloc(old, old_len, align, len) }
            }
            #[unsafe(export_name = "underpaint:filter/filter@0.1.0#describe")]
            extern "C" fn describe() -> *const u8 {
                $crate::describe::<$filter>()
            }
            #[unsafe(export_name = "underpaint:filter/filter@0.1.0#prepare")]
            unsafe extern "C" fn prepare(params: *mut u8, count: usize, w: u32, h: u32, scale: f32, seed: u64) -> *const u8 {
                // SAFETY: the host calls it as the canonical ABI says, which is the function's contract.
                unsafe { $crate::prepare::<$filter>(params, count, w, h, scale, seed) }
            }
            #[unsafe(export_name = "underpaint:filter/filter@0.1.0#process")]
            unsafe extern "C" fn process(x: u32, y: u32, w: u32, h: u32, pixels: *mut f32, len: usize) -> *const u8 {
                // SAFETY: the host calls it as the canonical ABI says, which is the function's contract.
                unsafe { $crate::process::<$filter>(x, y, w, h, pixels, len) }
            }
        };
    };
}
