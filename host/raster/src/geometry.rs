//! Integer geometry in canvas pixels. x grows to the right, y downwards; a rect is half-open.

use serde::{Deserialize, Serialize};

/// Width and height in pixels. On the wire: `[w, h]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "[u32; 2]", into = "[u32; 2]")]
pub struct Extent {
    /// Width in pixels.
    pub w: u32,
    /// Height in pixels.
    pub h: u32,
}

impl Extent {
    /// An extent of `w` by `h` pixels.
    pub const fn new(w: u32, h: u32) -> Self {
        Self { w, h }
    }

    /// Number of pixels; cannot overflow in `u64`.
    pub const fn area(self) -> u64 {
        self.w as u64 * self.h as u64
    }

    /// The rect of this extent at the origin.
    pub const fn rect(self) -> Rect {
        Rect::new(0, 0, self.w, self.h)
    }
}

impl From<[u32; 2]> for Extent {
    fn from([w, h]: [u32; 2]) -> Self {
        Self { w, h }
    }
}

impl From<Extent> for [u32; 2] {
    fn from(e: Extent) -> Self {
        [e.w, e.h]
    }
}

/// An axis-aligned rectangle `[x, x+w) x [y, y+h)` in canvas pixels. On the wire: `{x,y,w,h}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rect {
    /// Left edge; may be negative where a method says so.
    pub x: i32,
    /// Top edge; may be negative where a method says so.
    pub y: i32,
    /// Width in pixels.
    pub w: u32,
    /// Height in pixels.
    pub h: u32,
}

impl Rect {
    /// A rect from its top left corner and size.
    pub const fn new(x: i32, y: i32, w: u32, h: u32) -> Self {
        Self { x, y, w, h }
    }

    /// Its size.
    pub const fn extent(self) -> Extent {
        Extent::new(self.w, self.h)
    }

    /// First column to the right of it, computed without overflow.
    pub const fn right(self) -> i64 {
        self.x as i64 + self.w as i64
    }

    /// First row below it, computed without overflow.
    pub const fn bottom(self) -> i64 {
        self.y as i64 + self.h as i64
    }

    /// With `by` pixels more on every side.
    pub fn grown(self, by: u32) -> Rect {
        let wider = |side: u32| side.saturating_add(by.saturating_mul(2));
        let (x, y) = (self.x.saturating_sub_unsigned(by), self.y.saturating_sub_unsigned(by));
        Rect::new(x, y, wider(self.w), wider(self.h))
    }

    /// The common part of two rects, `None` if there is none.
    pub fn intersect(self, other: Rect) -> Option<Rect> {
        let (x0, y0) = (self.x.max(other.x), self.y.max(other.y));
        let (x1, y1) = (self.right().min(other.right()), self.bottom().min(other.bottom()));
        (x1 > x0 as i64 && y1 > y0 as i64).then(|| Rect::new(x0, y0, (x1 - x0 as i64) as u32, (y1 - y0 as i64) as u32))
    }

    /// True if `other` lies wholly inside this rect.
    pub fn contains(self, other: Rect) -> bool {
        self.intersect(other) == Some(other)
    }
}
