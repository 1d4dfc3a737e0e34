//! Vectors of 128 bits: 16 bytes, 8 half words or 4 floats at once, which is what wasm has.
//!
//! Plain loops may or may not be turned into vector code by the compiler, and where they are not, a filter runs 3 to 20
//! times slower than it could. These types always become vector code:
//!
//! ```
//! use underpaint_filter::simd::{f32x4, load, store};
//!
//! /// Doubles every value, up to 1.
//! fn brighten(row: &mut [f32]) {
//!     let (vectors, rest) = row.as_chunks_mut::<4>();
//!     for values in vectors {
//!         let v: f32x4 = load(values);
//!         store((v + v).min(f32x4::splat(1.0)), values);
//!     }
//!     rest.iter_mut().for_each(|v| *v = (*v + *v).min(1.0));
//! }
//! # let mut row = [0.25; 5];
//! # brighten(&mut row);
//! # assert_eq!(row, [0.5; 5]);
//! ```
//!
//! A pixel of floats is one `f32x4`, four pixels of bytes are one `u8x16`; [`Tile::padded`](crate::Tile::padded) gives
//! rows that are whole vectors. Cut rows with `as_chunks`, or to one length before the loop: then the checks of every
//! `load` are gone when it is compiled.
//!
//! Decision: the operations are those that wasm has as one instruction and that mean the same on every machine, so
//! that a filter makes the same picture, bit by bit, in wasm and in a test on the author's machine. What wasm calls
//! an operation is what it is called here: `raw` is `core::arch::wasm32` itself, or the same names in SSE2, or in
//! plain arrays. There is no fused multiply-add and no reciprocal, which differ between processors.
#![allow(unsafe_code, non_camel_case_types)]

#[cfg(not(any(all(target_arch = "wasm32", target_feature = "simd128"), target_arch = "x86_64")))]
#[path = "plain.rs"]
mod raw;
#[cfg(target_arch = "x86_64")]
#[path = "x86.rs"]
mod raw;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use core::arch::wasm32 as raw;

// So that both are held to the same tests.
#[cfg(all(test, target_arch = "x86_64"))]
#[allow(dead_code)]
mod plain;

mod math;

use raw::v128;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Sub};

/// 128 bits seen as values of one type.
pub trait Vector: Copy {
    /// The type of one value.
    type Value: Copy + Default + 'static;
    /// How many values there are.
    const LANES: usize;
    #[doc(hidden)]
    fn of(bits: v128) -> Self;
    #[doc(hidden)]
    fn bits(self) -> v128;
}

/// The first values of a slice. Panics if there are fewer than a vector holds.
#[inline(always)]
pub fn load<V: Vector>(values: &[V::Value]) -> V {
    let values = &values[..V::LANES];
    // SAFETY: the slice holds a vector of values, which are plain numbers of 16 bytes in all; no alignment is asked for.
    V::of(unsafe { raw::v128_load(values.as_ptr().cast()) })
}

/// Writes a vector to the beginning of a slice. Panics if there is too little room.
#[inline(always)]
pub fn store<V: Vector>(vector: V, values: &mut [V::Value]) {
    let values = &mut values[..V::LANES];
    // SAFETY: as for `load`; any bits are a number.
    unsafe { raw::v128_store(values.as_mut_ptr().cast(), vector.bits()) }
}

macro_rules! vector {
    ($(#[$doc:meta])* $name:ident: [$value:ty; $lanes:literal], splat: $splat:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        #[repr(transparent)]
        pub struct $name(v128);

        impl Vector for $name {
            type Value = $value;
            const LANES: usize = $lanes;
            #[inline(always)]
            fn of(bits: v128) -> Self {
                Self(bits)
            }
            #[inline(always)]
            fn bits(self) -> v128 {
                self.0
            }
        }

        impl $name {
            /// The same value everywhere.
            #[inline(always)]
            pub fn splat(value: $value) -> Self {
                Self(raw::$splat(value))
            }

            /// These values.
            #[inline(always)]
            pub fn new(values: [$value; $lanes]) -> Self {
                load(&values)
            }

            /// Its values.
            #[inline(always)]
            pub fn to_array(self) -> [$value; $lanes] {
                let mut values = [<$value>::default(); $lanes];
                store(self, &mut values);
                values
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.to_array().fmt(f)
            }
        }
    };
}

macro_rules! operators {
    ($name:ident: $($operator:ident $method:ident = $raw:ident),* $(,)?) => {
        $(impl $operator for $name {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self(raw::$raw(self.0, other.0))
            }
        })*
    };
}

