//! PyTorch's normal noise, bit for bit as its CPU generator draws it.
//!
//! Decision: the same seed must give the same picture here as in diffusers, so the generator (mt19937, low 32 bits of the
//! seed) and its vectorised Box-Muller transform are reproduced down to the polynomial and its fused multiplications, in
//! `f32` operations every machine rounds alike. Source: PyTorch `aten/src/ATen/native/cpu/DistributionTemplates.h`
//! (`normal_fill`) and `avx_mathfun.h`, as they behave on AVX2 and AVX-512 machines.

/// A stream of noise: the generator of one picture. Later draws (ancestral samplers) continue it.
pub struct Noise {
    seed: u64,
    state: [u32; 624],
    next: usize,
    spare: Option<f64>,
}

impl Noise {
    /// As `torch.Generator("cpu").manual_seed(seed)`: only the low 32 bits count.
    pub fn new(seed: u64) -> Self {
        let mut state = [0; 624];
        state[0] = seed as u32;
        for i in 1..624 {
            let previous: u32 = state[i - 1];
            state[i] = 1_812_433_253u32.wrapping_mul(previous ^ (previous >> 30)).wrapping_add(i as u32);
        }
        Self { seed, state, next: 624, spare: None }
    }

    /// What it was seeded with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// As `torch.randn(n, generator=…)` in f32.
    pub fn randn(&mut self, n: usize) -> Vec<f32> {
        if n < 16 {
            return (0..n).map(|_| self.normal_f64() as f32).collect();
        }
        let mut data: Vec<f32> = (0..n).map(|_| self.uniform()).collect();
        for block in data.chunks_exact_mut(16) {
            box_muller(block);
        }
        if !n.is_multiple_of(16) {
            // A ragged end is not transformed where it is: the last 16 values are drawn again.
            let tail = &mut data[n - 16..];
            tail.fill_with(|| self.uniform());
            box_muller(tail);
        }
        data
    }

    /// In [0, 1), 24 bits.
    fn uniform(&mut self) -> f32 {
        (self.next_u32() & 0x00ff_ffff) as f32 * (1.0 / 16_777_216.0)
    }

    /// The scalar path PyTorch takes for fewer than 16 values; it keeps every second value for later.
    fn normal_f64(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let (u1, u2) = (self.uniform_f64(), self.uniform_f64());
        let radius = (-2.0 * (-u2).ln_1p()).sqrt();
        let theta = 2.0 * std::f64::consts::PI * u1;
        self.spare = Some(radius * theta.sin());
        radius * theta.cos()
    }

    /// In [0, 1), 53 bits.
    fn uniform_f64(&mut self) -> f64 {
        let (high, low) = (self.next_u32() as u64, self.next_u32() as u64);
        ((high << 32 | low) & ((1 << 53) - 1)) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    fn next_u32(&mut self) -> u32 {
        if self.next == 624 {
            for i in 0..624 {
                let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % 624] & 0x7fff_ffff);
                let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + 397) % 624] ^ (y >> 1) ^ odd;
            }
            self.next = 0;
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }
}

/// 16 uniform values to 16 normal ones: the first eight give the radius, the last eight the angle.
fn box_muller(block: &mut [f32]) {
    for j in 0..8 {
        let radius = (-2.0 * ln(1.0 - block[j])).sqrt();
        let (sin, cos) = sin_cos(2.0 * std::f32::consts::PI * block[j + 8]);
        block[j] = radius * cos;
        block[j + 8] = radius * sin;
    }
}

/// Cephes' `logf` as vectorised in avx_mathfun (natural logarithm of a positive normal number), contracted as GCC does.
#[allow(clippy::excessive_precision)]
fn ln(x: f32) -> f32 {
    let bits = x.max(f32::MIN_POSITIVE).to_bits();
    let mut e = (bits >> 23) as i32 as f32 - 127.0 + 1.0;
    let mut m = f32::from_bits((bits & 0x007f_ffff) | 0x3f00_0000);
    if m < std::f32::consts::FRAC_1_SQRT_2 {
        e -= 1.0;
        m = m - 1.0 + m;
    } else {
        m -= 1.0;
    }
    let z = m * m;
    let mut y = 7.037_683_629_2e-2f32;
    for c in [
        -1.151_461_031_0e-1f32,
        1.167_699_874_0e-1,
        -1.242_014_084_6e-1,
        1.424_932_278_7e-1,
        -1.666_805_766_5e-1,
        2.000_071_476_5e-1,
        -2.499_999_399_3e-1,
        3.333_333_117_4e-1,
    ] {
        y = y.mul_add(m, c);
    }
    y *= m;
    y = y.mul_add(z, e * -2.121_944_40e-4);
    y = (-z).mul_add(0.5, y);
    e.mul_add(0.693_359_375, m + y)
}

/// Cephes' `sinf` and `cosf` as vectorised in avx_mathfun, for an angle of 0 to 2 pi.
#[allow(clippy::excessive_precision)]
fn sin_cos(x: f32) -> (f32, f32) {
    let octant = ((x * 1.273_239_544_735_162_7) as i32 + 1) & !1;
    let y = octant as f32;
    let x = y.mul_add(-0.785_156_25, x);
    let x = y.mul_add(-2.418_756_484_985_351_6e-4, x);
    let x = y.mul_add(-3.774_894_977_445_941_1e-8, x);
    let z = x * x;
    let c = 2.443_315_711_809_948e-5f32.mul_add(z, -1.388_731_625_493_765e-3).mul_add(z, 4.166_664_568_298_827e-2);
    let c = (c * z).mul_add(z, -(z * 0.5)) + 1.0;
    let s = (-1.951_529_589_1e-4f32).mul_add(z, 8.332_160_873_6e-3).mul_add(z, -1.666_665_461_1e-1);
    let s = (s * z).mul_add(x, x);
    let (sin, cos) = if octant & 2 == 0 { (s, c) } else { (c, s) };
    let sin = if octant & 4 == 0 { sin } else { -sin };
    let cos = if (octant + 2) & 4 == 0 { cos } else { -cos };
    (sin, cos)
}
