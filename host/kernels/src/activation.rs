//! Activations, element by element: SiLU, GELU (exact and quick), GEGLU, and ReLU with a slope below zero.
//!
//! `exp` is within 2 ulp over its whole range, the normal distribution's tail within 5e-7 of its own value, so GELU is the
//! exact one (`erf`, as diffusers has it) also far out. NaN stays NaN.
use candle_core::{D, Result, Tensor};
use rayon::prelude::*;

use crate::simd::{Isa, Pass, Simd};
use crate::tensor::{ours, tensor, with_values};

/// `x * sigmoid(x)`, any shape.
pub fn silu(x: &Tensor) -> Result<Tensor> {
    if ours(x) { map::<Silu>(x) } else { x.silu() }
}

/// `x * Phi(x)` with the normal distribution's exact cumulative function, any shape.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    if ours(x) { map::<Gelu>(x) } else { x.gelu_erf() }
}

/// `x * sigmoid(1.702 x)`, CLIP's approximation of GELU, any shape.
pub fn quick_gelu(x: &Tensor) -> Result<Tensor> {
    if ours(x) {
        return map::<QuickGelu>(x);
    }
    let e = (x * -1.702)?.exp()?;
    x / (e + 1.0)?
}

/// Adds `added` `[1 or B, C]` to every pixel of `x` `[B, C, h, w]`.
///
/// # Errors
/// If the channels or the rows do not fit.
pub fn add_channels(x: &Tensor, added: &Tensor) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if let Some(y) = crate::nvidia::add_plane(x, added)? {
        return Ok(y);
    }
    x.broadcast_add(&added.unsqueeze(2)?.unsqueeze(3)?)
}

/// `[.., 2 C]` to `[.., C]`: the first half of the last dimension times [`gelu`] of the second.
///
/// # Errors
/// If the last dimension is odd or there is none.
pub fn geglu(x: &Tensor) -> Result<Tensor> {
    let width = x.dim(D::Minus1)?;
    if !width.is_multiple_of(2) {
        candle_core::bail!("GEGLU halves the last dimension, but it is {width}");
    }
    let c = width / 2;
    #[cfg(feature = "cuda")]
    if let Some(y) = crate::nvidia::geglu(x)? {
        return Ok(y);
    }
    if !ours(x) {
        return x.narrow(D::Minus1, 0, c)? * x.narrow(D::Minus1, c, c)?.gelu_erf()?;
    }
    let mut shape = x.dims().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = c;
    }
    let y = with_values(x, |x| Ok(geglu_of(Isa::best(), x, c)))?;
    tensor(y, shape, x)
}

/// `x` where it is positive and `slope * x` elsewhere, any shape; slope 0 is ReLU.
pub fn leaky_relu(x: &Tensor, slope: f32) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if let Some(y) = crate::nvidia::leak(x, None, slope)? {
        return Ok(y);
    }
    if !ours(x) {
        return x.relu()? - (x.neg()?.relu()? * f64::from(slope))?;
    }
    let y = with_values(x, |x| Ok(leak(Isa::best(), x, BLOCK, |_| slope)))?;
    tensor(y, x.shape(), x)
}

/// [`leaky_relu`] of `[batch, C, height, width]` with a slope for each channel, `[C]`.
///
/// # Errors
/// If there are not as many slopes as channels.
pub fn prelu(x: &Tensor, slopes: &Tensor) -> Result<Tensor> {
    let (_, channels, height, width) = x.dims4()?;
    if slopes.dims() != [channels] {
        candle_core::bail!("PReLU of {channels} channels was given slopes of shape {:?}", slopes.dims());
    }
    #[cfg(feature = "cuda")]
    if let Some(y) = crate::nvidia::leak(x, Some(slopes), 0.0)? {
        return Ok(y);
    }
    if !ours(x) {
        let below = x.neg()?.relu()?.broadcast_mul(&slopes.reshape((1, channels, 1, 1))?)?;
        return x.relu()? - below;
    }
    let y = with_values(slopes, |slopes| {
        with_values(x, |x| Ok(leak(Isa::best(), x, height * width, |plane| slopes[plane % channels])))
    })?;
    tensor(y, x.shape(), x)
}

