//! What can go wrong, sorted by whose problem it is; each sentence names the file or field and what would be right.

use std::path::PathBuf;
use underpaint_raster::Cancelled;

/// Everything the engine can refuse or fail at. The model stays usable after any of them.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The owner of the job no longer wants the result.
    #[error("the job was cancelled")]
    Cancelled(Cancelled),
    /// The operating system refused.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Not a safetensors file by its first bytes; nothing in it was executed.
    #[error("{} is {what}; a .safetensors file is needed", path.display())]
    NotSafetensors {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        what: &'static str,
    },
    /// A safetensors file whose parts contradict each other.
    #[error("{} is damaged: {what}; copy or download it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The contradiction.
        what: String,
    },
    /// A sound file of something else.
    #[error("{} is {found}; a Stable Diffusion 1.x, 2.x or XL checkpoint (.safetensors) or diffusers folder is needed", path.display())]
    WrongArchitecture {
        /// The file or folder.
        path: PathBuf,
        /// What it seems to be.
        found: String,
    },
    /// A sound file of something that controls nothing.
    #[error("{} is {found}; a ControlNet, T2I-Adapter or IP-Adapter (.safetensors or diffusers folder) is needed", path.display())]
    NotControl {
        /// The file or folder.
        path: PathBuf,
        /// What it seems to be.
        found: String,
    },
    /// A sound file, but no depth estimator.
    #[error("{} is {found}; Depth Anything V2 (.safetensors or transformers folder) is needed", path.display())]
    NotDepth {
        /// The file or folder.
        path: PathBuf,
        /// What it seems to be.
        found: String,
    },
    /// A sound file, but no upscaler.
    #[error("{} is {found}; an ESRGAN, Real-ESRGAN, BSRGAN or compact model (.safetensors) is needed", path.display())]
    NotUpscaler {
        /// The file.
        path: PathBuf,
        /// What it seems to be.
        found: String,
    },
    /// A sound file, but no tiny autoencoder.
    #[error("{} is no tiny autoencoder with a decoder; TAESD's or its kin's (.safetensors) is needed", path.display())]
    NotTiny {
        /// The file or folder.
        path: PathBuf,
    },
    /// A model of the right kind that lacks or misshapes a part.
    #[error("{}: tensor {name} {what}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor, by the name diffusers gives it.
        name: String,
        /// What is wrong and what would be right.
        what: String,
    },
    /// A LoRA that is broken, or for another model than the loaded one.
    #[error("{} {what}", path.display())]
    Lora {
        /// The file.
        path: PathBuf,
        /// What is wrong and what would be right.
        what: String,
    },
    /// A model's file was written to while the model was in memory.
    #[error("{} was changed while the model was loaded; load the model again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A configuration file with an impossible or unsupported value.
    #[error("{}: {field} {what}", path.display())]
    Config {
        /// The JSON file.
        path: PathBuf,
        /// The key.
        field: String,
        /// What is wrong and what would be right.
        what: String,
    },
    /// A request this model cannot fulfil.
    #[error("{field} {what}")]
    Request {
        /// The field, as on the wire and the command line.
        field: &'static str,
        /// What is wrong and what would be right.
        what: String,
    },
    /// An array file that is not what was asked for.
    #[error("{} {what}", path.display())]
    Npy {
        /// The file.
        path: PathBuf,
        /// What is wrong and what would be right.
        what: String,
    },
    /// More than this machine has free.
    #[error("memory {what}")]
    Memory {
        /// What is needed, what there is and what would help.
        what: String,
        /// What is needed.
        needed_bytes: u64,
        /// What there is.
        free_bytes: u64,
    },
    /// The card had less than was asked of it midway. What of it the model holds is better given back.
    #[error(
        "memory of the graphics card is used up; close other programs that use it, make the picture smaller, or use --device cpu"
    )]
    Full,
    /// The picture turned into infinities; an all black result would hide it.
    #[error(
        "{stage} gave values that are not finite; the weights are broken or too large for this precision, try another model or --dtype f32"
    )]
    NotFinite {
        /// Where it was noticed.
        stage: String,
    },
    /// A device or precision this build or machine does not have.
    #[error("{what}")]
    Device {
        /// What is missing and what works.
        what: String,
    },
    /// The tensor library failed: a bug or too little memory.
    #[error("the computation failed: {}", first_line(.0))]
    Compute(candle_core::Error),
}

impl From<candle_core::Error> for EngineError {
    fn from(error: candle_core::Error) -> Self {
        // What a graphics card says, and what its library of products says.
        let full = ["CUDA_ERROR_OUT_OF_MEMORY", "CUBLAS_STATUS_ALLOC_FAILED"];
        let text = error.to_string();
        match full.iter().any(|name| text.contains(name)) {
            true => Self::Full,
            false => Self::Compute(error),
        }
    }
}

impl From<Cancelled> for EngineError {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled)
    }
}

/// candle appends a backtrace when the environment asks for one; a painter gets the sentence.
pub(crate) fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_full_card_says_is_told_from_what_else_fails() {
        for (said, full) in [
            ("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")", true),
            ("CublasError(CUBLAS_STATUS_ALLOC_FAILED)", true),
            ("DriverError(CUDA_ERROR_ILLEGAL_ADDRESS, \"an illegal memory access\")", false),
            ("shape mismatch in matmul", false),
        ] {
            let error = EngineError::from(candle_core::Error::msg(said));
            assert_eq!(matches!(error, EngineError::Full), full, "{error}");
            assert_eq!(error.to_string().contains("--device cpu"), full, "{error}");
        }
    }
}
