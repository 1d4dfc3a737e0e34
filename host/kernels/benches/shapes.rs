//! The layer shapes that Stable Diffusion 1.5 spends its time in, at 512x512 with guidance (batch 2).
//!
//! Measures processor time over all threads, which other programs on the machine disturb least, and reports
//! `GFLOP/s` per second of it; outside Linux, wall time. `torch_shapes.py` does the same for PyTorch.
//! `cargo bench -p underpaint-kernels --profile dev`, with `-- linear` at its end only those (the dev profile optimises this crate).
use std::hint::black_box;
use std::sync::LazyLock;
use std::time::Instant;

use candle_core::{Device, Result, Tensor};
use criterion::measurement::{Measurement, ValueFormatter};
use criterion::{Criterion, SamplingMode, Throughput};
use underpaint_kernels::{PackedConv, PackedLinear, attention, conv2d, geglu, group_norm, layer_norm, linear};

/// batch, channels, side, out, kernel, stride.
const CONVOLUTIONS: [[usize; 6]; 8] = [
    [2, 320, 64, 320, 3, 1],
    [2, 320, 64, 320, 3, 2],
    [2, 640, 32, 640, 3, 1],
    [2, 1280, 16, 1280, 3, 1],
    [2, 1280, 8, 1280, 3, 1],
    [2, 960, 64, 320, 1, 1],
    [1, 512, 64, 512, 3, 1],
    [1, 128, 512, 128, 3, 1],
];

/// rows, in, out.
const LINEARS: [[usize; 3]; 5] =
    [[8192, 320, 2560], [2048, 640, 5120], [512, 1280, 10240], [154, 768, 320], [8192, 1280, 320]];

/// batch, heads, queries, keys, width of a head.
const ATTENTIONS: [[usize; 5]; 4] =
    [[2, 8, 4096, 4096, 40], [2, 8, 1024, 1024, 80], [2, 8, 4096, 77, 40], [1, 1, 4096, 4096, 512]];

fn values(shape: &[usize]) -> Result<Tensor> {
    Tensor::rand(-1f32, 1.0, shape, &Device::Cpu)
}

fn benches(criterion: &mut Criterion<ProcessorTime>) -> Result<()> {
    let mut group = criterion.benchmark_group("convolution");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    for [batch, channels, side, out, kernel, stride] in CONVOLUTIONS {
        let weight = PackedConv::new(&values(&[out, channels, kernel, kernel])?, stride, kernel / 2)?;
        let (x, bias) = (values(&[batch, channels, side, side])?, values(&[out])?);
        let pixels = (side / stride) * (side / stride);
        group.throughput(Throughput::Elements((2 * batch * pixels * out * channels * kernel * kernel) as u64));
        let name = format!("{kernel}x{kernel}/{stride} {batch}x{channels}x{side}x{side} to {out}");
        group.bench_function(name, |b| b.iter(|| conv2d(black_box(&x), &weight, Some(&bias))));
    }
    group.finish();

    let mut group = criterion.benchmark_group("linear");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    for [rows, input, out] in LINEARS {
        let weight = PackedLinear::new(&values(&[out, input])?)?;
        let (x, bias) = (values(&[rows, input])?, values(&[out])?);
        group.throughput(Throughput::Elements((2 * rows * input * out) as u64));
        group.bench_function(format!("{rows}x{input} to {out}"), |b| {
            b.iter(|| linear(black_box(&x), &weight, Some(&bias)))
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("attention");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    for [batch, heads, queries, keys, d] in ATTENTIONS {
        let q = values(&[batch, heads, queries, d])?;
        let (k, v) = (values(&[batch, heads, keys, d])?, values(&[batch, heads, keys, d])?);
        group.throughput(Throughput::Elements((4 * batch * heads * queries * keys * d) as u64));
        let name = format!("{batch}x{heads}x{queries}x{d} to {keys}");
        group.bench_function(name, |b| b.iter(|| attention(black_box(&q), &k, &v, (d as f32).powf(-0.5), false)));
    }
    group.finish();

    // One floating-point operation to a value: here the figure is values, in milliards.
    let mut group = criterion.benchmark_group("elements");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    let (x, gamma) = (values(&[2, 320, 64, 64])?, values(&[320])?);
    group.throughput(Throughput::Elements(x.elem_count() as u64));
    group.bench_function("group_norm and silu 2x320x64x64", |b| {
        b.iter(|| group_norm(black_box(&x), &gamma, &gamma, 32, 1e-5, true))
    });
    let tokens = x.reshape((2, 4096, 320))?;
    group.bench_function("layer_norm 2x4096x320", |b| b.iter(|| layer_norm(black_box(&tokens), &gamma, &gamma, 1e-5)));
    let wide = values(&[2, 4096, 2560])?;
    group.throughput(Throughput::Elements(wide.elem_count() as u64 / 2));
    group.bench_function("geglu 2x4096x2560", |b| b.iter(|| geglu(black_box(&wide))));
    group.finish();
    Ok(())
}

fn main() -> Result<()> {
    let mut criterion = Criterion::default().with_measurement(ProcessorTime).without_plots().configure_from_args();
    benches(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

/// Nanoseconds all threads of this process have run.
struct ProcessorTime;

fn now() -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let times = threads.filter_map(|t| std::fs::read_to_string(t.path().join("schedstat")).ok());
    let total: f64 = times.filter_map(|t| t.split(' ').next()?.parse::<f64>().ok()).sum();
    if total > 0.0 { total } else { START.elapsed().as_nanos() as f64 }
}

impl Measurement for ProcessorTime {
    type Intermediate = f64;
    type Value = f64;

    fn start(&self) -> f64 {
        now()
    }
    fn end(&self, start: f64) -> f64 {
        // Threads report in steps of the scheduler's tick; criterion divides by what it gets.
        (now() - start).max(1.0)
    }
    fn add(&self, a: &f64, b: &f64) -> f64 {
        a + b
    }
    fn zero(&self) -> f64 {
        0.0
    }
    fn to_f64(&self, value: &f64) -> f64 {
        *value
    }
    fn formatter(&self) -> &dyn ValueFormatter {
        self
    }
}

impl ValueFormatter for ProcessorTime {
    fn scale_values(&self, _: f64, values: &mut [f64]) -> &'static str {
        values.iter_mut().for_each(|v| *v /= 1e6);
        "ms"
    }
    fn scale_throughputs(&self, _: f64, throughput: &Throughput, values: &mut [f64]) -> &'static str {
        if let Throughput::Elements(operations) = throughput {
            values.iter_mut().for_each(|v| *v = *operations as f64 / *v);
        }
        "GFLOP/s"
    }
    fn scale_for_machines(&self, _: &mut [f64]) -> &'static str {
        "ns"
    }
}
