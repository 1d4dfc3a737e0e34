//! Parameters of `control/preprocess`: what a control model would be shown, to look at and to draw on.

use crate::Error;
use crate::generate::Generate;
use crate::image::{Image, Placed, Px, check_document, check_placed};
use serde::{Deserialize, Serialize};
use underpaint_raster::{Extent, Rect};

/// Parameters of `control/preprocess` without its pixels, beside those of [`crate::generate::Run`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    /// What is made, as [`crate::generate::ControlCall::preprocess`] has it.
    pub preprocess: String,
    /// For `depth`: id of the depth estimator that looks; absent = the first there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preprocessor: Option<String>,
    /// The request that the control is meant for: the picture is made of the part of the canvas and at the size that it would
    /// steer. Of its members those count that say where and how large is painted. Absent = of the picture at its own size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generate: Option<Generate>,
    /// The result gets the size of the part of the canvas that it shows, as a layer needs it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resize: bool,
}

/// The pixels of a `control/preprocess` request. [`Preprocess`] and this are read from the same `params` object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PreprocessPixels {
    /// The picture; absent = the canvas of `generate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// Where it lies on the canvas, scaled to it where there is one; absent = as large as it is, at the origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rect: Option<Rect>,
    /// Layout of the result; absent = the picture's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub px: Option<Px>,
    /// Pixels of [`Preprocess::generate`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generate: Option<Steered>,
}

/// Where the request that is steered would paint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Steered {
    /// The document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canvas: Option<Part>,
    /// What would be repainted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<Placed>,
}

/// A [`crate::image::Canvas`] whose pixels nobody needs where the control has a picture of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Size of the whole document, `[w, h]`.
    pub extent: Extent,
    /// Which part of it would be sent; inside the document.
    pub rect: Rect,
    /// Its pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
}

impl Part {
    /// Fails unless the rect lies inside the document and is as large as the image, if there is one.
    pub fn check(&self) -> Result<(), Error> {
        self.image.as_ref().map_or(Ok(()), |image| check_placed("canvas", self.rect, image))?;
        check_document(self.extent, self.rect)
    }
}
