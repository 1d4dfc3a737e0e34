//! wasm's vector operations in SSE2, which every x86-64 processor has, and where the build allows it in SSE4.1.

use core::arch::x86_64::*;

pub type v128 = __m128i;

macro_rules! sse2 {
    ($($name:ident($($arg:ident: $ty:ty),*) = $body:expr;)*) => {
        $(#[inline(always)]
        pub fn $name($($arg: $ty),*) -> v128 {
            // SAFETY: SSE2 is part of x86-64, and SSE4.1 is used only where the whole build has it.
            unsafe { $body }
        })*
    };
}

macro_rules! floats {
    ($($name:ident = $intrinsic:ident;)*) => {
        $(#[inline(always)]
        pub fn $name(a: v128, b: v128) -> v128 {
            // SAFETY: SSE2 is part of x86-64.
            unsafe { _mm_castps_si128($intrinsic(_mm_castsi128_ps(a), _mm_castsi128_ps(b))) }
        })*
    };
}

/// # Safety
/// 16 bytes can be read.
#[inline(always)]
pub unsafe fn v128_load(from: *const v128) -> v128 {
    // SAFETY: the caller's promise.
    unsafe { _mm_loadu_si128(from) }
}

/// # Safety
/// 16 bytes can be written.
#[inline(always)]
pub unsafe fn v128_store(to: *mut v128, v: v128) {
    // SAFETY: the caller's promise.
    unsafe { _mm_storeu_si128(to, v) }
}

sse2! {
    u8x16_splat(v: u8) = _mm_set1_epi8(v as i8);
    u16x8_splat(v: u16) = _mm_set1_epi16(v as i16);
    i16x8_splat(v: i16) = _mm_set1_epi16(v);
    i32x4_splat(v: i32) = _mm_set1_epi32(v);
    f32x4_splat(v: f32) = _mm_castps_si128(_mm_set1_ps(v));

    v128_and(a: v128, b: v128) = _mm_and_si128(a, b);
    v128_or(a: v128, b: v128) = _mm_or_si128(a, b);
    v128_bitselect(a: v128, b: v128, mask: v128) = _mm_or_si128(_mm_and_si128(mask, a), _mm_andnot_si128(mask, b));

    u8x16_add(a: v128, b: v128) = _mm_add_epi8(a, b);
    u8x16_sub(a: v128, b: v128) = _mm_sub_epi8(a, b);
    u8x16_add_sat(a: v128, b: v128) = _mm_adds_epu8(a, b);
    u8x16_sub_sat(a: v128, b: v128) = _mm_subs_epu8(a, b);
    u8x16_min(a: v128, b: v128) = _mm_min_epu8(a, b);
    u8x16_max(a: v128, b: v128) = _mm_max_epu8(a, b);
    u8x16_eq(a: v128, b: v128) = _mm_cmpeq_epi8(a, b);
    i16x8_extend_low_u8x16(v: v128) = _mm_unpacklo_epi8(v, _mm_setzero_si128());
    i16x8_extend_high_u8x16(v: v128) = _mm_unpackhi_epi8(v, _mm_setzero_si128());
    u8x16_narrow_i16x8(a: v128, b: v128) = _mm_packus_epi16(a, b);

    u16x8_add(a: v128, b: v128) = _mm_add_epi16(a, b);
    u16x8_sub(a: v128, b: v128) = _mm_sub_epi16(a, b);
    u16x8_add_sat(a: v128, b: v128) = _mm_adds_epu16(a, b);
    u16x8_sub_sat(a: v128, b: v128) = _mm_subs_epu16(a, b);
    u16x8_eq(a: v128, b: v128) = _mm_cmpeq_epi16(a, b);
    i32x4_extend_low_u16x8(v: v128) = _mm_unpacklo_epi16(v, _mm_setzero_si128());
    i32x4_extend_high_u16x8(v: v128) = _mm_unpackhi_epi16(v, _mm_setzero_si128());

    i16x8_add(a: v128, b: v128) = _mm_add_epi16(a, b);
    i16x8_sub(a: v128, b: v128) = _mm_sub_epi16(a, b);
    i16x8_mul(a: v128, b: v128) = _mm_mullo_epi16(a, b);
    i16x8_min(a: v128, b: v128) = _mm_min_epi16(a, b);
    i16x8_max(a: v128, b: v128) = _mm_max_epi16(a, b);
    i32x4_dot_i16x8(a: v128, b: v128) = _mm_madd_epi16(a, b);
    i16x8_narrow_i32x4(a: v128, b: v128) = _mm_packs_epi32(a, b);
    i16x8_shr(v: v128, bits: u32) = _mm_sra_epi16(v, _mm_cvtsi32_si128(bits as i32));

    i32x4_add(a: v128, b: v128) = _mm_add_epi32(a, b);
    i32x4_sub(a: v128, b: v128) = _mm_sub_epi32(a, b);
    i32x4_shl(v: v128, bits: u32) = _mm_sll_epi32(v, _mm_cvtsi32_si128(bits as i32));
    i32x4_shr(v: v128, bits: u32) = _mm_sra_epi32(v, _mm_cvtsi32_si128(bits as i32));

    f32x4_convert_i32x4(v: v128) = _mm_castps_si128(_mm_cvtepi32_ps(v));
    f32x4_sqrt(v: v128) = _mm_castps_si128(_mm_sqrt_ps(_mm_castsi128_ps(v)));
    f32x4_abs(v: v128) = _mm_and_si128(v, _mm_set1_epi32(i32::MAX));
    // SSE answers with its second operand unless the comparison holds, wasm with its first.
    f32x4_pmin(a: v128, b: v128) = _mm_castps_si128(_mm_min_ps(_mm_castsi128_ps(b), _mm_castsi128_ps(a)));
    f32x4_pmax(a: v128, b: v128) = _mm_castps_si128(_mm_max_ps(_mm_castsi128_ps(b), _mm_castsi128_ps(a)));
}

