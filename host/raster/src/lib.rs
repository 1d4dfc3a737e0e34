//! Pixels and geometry, pure: no I/O, no async, no GPU, no clock.
//!
//! Decision: one pixel type everywhere. An [`Image`] is RGBA, `f32`, straight alpha, sRGB-encoded, 0..=1;
//! 8- and 16-bit values survive the trip there and back exactly, so depth is decided only where bytes
//! enter and leave the daemon. A [`Mask`] is one `f32` plane, 0 keep, 1 repaint, and is never rounded.
//! Values go forward through the functions of this crate; what flows back is a [`Job`]'s progress and
//! cancellation.

mod geometry;
mod image;
mod job;

pub use geometry::{Extent, Rect};
pub use image::{Image, Mask};
pub use job::{Cancelled, Job, Stage, Unattended};
