//! Picture files in and out.
//!
//! Decision: every usual kind is read into the one raster type (sRGB-encoded f32, straight alpha); how many bits it
//! had and which colour profile it carried travel beside it, so that what is written has the same depth and the same
//! profile and every untouched pixel the same value. Profiles are not converted: the models work on the values as
//! they stand, as if they were sRGB. Sizes are looked at before anything is decoded.

mod read;
mod write;

pub use read::{as_mask, decode, read, read_mask};
pub use write::{Text, check_target, encode, write};

use std::fmt;
use std::path::PathBuf;
use underpaint_raster::Image;

/// Longest side that is read; the protocol's limit for documents as well.
pub const MAX_SIDE: u32 = 16384;
/// Most pixels that are read.
pub const MAX_PIXELS: u64 = 64 << 20;

/// A decoded picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Its pixels, upright whatever the file's orientation tag said.
    pub image: Image,
    /// Bits of a channel in the file.
    pub depth: Depth,
    /// Whether the file has an alpha channel (or a transparent colour).
    pub has_alpha: bool,
    /// An embedded RGB colour profile, carried into what is written.
    pub icc: Option<Vec<u8>>,
}

/// Bits of a channel in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// 8 bits or fewer.
    #[default]
    Eight,
    /// 16 bits.
    Sixteen,
}

/// Why a picture cannot be read or written. Displays as one sentence naming the file.
#[derive(Debug)]
pub enum PictureError {
    /// The operating system refused.
    Read(PathBuf, std::io::Error),
    /// The operating system refused.
    Write(PathBuf, std::io::Error),
    /// A folder, or nothing at all in the file.
    NotAPicture(PathBuf, &'static str),
    /// A file of some other kind.
    Kind(PathBuf, Option<&'static str>),
    /// More pixels than are read.
    TooLarge(PathBuf, u32, u32),
    /// So many pixels that the decoder itself refuses to count them.
    Endless(PathBuf),
    /// The right kind, but damaged or beyond what is supported.
    Damaged(PathBuf, String),
    /// The name of an output that is not a PNG.
    NotPng(PathBuf),
}

impl fmt::Display for PictureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, e) => write!(f, "{} cannot be read: {}", path.display(), plain(e)),
            Self::Write(path, e) => write!(f, "{} cannot be written: {}", path.display(), plain(e)),
            Self::NotAPicture(path, what) => write!(f, "{} is {what}, not a picture", path.display()),
            Self::Kind(path, Some(kind)) => {
                write!(f, "{} is {kind}, which is not read; save it as PNG, JPEG, WebP, BMP or TIFF", path.display())
            }
            Self::Kind(path, None) => {
                write!(f, "{} is not a picture that is read here (PNG, JPEG, WebP, BMP or TIFF)", path.display())
            }
            Self::TooLarge(path, w, h) => write!(
                f,
                "{} is {w}x{h} pixels; at most {MAX_SIDE} a side and {} megapixels in all are read",
                path.display(),
                MAX_PIXELS >> 20
            ),
            Self::Endless(path) => write!(
                f,
                "{} claims more memory than is given to a picture; at most {MAX_SIDE} pixels a side are read",
                path.display()
            ),
            Self::Damaged(path, what) => write!(f, "{} cannot be decoded: {what}", path.display()),
            Self::NotPng(path) => {
                write!(f, "{} would have to be a PNG; give it a name that ends in .png", path.display())
            }
        }
    }
}

impl std::error::Error for PictureError {}

/// The system's words without its error number.
pub(crate) fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file or folder".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        std::io::ErrorKind::NotADirectory => "its folder is a file".into(),
        _ => error.to_string(),
    }
}
