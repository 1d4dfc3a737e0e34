//! Our kernels for NVIDIA cards, `cuda/*.cu`, behind functions that take and give candle tensors.
//!
//! Decision: each answers `None` to what it was not made for (a width that does not fill 16 bytes, a type, a shape), and the caller does it
//! with candle's operations. Nothing is computed in another order from one run to the next, so the same seed makes the same
//! picture. What is normalised comes out with its channels last, as a view: the convolution and the transformer, which read it,
//! want it so.
mod code;
#[cfg(test)]
mod tests;

use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::{DevicePtr, LaunchConfig, PushKernelArg};
use candle_core::{CudaDevice, CudaStorage, D, DType, Device, Layout, Result, Storage, Tensor};
use code::{ATTENTION, CONV, ELEMENTS, NORM};
use half::{bf16, f16};

/// Threads of a block, where nothing else is said.
const BLOCK: u32 = 256;
/// Blocks that fill any card: 132 multiprocessors of an H100 four times.
const ENOUGH: usize = 528;

/// The card `x` is on and the name of its type in ours, if ours are made for both.
fn place(x: &Tensor) -> Option<(CudaDevice, &'static str)> {
    let Device::Cuda(device) = x.device() else { return None };
    let kind = match x.dtype() {
        DType::F32 => "f32",
        DType::F16 => "f16",
        DType::BF16 => "bf16",
        _ => return None,
    };
    Some((device.clone(), kind))
}

/// Values of 16 bytes.
fn pack(x: &Tensor) -> usize {
    16 / x.dtype().size_in_bytes()
}

/// `count` threads in blocks of [`BLOCK`].
fn threads(count: usize) -> LaunchConfig {
    blocks(count.div_ceil(BLOCK as usize), 1, 1)
}

fn blocks(x: usize, y: usize, z: usize) -> LaunchConfig {
    LaunchConfig { grid_dim: (x as u32, y as u32, z as u32), block_dim: (BLOCK, 1, 1), shared_mem_bytes: 0 }
}

/// A tensor whose values are not set yet; the caller sets all of them.
fn unset(shape: &[usize], like: &Tensor) -> Result<Tensor> {
    // SAFETY: the kernel launched next on the stream that everything runs on writes every value before anyone reads one.
    unsafe { Tensor::empty(shape, like.dtype(), like.device()) }
}

/// Where the first value of `x` lies on the card.
fn address(x: &Tensor) -> Result<u64> {
    let (storage, layout) = x.storage_and_layout();
    let Storage::Cuda(storage) = &*storage else {
        candle_core::bail!("a kernel for a card was given a tensor elsewhere")
    };
    fn of<T: candle_core::cuda_backend::CudaDType>(storage: &CudaStorage, layout: &Layout) -> Result<u64> {
        let stream = storage.device.cuda_stream();
        let (start, _) = storage.as_cuda_slice::<T>()?.device_ptr(&stream);
        Ok(start + (layout.start_offset() * size_of::<T>()) as u64)
    }
    match x.dtype() {
        DType::F16 => of::<f16>(storage, layout),
        DType::BF16 => of::<bf16>(storage, layout),
        _ => of::<f32>(storage, layout),
    }
}

/// `x` with its values in order from a 16-byte border on, copied only if they are not.
fn in_order(x: &Tensor) -> Result<Tensor> {
    match x.is_contiguous() && x.layout().start_offset().is_multiple_of(pack(x)) {
        true => Ok(x.clone()),
        false => x.force_contiguous(),
    }
}