macro_rules! methods {
    ($name:ident: $($(#[$doc:meta])* $method:ident($($arg:ident),*) -> $out:ident = $raw:ident),* $(,)?) => {
        impl $name {
            $($(#[$doc])*
            #[inline(always)]
            pub fn $method(self $(, $arg: Self)*) -> $out {
                $out(raw::$raw(self.0 $(, $arg.0)*))
            })*
        }
    };
}

vector! {
    /// Sixteen bytes: four pixels of `u8`.
    u8x16: [u8; 16], splat: u8x16_splat
}
vector! {
    /// Eight `u16`: two pixels.
    u16x8: [u16; 8], splat: u16x8_splat
}
vector! {
    /// Eight `i16`: two pixels of `u8` with room to reckon.
    i16x8: [i16; 8], splat: i16x8_splat
}
vector! {
    /// Four `i32`: sums of products of `i16`, bits of floats.
    i32x4: [i32; 4], splat: i32x4_splat
}
vector! {
    /// Four floats: one pixel, or one channel of four pixels.
    f32x4: [f32; 4], splat: f32x4_splat
}

operators!(u8x16: Add add = u8x16_add, Sub sub = u8x16_sub, BitAnd bitand = v128_and, BitOr bitor = v128_or);
methods! { u8x16:
    /// The smaller of each two.
    min(other) -> u8x16 = u8x16_min,
    /// The larger of each two.
    max(other) -> u8x16 = u8x16_max,
    /// The sum, 255 at most.
    saturating_add(other) -> u8x16 = u8x16_add_sat,
    /// The difference, 0 at least.
    saturating_sub(other) -> u8x16 = u8x16_sub_sat,
    /// All bits set where equal, none elsewhere.
    eq(other) -> u8x16 = u8x16_eq,
    /// The first eight values with room to reckon.
    widen_low() -> i16x8 = i16x8_extend_low_u8x16,
    /// The last eight values.
    widen_high() -> i16x8 = i16x8_extend_high_u8x16,
}

impl u8x16 {
    /// The same bits as `i32`: a pixel each, red in the lowest byte.
    #[inline(always)]
    pub fn as_i32(self) -> i32x4 {
        i32x4(self.0)
    }
}

operators!(u16x8: Add add = u16x8_add, Sub sub = u16x8_sub, BitAnd bitand = v128_and, BitOr bitor = v128_or);
methods! { u16x8:
    /// The smaller of each two.
    min(other) -> u16x8 = u16x8_min,
    /// The larger of each two.
    max(other) -> u16x8 = u16x8_max,
    /// The sum, 65535 at most.
    saturating_add(other) -> u16x8 = u16x8_add_sat,
    /// The difference, 0 at least.
    saturating_sub(other) -> u16x8 = u16x8_sub_sat,
    /// All bits set where equal, none elsewhere.
    eq(other) -> u16x8 = u16x8_eq,
    /// The first four values.
    widen_low() -> i32x4 = i32x4_extend_low_u16x8,
    /// The last four values.
    widen_high() -> i32x4 = i32x4_extend_high_u16x8,
}

operators!(i16x8: Add add = i16x8_add, Sub sub = i16x8_sub, Mul mul = i16x8_mul);
methods! { i16x8:
    /// The smaller of each two.
    min(other) -> i16x8 = i16x8_min,
    /// The larger of each two.
    max(other) -> i16x8 = i16x8_max,
    /// `self[0] * other[0] + self[1] * other[1]` and so on: four sums.
    dot(other) -> i32x4 = i32x4_dot_i16x8,
    /// Both as bytes, `self` first; what is below 0 becomes 0, what is above 255 255.
    narrow(high) -> u8x16 = u8x16_narrow_i16x8,
}

impl i16x8 {
    /// The same bits as bytes.
    #[inline(always)]
    pub fn as_u8(self) -> u8x16 {
        u8x16(self.0)
    }

    /// The first four of both, in turns: `self[0], other[0], self[1], …`.
    #[inline(always)]
    pub fn interleave_low(self, other: Self) -> Self {
        Self(raw::i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(self.0, other.0))
    }

    /// The last four of both, in turns.
    #[inline(always)]
    pub fn interleave_high(self, other: Self) -> Self {
        Self(raw::i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(self.0, other.0))
    }

    /// Shifted right by `BITS`, rounded down: the sign stays.
    #[inline(always)]
    pub fn shr<const BITS: u32>(self) -> Self {
        Self(raw::i16x8_shr(self.0, BITS))
    }
}

operators!(i32x4: Add add = i32x4_add, Sub sub = i32x4_sub, BitAnd bitand = v128_and, BitOr bitor = v128_or);
methods! { i32x4:
    /// Both as `i16`, `self` first; what does not fit becomes the nearest that does.
    narrow(high) -> i16x8 = i16x8_narrow_i32x4,
    /// As floats; exact up to 2^24.
    to_f32() -> f32x4 = f32x4_convert_i32x4,
}

impl i32x4 {
    /// Shifted left by `BITS`.
    #[inline(always)]
    pub fn shl<const BITS: u32>(self) -> Self {
        Self(raw::i32x4_shl(self.0, BITS))
    }

    /// Shifted right by `BITS`, rounded down: the sign stays.
    #[inline(always)]
    pub fn shr<const BITS: u32>(self) -> Self {
        Self(raw::i32x4_shr(self.0, BITS))
    }

    /// The same bits as `i16`: the lower half of each before the upper.
    #[inline(always)]
    pub fn as_i16(self) -> i16x8 {
        i16x8(self.0)
    }

    /// The float with these bits.
    #[inline(always)]
    pub fn as_f32(self) -> f32x4 {
        f32x4(self.0)
    }
}

operators!(f32x4:
    Add add = f32x4_add, Sub sub = f32x4_sub, Mul mul = f32x4_mul, Div div = f32x4_div, BitAnd bitand = v128_and,
);
methods! { f32x4:
    /// `other < self ? other : self` of each two: what is not a number stays in `self`.
    min(other) -> f32x4 = f32x4_pmin,
    /// `self < other ? other : self` of each two.
    max(other) -> f32x4 = f32x4_pmax,
    /// The square root, exactly rounded.
    sqrt() -> f32x4 = f32x4_sqrt,
    /// Without its sign.
    abs() -> f32x4 = f32x4_abs,
    /// All bits set where `self < other`, none elsewhere.
    lt(other) -> f32x4 = f32x4_lt,
    /// All bits set where equal, none elsewhere.
    eq(other) -> f32x4 = f32x4_eq,
}

impl f32x4 {
    /// Its bits.
    #[inline(always)]
    pub fn as_i32(self) -> i32x4 {
        i32x4(self.0)
    }

    /// One of its values everywhere: of a pixel, 3 is its alpha.
    #[inline(always)]
    pub fn splat_lane<const LANE: usize>(self) -> Self {
        const { assert!(LANE < 4) };
        Self(match LANE {
            0 => raw::i32x4_shuffle::<0, 0, 0, 0>(self.0, self.0),
            1 => raw::i32x4_shuffle::<1, 1, 1, 1>(self.0, self.0),
            2 => raw::i32x4_shuffle::<2, 2, 2, 2>(self.0, self.0),
            _ => raw::i32x4_shuffle::<3, 3, 3, 3>(self.0, self.0),
        })
    }

    /// Between `low` and `high`; what is not a number stays.
    #[inline(always)]
    pub fn clamp(self, low: Self, high: Self) -> Self {
        self.max(low).min(high)
    }

    /// Four pixels as four channels, and back.
    #[inline(always)]
    pub fn transpose([a, b, c, d]: [Self; 4]) -> [Self; 4] {
        let low = |a: Self, b: Self| raw::i32x4_shuffle::<0, 4, 1, 5>(a.0, b.0);
        let high = |a: Self, b: Self| raw::i32x4_shuffle::<2, 6, 3, 7>(a.0, b.0);
        let (ac_low, ac_high, bd_low, bd_high) = (low(a, c), high(a, c), low(b, d), high(b, d));
        let (low, high) =
            (|a, b| Self(raw::i32x4_shuffle::<0, 4, 1, 5>(a, b)), |a, b| Self(raw::i32x4_shuffle::<2, 6, 3, 7>(a, b)));
        [low(ac_low, bd_low), high(ac_low, bd_low), low(ac_high, bd_high), high(ac_high, bd_high)]
    }
}

/// Of every value `yes` where the mask's bits are set and `no` where they are not. Masks are what comparisons make, of
/// the same width as the values.
#[inline(always)]
pub fn select<V: Vector>(mask: V, yes: V, no: V) -> V {
    V::of(raw::v128_bitselect(yes.bits(), no.bits(), mask.bits()))
}

/// True if any bit is set.
#[inline(always)]
pub fn any<V: Vector>(mask: V) -> bool {
    raw::v128_any_true(mask.bits())
}

#[cfg(test)]
mod tests;
