//! wasm's vector operations on arrays, for processors whose own are not spelled out here.

/// 16 bytes, little-endian whatever the machine.
#[derive(Clone, Copy)]
pub struct v128([u8; 16]);

/// A value of a lane.
trait Lane: Copy {
    fn get(v: v128, lane: usize) -> Self;
    fn set(self, v: &mut v128, lane: usize);
}

macro_rules! lane {
    ($($ty:ty),*) => {
        $(impl Lane for $ty {
            #[inline(always)]
            fn get(v: v128, lane: usize) -> Self {
                let mut bytes = [0; size_of::<$ty>()];
                bytes.copy_from_slice(&v.0[lane * size_of::<$ty>()..][..size_of::<$ty>()]);
                <$ty>::from_le_bytes(bytes)
            }
            #[inline(always)]
            fn set(self, v: &mut v128, lane: usize) {
                v.0[lane * size_of::<$ty>()..][..size_of::<$ty>()].copy_from_slice(&self.to_le_bytes());
            }
        })*
    };
}

lane!(u8, i8, u16, i16, u32, i32, f32);

/// Lane `i` of the result is `f(i)`.
#[inline(always)]
fn make<T: Lane>(f: impl Fn(usize) -> T) -> v128 {
    let mut out = v128([0; 16]);
    (0..16 / size_of::<T>()).for_each(|i| f(i).set(&mut out, i));
    out
}

#[inline(always)]
fn each<A: Lane, B: Lane>(a: v128, f: impl Fn(A) -> B) -> v128 {
    make(|i| f(A::get(a, i)))
}

#[inline(always)]
fn both<A: Lane, B: Lane>(a: v128, b: v128, f: impl Fn(A, A) -> B) -> v128 {
    make(|i| f(A::get(a, i), A::get(b, i)))
}

/// # Safety
/// 16 bytes can be read.
#[inline(always)]
pub unsafe fn v128_load(from: *const v128) -> v128 {
    // SAFETY: the caller's promise; numbers are kept as wasm keeps them on little-endian machines, which all that
    // Underpaint runs on are.
    unsafe { from.read_unaligned() }
}

/// # Safety
/// 16 bytes can be written.
#[inline(always)]
pub unsafe fn v128_store(to: *mut v128, v: v128) {
    // SAFETY: the caller's promise.
    unsafe { to.write_unaligned(v) }
}

macro_rules! plain {
    ($($name:ident($($arg:ident: $ty:ty),*) = $body:expr;)*) => {
        $(#[inline(always)]
        pub fn $name($($arg: $ty),*) -> v128 {
            $body
        })*
    };
}