/// Adds `bias` `[C]` to the last dimension of `x`.
pub(crate) fn add_row(x: &Tensor, bias: &Tensor) -> Result<Option<Tensor>> {
    let Some((device, kind)) = place(x) else { return Ok(None) };
    let (width, n) = (bias.elem_count(), pack(x));
    if !width.is_multiple_of(n) || bias.dtype() != x.dtype() || x.elem_count() == 0 {
        return Ok(None);
    }
    let (x, bias) = (in_order(x)?, in_order(bias)?);
    let y = unset(x.dims(), &x)?;
    let (packs, row) = (x.elem_count() / n, (width / n) as u32);
    let kernel = ELEMENTS.kernel(&device, &format!("add_row_{kind}"))?;
    let (from, added, to) = (address(&x)?, address(&bias)?, address(&y)?);
    let mut launch = kernel.builder();
    launch.arg(&from).arg(&added).arg(&to).arg(&packs).arg(&row);
    // SAFETY: `packs` packs lie at both ends and `row` at the bias; arguments are those of elements.cu.
    unsafe { launch.launch(threads(packs)) }.w()?;
    Ok(Some(y))
}

/// Adds `added` `[1 or B, C]` to every pixel of `x` `[B, C, h, w]`.
pub(crate) fn add_plane(x: &Tensor, added: &Tensor) -> Result<Option<Tensor>> {
    let Some((device, kind)) = place(x) else { return Ok(None) };
    let ((batch, channels, h, w), n) = (x.dims4()?, pack(x));
    let rows = added.dim(0)?;
    let fits = added.dims() == [rows, channels] && (rows == 1 || rows == batch) && added.dtype() == x.dtype();
    if !fits || !(h * w).is_multiple_of(n) || x.elem_count() == 0 {
        return Ok(None);
    }
    let (x, added) = (in_order(x)?, in_order(added)?);
    let y = unset(x.dims(), &x)?;
    let (packs, plane, each) = (x.elem_count() / n, (h * w / n) as u32, (rows * channels) as u32);
    let kernel = ELEMENTS.kernel(&device, &format!("add_plane_{kind}"))?;
    let (from, more, to) = (address(&x)?, address(&added)?, address(&y)?);
    let mut launch = kernel.builder();
    launch.arg(&from).arg(&more).arg(&to).arg(&packs).arg(&plane).arg(&each);
    // SAFETY: `packs` packs lie at both ends and `each` values at what is added; arguments are those of elements.cu.
    unsafe { launch.launch(threads(packs)) }.w()?;
    Ok(Some(y))
}

/// As [`geglu`](crate::geglu).
pub(crate) fn geglu(x: &Tensor) -> Result<Option<Tensor>> {
    let Some((device, kind)) = place(x) else { return Ok(None) };
    let (width, n) = (x.dim(D::Minus1)? / 2, pack(x));
    if !width.is_multiple_of(n) || x.elem_count() == 0 {
        return Ok(None);
    }
    let x = in_order(x)?;
    let mut shape = x.dims().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = width;
    }
    let y = unset(&shape, &x)?;
    let (packs, row) = (y.elem_count() / n, (width / n) as u32);
    let kernel = ELEMENTS.kernel(&device, &format!("geglu_{kind}"))?;
    let (from, to) = (address(&x)?, address(&y)?);
    let mut launch = kernel.builder();
    launch.arg(&from).arg(&to).arg(&packs).arg(&row);
    // SAFETY: rows of `row` packs lie at `y` and of twice as many at `x`; arguments are those of elements.cu.
    unsafe { launch.launch(threads(packs)) }.w()?;
    Ok(Some(y))
}

/// Values below zero times `slope`, or times the slope of their channel, of `x` `[B, C, h, w]`.
pub(crate) fn leak(x: &Tensor, slopes: Option<&Tensor>, slope: f32) -> Result<Option<Tensor>> {
    let Some((device, kind)) = place(x) else { return Ok(None) };
    let n = pack(x);
    let (plane, channels) = match (slopes, x.dims()) {
        (Some(slopes), &[_, channels, h, w]) if slopes.dtype() == x.dtype() => (h * w, channels),
        (None, _) => (x.elem_count(), 1),
        _ => return Ok(None),
    };
    if x.elem_count() == 0 || !plane.is_multiple_of(n) || plane / n > u32::MAX as usize {
        return Ok(None);
    }
    let (x, slopes) = (in_order(x)?, slopes.map(in_order).transpose()?);
    let y = unset(x.dims(), &x)?;
    let (packs, plane, channels) = (x.elem_count() / n, (plane / n) as u32, channels as u32);
    let kernel = ELEMENTS.kernel(&device, &format!("leak_{kind}"))?;
    let (from, by, to) = (address(&x)?, slopes.as_ref().map_or(Ok(0), address)?, address(&y)?);
    let mut launch = kernel.builder();
    launch.arg(&from).arg(&by).arg(&to).arg(&packs).arg(&plane).arg(&channels).arg(&slope);
    // SAFETY: `packs` packs lie at both ends, and `channels` slopes unless there are none; arguments are those of elements.cu.
    unsafe { launch.launch(threads(packs)) }.w()?;
    Ok(Some(y))
}