floats! {
    f32x4_add = _mm_add_ps;
    f32x4_sub = _mm_sub_ps;
    f32x4_mul = _mm_mul_ps;
    f32x4_div = _mm_div_ps;
    f32x4_lt = _mm_cmplt_ps;
    f32x4_eq = _mm_cmpeq_ps;
}

#[cfg(target_feature = "sse4.1")]
sse2! {
    u16x8_min(a: v128, b: v128) = _mm_min_epu16(a, b);
    u16x8_max(a: v128, b: v128) = _mm_max_epu16(a, b);
}

#[cfg(not(target_feature = "sse4.1"))]
sse2! {
    u16x8_min(a: v128, b: v128) = _mm_sub_epi16(a, _mm_subs_epu16(a, b));
    u16x8_max(a: v128, b: v128) = _mm_add_epi16(b, _mm_subs_epu16(a, b));
}

#[inline(always)]
pub fn v128_any_true(v: v128) -> bool {
    // SAFETY: SSE2 is part of x86-64.
    unsafe { _mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_setzero_si128())) != 0xffff }
}

/// The two interleavings there are.
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
    const { assert!(B == A + 8 && C == A + 1 && D == A + 9 && E == A + 2 && F == A + 10 && G == A + 3 && H == A + 11) };
    // SAFETY: SSE2 is part of x86-64.
    unsafe { if A == 0 { _mm_unpacklo_epi16(a, b) } else { _mm_unpackhi_epi16(a, b) } }
}

/// Interleavings, and one lane everywhere.
#[inline(always)]
pub fn i32x4_shuffle<const A: usize, const B: usize, const C: usize, const D: usize>(a: v128, b: v128) -> v128 {
    // SAFETY: SSE2 is part of x86-64.
    unsafe {
        match (A, B, C, D) {
            (0, 4, 1, 5) => _mm_unpacklo_epi32(a, b),
            (2, 6, 3, 7) => _mm_unpackhi_epi32(a, b),
            (0, 0, 0, 0) => _mm_shuffle_epi32::<0b00_00_00_00>(a),
            (1, 1, 1, 1) => _mm_shuffle_epi32::<0b01_01_01_01>(a),
            (2, 2, 2, 2) => _mm_shuffle_epi32::<0b10_10_10_10>(a),
            _ => {
                const { assert!(A == B && B == C && C == D || B == A + 4 && D == C + 4 && C == A + 1) };
                _mm_shuffle_epi32::<0b11_11_11_11>(a)
            }
        }
    }
}
