//! The picture maker: draws the loose colour studies that the starter model learned from.
//!
//! `seed -> facts -> sketch -> painting, caption`. [`facts`] decides what is in the picture, a [`scene`] lays it in with colour and
//! stroke directions, a [`palette`] grades it, a [`manner`] paints it with strokes, and a [`caption`] says what was painted.
//!
//! Decision: pure arithmetic on a seed. No picture, font, brush or word list of anybody else goes in, so the model trained on
//! it owes nothing to anybody. The same seed and size give the same picture, for any number of threads; between machines the last
//! bit of a colour may differ, since sines and exponentials are the system library's.

pub mod caption;
pub mod color;
pub mod facts;
pub mod light;
pub mod manner;
pub mod noise;
pub mod palette;
pub mod rng;
pub mod scene;
pub mod sketch;

use color::Rgb;
use facts::Facts;
use rng::Rng;
use sketch::Sketch;

/// A finished picture.
#[derive(Clone, Debug)]
pub struct Study {
    /// Width in pixels.
    pub w: usize,
    /// Height in pixels.
    pub h: usize,
    /// Red, green, blue, row by row.
    pub rgb: Vec<u8>,
    /// What it says of itself.
    pub caption: String,
    /// What is in it.
    pub facts: Facts,
}

/// The study of `seed`, `w` by `h` pixels (each 16..=2048).
pub fn study(seed: u64, w: usize, h: usize) -> Study {
    study_of(Facts::draw(&mut Rng::new(seed).fork("facts")), seed, w, h)
}

/// A study of given facts; `seed` decides all else.
pub fn study_of(facts: Facts, seed: u64, w: usize, h: usize) -> Study {
    let rng = Rng::new(seed);
    let mut sketch = Sketch::new(w, h, color::hex(0x9a8c7a));
    scene::lay_in(&facts, &mut sketch, &mut rng.fork("scene"));
    sketch.color.iter_mut().for_each(|c| *c = palette::grade(facts.palette, *c));
    let painted = manner::paint(facts.manner, &sketch, &mut rng.fork("manner"));
    let caption = caption::caption(&facts, &mut rng.fork("caption"));
    Study { w, h, rgb: bytes(&painted), caption, facts }
}

fn bytes(colors: &[Rgb]) -> Vec<u8> {
    colors.iter().flatten().map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8).collect()
}

/// What two studies must share to count as the same picture: an 8 by 8 grid of mean colours in 32 steps a channel.
pub fn fingerprint(study: &Study) -> Vec<u8> {
    const SIDE: usize = 8;
    let mut sums = [[0u32; 4]; SIDE * SIDE];
    for (i, pixel) in study.rgb.chunks_exact(3).enumerate() {
        let (column, row) = (i % study.w * SIDE / study.w, i / study.w * SIDE / study.h);
        let cell = &mut sums[row * SIDE + column];
        pixel.iter().zip(&mut *cell).for_each(|(v, sum)| *sum += u32::from(*v));
        cell[3] += 1;
    }
    sums.iter().flat_map(|[r, g, b, n]| [r, g, b].map(|sum| (sum / n.max(&1) / 8) as u8)).collect()
}
