//! `--region prompt=TEXT,mask=IMG`: a text bound to a part of the picture.

use super::Failure;
use crate::picture;
use std::path::PathBuf;
use std::str::FromStr;
use underpaint_raster::{Extent, Mask, Rect};
use underpaint_wire::generate::RegionCall;

/// One region as typed.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// What should be seen there.
    pub call: RegionCall,
    /// White where it is.
    pub mask: PathBuf,
}

impl FromStr for Region {
    type Err = Failure;

    /// The mask comes last, as a text may have commas.
    fn from_str(text: &str) -> Result<Self, Failure> {
        let right = "right would be 'prompt=a forest, at dusk,mask=right.png'";
        let wrong = |what: &str| Failure::Usage(format!("--region {text}: {what}; {right}"));
        let (prompt, mask) = text.rsplit_once("mask=").ok_or_else(|| wrong("it names no mask"))?;
        let prompt = prompt.trim_end().strip_suffix(',').ok_or_else(|| wrong("the mask must come last"))?;
        let prompt = prompt.trim_start().strip_prefix("prompt=").ok_or_else(|| wrong("it has no prompt"))?;
        if prompt.trim().is_empty() {
            return Err(wrong("its prompt is empty"));
        }
        if mask.is_empty() {
            return Err(wrong("it names no mask"));
        }
        Ok(Self { call: RegionCall { prompt: prompt.trim().to_owned() }, mask: mask.into() })
    }
}

/// The masks of `regions`, read; each covers the whole canvas, if there is one.
pub fn masks(regions: &[Region], canvas: Option<Extent>) -> Result<Vec<Option<(Rect, Mask)>>, Failure> {
    let read = |region: &Region| {
        let mask = picture::read_mask(&region.mask)?;
        Ok(Some((canvas.unwrap_or(mask.extent()).rect(), mask)))
    };
    regions.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_typed_as_prompt_and_mask() {
        for (text, prompt, mask) in [
            ("prompt=the sea,mask=left.png", "the sea", "left.png"),
            (
                " prompt=a {red|blue} cat, (fur:1.2), x=1 , mask=a/b, c.png",
                "a {red|blue} cat, (fur:1.2), x=1",
                "a/b, c.png",
            ),
            ("prompt=a face,mask=on,mask=m.png", "a face,mask=on", "m.png"),
        ] {
            let region: Region = text.parse().unwrap();
            assert_eq!((&*region.call.prompt, region.mask), (prompt, mask.into()), "{text}");
        }
        for wrong in [
            "",
            "the sea",
            "prompt=the sea",
            "mask=a.png",
            "mask=a.png,prompt=the sea",
            "prompt=,mask=a.png",
            "prompt=sea,mask=",
        ] {
            assert!(matches!(wrong.parse::<Region>(), Err(Failure::Usage(_))), "{wrong}");
        }
    }
}
