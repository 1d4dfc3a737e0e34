//! Opening an NVIDIA card without falling over where there is none.
//!
//! Decision: the library behind candle's CUDA loads NVIDIA's libraries by name when first asked, and panics where there are none; so
//! they are looked for first. A card is opened once for the whole process: tensors of two openings do not mix, and each costs
//! a tenth of a second. All work goes through one stream of its own, in order, whichever thread asks for it.
use candle_core::Device;

/// Opens the first NVIDIA card, or hands out the one that is open; else a sentence that says what is missing.
#[cfg(feature = "cuda")]
pub fn cuda() -> std::result::Result<Device, String> {
    use candle_core::cuda_backend::cudarc;
    use std::sync::{Mutex, PoisonError};
    static CARD: Mutex<Option<Device>> = Mutex::new(None);
    let mut card = CARD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(card) = &*card {
        return Ok(card.clone());
    }
    #[cfg(target_os = "linux")]
    crate::libraries::bring_all();
    // SAFETY: each tries to open a library by its name and calls nothing in it but its own start and end.
    let (driver, cublas, curand) = unsafe {
        (
            cudarc::driver::sys::is_culib_present(),
            cudarc::cublas::sys::is_culib_present(),
            cudarc::curand::sys::is_culib_present(),
        )
    };
    match (driver, cublas, curand) {
        (false, ..) => return Err("there is no NVIDIA driver here (580 or newer is needed)".into()),
        (_, false, _) => return Err("NVIDIA's cuBLAS 13 is not installed (libcublas.so.13)".into()),
        (.., false) => return Err("NVIDIA's cuRAND 10 is not installed (libcurand.so.10)".into()),
        _ => {}
    }
    let first_line = |e: candle_core::Error| e.to_string().lines().next().unwrap_or_default().to_owned();
    let opened =
        Device::new_cuda_with_stream(0).map_err(|e| format!("the card cannot be opened ({})", first_line(e)))?;
    if let Device::Cuda(device) = &opened {
        // SAFETY: events would order several streams; this process has one on this card, which keeps its own order.
        unsafe { device.disable_event_tracking() };
        keep_memory(device);
    }
    Ok(card.insert(opened).clone())
}

/// Opens the first NVIDIA card; else a sentence that says what is missing.
#[cfg(not(feature = "cuda"))]
pub fn cuda() -> std::result::Result<Device, String> {
    Err("this build of Underpaint has no CUDA (`cargo xtask cuda` makes one that has)".into())
}

/// Lets the driver keep up to this much freed memory for what is allocated next. Of itself it gives back everything whenever
/// somebody waits for the card, which is once a step, and takes it again at the next.
#[cfg(feature = "cuda")]
const KEPT: u64 = 2 << 30;

#[cfg(feature = "cuda")]
fn keep_memory(device: &candle_core::CudaDevice) {
    use candle_core::cuda_backend::cudarc::driver::sys;
    let (stream, mut pool, mut kept) = (device.cuda_stream(), std::ptr::null_mut(), KEPT);
    let ordinal = stream.context().cu_device();
    // SAFETY: the device is open; both pointers lead to values of the kind the attribute has. A refusal changes nothing but speed.
    unsafe {
        if sys::cuDeviceGetDefaultMemPool(&mut pool, ordinal) == sys::CUresult::CUDA_SUCCESS {
            let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
            let _ = sys::cuMemPoolSetAttribute(pool, attribute, (&raw mut kept).cast());
        }
    }
}

/// Bytes that were taken from the driver and nothing uses: they are as good as free to this process.
#[cfg(feature = "cuda")]
fn spare(device: &candle_core::CudaDevice) -> usize {
    use candle_core::cuda_backend::cudarc::driver::sys::{self, CUmemPool_attribute as Attribute};
    let (ordinal, mut pool, mut taken, mut used) =
        (device.cuda_stream().context().cu_device(), std::ptr::null_mut(), 0u64, 0u64);
    // SAFETY: the device is open; the pointers lead to values of the kinds the attributes have. What is refused counts as none.
    unsafe {
        let ok = sys::CUresult::CUDA_SUCCESS;
        let all = sys::cuDeviceGetDefaultMemPool(&mut pool, ordinal) == ok
            && sys::cuMemPoolGetAttribute(
                pool,
                Attribute::CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT,
                (&raw mut taken).cast(),
            ) == ok
            && sys::cuMemPoolGetAttribute(pool, Attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT, (&raw mut used).cast())
                == ok;
        if all { taken.saturating_sub(used) as usize } else { 0 }
    }
}

/// Bytes free on the card and bytes it has; `None` where `device` is none or does not tell.
pub fn memory(device: &Device) -> Option<(usize, usize)> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => {
            let (free, total) = device.cuda_stream().context().mem_get_info().ok()?;
            Some((free + spare(device), total))
        }
        _ => None,
    }
}

/// Lets products of `f32` on NVIDIA cards round their factors to 11 bits, as PyTorch's convolutions do: several times as fast. For
/// the whole process; off until asked for.
pub fn round_products(yes: bool) {
    candle_core::cuda::set_gemm_reduced_precision_f32(yes);
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    /// Wherever this runs: never a panic, and a sentence where there is no card.
    #[test]
    fn a_machine_without_a_card_is_told_why() {
        match super::cuda() {
            Err(why) => assert!(!why.is_empty() && !why.contains('\n'), "{why}"),
            // What is made after one opening is of the same device as what is made after another.
            Ok(card) => assert!(card.same_device(&super::cuda().unwrap())),
        }
        assert!(super::memory(&Device::Cpu).is_none());
    }
}
