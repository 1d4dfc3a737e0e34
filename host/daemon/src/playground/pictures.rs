//! What the playground works on: the picture, the mask, pictures for inputs, and the last preview of it.

use crate::picture::Picture;
use std::sync::Arc;
use underpaint_raster::{Extent, Image, Mask, resize, resize_mask};

/// Pictures for inputs that are kept; the oldest goes.
const MOST: usize = 16;

/// One picture and what belongs to it.
pub struct Pictures {
    /// Depth and profile; the pixels are in `whole`.
    picture: Picture,
    whole: Arc<Image>,
    mask: Option<Arc<Mask>>,
    preview: Option<Preview>,
    images: Vec<(u32, Arc<Image>)>,
    next: u32,
}

struct Preview {
    side: u32,
    image: Arc<Image>,
    mask: Option<Arc<Mask>>,
}

impl Pictures {
    /// A picture alone.
    pub fn new(mut picture: Picture) -> Self {
        let nothing = Image::new(Extent::new(0, 0));
        let whole = Arc::new(std::mem::replace(&mut picture.image, nothing));
        Self { picture, whole, mask: None, preview: None, images: Vec::new(), next: 0 }
    }

    /// Size of the picture.
    pub fn extent(&self) -> Extent {
        self.whole.extent()
    }

    /// The selection; fails unless it is as large as the picture.
    pub fn set_mask(&mut self, mask: Mask) -> Result<(), String> {
        let (is, wanted) = (mask.extent(), self.extent());
        if is != wanted {
            return Err(format!("The mask is {}x{}, but the picture {}x{}.", is.w, is.h, wanted.w, wanted.h));
        }
        (self.mask, self.preview) = (Some(Arc::new(mask)), None);
        Ok(())
    }

    /// Keeps a picture for an input and says what it is called.
    pub fn add(&mut self, image: Image) -> u32 {
        self.next += 1;
        self.images.push((self.next, Arc::new(image)));
        let old = self.images.len().saturating_sub(MOST);
        self.images.drain(..old);
        self.next
    }

    /// A picture for an input.
    pub fn get(&self, id: u32) -> Option<Arc<Image>> {
        self.images.iter().find(|(known, _)| *known == id).map(|(_, image)| image.clone())
    }

    /// The picture no longer than `side`, how much smaller that is, and the mask to it.
    pub fn view(&mut self, side: Option<u32>) -> (Arc<Image>, f32, Option<Arc<Mask>>) {
        let Extent { w, h } = self.extent();
        let longest = w.max(h);
        let Some(side) = side.filter(|side| *side < longest) else {
            return (self.whole.clone(), 1.0, self.mask.clone());
        };
        let scale = side as f32 / longest as f32;
        if let Some(preview) = self.preview.as_ref().filter(|preview| preview.side == side) {
            return (preview.image.clone(), scale, preview.mask.clone());
        }
        let shorter = |length: u32| ((length as f32 * scale).round() as u32).max(1);
        let extent = Extent::new(shorter(w), shorter(h));
        let image = Arc::new(resize(&self.whole, extent));
        let mask = self.mask.as_ref().map(|mask| Arc::new(resize_mask(mask, extent)));
        self.preview = Some(Preview { side, image: image.clone(), mask: mask.clone() });
        (image, scale, mask)
    }

    /// Depth and profile of the picture, for what was made of it.
    pub fn file(&self) -> Picture {
        self.picture.clone()
    }
}
