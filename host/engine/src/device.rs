//! Where to compute, and how exactly.
//!
//! Decision: a build for CUDA starts on every machine and says in one sentence why it computes on the CPU. One device, one
//! thread: whoever owns the [`Model`](crate::Model) owns the device.

use crate::EngineError;
use crate::memory::Keeping;
use candle_core::{DType, Device};

/// Where to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// The processor; always there.
    Cpu,
    /// An NVIDIA card.
    Cuda,
    /// An Apple GPU.
    Metal,
}

/// Precision of weights and activations. Timesteps, noise, sampling and the autoencoder are 32 bits wide whatever is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// 32 bits.
    F32,
    /// 16 bits, 5 of them exponent.
    F16,
    /// 16 bits, 8 of them exponent.
    Bf16,
}

impl DeviceKind {
    /// All of them, the fastest first.
    pub const ALL: [Self; 3] = [Self::Cuda, Self::Metal, Self::Cpu];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        }
    }

    /// The fastest that is there.
    pub fn fastest() -> Self {
        Self::ALL.into_iter().find(|kind| kind.open().is_ok()).unwrap_or(Self::Cpu)
    }

    /// Opens the device; else a sentence that says what is missing and what would help.
    pub fn open(self) -> Result<Device, String> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda => underpaint_kernels::cuda(),
            Self::Metal => metal(),
        }
    }

    /// Bytes free on the card and bytes it has; `None` for the processor and where the card does not tell.
    pub fn memory(self) -> Option<(u64, u64)> {
        let (free, total) = underpaint_kernels::memory(&self.open().ok()?)?;
        Some((free as u64, total as u64))
    }
}

impl Dtype {
    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// What is taken where nobody chose.
    pub const fn usual(kind: DeviceKind) -> Self {
        match kind {
            DeviceKind::Cpu => Self::F32,
            DeviceKind::Cuda | DeviceKind::Metal => Self::F16,
        }
    }

    const fn tensors(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Bf16 => DType::BF16,
        }
    }
}

/// The device asked for, or without a wish the fastest there is, and the precision to compute in: without a wish the
/// [usual](Dtype::usual).
///
/// # Errors
/// If the device asked for is not there.
pub(crate) fn open(kind: Option<DeviceKind>, dtype: Option<Dtype>) -> Result<(Device, DType), EngineError> {
    let kind = kind.unwrap_or_else(DeviceKind::fastest);
    let device = kind.open().map_err(|why| EngineError::Device {
        what: format!("device is {}, but {why}; use --device cpu", kind.name()),
    })?;
    let dtype = dtype.unwrap_or(Dtype::usual(kind));
    // What stays 32 bits wide beside 16-bit weights need not be exact to the last.
    underpaint_kernels::round_products(dtype != Dtype::F32);
    Ok((device, dtype.tensors()))
}

/// How a model computing in `dtype` on `device` is kept.
pub(crate) fn keeping(device: &Device, dtype: DType) -> Keeping {
    match device {
        Device::Cpu => Keeping::Packed,
        _ => Keeping::Card(dtype.size_in_bytes() as u64),
    }
}

#[cfg(feature = "metal")]
fn metal() -> Result<Device, String> {
    Device::new_metal(0).map_err(|e| format!("the GPU cannot be opened: {}", crate::error::first_line(&e)))
}

#[cfg(not(feature = "metal"))]
fn metal() -> Result<Device, String> {
    Err("this build of Underpaint has no Metal (`--features metal` on a Mac makes one that has)".into())
}
