//! Between candle's tensors and slices.
use candle_core::{CpuStorage, DType, Device, Result, Storage, Tensor};

/// Calls `f` with the values of a tensor on the CPU, as contiguous `f32`.
pub(crate) fn with_values<R>(x: &Tensor, f: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let x = x.to_dtype(DType::F32)?.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) => f(&values[start..end]),
        _ => candle_core::bail!("a kernel for the CPU was given a tensor on another device"),
    }
}

/// As [`with_values`] for a value that may be absent.
pub(crate) fn with_optional<R>(x: Option<&Tensor>, f: impl FnOnce(Option<&[f32]>) -> Result<R>) -> Result<R> {
    match x {
        Some(x) => with_values(x, |values| f(Some(values))),
        None => f(None),
    }
}

/// A tensor on the CPU of `shape`, rounded to the type of `like`.
pub(crate) fn tensor<S: Into<candle_core::Shape>>(values: Vec<f32>, shape: S, like: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(like.dtype())
}

/// Whether our kernels take a tensor: whatever its type, it is on the CPU.
pub(crate) fn ours(x: &Tensor) -> bool {
    x.device().is_cpu()
}
