//! The compiled kernels, and their way onto the card.
//!
//! Decision: candle takes kernels as PTX only, which the driver would translate at first use, six seconds for ours. These are fat
//! binaries with machine code in them (`build.rs`), loaded when one of their functions is first asked for. The process has
//! one card (`device`), so each is loaded once.
use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::{CudaFunction, CudaModule, CudaStream, LaunchArgs};
use candle_core::cuda_backend::cudarc::nvrtc::Ptx;
use candle_core::{CudaDevice, Result};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) static ATTENTION: Code = Code::new(include_bytes!(concat!(env!("OUT_DIR"), "/attention.fatbin")));
pub(super) static CONV: Code = Code::new(include_bytes!(concat!(env!("OUT_DIR"), "/conv.fatbin")));
pub(super) static ELEMENTS: Code = Code::new(include_bytes!(concat!(env!("OUT_DIR"), "/elements.fatbin")));
pub(super) static NORM: Code = Code::new(include_bytes!(concat!(env!("OUT_DIR"), "/norm.fatbin")));

/// One file of kernels.
pub(super) struct Code {
    binary: &'static [u8],
    loaded: Mutex<Option<Arc<CudaModule>>>,
}

impl Code {
    const fn new(binary: &'static [u8]) -> Self {
        Self { binary, loaded: Mutex::new(None) }
    }

    /// The function `name` of this file on the card.
    pub(super) fn kernel(&self, device: &CudaDevice, name: &str) -> Result<Kernel> {
        let stream = device.cuda_stream();
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let module = match &*loaded {
            Some(module) => module,
            None => loaded.insert(stream.context().load_module(Ptx::from_binary(self.binary.to_vec())).w()?),
        };
        Ok(Kernel(module.load_function(name).w()?, stream))
    }
}

/// A function on a card, and the stream that everything runs on.
pub(super) struct Kernel(CudaFunction, Arc<CudaStream>);

impl Kernel {
    pub(super) fn builder(&self) -> LaunchArgs<'_> {
        self.1.launch_builder(&self.0)
    }
}