/// As [`group_norm`](crate::group_norm), `[B, C, h, w]` with its channels last in memory.
pub(crate) fn group_norm(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    groups: usize,
    eps: f64,
    silu: bool,
) -> Result<Option<Tensor>> {
    let Some((device, kind)) = place(x) else { return Ok(None) };
    let &[batch, channels, h, w] = x.dims() else { return Ok(None) };
    if x.elem_count() == 0 || gamma.dtype() != x.dtype() || beta.dtype() != x.dtype() {
        return Ok(None);
    }
    let x = in_order(x)?;
    let len = channels / groups * h * w;
    // Each part long enough to be worth a block.
    let parts = (ENOUGH / (batch * groups)).clamp(1, 64).min(len.div_ceil(4096));
    // SAFETY: the next kernel on the stream writes all of it.
    let sums = unsafe { Tensor::empty((batch * groups, parts, 2), DType::F32, x.device()) }?;
    let (from, partial) = (address(&x)?, address(&sums)?);
    let function = NORM.kernel(&device, &format!("group_sums_{kind}"))?;
    let mut launch = function.builder();
    launch.arg(&from).arg(&partial).arg(&len);
    // SAFETY: a group of `len` values for each row of blocks, two sums for each block; arguments are those of norm.cu.
    unsafe { launch.launch(blocks(parts, batch * groups, 1)) }.w()?;
    let norm = Norm { sums: &sums, gamma: &in_order(gamma)?, beta: &in_order(beta)?, groups, parts, eps, silu };
    turn(&device, kind, &x, channels, Some(norm)).map(Some)
}

struct Norm<'a> {
    sums: &'a Tensor,
    gamma: &'a Tensor,
    beta: &'a Tensor,
    groups: usize,
    parts: usize,
    eps: f64,
    silu: bool,
}

/// `x` `[B, C, h, w]`, in order, as a view `[B, padded, h, w]` of what has its channels last, normalised first if asked; what C
/// lacks to `padded` is 0.
fn turn(device: &CudaDevice, kind: &str, x: &Tensor, padded: usize, norm: Option<Norm<'_>>) -> Result<Tensor> {
    let (batch, channels, h, w) = x.dims4()?;
    let y = unset(&[batch, h, w, padded], x)?;
    let (from, to) = (address(x)?, address(&y)?);
    let (sums, gamma, beta) = match &norm {
        Some(norm) => (address(norm.sums)?, address(norm.gamma)?, address(norm.beta)?),
        None => (0, 0, 0),
    };
    let [groups, parts] = norm.as_ref().map_or([1, 1], |norm| [norm.groups as u32, norm.parts as u32]);
    let (eps, silu) = norm.as_ref().map_or((0.0, 0), |norm| (norm.eps as f32, i32::from(norm.silu)));
    let (channels, wide, plane) = (channels as u32, padded as u32, (h * w) as u32);
    let function = NORM.kernel(device, &format!("turn_{kind}"))?;
    let mut launch = function.builder();
    launch.arg(&from).arg(&sums).arg(&gamma).arg(&beta).arg(&to).arg(&channels).arg(&wide).arg(&plane);
    launch.arg(&groups).arg(&parts).arg(&eps).arg(&silu);
    // SAFETY: the tiles of 64 pixels and 32 channels cover `y`; no sums means no norm; arguments are those of norm.cu.
    unsafe { launch.launch(blocks((h * w).div_ceil(64), padded.div_ceil(32), batch)) }.w()?;
    y.permute((0, 3, 1, 2))
}