/// Values below zero times the slope of their part; parts of `len` values are counted from 0.
fn leak(isa: Isa, x: &[f32], len: usize, slope: impl Fn(usize) -> f32 + Sync) -> Vec<f32> {
    struct Part<'a>(&'a [f32], &'a mut [f32], f32);
    impl Pass for Part<'_> {
        type Out = ();
        #[inline(always)]
        fn run<S: Simd>(self) {
            for (y, &x) in self.1.iter_mut().zip(self.0) {
                // A comparison, not min and max, which would lose a NaN.
                *y = if x < 0.0 { self.2 * x } else { x };
            }
        }
    }
    let mut y = vec![0.0; x.len()];
    let len = len.max(1);
    y.par_chunks_mut(len).zip(x.par_chunks(len)).enumerate().for_each(|(i, (y, x))| isa.run(Part(x, y, slope(i))));
    y
}

fn geglu_of(isa: Isa, x: &[f32], c: usize) -> Vec<f32> {
    struct Row<'a>(&'a [f32], &'a mut [f32]);
    impl Pass for Row<'_> {
        type Out = ();
        #[inline(always)]
        fn run<S: Simd>(self) {
            let (value, gate) = self.0.split_at(self.1.len());
            for ((y, v), &g) in self.1.iter_mut().zip(value).zip(gate) {
                *y = v * Gelu::at::<S>(g);
            }
        }
    }
    let mut y = vec![0.0; x.len() / 2];
    if let Some(rows) = BLOCK.checked_div(c) {
        let rows = rows + 1;
        y.par_chunks_mut(rows * c).zip(x.par_chunks(rows * 2 * c)).for_each(|(y, x)| {
            for (y, x) in y.chunks_exact_mut(c).zip(x.chunks_exact(2 * c)) {
                isa.run(Row(x, y));
            }
        });
    }
    y
}

/// Values of one task: few enough to share out evenly, enough to be worth a task.
const BLOCK: usize = 1 << 15;

/// A function of one value.
pub(crate) trait Function {
    fn at<S: Simd>(x: f32) -> f32;
}

pub(crate) struct Silu;
impl Function for Silu {
    #[inline(always)]
    fn at<S: Simd>(x: f32) -> f32 {
        x / (1.0 + exp::<S>(-x))
    }
}

struct QuickGelu;
impl Function for QuickGelu {
    #[inline(always)]
    fn at<S: Simd>(x: f32) -> f32 {
        x / (1.0 + exp::<S>(-1.702 * x))
    }
}

struct Gelu;
impl Function for Gelu {
    #[inline(always)]
    fn at<S: Simd>(x: f32) -> f32 {
        // Beyond 15 the tail is 0, but infinity times 0 would not be.
        let near = if x > 15.0 { 15.0 } else { x };
        let near = if near < -15.0 { -15.0 } else { near };
        let tail = near * upper_tail::<S>(near.abs());
        // For x < 0 the weight is the tail itself, without cancellation.
        if x < 0.0 { tail } else { x - tail }
    }
}

fn map<F: Function>(x: &Tensor) -> Result<Tensor> {
    let y = with_values(x, |x| Ok(map_of::<F>(Isa::best(), x)))?;
    tensor(y, x.shape(), x)
}

fn map_of<F: Function>(isa: Isa, x: &[f32]) -> Vec<f32> {
    struct Block<'a, F>(&'a [f32], &'a mut [f32], std::marker::PhantomData<F>);
    impl<F: Function> Pass for Block<'_, F> {
        type Out = ();
        #[inline(always)]
        fn run<S: Simd>(self) {
            for (y, &x) in self.1.iter_mut().zip(self.0) {
                *y = F::at::<S>(x);
            }
        }
    }
    let mut y = vec![0.0; x.len()];
    y.par_chunks_mut(BLOCK)
        .zip(x.par_chunks(BLOCK))
        .for_each(|(y, x)| isa.run(Block::<F>(x, y, std::marker::PhantomData)));
    y
}

