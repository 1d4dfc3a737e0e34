//! What can be wrong with a request: typed, so that programs see the field, and one sentence for a painter.

use std::fmt;
use underpaint_raster::{Extent, Rect};
use underpaint_wire::generate::Mode;

/// Why a request cannot be planned. Displays as one sentence that names the field and what would be right.
#[derive(Clone, Debug, PartialEq)]
pub enum PlanError {
    /// A number outside its range, or not a number at all.
    OutOfRange {
        /// Name in the request.
        field: &'static str,
        /// What was given.
        value: String,
        /// What would be right.
        range: &'static str,
    },
    /// A word that is not in the list.
    UnknownWord {
        /// Name in the request.
        field: &'static str,
        /// What was given.
        value: String,
        /// What would be right, in the order shown to painters.
        known: Vec<&'static str>,
    },
    /// The model cannot make pictures of this size.
    NotMultiple {
        /// What was given.
        extent: Extent,
        /// Sides must be multiples of this.
        multiple: u32,
        /// The nearest extent that works.
        nearest: Extent,
    },
    /// More pixels than can be generated at once.
    TooLarge {
        /// What was given.
        extent: Extent,
    },
    /// The mode works on a picture and none was given.
    CanvasMissing {
        /// The mode asked for.
        mode: Mode,
    },
    /// The part of the canvas that was sent does not lie in the document.
    CanvasOutside {
        /// What was sent.
        rect: Rect,
        /// Size of the document.
        extent: Extent,
    },
    /// The mode needs to know where to paint.
    MaskMissing {
        /// The mode asked for.
        mode: Mode,
    },
    /// The mask does not have the size of the picture.
    MaskExtent {
        /// Size of the mask.
        mask: Extent,
        /// Size of the picture it belongs to.
        canvas: Extent,
    },
    /// Nothing is to be repainted.
    MaskEmpty,
    /// All of the picture is masked and the model can only continue what is there.
    NothingLeft,
    /// The model cannot do what the mode asks for.
    Mode {
        /// The mode asked for.
        mode: Mode,
        /// The model's id.
        model: String,
        /// Modes it has.
        modes: &'static [Mode],
    },
    /// A control that cannot be used.
    Control {
        /// What is wrong and what would be right.
        what: String,
    },
    /// A region that cannot be painted.
    Region {
        /// Name in the request.
        field: &'static str,
        /// What is wrong and what would be right.
        what: String,
    },
    /// A picture to look at that cannot be made.
    Preprocess {
        /// Name in the request.
        field: &'static str,
        /// What is wrong and what would be right.
        what: String,
    },
    /// The model has no weights that a LoRA could change.
    NoLoras {
        /// The model's id.
        model: String,
    },
    /// So weak a change that not one step would be taken.
    NoStepLeft {
        /// Strength asked for.
        denoise_strength: f64,
        /// Steps asked for.
        steps: u32,
    },
}

impl PlanError {
    /// The member of the request the error is about, in the words of the wire.
    pub fn field(&self) -> &'static str {
        match self {
            Self::OutOfRange { field, .. } | Self::UnknownWord { field, .. } => field,
            Self::Region { field, .. } | Self::Preprocess { field, .. } => field,
            Self::NotMultiple { .. } | Self::TooLarge { .. } => "extent",
            Self::CanvasMissing { .. } | Self::CanvasOutside { .. } => "canvas",
            Self::MaskMissing { .. } | Self::MaskExtent { .. } | Self::MaskEmpty | Self::NothingLeft => "mask",
            Self::Mode { .. } => "mode",
            Self::Control { .. } => "controls",
            Self::NoLoras { .. } => "loras",
            Self::NoStepLeft { .. } => "denoise_strength",
        }
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { field, value, range } => write!(f, "{field} is {value}; it must be {range}"),
            Self::UnknownWord { field, value, known } => {
                write!(f, "{field} `{value}` is unknown; known are {}", known.join(", "))
            }
            Self::NotMultiple { extent, multiple, nearest } => write!(
                f,
                "the size {} is not a multiple of {multiple} on both sides; {} would be right",
                size(*extent),
                size(*nearest)
            ),
            Self::TooLarge { extent } => write!(
                f,
                "the size {} is more than can be generated at once; at most {} megapixels and {} pixels a side would be right",
                size(*extent),
                crate::check::MAX_PIXELS >> 20,
                crate::check::MAX_SIDE
            ),
            Self::CanvasMissing { mode } => write!(f, "mode {} needs a picture to work on", mode_name(*mode)),
            Self::CanvasOutside { rect, extent } => write!(
                f,
                "the canvas part {}x{} at ({}, {}) does not lie inside the document of {}",
                rect.w,
                rect.h,
                rect.x,
                rect.y,
                size(*extent)
            ),
            Self::MaskMissing { mode } => {
                write!(f, "mode {} needs a mask that says where to paint", mode_name(*mode))
            }
            Self::MaskExtent { mask, canvas } => {
                write!(f, "the mask is {} and the picture {}; they must have the same size", size(*mask), size(*canvas))
            }
            Self::MaskEmpty => {
                write!(f, "the mask is empty: nothing is selected, and white would mean repaint")
            }
            Self::NothingLeft => write!(
                f,
                "the mask covers the whole picture: nothing is left to rebuild it from; select less, or choose a model"
            ),
            Self::Mode { mode, model, modes } => {
                let modes: Vec<_> = modes.iter().map(|m| mode_name(*m)).collect();
                write!(f, "the model `{model}` cannot do mode {}; it can {}", mode_name(*mode), modes.join(", "))
            }
            Self::Control { what } => write!(f, "controls {what}"),
            Self::Region { field, what } | Self::Preprocess { field, what } => write!(f, "{field} {what}"),
            Self::NoLoras { model } => {
                write!(
                    f,
                    "the model `{model}` takes no LoRAs: it has no weights; choose a model that they were made for"
                )
            }
            Self::NoStepLeft { denoise_strength, steps } => write!(
                f,
                "denoise_strength {denoise_strength} of {steps} steps leaves not one step to take; \
                 at least {} would be right",
                (100.0 / f64::from(*steps)).ceil() / 100.0
            ),
        }
    }
}

impl std::error::Error for PlanError {}

fn size(e: Extent) -> String {
    format!("{}x{}", e.w, e.h)
}

/// The mode's name on the wire and on the command line.
pub const fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Generate => "generate",
        Mode::Fill => "fill",
        Mode::Expand => "expand",
        Mode::Add => "add",
        Mode::Remove => "remove",
        Mode::Background => "background",
    }
}
