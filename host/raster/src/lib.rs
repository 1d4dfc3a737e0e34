//! Pixels and geometry, pure: no I/O, no async, no GPU, no clock.
//!
//! Decision: one pixel type everywhere. An [`Image`] is RGBA, `f32`, straight alpha, sRGB-encoded, 0..=1;
//! 8- and 16-bit values survive the trip there and back exactly, so depth is decided only where bytes
//! enter and leave the daemon. A [`Mask`] is one `f32` plane, 0 keep, 1 repaint, and is never rounded.
//! Values go forward through the functions of this crate; what flows back is a [`Job`]'s progress and
//! cancellation.
//!
//! One operator, one file. A repaint passes through them in this order: [`masks`] widens and softens the
//! selection, [`resize`] brings crop and mask to the model's size and the picture back, [`infill`] fills
//! what the model should not see (or is the whole fill, when there is no model), [`enlarge`],
//! [`ColorMatch`] and [`Registered`] take back a loss, a drift and a shift of the whole picture, [`membrane`] bends what is left of a
//! drift where the patch fades if that is wanted, [`composite`] cuts the [`Patch`],
//! [`dither`] brings it to 8 bits and [`over`] is what the editor does with it.
//!
//! ```
//! use underpaint_raster::{Extent, Image, Mask, Unattended, composite, infill, masks, over};
//!
//! let canvas = Image::from_data(Extent::new(32, 32), [0.2, 0.4, 0.6, 1.0].repeat(32 * 32));
//! let mut selection = Mask::new(canvas.extent(), 0.0);
//! (12..20).for_each(|x| (12..20).for_each(|y| selection.set(x, y, 1.0)));
//!
//! let softness = masks::softness(&selection, 1.0, None, None);
//! let alpha = masks::denoise_mask(&selection, &softness);
//! let filled = infill::exemplar(&canvas, &alpha, 7, &Unattended).unwrap();
//! let patch = composite(filled, &alpha, (0, 0)).unwrap();
//! assert_eq!(over(&canvas, &patch).pixel(0, 0), canvas.pixel(0, 0));
//! ```

mod blur;
mod color;
mod color_match;
mod composite;
mod distance;
mod dither;
mod enlarge;
mod geometry;
mod image;
pub mod infill;
mod job;
mod lanes;
mod light;
pub mod masks;
mod membrane;
mod morphology;
pub mod preprocess;
mod register;
mod resize;
mod squares;

pub use color::{Lab, lab_from_srgb, srgb_from_lab};
pub use color_match::{ColorMatch, Matched};
pub use composite::{Patch, composite, over};
pub use dither::{dither, dither_row};
pub use enlarge::{Lost, enlarge};
pub use geometry::{Extent, Rect};
pub use image::{Image, Mask};
pub use job::{Cancelled, Job, Share, Stage, Unattended, Wrapper};
pub use light::{linear_from_srgb, srgb_from_linear};
pub use membrane::membrane;
pub use register::Registered;
pub use resize::{resize, resize_mask, resize_part};