/// As [`layer_norm`](crate::layer_norm).
pub(crate) fn layer_norm(x: &Tensor, gamma: &Tensor, beta: &Tensor, eps: f64) -> Result<Option<Tensor>> {
    let Some((device, kind)) = place(x) else { return Ok(None) };
    let width = gamma.elem_count();
    let alike = gamma.dtype() == x.dtype() && beta.dtype() == x.dtype();
    if !alike || width == 0 || !width.is_multiple_of(pack(x)) || x.elem_count() == 0 {
        return Ok(None);
    }
    let (x, gamma, beta) = (in_order(x)?, in_order(gamma)?, in_order(beta)?);
    let y = unset(x.dims(), &x)?;
    let (rows, eps) = (x.elem_count() / width, eps as f32);
    let (count, wide) = (rows as u32, width as u32);
    let kernel = NORM.kernel(&device, &format!("layer_norm_{kind}"))?;
    let (from, factor, offset, to) = (address(&x)?, address(&gamma)?, address(&beta)?, address(&y)?);
    let mut launch = kernel.builder();
    launch.arg(&from).arg(&factor).arg(&offset).arg(&to).arg(&count).arg(&wide).arg(&eps);
    // SAFETY: a warp for each of the rows, which are `width` values wide at both ends; arguments are those of norm.cu.
    unsafe { launch.launch(blocks(rows.div_ceil(BLOCK as usize / 32), 1, 1)) }.w()?;
    Ok(Some(y))
}

/// Weights `[out, in, h, w]` as the convolution reads them, `[out, h w, in]` with `in` filled up to 16 bytes; `None` where they stay as
/// they are: elsewhere than on a card, or where products are not to be rounded ([`round_products`](crate::round_products)).
pub(crate) fn conv_weights(weight: &Tensor) -> Result<Option<Tensor>> {
    let exact = weight.dtype() == DType::F32 && !candle_core::cuda::gemm_reduced_precision_f32();
    if place(weight).is_none() || exact {
        return Ok(None);
    }
    let (_, channels, ..) = weight.dims4()?;
    let missing = channels.next_multiple_of(pack(weight)) - channels;
    weight.permute((0, 2, 3, 1))?.pad_with_zeros(3, 0, missing)?.force_contiguous().map(Some)
}

