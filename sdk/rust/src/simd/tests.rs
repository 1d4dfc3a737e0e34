//! Every operation against the scalar one, and the two native spellings against each other.

use super::{any, f32x4, i16x8, i32x4, load, select, store, u8x16, u16x8};

/// Values that reach every end of a type.
fn bytes() -> impl Iterator<Item = ([u8; 16], [u8; 16])> {
    (0..64u32).map(|round| {
        let value =
            |i: u32| (i.wrapping_mul(0x9e37_79b1) ^ round.wrapping_mul(0x85eb_ca77)).wrapping_mul(0xc2b2_ae35) >> 24;
        let value = |i: u32| match value(i) {
            0..16 => 0,
            240.. => 255,
            v => v as u8,
        };
        (std::array::from_fn(|i| value(i as u32)), std::array::from_fn(|i| value(i as u32 + 99)))
    })
}

/// The same bytes as values of another type.
fn as_values<const BYTES: usize, const N: usize, T>(bytes: [u8; 16], f: impl Fn([u8; BYTES]) -> T) -> [T; N] {
    std::array::from_fn(|i| f(std::array::from_fn(|k| bytes[i * BYTES + k])))
}

fn zip<T: Copy, U, const N: usize>(a: [T; N], b: [T; N], f: impl Fn(T, T) -> U) -> [U; N] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

#[test]
fn whole_numbers_are_the_scalar_ones() {
    for (a, b) in bytes() {
        let (x, y) = (u8x16::new(a), u8x16::new(b));
        assert_eq!((x + y).to_array(), zip(a, b, u8::wrapping_add));
        assert_eq!((x - y).to_array(), zip(a, b, u8::wrapping_sub));
        assert_eq!(x.min(y).to_array(), zip(a, b, u8::min));
        assert_eq!(x.max(y).to_array(), zip(a, b, u8::max));
        assert_eq!(x.saturating_add(y).to_array(), zip(a, b, u8::saturating_add));
        assert_eq!(x.saturating_sub(y).to_array(), zip(a, b, u8::saturating_sub));
        assert_eq!(x.eq(y).to_array(), zip(a, b, |a, b| if a == b { 255 } else { 0 }));
        assert_eq!((x & y).to_array(), zip(a, b, |a, b| a & b));
        assert_eq!((x | y).to_array(), zip(a, b, |a, b| a | b));
        assert_eq!(select(x.eq(y), x, y).to_array(), b);
        assert_eq!(any(x.eq(y)), zip(a, b, |a, b| a == b).contains(&true));
        let wide = [x.widen_low().to_array(), x.widen_high().to_array()].concat();
        assert_eq!(wide, a.map(i16::from));

        assert_eq!(x.as_i32().to_array(), as_values(a, i32::from_le_bytes));
        assert_eq!(x.as_i32().as_i16().to_array(), as_values(a, i16::from_le_bytes));
        assert_eq!(x.as_i32().as_i16().as_u8().to_array(), a);

        let (a16, b16) = (as_values(a, u16::from_le_bytes), as_values(b, u16::from_le_bytes));
        let (x, y) = (u16x8::new(a16), u16x8::new(b16));
        assert_eq!((x + y).to_array(), zip(a16, b16, u16::wrapping_add));
        assert_eq!((x - y).to_array(), zip(a16, b16, u16::wrapping_sub));
        assert_eq!(x.min(y).to_array(), zip(a16, b16, u16::min));
        assert_eq!(x.max(y).to_array(), zip(a16, b16, u16::max));
        assert_eq!(x.saturating_add(y).to_array(), zip(a16, b16, u16::saturating_add));
        assert_eq!(x.saturating_sub(y).to_array(), zip(a16, b16, u16::saturating_sub));
        assert_eq!(x.eq(y).to_array(), zip(a16, b16, |a, b| if a == b { u16::MAX } else { 0 }));
        assert_eq!([x.widen_low().to_array(), x.widen_high().to_array()].concat(), a16.map(i32::from));

        let (a16, b16) = (a16.map(|v| v as i16), b16.map(|v| v as i16));
        let (x, y) = (i16x8::new(a16), i16x8::new(b16));
        assert_eq!((x + y).to_array(), zip(a16, b16, i16::wrapping_add));
        assert_eq!((x - y).to_array(), zip(a16, b16, i16::wrapping_sub));
        assert_eq!((x * y).to_array(), zip(a16, b16, i16::wrapping_mul));
        assert_eq!(x.shr::<7>().to_array(), a16.map(|v| v >> 7));
        assert_eq!(x.min(y).to_array(), zip(a16, b16, i16::min));
        assert_eq!(x.max(y).to_array(), zip(a16, b16, i16::max));
        let product = |i: usize| i32::from(a16[i]) * i32::from(b16[i]);
        assert_eq!(x.dot(y).to_array(), std::array::from_fn(|i| product(2 * i).wrapping_add(product(2 * i + 1))));
        assert_eq!(
            x.narrow(y).to_array().to_vec(),
            [a16, b16].concat().iter().map(|&v| v.clamp(0, 255) as u8).collect::<Vec<_>>()
        );
        let turns: Vec<i16> = (0..8).flat_map(|i| [a16[i], b16[i]]).collect();
        assert_eq!([x.interleave_low(y).to_array(), x.interleave_high(y).to_array()].concat(), turns);

        let (a32, b32) = (as_values(a, i32::from_le_bytes), as_values(b, i32::from_le_bytes));
        let (x, y) = (i32x4::new(a32), i32x4::new(b32));
        assert_eq!((x + y).to_array(), zip(a32, b32, i32::wrapping_add));
        assert_eq!((x - y).to_array(), zip(a32, b32, i32::wrapping_sub));
        assert_eq!(x.shl::<5>().to_array(), a32.map(|v| v << 5));
        assert_eq!(x.shr::<9>().to_array(), a32.map(|v| v >> 9));
        assert_eq!(x.to_f32().to_array(), a32.map(|v| v as f32));
        let clamped = |v: &i32| (*v).clamp(-32768, 32767) as i16;
        assert_eq!(x.narrow(y).to_array().to_vec(), [a32, b32].concat().iter().map(clamped).collect::<Vec<_>>());
    }
}

