//! A picture with a hole, for those who want something filled.

use serde_json::{Value, json};

/// A picture with a texture and a hole in its middle: pixels (rgba8), then the mask (g8), in one blob.
pub struct Picture {
    /// Width.
    pub w: usize,
    /// Height.
    pub h: usize,
    /// The hole: x, y, w, h.
    pub hole: [usize; 4],
    /// As they go into a blob.
    pub bytes: Vec<u8>,
}

impl Picture {
    /// `w` times `h` pixels with a square hole.
    pub fn new(w: usize, h: usize, hole_side: usize) -> Picture {
        let hole = [(w - hole_side) / 2, (h - hole_side) / 2, hole_side, hole_side];
        let mut bytes = Vec::with_capacity(w * h * 5);
        for i in 0..w * h {
            let (x, y) = ((i % w) as u32, (i / w) as u32);
            let noise = (x.wrapping_mul(374_761_393) ^ y.wrapping_mul(668_265_263)).wrapping_mul(2_246_822_519) >> 28;
            bytes.extend([
                (x * 3 + noise * 4) as u8,
                ((x / 16 + y / 16) % 2 * 120 + noise * 5) as u8,
                (y * 2) as u8,
                255,
            ]);
        }
        let inside =
            |x: usize, y: usize| (hole[0]..hole[0] + hole[2]).contains(&x) && (hole[1]..hole[1] + hole[3]).contains(&y);
        bytes.extend((0..w * h).map(|i| if inside(i % w, i / w) { 255 } else { 0 }));
        Picture { w, h, hole, bytes }
    }

    /// Fills in a fraction of a second.
    pub fn small() -> Picture {
        Picture::new(96, 80, 24)
    }

    /// Fills for longer than any test needs the device to be busy.
    pub fn endless() -> Picture {
        Picture::new(2400, 1800, 1300)
    }

    /// Params of a fill of this picture, which lies in `blob`, with `more` members.
    pub fn fill(&self, blob: &str, more: Value) -> Value {
        let rect = json!({"x": 0, "y": 0, "w": self.w, "h": self.h});
        let image =
            |px: &str, offset: usize| json!({"blob": blob, "offset": offset, "w": self.w, "h": self.h, "px": px});
        let mut params = json!({
            "mode": "fill", "model": "exemplar", "seed": 5,
            "canvas": {"extent": [self.w, self.h], "rect": rect, "image": image("rgba8", 0)},
            "mask": {"rect": rect, "image": image("g8", self.w * self.h * 4)},
        });
        for (key, value) in more.as_object().expect("members") {
            params[key] = value.clone();
        }
        params
    }
}
