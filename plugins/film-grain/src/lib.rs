//! Film grain: what silver crystals and dye clouds leave on a picture.
//!
//! Three things make noise look like film. Grains have a size: white noise is smoothed with a kernel as wide as the
//! grain and, for the clumps that real emulsions show, with one 2.3 times as wide. Grain is strongest in the mid
//! tones and fades towards the black of the print and the white of the paper. And in colour film every layer has
//! grains of its own, the blue one the coarsest to the eye. The picture is not blurred; alpha stays as it is.
//!
//! Only + - * / are used, so that every machine makes the same picture, bit by bit.

use underpaint_filter::{About, Error, Filter, Noise, Param, Plan, Request, Tile, export, params};

export!(FilmGrain);

params! {
    /// What the painter sets.
    pub struct Settings {
        /// How visible the grain is; 0 leaves the picture as it is.
        strength: f32 = Param::float("Strength", 0.35, 0.0..=1.0),
        /// Fine-grained slow film to coarse, pushed film.
        size: f32 = Param::float("Grain size", 1.6, 1.0..=8.0).step(0.1).unit("px"),
        /// 0 is grain in grey, as in black-and-white film; 1 gives each colour its own grain.
        color: f32 = Param::float("Colour", 0.25, 0.0..=1.0),
        /// How much of the grain stays in the brightest tones.
        highlights: f32 = Param::float("Highlights", 0.5, 0.0..=1.0),
    }
}

/// One run's parameters and kernels.
pub struct FilmGrain {
    noise: Noise,
    /// Deviation of the grain in a mid tone, of the range 0..1.
    amplitude: f32,
    /// 0 all channels alike, 1 each on its own.
    color: f32,
    /// Share of the grain that is left in white.
    highlights: f32,
    grain: Kernel,
    clumps: Kernel,
}

/// Half of a symmetric kernel: weights for distances 0, 1, 2, …
struct Kernel(Vec<f32>);

impl Filter for FilmGrain {
    type Sample = f32;
    type Params = Settings;

    fn about() -> About {
        About::new(
            "Film grain",
            "Adds the grain of photographic film: soft specks that follow the tones of the picture.",
        )
    }

    fn new(params: Settings, request: &mut Request<f32>) -> Result<Self, Error> {
        let radius = params.size * request.scale;
        let (mut grain, mut clumps) = (Kernel::new(radius), Kernel::new(radius * 2.3));
        // Both smooth the same noise, so their sum has this variance; dividing by its root keeps strength apart from size.
        let variance = grain.dot(&grain).powi(2)
            + CLUMPS * CLUMPS * clumps.dot(&clumps).powi(2)
            + 2.0 * CLUMPS * grain.dot(&clumps).powi(2);
        grain.scale((1.0 / variance.sqrt()).sqrt());
        clumps.scale((CLUMPS / variance.sqrt()).sqrt());
        Ok(Self {
            noise: Noise::new(request.seed),
            amplitude: params.strength * 0.12,
            color: params.color,
            highlights: params.highlights,
            grain,
            clumps,
        })
    }

    fn plan(&self) -> Plan {
        // No halo: the pixels around are not looked at, and the noise around is a function of position.
        if self.amplitude == 0.0 { Plan::unchanged() } else { Plan::tiles(0) }
    }

    fn process(&mut self, tile: Tile<f32>) -> Result<Vec<f32>, Error> {
        let grey = self.field(&tile, 0);
        let layers = if self.color > 0.0 {
            [1, 2, 3].map(|channel| self.field(&tile, channel))
        } else {
            [const { Vec::new() }; 3]
        };
        // Mixing two independent fields must not weaken them.
        let norm = 1.0 / (self.color * self.color + (1.0 - self.color) * (1.0 - self.color)).sqrt();
        let (own, shared) = (self.color * norm, (1.0 - self.color) * norm);
        let mut pixels = tile.pixels;
        for (i, pixel) in pixels.chunks_exact_mut(4).enumerate() {
            let luma = 0.2126 * pixel[0] + 0.7152 * pixel[1] + 0.0722 * pixel[2];
            let amount = self.amplitude * self.response(luma);
            for c in 0..3 {
                let speck = if self.color > 0.0 { shared * grey[i] + own * LAYER[c] * layers[c][i] } else { grey[i] };
                pixel[c] += amount * speck;
            }
        }
        Ok(pixels)
    }
}

/// Weight of the clumps against the single grains.
const CLUMPS: f32 = 0.7;

/// Grain of the red, green and blue layer against each other.
const LAYER: [f32; 3] = [1.0, 0.9, 1.25];

impl FilmGrain {
    /// How strong grain is in a tone, 1 in the middle. `luma` is sRGB-encoded, 0..=1.
    fn response(&self, luma: f32) -> f32 {
        let from_middle = 2.0 * luma - 1.0;
        let curve = 1.0 - 0.7 * from_middle * from_middle;
        let bright = from_middle.clamp(0.0, 1.0);
        let fade = bright * bright * (3.0 - 2.0 * bright);
        curve * (1.0 + (self.highlights - 1.0) * fade)
    }