const ODD: [f32; 8] = [0.0, -0.0, 1.0, -2.5, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-40];

#[test]
fn floats_are_the_scalar_ones() {
    let bits = |v: [f32; 4]| v.map(f32::to_bits);
    let nan_or_bits = |v: [f32; 4]| v.map(|v| if v.is_nan() { None } else { Some(v.to_bits()) });
    for (i, j) in (0..8).flat_map(|i| (0..8).map(move |j| (i, j))) {
        let a: [f32; 4] = std::array::from_fn(|k| ODD[(i + k) % 8]);
        let b: [f32; 4] = std::array::from_fn(|k| ODD[(j + 3 * k) % 8]);
        let (x, y) = (f32x4::new(a), f32x4::new(b));
        assert_eq!(nan_or_bits((x + y).to_array()), nan_or_bits(zip(a, b, |a, b| a + b)));
        assert_eq!(nan_or_bits((x - y).to_array()), nan_or_bits(zip(a, b, |a, b| a - b)));
        assert_eq!(nan_or_bits((x * y).to_array()), nan_or_bits(zip(a, b, |a, b| a * b)));
        assert_eq!(nan_or_bits((x / y).to_array()), nan_or_bits(zip(a, b, |a, b| a / b)));
        assert_eq!(nan_or_bits(x.sqrt().to_array()), nan_or_bits(a.map(f32::sqrt)));
        assert_eq!(bits(x.abs().to_array()), bits(a.map(f32::abs)));
        // To the bit, zeros' signs and all: one rule everywhere.
        assert_eq!(bits(x.min(y).to_array()), bits(zip(a, b, |a, b| if b < a { b } else { a })));
        assert_eq!(bits(x.max(y).to_array()), bits(zip(a, b, |a, b| if a < b { b } else { a })));
        let mask = |v: bool| if v { u32::MAX } else { 0 };
        assert_eq!(bits(x.lt(y).to_array()), zip(a, b, |a, b| mask(a < b)));
        assert_eq!(bits(x.eq(y).to_array()), zip(a, b, |a, b| mask(a == b)));
        assert_eq!(bits(select(x.lt(y), x, y).to_array()), bits(zip(a, b, |a, b| if a < b { a } else { b })));
        assert_eq!(x.as_i32().to_array(), a.map(|v| v.to_bits() as i32));
    }
}

#[test]
fn pixels_become_channels_and_back() {
    let pixels: [[f32; 4]; 4] = std::array::from_fn(|p| std::array::from_fn(|c| (p * 10 + c) as f32));
    let channels = f32x4::transpose(pixels.map(f32x4::new));
    for (c, channel) in channels.iter().enumerate() {
        assert_eq!(channel.to_array(), pixels.map(|pixel| pixel[c]));
    }
    assert_eq!(f32x4::transpose(channels).map(f32x4::to_array), pixels);
    let v = f32x4::new([1.0, 2.0, 3.0, 4.0]);
    let lanes = [v.splat_lane::<0>(), v.splat_lane::<1>(), v.splat_lane::<2>(), v.splat_lane::<3>()];
    assert_eq!(lanes.map(f32x4::to_array), [[1.0; 4], [2.0; 4], [3.0; 4], [4.0; 4]]);
}

