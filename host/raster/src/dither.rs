//! From more bits to eight without bands.
//!
//! Decision: ordered dithering by interleaved gradient noise (Jimenez 2014), a pure function of the pixel's place, of
//! less than half a step in either direction: a value that already is one of the 256 stays what it is, so a dithered
//! picture never changes a pixel that came from 8 bits, and the same request gives the same bytes.

use crate::Image;
use rayon::prelude::*;
use std::array::from_fn;

/// `image` with all its values rounded to multiples of 1/255: colours to one of the two nearest, in proportion, alpha to
/// the nearest. Colours are 0 where alpha becomes 0 and was not before, so that nothing leaks.
pub fn dither(mut image: Image) -> Image {
    let w = image.extent().w.max(1) as usize;
    let rows = image.data_mut().as_chunks_mut::<4>().0.par_chunks_exact_mut(w);
    rows.enumerate().for_each(|(y, row)| dither_row(y, row));
    image
}

/// The row of number `y` of a picture, dithered as [`dither`] does all of them.
pub fn dither_row(y: usize, row: &mut [[f32; 4]]) {
    for (x, rgba) in row.iter_mut().enumerate() {
        let threshold = thresholds(x as f32, y as f32);
        let rounded = from_fn(|c| whole(rgba[c].clamp(0.0, 1.0) * 255.0 + threshold[c]) / 255.0);
        let gone = rounded[3] <= 0.0 && rgba[3] > 0.0;
        *rgba = if gone { [0.0; 4] } else { rounded };
    }
}

/// From where on each value of a pixel is rounded up. Those of the colours are well spread over 0..1 in every small neighbourhood
/// and kept away from both ends, where rounding errors of f32 would change exact values; channels are far apart, so that grey
/// is not dithered in step.
fn thresholds(x: f32, y: f32) -> [f32; 4] {
    const LEAST: [f32; 4] = [0.01, 0.01, 0.01, 0.5];
    const RANGE: [f32; 4] = [0.98, 0.98, 0.98, 0.0];
    let part = |v: f32| v - whole(v);
    from_fn(|c| {
        let channel = c as f32;
        let at = 0.067_110_56 * (x + 47.0 * channel) + 0.005_837_15 * (y + 17.0 * channel);
        LEAST[c] + RANGE[c] * part(52.982_918 * part(at))
    })
}

/// The whole part of a number of 0..2^22: what `floor` says without a call, or one less of a whole number.
fn whole(v: f32) -> f32 {
    // Added to a number it leaves no room for a fraction.
    const ROUND: f32 = 1.5 * (1 << 23) as f32;
    ((v - 0.5) + ROUND) - ROUND
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Extent;

    #[test]
    fn eight_bits_stay_and_what_is_between_keeps_its_mean() {
        let extent = Extent::new(256, 256);
        let scattered = |i: u32| i.wrapping_mul(2_654_435_769) >> 24;
        let exact = (0..256 * 256 * 4).map(|i| scattered(i) as f32 / 255.0);
        let exact = Image::from_data(extent, exact.collect());
        assert!(dither(exact.clone()) == exact, "values of 8 bits are left alone");
        for value in [0.1, 0.25, 0.5, 0.7003, 0.9] {
            let level = (100.0 + value) / 255.0;
            let out = dither(Image::from_data(extent, [level, level, level, 1.0].repeat(256 * 256)));
            for c in 0..3 {
                let values = out.data().iter().skip(c).step_by(4);
                let mean = values.clone().map(|v| f64::from(v * 255.0)).sum::<f64>() / 65536.0;
                assert!(
                    (mean - f64::from(100.0 + value)).abs() < 0.02,
                    "channel {c}: {mean} instead of {}",
                    100.0 + value
                );
                assert!(values.clone().all(|v| (v * 255.0).round() == 100.0 || (v * 255.0).round() == 101.0));
            }
        }
        let faint = Image::from_data(Extent::new(2, 1), vec![0.5, 0.5, 0.5, 0.001, 0.5, 0.5, 0.5, 0.0]);
        assert_eq!(dither(faint).data()[..4], [0.0; 4], "what fades to nothing leaves nothing");
    }

    /// A ramp of two steps of 8 bits over 256 pixels: rounded it has three bands, dithered no band is wider than a few
    /// pixels.
    #[test]
    fn a_shallow_ramp_has_no_bands() {
        let extent = Extent::new(256, 1);
        let ramp = (0..256).flat_map(|x| [(100.0 + x as f32 / 128.0) / 255.0, 0.0, 0.0, 1.0]).collect();
        let out = dither(Image::from_data(extent, ramp));
        let row: Vec<i32> = (0..256).map(|x| (out.pixel(x, 0)[0] * 255.0).round() as i32).collect();
        let mut longest = 0;
        let mut run = 0;
        for pair in row[16..112].windows(2) {
            run = if pair[0] == pair[1] { run + 1 } else { 0 };
            longest = longest.max(run);
        }
        assert!(longest < 24, "a band of {longest} pixels: {row:?}");
    }
}
