//! Opening an NVIDIA card without falling over where there is none.
//!
//! The library behind candle's CUDA loads NVIDIA's libraries by name when first asked, and panics where there are none; so they
//! are looked for first.
use candle_core::Device;

/// Opens the first NVIDIA card; else a sentence that says what is missing.
#[cfg(feature = "cuda")]
pub fn cuda() -> std::result::Result<Device, String> {
    use candle_core::cuda_backend::cudarc;
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
    Device::new_cuda(0).map_err(|e| format!("the card cannot be opened ({})", first_line(e)))
}

/// Opens the first NVIDIA card; else a sentence that says what is missing.
#[cfg(not(feature = "cuda"))]
pub fn cuda() -> std::result::Result<Device, String> {
    Err("this build of Underpaint has no CUDA (`cargo xtask cuda` makes one that has)".into())
}

#[cfg(test)]
mod tests {
    /// Wherever this runs: never a panic, and a sentence where there is no card.
    #[test]
    fn a_machine_without_a_card_is_told_why() {
        if let Err(why) = super::cuda() {
            assert!(!why.is_empty() && !why.contains('\n'), "{why}");
        }
    }
}
