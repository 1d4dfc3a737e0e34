//! Each kernel against the CPU's, which is held against the definitions. Where there is no card there is nothing to compare.
use super::*;
use crate::reference::values;
use crate::{PackedConv, PackedLinear, add_channels, geglu, leaky_relu, linear, prelu};

/// Largest distance, of the largest value, for each type; products of `f32` are rounded to 11 bits.
const TYPES: [(DType, f32); 3] = [(DType::F32, 1e-3), (DType::F16, 4e-3), (DType::BF16, 3e-2)];

fn random(shape: &[usize], seed: u64) -> Tensor {
    Tensor::from_vec(values(shape.iter().product(), seed), shape, &Device::Cpu).unwrap()
}

/// Computes `f` of `inputs` in `dtype` on the card and, from the same rounded values, in `f32` on the CPU.
fn compare(what: &str, inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let Ok(card) = crate::cuda() else { return };
    crate::round_products(true);
    for (dtype, tolerance) in TYPES {
        let rounded: Vec<Tensor> = inputs.iter().map(|x| x.to_dtype(dtype).unwrap()).collect();
        let exact: Vec<Tensor> = rounded.iter().map(|x| x.to_dtype(DType::F32).unwrap()).collect();
        let there: Vec<Tensor> = rounded.iter().map(|x| x.to_device(&card).unwrap()).collect();
        let want = f(&exact).unwrap();
        for round in 0..2 {
            let got = f(&there).unwrap_or_else(|e| panic!("{what} {dtype:?}: {e}"));
            assert_eq!((got.dims(), got.dtype()), (want.dims(), dtype), "{what}");
            let got = got.to_dtype(DType::F32).unwrap().to_device(&Device::Cpu).unwrap().force_contiguous().unwrap();
            let most = |x: &Tensor| x.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap();
            let distance = most(&(got - &want).unwrap()) / most(&want);
            println!("{what} {dtype:?}, {round}: {distance:.1e}");
            assert!(distance <= tolerance, "{what} {dtype:?}: {distance} of the largest value");
        }
    }
}

#[test]
fn convolutions() {
    for (batch, channels, height, width, out, kernel, stride, padding) in [
        (1, 1, 1, 1, 1, 1, 1, 0),
        (2, 4, 64, 64, 320, 3, 1, 1),
        (1, 9, 20, 12, 24, 3, 1, 1),
        (2, 320, 64, 64, 320, 3, 1, 1),
        (2, 320, 64, 64, 320, 3, 2, 1),
        (2, 1280, 8, 8, 1280, 3, 1, 1),
        (2, 2560, 8, 8, 1280, 3, 1, 1),
        (2, 960, 32, 32, 640, 1, 1, 0),
        (1, 128, 100, 90, 3, 3, 1, 1),
        (3, 50, 17, 13, 70, 5, 3, 2),
        (1, 40, 33, 31, 200, 3, 2, 0),
    ] {
        let inputs = [
            random(&[batch, channels, height, width], 1),
            random(&[out, channels, kernel, kernel], 2),
            random(&[out], 3),
        ];
        compare(&format!("conv {batch}x{channels}x{height}x{width} to {out}, {kernel}/{stride}"), &inputs, |x| {
            crate::conv2d(&x[0], &PackedConv::new(&x[1], stride, padding)?, Some(&x[2]))
        });
    }
    // Views: turned already, every other channel, none of the first pictures; and no bias.
    let inputs = [random(&[3, 16, 10, 12], 1), random(&[24, 16, 3, 3], 2), random(&[24, 8, 3, 3], 2)];
    compare("conv of views", &inputs, |x| {
        let weight = PackedConv::new(&x[1], 1, 1)?;
        let last = x[0].permute((0, 2, 3, 1))?.contiguous()?.permute((0, 3, 1, 2))?;
        let half = crate::conv2d(&x[0].narrow(1, 3, 8)?, &PackedConv::new(&x[2], 1, 1)?, None)?;
        let later = crate::conv2d(&last.narrow(0, 1, 2)?, &weight, None)?;
        half.narrow(0, 1, 2)? + later
    });
}

#[test]
fn norms() {
    for (batch, channels, h, w, groups) in
        [(2, 320, 64, 64, 32), (1, 128, 256, 300, 32), (2, 32, 5, 7, 8), (1, 6, 1, 1, 3), (3, 1280, 8, 8, 32)]
    {
        let x = (random(&[batch, channels, h, w], 1) + 2.0).unwrap();
        let inputs = [x, random(&[channels], 2), random(&[channels], 3)];
        for silu in [false, true] {
            compare(&format!("group norm {batch}x{channels}x{h}x{w} in {groups}"), &inputs, |x| {
                crate::group_norm(&x[0], &x[1], &x[2], groups, 1e-5, silu)
            });
        }
    }
    for (rows, width) in [(77, 768), (4096, 320), (3, 1280), (5, 30), (2, 8)] {
        let inputs = [random(&[2, rows, width], 1), random(&[width], 2), random(&[width], 3)];
        compare(&format!("layer norm {rows}x{width}"), &inputs, |x| crate::layer_norm(&x[0], &x[1], &x[2], 1e-5));
    }
}

#[test]
fn elements() {
    for width in [320, 24, 10] {
        compare(&format!("geglu {width}"), &[random(&[2, 50, 2 * width], 1)], |x| geglu(&x[0]));
        let inputs = [random(&[2, 50, 64], 1), random(&[width, 64], 2), random(&[width], 3)];
        compare(&format!("linear {width}"), &inputs, |x| linear(&x[0], &PackedLinear::new(&x[1])?, Some(&x[2])));
    }
    for rows in [1, 2] {
        for side in [8, 5] {
            let inputs = [random(&[2, 20, side, side], 1), random(&[rows, 20], 2), random(&[20], 3)];
            compare(&format!("add {rows} {side}"), &inputs, |x| add_channels(&x[0], &x[1]));
            compare(&format!("prelu {side}"), &inputs, |x| prelu(&x[0], &x[2]));
            compare(&format!("leaky relu {side}"), &inputs, |x| leaky_relu(&x[0], 0.2));
        }
    }
}

#[test]
fn attentions() {
    for (batch, heads, queries, keys, d) in [
        (2, 8, 1024, 1024, 40),
        (2, 8, 1024, 77, 40),
        (1, 10, 300, 300, 64),
        (2, 8, 256, 256, 80),
        (1, 2, 65, 129, 128),
        (2, 8, 64, 64, 160),
        (1, 3, 20, 30, 12),
        (1, 1, 100, 100, 512),
    ] {
        let tokens = |n, seed| random(&[batch, n, heads * d], seed);
        let inputs = [tokens(queries, 1), tokens(keys, 2), tokens(keys, 3)];
        for causal in [false, true].into_iter().take(1 + usize::from(queries == keys)) {
            compare(&format!("attention {batch}x{heads}x{queries}x{d} to {keys}"), &inputs, |x| {
                let split = |x: &Tensor| x.reshape((batch, x.dim(1)?, heads, d))?.transpose(1, 2);
                let (q, k, v) = (split(&x[0])?, split(&x[1])?, split(&x[2])?);
                crate::attention(&q, &k, &v, (d as f32).powf(-0.5), causal)?.transpose(1, 2)?.flatten_from(2)
            });
        }
    }
}