    /// Grain for each pixel of the tile: mean 0, deviation 1. `[height * width]`
    fn field(&self, tile: &Tile<f32>, channel: u32) -> Vec<f32> {
        let reach = self.clumps.reach().max(self.grain.reach());
        let (w, h) = (tile.area.width as usize, tile.area.height as usize);
        let stride = w + 2 * reach;
        let mut white = Vec::with_capacity(stride * (h + 2 * reach));
        for y in 0..(h + 2 * reach) as i32 {
            let y = tile.area.y + y - reach as i32;
            let left = tile.area.x - reach as i32;
            white.extend((left..left + stride as i32).map(|x| self.noise.normal(x, y, channel)));
        }
        let mut out = vec![0.0; w * h];
        let mut column = vec![0.0; stride];
        for (y, row) in out.chunks_exact_mut(w).enumerate() {
            for kernel in [&self.grain, &self.clumps] {
                column.fill(0.0);
                kernel.taps(|offset, weight| {
                    let start = (y + reach).wrapping_add_signed(offset) * stride;
                    add_scaled(&mut column, &white[start..start + stride], weight);
                });
                kernel.taps(|offset, weight| {
                    let start = reach.wrapping_add_signed(offset);
                    add_scaled(row, &column[start..start + w], weight);
                });
            }
        }
        out
    }
}

impl Kernel {
    /// Almost a Gaussian, but it ends, and needs no exponential: (1 - d²/r²)³ for distances below `radius` pixels.
    fn new(radius: f32) -> Self {
        let radius = radius.max(1.0);
        let mut half = Vec::new();
        let mut distance = 0.0;
        while distance < radius {
            let falloff = 1.0 - distance * distance / (radius * radius);
            half.push(falloff * falloff * falloff);
            distance += 1.0;
        }
        Self(half)
    }

    fn reach(&self) -> usize {
        self.0.len() - 1
    }

    fn scale(&mut self, factor: f32) {
        self.0.iter_mut().for_each(|weight| *weight *= factor);
    }

    /// Sum of the products of two whole kernels' weights, along one axis.
    fn dot(&self, other: &Kernel) -> f32 {
        let half: f32 = self.0.iter().zip(&other.0).skip(1).map(|(a, b)| a * b).sum();
        self.0[0] * other.0[0] + 2.0 * half
    }

    /// Calls `f(offset, weight)` for every tap.
    fn taps(&self, mut f: impl FnMut(isize, f32)) {
        for (distance, &weight) in self.0.iter().enumerate() {
            f(distance as isize, weight);
            if distance > 0 {
                f(-(distance as isize), weight);
            }
        }
    }
}

fn add_scaled(out: &mut [f32], values: &[f32], weight: f32) {
    for (out, value) in out.iter_mut().zip(values) {
        *out += weight * value;
    }
}

#[cfg(test)]
mod tests {
    use super::FilmGrain;
    use underpaint_filter::testing::{self, Case};

    fn case(width: u32, height: u32) -> Case<FilmGrain> {
        Case::new(width, height).seed(42)
    }

    #[test]
    fn the_same_in_any_tiles() {
        let picture = testing::picture(150, 110);
        for (size, color) in [(1.0, 0.0), (1.6, 0.25), (8.0, 1.0)] {
            case(150, 110).with("size", size).with("color", color).check(&picture);
        }
    }

    #[test]
    fn zero_strength_is_the_picture_itself_and_alpha_stays() {
        let picture = testing::picture(64, 64);
        assert_eq!(case(64, 64).with("strength", 0.0).run(&picture, 256).unwrap().pixels, picture);
        let grainy = case(64, 64).run(&picture, 256).unwrap().pixels;
        assert_ne!(grainy, picture);
        for (new, old) in grainy.chunks(4).zip(picture.chunks(4)) {
            assert_eq!(new[3], old[3]);
        }
    }

    /// What the parameters promise, measured on flat grey: deviation, channel correlation, response to tone.
    #[test]
    fn strength_does_not_depend_on_size_and_tones_differ() {
        let side = 256;
        let deviation = |grey: f32, case: &Case<FilmGrain>| {
            let picture = [grey, grey, grey, 1.0].repeat((side * side) as usize);
            let out = case.run(&picture, 256).unwrap().pixels;
            let sum: f64 = out.chunks(4).map(|p| f64::from(p[1] - grey).powi(2)).sum();
            (sum / f64::from(side * side)).sqrt()
        };
        let base = || case(side, side).with("color", 0.0).with("strength", 0.2);
        for size in [1.0, 1.6, 2.0, 3.3, 8.0] {
            let is = deviation(0.5, &base().with("size", size));
            assert!((is / 0.024 - 1.0).abs() < 0.15, "deviation {is} at size {size}, 0.024 is asked for");
        }
        let base = base();
        let (dark, middle, light) = (deviation(0.15, &base), deviation(0.5, &base), deviation(0.85, &base));
        assert!(middle > dark && dark > light, "dark {dark}, middle {middle}, light {light}");
    }
}
