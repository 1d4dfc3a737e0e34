//! The picture's side of a convolution: for a few neighbouring output pixels, the input values under
//! their kernels.
use std::ops::Range;

use crate::simd::{Pass, Simd};

/// All sizes of one convolution. For 1x1 kernels pictures count as one long row, which gathers best.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub batch: usize,
    pub channels: usize,
    /// Height and width of the input, the output and the kernel.
    pub input: (usize, usize),
    pub output: (usize, usize),
    pub kernel: (usize, usize),
    pub stride: usize,
    pub padding: usize,
}

impl Geometry {
    /// Pixels of one output channel of one picture.
    pub(crate) fn pixels(&self) -> usize {
        self.output.0 * self.output.1
    }

    /// Steps of the sum of one output value: channels, then kernel rows, then kernel columns.
    pub(crate) fn sum(&self) -> usize {
        self.channels * self.kernel.0 * self.kernel.1
    }

    /// Where the kernel over an output pixel, counted through the batch, begins in the input.
    fn corner(&self, pixel: usize) -> Corner {
        let (picture, pixel) = (pixel / self.pixels(), pixel % self.pixels());
        let (row, column) = (pixel / self.output.1, pixel % self.output.1);
        Corner {
            picture: picture * self.channels * self.input.0 * self.input.1,
            y: (row * self.stride) as isize - self.padding as isize,
            x: (column * self.stride) as isize - self.padding as isize,
        }
    }

    /// How many output pixels from `pixel` on see neighbouring input values.
    fn neighbours(&self, pixel: usize) -> usize {
        if self.stride == 1 { self.output.1 - pixel % self.output.1 } else { 1 }
    }

    /// Calls `f(nth, channel, row, column)` for each step of `depth`.
    #[inline(always)]
    fn steps(&self, depth: Range<usize>, mut f: impl FnMut(usize, usize, usize, usize)) {
        let (h, w) = self.kernel;
        let (mut channel, rest) = (depth.start / (h * w), depth.start % (h * w));
        let (mut row, mut column) = (rest / w, rest % w);
        for nth in 0..depth.len() {
            f(nth, channel, row, column);
            column += 1;
            if column == w {
                (row, column) = (row + 1, 0);
            }
            if row == h {
                (channel, row) = (channel + 1, 0);
            }
        }
    }
}

/// Start of a picture's values, and the row and column (perhaps in the padding) of a kernel's first value.
#[derive(Clone, Copy, Debug)]
struct Corner {
    picture: usize,
    y: isize,
    x: isize,
}

/// Fills a panel, `[depth][width]`, for the output pixels `pixels` (counted through the batch); columns beyond them become 0.
pub(crate) struct Gather<'a> {
    pub geometry: &'a Geometry,
    pub x: &'a [f32],
    pub pixels: Range<usize>,
    pub depth: Range<usize>,
    pub panel: &'a mut [f32],
    pub width: usize,
}

impl Pass for Gather<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(mut self) {
        let mut at = 0;
        while at < self.width {
            let first = self.pixels.start + at;
            let run =
                if first < self.pixels.end { self.geometry.neighbours(first).min(self.pixels.end - first) } else { 1 };
            // Whole vectors at once where neighbours are many, one column where there are none.
            at += match run {
                48.. => self.copy::<48>(at),
                16.. => self.copy::<16>(at),
                8.. => self.copy::<8>(at),
                _ => self.pick(at),
            };
        }
    }
}

impl Gather<'_> {
    /// `N` columns that are neighbours in the input.
    #[inline(always)]
    fn copy<const N: usize>(&mut self, at: usize) -> usize {
        // A panel may be narrower than the run.
        if at + N > self.width {
            return self.pick(at);
        }
        let g = self.geometry;
        let (height, width) = (g.input.0 as isize, g.input.1 as isize);
        let corner = g.corner(self.pixels.start + at);
        let (x, panel, stride) = (self.x, &mut *self.panel, self.width);
        g.steps(self.depth.clone(), |nth, channel, row, column| {
            let to = &mut panel[nth * stride + at..][..N];
            let (y, left) = (corner.y + row as isize, corner.x + column as isize);
            if y < 0 || y >= height {
                to.fill(0.0);
                return;
            }
            let from = (corner.picture + channel * g.input.0 * g.input.1) as isize + y * width + left;
            let window = usize::try_from(from).ok().and_then(|from| x.get(from..from + N));
            match window {
                Some(window) if left >= 0 && left + N as isize <= width => to.copy_from_slice(window),
                // Beside the picture the window holds the neighbouring rows' values.
                Some(window) => {
                    let (first, last) = ((-left) as i32, (width - left) as i32);
                    for lane in 0..N {
                        to[lane] = if lane as i32 >= first && (lane as i32) < last { window[lane] } else { 0.0 };
                    }
                }
                // At the very ends of the tensor there is no whole window.
                None => {
                    for (lane, to) in to.iter_mut().enumerate() {
                        let column = left + lane as isize;
                        *to = if column >= 0 && column < width { x[(from + lane as isize) as usize] } else { 0.0 };
                    }
                }
            }
        });
        N
    }

    /// One column: with strides, at the ends of short rows, and past the last pixel.
    #[inline(always)]
    fn pick(&mut self, at: usize) -> usize {
        let g = self.geometry;
        let pixel = self.pixels.start + at;
        let corner = (pixel < self.pixels.end).then(|| g.corner(pixel));
        let (x, panel, stride) = (self.x, &mut *self.panel, self.width);
        g.steps(self.depth.clone(), |nth, channel, row, column| {
            panel[nth * stride + at] = corner.map_or(0.0, |corner| {
                let (y, left) = (corner.y + row as isize, corner.x + column as isize);
                let seen = y >= 0 && left >= 0 && (y as usize) < g.input.0 && (left as usize) < g.input.1;
                if seen {
                    x[corner.picture + (channel * g.input.0 + y as usize) * g.input.1 + left as usize]
                } else {
                    0.0
                }
            });
        });
        1
    }
}
