//! Powers of floats, in nothing but + - * /: the same bits everywhere, unlike those of a machine's own library.

use super::{f32x4, i32x4, select};

impl f32x4 {
    /// 2 to the power of each; relative error below 2e-7. Below -126 it is 0, above 127 it stays at 2^127.
    #[inline(always)]
    pub fn exp2(self) -> Self {
        let splat = f32x4::splat;
        let tiny = self.lt(splat(-126.0));
        let v = self.clamp(splat(-126.0), splat(127.0));
        // Adding 1.5 * 2^23 rounds to a whole number, which then lies in the lowest bits.
        let magic = splat(12_582_912.0);
        let shifted = v + magic;
        let whole = shifted.as_i32() - i32x4::splat(12_582_912.0f32.to_bits() as i32);
        // -0.5..=0.5; the series of 2^x = e^(x ln 2), its last terms bent to the interval.
        let x = v - (shifted - magic);
        let mut sum = splat(1.535_336e-4);
        for term in [1.339_887e-3, 9.618_437e-3, 5.550_332_5e-2, 2.402_264_8e-1, 6.931_472e-1, 1.0] {
            sum = sum * x + splat(term);
        }
        let scale = (whole + i32x4::splat(127)).shl::<23>().as_f32();
        select(tiny, splat(0.0), sum * scale)
    }

    /// The logarithm to base 2 of each, for normal numbers above 0; absolute error below 3e-7 near 1 and a rounding of
    /// the result elsewhere. What is smaller is taken for the smallest normal number: -126.
    #[inline(always)]
    pub fn log2(self) -> Self {
        let splat = f32x4::splat;
        let v = self.max(splat(f32::MIN_POSITIVE)).as_i32();
        // v = m * 2^whole with m in sqrt(1/2)..sqrt(2), so that the series is short and log2(1) is exactly 0.
        let from = i32x4::splat(std::f32::consts::FRAC_1_SQRT_2.to_bits() as i32);
        let whole = (v - from).shr::<23>();
        let m = (v - whole.shl::<23>()).as_f32();
        // ln m = 2 artanh(s) with |s| < 0.1716.
        let s = (m - splat(1.0)) / (m + splat(1.0));
        let s2 = s * s;
        let mut sum = splat(2.0 / 9.0);
        for term in [2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0, 2.0] {
            sum = sum * s2 + splat(term);
        }
        sum * s * splat(std::f32::consts::LOG2_E) + whole.to_f32()
    }

    /// Each to the power of `exponent`, for bases from 0 on; 0 to a power above 0 is 0. Relative error below 1e-6 for
    /// bases 0.001..=1 and exponents up to 4.
    #[inline(always)]
    pub fn powf(self, exponent: Self) -> Self {
        let power = (self.log2() * exponent).exp2();
        select(self.lt(f32x4::splat(f32::MIN_POSITIVE)), f32x4::splat(0.0), power)
    }
}