plain! {
    u8x16_splat(v: u8) = make(|_| v);
    u16x8_splat(v: u16) = make(|_| v);
    i16x8_splat(v: i16) = make(|_| v);
    i32x4_splat(v: i32) = make(|_| v);
    f32x4_splat(v: f32) = make(|_| v);

    v128_and(a: v128, b: v128) = both(a, b, |a: u32, b| a & b);
    v128_or(a: v128, b: v128) = both(a, b, |a: u32, b| a | b);
    v128_bitselect(a: v128, b: v128, mask: v128) =
        make(|i| u32::get(mask, i) & u32::get(a, i) | !u32::get(mask, i) & u32::get(b, i));

    u8x16_add(a: v128, b: v128) = both(a, b, u8::wrapping_add);
    u8x16_sub(a: v128, b: v128) = both(a, b, u8::wrapping_sub);
    u8x16_add_sat(a: v128, b: v128) = both(a, b, u8::saturating_add);
    u8x16_sub_sat(a: v128, b: v128) = both(a, b, u8::saturating_sub);
    u8x16_min(a: v128, b: v128) = both(a, b, u8::min);
    u8x16_max(a: v128, b: v128) = both(a, b, u8::max);
    u8x16_eq(a: v128, b: v128) = both(a, b, |a: u8, b| if a == b { u8::MAX } else { 0 });
    i16x8_extend_low_u8x16(v: v128) = make(|i| i16::from(u8::get(v, i)));
    i16x8_extend_high_u8x16(v: v128) = make(|i| i16::from(u8::get(v, i + 8)));
    u8x16_narrow_i16x8(a: v128, b: v128) =
        make(|i| i16::get(if i < 8 { a } else { b }, i % 8).clamp(0, 255) as u8);

    u16x8_add(a: v128, b: v128) = both(a, b, u16::wrapping_add);
    u16x8_sub(a: v128, b: v128) = both(a, b, u16::wrapping_sub);
    u16x8_add_sat(a: v128, b: v128) = both(a, b, u16::saturating_add);
    u16x8_sub_sat(a: v128, b: v128) = both(a, b, u16::saturating_sub);
    u16x8_min(a: v128, b: v128) = both(a, b, u16::min);
    u16x8_max(a: v128, b: v128) = both(a, b, u16::max);
    u16x8_eq(a: v128, b: v128) = both(a, b, |a: u16, b| if a == b { u16::MAX } else { 0 });
    i32x4_extend_low_u16x8(v: v128) = make(|i| i32::from(u16::get(v, i)));
    i32x4_extend_high_u16x8(v: v128) = make(|i| i32::from(u16::get(v, i + 4)));

    i16x8_add(a: v128, b: v128) = both(a, b, i16::wrapping_add);
    i16x8_sub(a: v128, b: v128) = both(a, b, i16::wrapping_sub);
    i16x8_mul(a: v128, b: v128) = both(a, b, i16::wrapping_mul);
    i16x8_min(a: v128, b: v128) = both(a, b, i16::min);
    i16x8_max(a: v128, b: v128) = both(a, b, i16::max);
    i32x4_dot_i16x8(a: v128, b: v128) = make(|i| {
        let product = |i| i32::from(i16::get(a, i)) * i32::from(i16::get(b, i));
        product(2 * i).wrapping_add(product(2 * i + 1))
    });
    i16x8_narrow_i32x4(a: v128, b: v128) =
        make(|i| i32::get(if i < 4 { a } else { b }, i % 4).clamp(i16::MIN.into(), i16::MAX.into()) as i16);
    i16x8_shr(v: v128, bits: u32) = each(v, |v: i16| v >> bits);

    i32x4_add(a: v128, b: v128) = both(a, b, i32::wrapping_add);
    i32x4_sub(a: v128, b: v128) = both(a, b, i32::wrapping_sub);
    i32x4_shl(v: v128, bits: u32) = each(v, |v: i32| v << bits);
    i32x4_shr(v: v128, bits: u32) = each(v, |v: i32| v >> bits);

    f32x4_convert_i32x4(v: v128) = each(v, |v: i32| v as f32);
    f32x4_sqrt(v: v128) = each(v, f32::sqrt);
    f32x4_abs(v: v128) = each(v, f32::abs);
    f32x4_pmin(a: v128, b: v128) = both(a, b, |a: f32, b| if b < a { b } else { a });
    f32x4_pmax(a: v128, b: v128) = both(a, b, |a: f32, b| if a < b { b } else { a });
    f32x4_add(a: v128, b: v128) = both(a, b, |a: f32, b: f32| a + b);
    f32x4_sub(a: v128, b: v128) = both(a, b, |a: f32, b: f32| a - b);
    f32x4_mul(a: v128, b: v128) = both(a, b, |a: f32, b: f32| a * b);
    f32x4_div(a: v128, b: v128) = both(a, b, |a: f32, b: f32| a / b);
    f32x4_lt(a: v128, b: v128) = both(a, b, |a: f32, b| if a < b { u32::MAX } else { 0 });
    f32x4_eq(a: v128, b: v128) = both(a, b, |a: f32, b| if a == b { u32::MAX } else { 0 });
}

#[inline(always)]
pub fn v128_any_true(v: v128) -> bool {
    v.0 != [0; 16]
}

#[inline(always)]
pub fn i16x8_shuffle<
    const A: usize,
    const B: usize,
    const C: usize,
    const D: usize,
    const E: usize,
    const F: usize,
    const G: usize,
    const H: usize,
>(
    a: v128,
    b: v128,
) -> v128 {
    make(|i| {
        let from = [A, B, C, D, E, F, G, H][i];
        u16::get(if from < 8 { a } else { b }, from % 8)
    })
}

#[inline(always)]
pub fn i32x4_shuffle<const A: usize, const B: usize, const C: usize, const D: usize>(a: v128, b: v128) -> v128 {
    make(|i| {
        let from = [A, B, C, D][i];
        u32::get(if from < 4 { a } else { b }, from % 4)
    })
}