/// e^x: 0 below -104, infinite above 88.73, NaN for NaN; written so that compilers vectorise it.
#[inline(always)]
pub(crate) fn exp<S: Simd>(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // Comparisons, not min and max, which would lose a NaN.
    let x = if x < -104.0 { -104.0 } else { x };
    let x = if x > 89.0 { 89.0 } else { x };
    let shifted = S::mul_add(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    // ln 2 in two parts, the first with so few bits that n times it is exact.
    let r = S::mul_add(n, -0.693_359_4, x);
    let r = S::mul_add(n, 2.121_944_4e-4, r);
    // Cephes' minimax coefficients for |r| <= ln 2 / 2.
    let p = S::mul_add(r, 1.987_569_1e-4, 1.398_2e-3);
    let p = S::mul_add(p, r, 8.333_452e-3);
    let p = S::mul_add(p, r, 4.166_579_6e-2);
    let p = S::mul_add(p, r, 1.666_666_5e-1);
    let p = S::mul_add(p, r, 0.5);
    let p = S::mul_add(p, r * r, r) + 1.0;
    // 2^n in two factors, so that results may be subnormal or infinite.
    let n = shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    let half = n >> 1;
    let power = |n: i32| f32::from_bits(((n + 127) << 23) as u32);
    p * power(half) * power(n - half)
}

/// The upper tail of the normal distribution, `erfc(y / sqrt 2) / 2`, for `y` in 0..=15.
///
/// As `t exp(-y^2/2 + P(t))` with `t = 1 / (1 + 0.4 y)`: P is the Chebyshev fit of degree 8; its error is 9e-8.
#[inline(always)]
fn upper_tail<S: Simd>(y: f32) -> f32 {
    const P: [f32; 9] = [
        -1.835_119_3,
        0.997_101_8,
        0.372_058_14,
        -0.181_183_85,
        0.541_494_4,
        -1.750_423_1,
        1.947_742_2,
        -0.975_287,
        0.190_469_6,
    ];
    let t = 1.0 / S::mul_add(y, 0.4, 1.0);
    let mut p = P[8];
    let mut i = 8;
    while i > 0 {
        i -= 1;
        p = S::mul_add(p, t, P[i]);
    }
    t * exp::<S>(S::mul_add(y * -0.5, y, p))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{assert_close, phi, values};
    use candle_core::{DType, Device};

    struct Exp;
    impl Function for Exp {
        fn at<S: Simd>(x: f32) -> f32 {
            exp::<S>(x)
        }
    }

    /// Values from -`end` to `end`, of odd count.
    fn range(end: f32) -> Vec<f32> {
        (-20_000..=20_000).map(|i| i as f32 * end / 20_000.0).collect()
    }

    #[test]
    fn each_value_is_right_on_every_instruction_set() {
        for isa in Isa::available() {
            let check = |name: &str, got: Vec<f32>, x: &[f32], f: &dyn Fn(f64) -> f64, tolerance: f64| {
                for (&x, got) in x.iter().zip(got) {
                    let want = f(f64::from(x));
                    // Relative, down to where f32 runs out.
                    let distance = (f64::from(got) - want).abs() / want.abs().max(1e-36);
                    assert!(distance <= tolerance, "{isa:?} {name}({x}) is {got}, not {want}");
                }
            };
            let x = range(88.0);
            check("exp", map_of::<Exp>(isa, &x), &x, &f64::exp, 3e-7);
            let x = range(80.0);
            check("silu", map_of::<Silu>(isa, &x), &x, &|x| x / (1.0 + (-x).exp()), 1e-6);
            let x = range(45.0);
            check("quick_gelu", map_of::<QuickGelu>(isa, &x), &x, &|x| x / (1.0 + (-1.702 * x).exp()), 1e-5);
            let x = range(12.0);
            check("gelu", map_of::<Gelu>(isa, &x), &x, &|x| x * phi(x), 1e-5);
        }
    }

    #[test]
    fn the_ends_and_nan() {
        for isa in Isa::available() {
            let x = [f32::NEG_INFINITY, -200.0, -104.0, 89.0, f32::INFINITY, f32::NAN, 0.0];
            let e = map_of::<Exp>(isa, &x);
            assert_eq!(e[..5], [0.0, 0.0, 0.0, f32::INFINITY, f32::INFINITY]);
            assert!(e[5].is_nan() && e[6] == 1.0);
            let g = map_of::<Gelu>(isa, &x);
            assert!(
                g[..2].iter().all(|g| g.abs() < 1e-30) && g[4] == f32::INFINITY && g[5].is_nan() && g[6] == 0.0,
                "{g:?}"
            );
            assert!(map_of::<Silu>(isa, &x)[5].is_nan() && map_of::<QuickGelu>(isa, &x)[5].is_nan());
        }
    }

    #[test]
    fn geglu_is_the_first_half_times_gelu_of_the_second() {
        for isa in Isa::available() {
            for (rows, c) in [(1, 1), (3, 5), (70, 640), (2, 40_000)] {
                let x = values(rows * 2 * c, 1);
                let want: Vec<f64> = x
                    .chunks_exact(2 * c)
                    .flat_map(|x| (0..c).map(|i| f64::from(x[i]) * f64::from(x[c + i]) * phi(f64::from(x[c + i]))))
                    .collect();
                assert_close(&geglu_of(isa, &x, c), &want, 1e-6, &format!("{isa:?} {rows}x{c}"));
            }
        }
        let tensor = |shape: &[usize]| Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
        assert_eq!(geglu(&tensor(&[2, 3, 8])).unwrap().dims(), [2, 3, 4]);
        assert_eq!(geglu(&tensor(&[2, 0])).unwrap().dims(), [2, 0]);
        assert!(geglu(&tensor(&[2, 3])).is_err());
        assert!(geglu(&tensor(&[])).is_err());
    }

    #[test]
    fn below_zero_each_channel_has_its_own_slope() {
        for isa in Isa::available() {
            let x = [-2.0, 3.0, -4.0, 0.0, f32::NAN, f32::NEG_INFINITY];
            let y = leak(isa, &x, 2, |part| [0.5, 0.25, 0.0][part]);
            assert_eq!(y[..4], [-1.0, 3.0, -1.0, 0.0], "{isa:?}");
            assert!(y[4].is_nan());
        }
        let x = Tensor::from_vec(values(2 * 3 * 5 * 7, 1), (2, 3, 5, 7), &Device::Cpu).unwrap();
        let slopes = Tensor::new(&[0.25f32, 0.25, 0.25], &Device::Cpu).unwrap();
        let flat = |y: Tensor| y.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let want: Vec<f32> = flat(x.clone()).iter().map(|&v| if v < 0.0 { v / 4.0 } else { v }).collect();
        assert_eq!(flat(leaky_relu(&x, 0.25).unwrap()), want);
        assert_eq!(flat(prelu(&x, &slopes).unwrap()), want);
        assert!(prelu(&x, &slopes.narrow(0, 0, 2).unwrap()).is_err());
        assert_eq!(prelu(&x.narrow(2, 0, 0).unwrap(), &slopes).unwrap().dims(), [2, 3, 0, 7]);
    }

    #[test]
    fn shape_and_type_stay() {
        let x = Tensor::ones((2, 3), DType::F16, &Device::Cpu).unwrap().t().unwrap();
        for y in [silu(&x), gelu(&x), quick_gelu(&x), leaky_relu(&x, 0.2)] {
            let y = y.unwrap();
            assert_eq!((y.dims(), y.dtype()), (&[3, 2][..], DType::F16));
        }
    }
}
