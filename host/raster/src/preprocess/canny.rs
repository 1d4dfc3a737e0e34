//! Canny's edge detector (1986), pixel for pixel as OpenCV's `Canny(image, 100, 200)`, which the control models' training
//! pictures were made with: 8 bits a channel, the steepest channel, |dx| + |dy| for the length of the gradient.

use super::{grey, sobel};
use crate::Image;

/// An edge begins where the gradient is above this, in 8-bit values times Sobel's 4.
const HIGH: i32 = 200;
/// It goes on while the gradient is above this.
const LOW: i32 = 100;

/// Edges white on black, one pixel wide.
pub fn apply(image: &Image) -> Image {
    let extent = image.extent();
    let (w, h) = (extent.w as usize, extent.h as usize);
    let mut gradient = vec![[0i32; 2]; w * h];
    for c in 0..3 {
        let plane: Vec<f32> =
            image.data().iter().skip(c).step_by(4).map(|v| (v.clamp(0.0, 1.0) * 255.0).round()).collect();
        for (best, [dx, dy]) in gradient.iter_mut().zip(sobel(&plane, extent)) {
            let new = [dx as i32, dy as i32];
            if length(new) > length(*best) {
                *best = new;
            }
        }
    }
    let size = |x: i64, y: i64| {
        let inside = (0..w as i64).contains(&x) && (0..h as i64).contains(&y);
        if inside { length(gradient[y as usize * w + x as usize]) } else { 0 }
    };
    // Ridges: steeper than both neighbours along the gradient, in four directions.
    let mut ridge = vec![false; w * h];
    let mut open = Vec::new();
    for (i, ridge) in ridge.iter_mut().enumerate() {
        let (x, y, [dx, dy]) = ((i % w) as i64, (i / w) as i64, gradient[i]);
        let m = length([dx, dy]);
        // tan 22.5° in 15 bits, as OpenCV counts; tan 67.5° is 2 more.
        let (across, down) = (i64::from(dx.abs()) * 13573, i64::from(dy.abs()) << 15);
        let steepest = if down < across {
            m > size(x - 1, y) && m >= size(x + 1, y)
        } else if down > across + (i64::from(dx.abs()) << 16) {
            m > size(x, y - 1) && m >= size(x, y + 1)
        } else {
            let s = if (dx < 0) == (dy < 0) { 1 } else { -1 };
            m > size(x - s, y - 1) && m > size(x + s, y + 1)
        };
        *ridge = m > LOW && steepest;
        if *ridge && m > HIGH {
            open.push(i);
        }
    }
    // From each strong ridge along all that touch it.
    let mut edge = vec![false; w * h];
    while let Some(i) = open.pop() {
        if std::mem::replace(&mut edge[i], true) {
            continue;
        }
        let (x, y) = (i % w, i / w);
        for ny in y.saturating_sub(1)..h.min(y + 2) {
            for nx in x.saturating_sub(1)..w.min(x + 2) {
                if ridge[ny * w + nx] && !edge[ny * w + nx] {
                    open.push(ny * w + nx);
                }
            }
        }
    }
    grey(extent, edge.into_iter().map(|e| f32::from(u8::from(e))))
}

fn length([dx, dy]: [i32; 2]) -> i32 {
    dx.abs() + dy.abs()
}
