//! A light grain over a smooth fill.
//!
//! Decision: an autoencoder turns a perfectly smooth area into latents it never met in training, and a weak repaint
//! keeps them; a grain too faint to see is enough to avoid that. It is fixed, so that a picture of a batch is the same
//! as when it is made alone.

use crate::{Image, Mask};
use rayon::prelude::*;

/// Largest change of a value: two steps of 8 bits.
const AMPLITUDE: f32 = 2.0 / 255.0;

/// `image` with noise of at most 2/255 times the mask's value on its colours, the same for every picture of this size.
/// Pixels under mask 0 are bit-identical.
pub fn grain(image: &Image, mask: &Mask) -> Image {
    assert_eq!(image.extent(), mask.extent(), "image and mask have one extent");
    let mut out = image.clone();
    out.data_mut().par_chunks_exact_mut(4).zip(mask.data()).enumerate().for_each(|(i, (rgba, &m))| {
        if m > 0.0 {
            for (c, v) in rgba.iter_mut().take(3).enumerate() {
                *v = (*v + AMPLITUDE * m.min(1.0) * noise(3 * i as u64 + c as u64)).clamp(0.0, 1.0);
            }
        }
    });
    out
}

/// Uniform in -1..1 (SplitMix64, Steele et al. 2014).
fn noise(i: u64) -> f32 {
    let z = i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 40) as f32 / (1u32 << 23) as f32 - 1.0
}
