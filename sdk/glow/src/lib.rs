//! Glow: bright parts of the picture shine over what is around them. The reference filter of the SDK.
//!
//! It is written once in every language (`glow.c`, `glow.zig`, `glow.ts` beside this folder), and all of them make the
//! same picture, bit by bit. So it has a number, a whole number, a choice and a colour to set, looks at neighbours,
//! goes over the picture twice, sees the original the second time, and weighs by alpha; and it uses `+ - * /` and
//! `sqrt` alone, in the order written here, which WebAssembly computes alike everywhere.
//!
//! The first pass takes the bright part of every pixel and averages it along the row, the second averages that along
//! the column and lays it over the original: a box blur. Every mean is added up anew, from its first pixel to its last,
//! since a sum that runs along the row would depend on where the tile begins.

use underpaint_filter::{
    About, Color, Error, Filter, Input, Param, Pass, Plan, Request, Tile, choices, export, params,
};

export!(Glow);

params! {
    /// What the painter sets.
    pub struct Settings {
        /// How bright a pixel must be to glow.
        threshold: f32 = Param::float("Threshold", 0.6, 0.0..=0.99).step(0.01),
        /// How far the glow reaches.
        radius: i32 = Param::int("Radius", 6, 1..=64).unit("px"),
        /// Screen never burns out, Add does.
        blend: Blend = Param::choice("Blend", Blend::Screen),
        /// The light's colour; its alpha is the strength.
        tint: Color = Param::color("Tint", 0xffcc99),
    }
}

choices! {
    /// How light is laid over the picture.
    pub enum Blend {
        Screen = "Screen",
        Add = "Add",
    }
}

/// One run's parameters.
pub struct Glow {
    threshold: f32,
    /// In pixels of this picture.
    radius: u32,
    blend: Blend,
    /// Light, times the strength.
    tint: [f32; 3],
    unchanged: bool,
}

impl Filter for Glow {
    type Sample = f32;
    type Params = Settings;

    fn about() -> About {
        About::new("Glow", "Lets bright parts shine over what is around them.")
            .linear()
            .input(Input::original("original").required())
    }

    fn new(params: Settings, request: &mut Request<f32>) -> Result<Self, Error> {
        let Settings { threshold, radius, blend, tint: Color { r, g, b, a } } = params;
        Ok(Glow {
            threshold,
            radius: (radius as f32 * request.scale + 0.5).max(1.0) as u32,
            blend,
            // A square is near enough to what sRGB means.
            tint: [r * r * a, g * g * a, b * b * a],
            unchanged: a == 0.0,
        })
    }

    fn plan(&self) -> Plan {
        if self.unchanged { Plan::unchanged() } else { Plan::passes([Pass::Tiles { halo: self.radius }; 2]) }
    }

    fn process(&mut self, tile: Tile<f32>) -> Result<Vec<f32>, Error> {
        let count = 2 * self.radius as usize + 1;
        let row = tile.area.width as usize * 4;
        let mut out = vec![0.0; row * tile.area.height as usize];
        if tile.pass == 0 {
            let mut shining = vec![0.0; tile.source.width as usize * 4];
            for (y, to) in (0..).zip(out.chunks_exact_mut(row)) {
                bright(tile.row(y), self.threshold, &mut shining);
                mean(&shining, 4, count, to);
            }
            return Ok(out);
        }
        let line = tile.source.width as usize * 4;
        let originals = tile.input("original").ok_or_else(|| Error::Failed("there is no original".into()))?;
        let (skip, tint) = (self.radius as usize * 4, self.tint);
        for (y, to) in out.chunks_exact_mut(row).enumerate() {
            mean(&tile.pixels[y * line + skip..], line, count, to);
            let original = &originals[(y + self.radius as usize) * line + skip..];
            for (to, below) in to.chunks_exact_mut(4).zip(original.chunks_exact(4)) {
                for c in 0..3 {
                    let glow = to[c] * tint[c];
                    to[c] = match self.blend {
                        Blend::Screen => below[c] + glow - below[c] * glow,
                        Blend::Add => below[c] + glow,
                    };
                }
                to[3] = below[3];
            }
        }
        Ok(out)
    }
}

/// The bright part of every pixel, weighed by its alpha.
fn bright(row: &[f32], threshold: f32, out: &mut [f32]) {
    for (out, p) in out.chunks_exact_mut(4).zip(row.chunks_exact(4)) {
        let light = 0.2126 * p[0] + 0.7152 * p[1] + 0.0722 * p[2];
        let over = (light.sqrt() - threshold) / (1.0 - threshold);
        let weight = if over > 0.0 { over * p[3] } else { 0.0 };
        out.copy_from_slice(&[p[0] * weight, p[1] * weight, p[2] * weight, weight]);
    }
}

/// The mean of `count` pieces of `values` that begin `step` after one another.
fn mean(values: &[f32], step: usize, count: usize, out: &mut [f32]) {
    let len = out.len();
    out.copy_from_slice(&values[..len]);
    for k in 1..count {
        out.iter_mut().zip(&values[k * step..]).for_each(|(out, v)| *out += v);
    }
    let share = 1.0 / count as f32;
    out.iter_mut().for_each(|v| *v *= share);
}

#[cfg(test)]
mod tests {
    use super::Glow;
    use underpaint_filter::{Color, testing};

    #[test]
    fn does_not_care_how_the_picture_is_cut() {
        let case = testing::Case::<Glow>::new(150, 100).with("threshold", 0.2).with("blend", "add");
        case.check(&testing::picture(150, 100));
    }

    #[test]
    fn without_strength_nothing_changes() {
        let picture = testing::picture(40, 30);
        let dark = Color { r: 1.0, g: 1.0, b: 1.0, a: 0.0 };
        assert_eq!(testing::Case::<Glow>::new(40, 30).with("tint", dark).run(&picture, 256).unwrap().pixels, picture);
    }
}
