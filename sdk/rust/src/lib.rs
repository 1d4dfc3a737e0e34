//! Write an Underpaint filter in Rust: one struct, one trait, no dependency.
//!
//! ```
//! use underpaint_filter::{About, Error, Filter, Param, Request, Tile, params};
//!
//! params! {
//!     /// What the painter sets.
//!     pub struct Settings {
//!         /// 0 leaves the picture as it is.
//!         strength: f32 = Param::float("Strength", 0.8, 0.0..=1.0),
//!     }
//! }
//!
//! /// Sepia: a first filter.
//! pub struct Sepia {
//!     strength: f32,
//! }
//!
//! impl Filter for Sepia {
//!     type Sample = f32;
//!     type Params = Settings;
//!
//!     fn about() -> About {
//!         About::new("Sepia", "Tints the picture as an old photograph.")
//!     }
//!
//!     fn new(params: Settings, _: &mut Request<f32>) -> Result<Self, Error> {
//!         Ok(Sepia { strength: params.strength })
//!     }
//!
//!     fn process(&mut self, tile: Tile<f32>) -> Result<Vec<f32>, Error> {
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
pub mod color;
mod descriptor;
pub mod host;
pub mod math;
mod noise;
mod palette;
mod params;
mod request;
pub mod resample;
mod sample;
pub mod simd;
pub mod testing;
mod tile;

pub use descriptor::{About, Color, Control, Input, Kind, Param, Role};
pub use noise::Noise;
pub use palette::palette;
pub use params::{Choice, Parameter, Params, Seed, Value, Values};
pub use request::{Error, Given, Pass, Plan, Request};
pub use sample::{Image, Sample};
pub use tile::{Padded, Rect, Tile};

#[doc(hidden)]
pub use abi::{
    Entry, List, RawPixels, RawTile, describe, entry, learn, manifest, prepare, process, raw_pixels, realloc, survey,
};

/// A filter. The host makes one value of it per processor core and run, so fields are the place for whatever is
/// worked out once: parameters, tables, kernels.
pub trait Filter: Sized + 'static {
    /// The type of one value of a pixel: `f32`, `u8` or `u16`. A filter for several is generic over it.
    type Sample: Sample;

    /// What the painter sets, made with [`params!`]; `()` for nothing.
    type Params: Params;

    /// Title, description, further inputs. Always the same answer.
    fn about() -> About;

    /// Begins a run with the painter's parameters, each already inside its range.
    fn new(params: Self::Params, request: &mut Request<Self::Sample>) -> Result<Self, Error>;

    /// How the picture must be cut. Without this method each pixel depends on itself alone.
    fn plan(&self) -> Plan {
        Plan::pointwise()
    }

    /// The new pixels of the tile's area: `width * height * 4` values, RGBA, see [`Tile`]. Must not depend on which
    /// tiles came before, nor on their size: [`testing::check`] finds out.
    fn process(&mut self, tile: Tile<Self::Sample>) -> Result<Vec<Self::Sample>, Error>;

    /// What is to be known of a tile of a [`Pass::Survey`], in bytes of the filter's own making, at most 65536. The
    /// tiles of a survey are always the same for a picture.
    fn survey(&mut self, _tile: Tile<Self::Sample>) -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }

    /// All answers to a survey, in the order of its tiles, row by row. Called in every instance before the next pass.
    fn learn(&mut self, _pass: u32, _answers: Vec<Vec<u8>>) -> Result<(), Error> {
        Ok(())
    }
}