#[test]
fn powers_are_as_near_as_promised() {
    for i in 0..=100_000 {
        let x = i as f32 / 100_000.0 * 260.0 - 130.0;
        let is = f64::from(f32x4::splat(x).exp2().to_array()[0]);
        let should = if x < -126.0 { 0.0 } else { f64::from(x.min(127.0)).exp2() };
        assert!((is - should).abs() <= should * 2e-7, "2^{x} is {is}, not {should}");
        let x = (i + 1) as f32 / 50_000.0;
        let (is, should) = (f64::from(f32x4::splat(x).log2().to_array()[0]), f64::from(x).log2());
        assert!((is - should).abs() <= 3e-7 + should.abs() * 1.2e-7, "log2 {x} is {is}, not {should}");
    }
    for x in [0.001f32, 0.01, 0.25, 0.5, 0.9, 1.0] {
        for exponent in [0.1f32, 0.4545, 1.0, 2.2, 4.0] {
            let is = f64::from(f32x4::splat(x).powf(f32x4::splat(exponent)).to_array()[0]);
            let should = f64::from(x).powf(f64::from(exponent));
            assert!((is / should - 1.0).abs() < 4e-6, "{x}^{exponent} is {is}, not {should}");
        }
    }
    assert_eq!(f32x4::splat(1.0).powf(f32x4::splat(0.37)).to_array(), [1.0; 4]);
    assert_eq!(f32x4::splat(0.0).powf(f32x4::splat(0.37)).to_array(), [0.0; 4]);
}

#[test]
#[should_panic]
fn too_few_values() {
    load::<f32x4>(&[0.0; 3]);
}

#[test]
#[should_panic]
fn too_little_room() {
    store(f32x4::splat(1.0), &mut [0.0; 3]);
}

/// The arrays that other processors get against this one's instructions.
#[cfg(target_arch = "x86_64")]
#[test]
fn arrays_are_the_instructions() {
    use super::{plain, raw};
    // Both as bytes.
    let native = |bytes: [u8; 16]| u8x16::new(bytes).0;
    let arrays = |bytes: [u8; 16]| {
        // SAFETY: 16 bytes are there.
        unsafe { plain::v128_load(bytes.as_ptr().cast()) }
    };
    let bytes_of = |v: plain::v128| {
        let mut bytes = [0u8; 16];
        // SAFETY: 16 bytes are there.
        unsafe { plain::v128_store(bytes.as_mut_ptr().cast(), v) };
        bytes
    };
    macro_rules! same {
        ($($name:ident$(::<$($lane:literal),*>)?),* ; $($one:ident),*) => {
            for (a, b) in bytes() {
                $(assert_eq!(
                    u8x16(raw::$name$(::<$($lane),*>)?(native(a), native(b))).to_array(),
                    bytes_of(plain::$name$(::<$($lane),*>)?(arrays(a), arrays(b))), "{} of {a:?} and {b:?}", stringify!($name)
                );)*
                $(assert_eq!(
                    u8x16(raw::$one(native(a))).to_array(), bytes_of(plain::$one(arrays(a))), "{} of {a:?}", stringify!($one)
                );)*
            }
        };
    }
    same!(u8x16_add, u8x16_sub, u8x16_min, u8x16_max, u8x16_add_sat, u8x16_sub_sat, u8x16_eq, u8x16_narrow_i16x8,
        u16x8_add, u16x8_sub, u16x8_min, u16x8_max, u16x8_add_sat, u16x8_sub_sat, u16x8_eq,
        i16x8_add, i16x8_sub, i16x8_mul, i16x8_min, i16x8_max, i32x4_dot_i16x8, i16x8_narrow_i32x4,
        i32x4_add, i32x4_sub, v128_and, v128_or, f32x4_pmin, f32x4_pmax, f32x4_lt, f32x4_eq,
        i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>, i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>,
        i32x4_shuffle::<0, 4, 1, 5>, i32x4_shuffle::<2, 6, 3, 7>, i32x4_shuffle::<3, 3, 3, 3>;
        i16x8_extend_low_u8x16, i16x8_extend_high_u8x16, i32x4_extend_low_u16x8, i32x4_extend_high_u16x8,
        f32x4_convert_i32x4, f32x4_abs);
    for (a, b) in bytes() {
        assert_eq!(raw::v128_any_true(native(a)), plain::v128_any_true(arrays(a)));
        let mask = [a, b].concat();
        let mask: [u8; 16] = std::array::from_fn(|i| mask[i + 8]);
        assert_eq!(
            u8x16(raw::v128_bitselect(native(a), native(b), native(mask))).to_array(),
            bytes_of(plain::v128_bitselect(arrays(a), arrays(b), arrays(mask)))
        );
    }
}