/// Convolves `x` `[B, in, h, w]` by what [`conv_weights`] made; sizes were checked.
pub(crate) fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: usize,
    padding: usize,
) -> Result<Tensor> {
    let Some((device, kind)) = place(x).filter(|_| x.dtype() == weight.dtype()) else {
        candle_core::bail!("a convolution of {:?} on a card was given {:?} elsewhere", weight.dtype(), x.dtype());
    };
    let ((batch, channels, height, width), (out, kh, kw, padded)) = (x.dims4()?, weight.dims4()?);
    let size = |len: usize, kernel: usize| (len + 2 * padding - kernel) / stride + 1;
    let (rows, columns) = (size(height, kh), size(width, kw));
    let y = unset(&[batch, out, rows, columns], x)?;
    if y.elem_count() == 0 {
        return Ok(y);
    }
    let last = [height * width * channels, 1, width * channels, channels];
    let turned = channels == padded && x.stride() == last && x.layout().start_offset().is_multiple_of(pack(x));
    let x = if turned { x.clone() } else { turn(&device, kind, &in_order(x)?, padded, None)? };
    let bias = bias.map(in_order).transpose()?;

    let total = batch * rows * columns;
    let steps = (kh * kw * padded).div_ceil(4 * pack(&x));
    // A narrower tile where the last one would be half empty, or there are few.
    let many = total.div_ceil(128) * out.div_ceil(128) >= ENOUGH / 2;
    let wide = if many && (out % 128 == 0 || out % 128 > 64) { 128 } else { 64 };
    let (down, across) = (total.div_ceil(128), out.div_ceil(wide));
    // Parts of a long sum where there are too few tiles for the card, each at least eight steps long.
    let each = steps.div_ceil((ENOUGH / (down * across)).clamp(1, (steps / 8).clamp(1, 16)));
    let parts = steps.div_ceil(each);
    let sums = match parts {
        1 => None,
        // SAFETY: the kernel writes all of it before the next one on the stream reads it.
        _ => Some(unsafe { Tensor::empty((parts, total * out), DType::F32, x.device()) }?),
    };
    let shape = [batch, padded, height, width, out, rows, columns, kw, kh * kw, stride, padding, steps, each];
    let shape = shape.map(|n| n as i32);
    let (from, weights, to) = (address(&x)?, address(weight)?, address(&y)?);
    let (added, partial) = (bias.as_ref().map_or(Ok(0), address)?, sums.as_ref().map_or(Ok(0), address)?);
    let function = CONV.kernel(&device, &format!("convolve_{wide}_{kind}"))?;
    let mut launch = function.builder();
    launch.arg(&from).arg(&weights).arg(&added).arg(&to).arg(&partial).arg(&shape);
    // SAFETY: `x`, the weights and what is written have the sizes `shape` tells; arguments are those of conv.cu.
    unsafe { launch.launch(blocks(down, across, parts)) }.w()?;
    if parts > 1 {
        let (count, parts, pixels, out) = (y.elem_count(), parts as i32, (rows * columns) as i32, out as i32);
        let function = CONV.kernel(&device, &format!("add_parts_{kind}"))?;
        let mut launch = function.builder();
        launch.arg(&partial).arg(&added).arg(&to).arg(&count).arg(&parts).arg(&pixels).arg(&out);
        // SAFETY: `parts` times as many sums as `y` has values were just written; arguments are those of conv.cu.
        unsafe { launch.launch(threads(count)) }.w()?;
    }
    Ok(y)
}

/// As [`attention`](crate::attention), of 16-bit values in heads up to 160 wide.
pub(crate) fn attention(q: &Tensor, k: &Tensor, v: &Tensor, scale: f32, causal: bool) -> Result<Option<Tensor>> {
    let Some((device, kind)) = place(q).filter(|_| q.dtype() != DType::F32) else { return Ok(None) };
    let (batch, heads, queries, d) = q.dims4()?;
    let keys = k.dim(2)?;
    let filled = [48, 64, 80, 128, 160].into_iter().find(|width| d <= *width);
    let readable = |x: &Tensor| {
        let rows = x.stride()[..3].iter().chain([&x.layout().start_offset()]).all(|n| n.is_multiple_of(8));
        x.dtype() == q.dtype() && x.stride()[3] == 1 && rows
    };
    let (Some(filled), true) = (filled, d.is_multiple_of(8) && [q, k, v].into_iter().all(readable)) else {
        return Ok(None);
    };
    if q.elem_count() == 0 || keys == 0 {
        return Ok(None);
    }
    let y = unset(&[batch, queries, heads, d], q)?;
    let view = |x: &Tensor| [x.stride()[0] as i64, x.stride()[1] as i64, x.stride()[2] as i64];
    let (q_view, k_view, v_view) = (view(q), view(k), view(v));
    let (from, to_keys, to_values, to) = (address(q)?, address(k)?, address(v)?, address(&y)?);
    let [queries_, keys, d] = [queries, keys, d].map(|n| n as i32);
    let causal = i32::from(causal);
    let kernel = ATTENTION.kernel(&device, &format!("attend_{filled}_{kind}"))?;
    let mut launch = kernel.builder();
    launch.arg(&from).arg(&to_keys).arg(&to_values).arg(&to).arg(&q_view).arg(&k_view).arg(&v_view);
    launch.arg(&queries_).arg(&keys).arg(&d).arg(&scale).arg(&causal);
    let grid = LaunchConfig { block_dim: (128, 1, 1), ..blocks(queries.div_ceil(64), heads, batch) };
    // SAFETY: the views say where each row lies, and each is on 16 bytes; arguments are those of attention.cu.
    unsafe { launch.launch(grid) }.w()?;
    y.transpose(1, 2).map(Some)
}