/// Makes a type that implements [`Filter`] the filter of this crate, once, in `lib.rs`; or several, one for each
/// sample type: `export!(Blur<u8>, Blur<f32>)`. What they tell about themselves is asked of the first.
///
/// Name, version, licence, authors and homepage come from `Cargo.toml`. Limits other than the usual ones are given
/// as `export!(Blur; memory_bytes = 67108864, timeout_ms = 30000)`; `filter.wit` says what they count.
#[macro_export]
macro_rules! export {
    ($($filter:ty),+ $(; $(memory_bytes = $memory:literal)? $(,)? $(timeout_ms = $timeout:literal)?)?) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code)]
        const _: () = {
            const FIELDS: &[(&str, &str)] = &[
                ("api", "1.0.0"),
                ("name", env!("CARGO_PKG_NAME")),
                ("version", env!("CARGO_PKG_VERSION")),
                ("license", env!("CARGO_PKG_LICENSE")),
                ("authors", env!("CARGO_PKG_AUTHORS")),
                ("homepage", env!("CARGO_PKG_HOMEPAGE")),
            ];
            const NUMBERS: &[(&str, u64)] = &[$($(("memory_bytes", $memory),)? $(("timeout_ms", $timeout),)?)?];
            const LEN: usize = $crate::manifest::<0>(FIELDS, NUMBERS).1;
            #[unsafe(link_section = "underpaint:filter")]
            #[used]
            static MANIFEST: [u8; LEN] = $crate::manifest::<LEN>(FIELDS, NUMBERS).0;

            const ENTRIES: &[$crate::Entry] = &[$($crate::entry::<$filter>()),+];

            // All of these are called by the host alone, as the canonical ABI says: that is what each of the functions
            // they call asks of its caller.
            #[unsafe(export_name = "cabi_realloc")]
            unsafe extern "C" fn realloc(old: *mut u8, old_len: usize, align: usize, len: usize) -> *mut u8 {
                // SAFETY: see above.
                unsafe { $crate::realloc(old, old_len, align, len) }
            }
            #[unsafe(export_name = "underpaint:filter/filter@1.0.0#describe")]
            extern "C" fn describe() -> *const u8 {
                $crate::describe(ENTRIES)
            }
            #[unsafe(export_name = "underpaint:filter/filter@1.0.0#prepare")]
            unsafe extern "C" fn prepare(
                params: *mut u8,
                params_len: usize,
                width: u32,
                height: u32,
                sample: u32,
                scale: f32,
                seed: u64,
                inputs: *mut u8,
                inputs_len: usize,
            ) -> *const u8 {
                let (params, inputs) = ((params, params_len), (inputs, inputs_len));
                // SAFETY: see above.
                unsafe { $crate::prepare(ENTRIES, params, width, height, sample, scale, seed, inputs) }
            }
            $crate::__tile_export!("underpaint:filter/filter@1.0.0#process", process);
            $crate::__tile_export!("underpaint:filter/filter@1.0.0#survey", survey);
            #[unsafe(export_name = "underpaint:filter/filter@1.0.0#learn")]
            unsafe extern "C" fn learn(pass: u32, answers: *mut u8, len: usize) -> *const u8 {
                // SAFETY: see above.
                unsafe { $crate::learn(pass, (answers, len)) }
            }
        };
    };
}

/// A function of the contract that takes a tile.
#[doc(hidden)]
#[macro_export]
macro_rules! __tile_export {
    ($name:literal, $function:ident) => {
        #[unsafe(export_name = $name)]
        unsafe extern "C" fn $function(
            pass: u32,
            area_x: i32,
            area_y: i32,
            area_width: u32,
            area_height: u32,
            source_x: i32,
            source_y: i32,
            source_width: u32,
            source_height: u32,
            sample: u32,
            pixels: *mut u8,
            len: usize,
            inputs: *mut $crate::RawPixels,
            inputs_len: usize,
        ) -> *const u8 {
            let area = $crate::Rect { x: area_x, y: area_y, width: area_width, height: area_height };
            let source = $crate::Rect { x: source_x, y: source_y, width: source_width, height: source_height };
            let pixels = $crate::raw_pixels(sample, pixels, len);
            // SAFETY: the host calls this as the canonical ABI says.
            unsafe { $crate::$function($crate::RawTile { pass, area, source, pixels, inputs: (inputs, inputs_len) }) }
        }
    };
}
