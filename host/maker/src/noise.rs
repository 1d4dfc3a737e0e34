//! Value noise and its sums over octaves; smooth, cheap, the same everywhere.

/// A field of noise.
#[derive(Clone, Copy, Debug)]
pub struct Noise(u32);

impl Noise {
    /// The field of `seed`.
    pub fn new(seed: u64) -> Self {
        Self((seed ^ (seed >> 32)) as u32)
    }

    fn lattice(self, x: i32, y: i32) -> f32 {
        let mut h = (x as u32).wrapping_mul(0x8da6_b343) ^ (y as u32).wrapping_mul(0xd816_3841) ^ self.0;
        h = (h ^ (h >> 16)).wrapping_mul(0x7feb_352d);
        h = (h ^ (h >> 15)).wrapping_mul(0x846c_a68b);
        (h >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    /// -1..1 at a point; features are about one unit wide.
    pub fn at(self, x: f32, y: f32) -> f32 {
        let (xi, yi) = (floor(x), floor(y));
        let (u, v) = (ease(x - xi as f32), ease(y - yi as f32));
        let row = |y| {
            let (a, b) = (self.lattice(xi, y), self.lattice(xi.wrapping_add(1), y));
            a + (b - a) * u
        };
        let (a, b) = (row(yi), row(yi.wrapping_add(1)));
        a + (b - a) * v
    }

    /// The sum of `octaves` (1..=8) fields, each twice as fine and half as strong; about -1..1.
    pub fn fbm(self, mut x: f32, mut y: f32, octaves: u32) -> f32 {
        let (mut sum, mut strength, mut most) = (0.0, 1.0, 0.0);
        for octave in 0..octaves {
            sum += strength * Self(self.0.wrapping_add(octave.wrapping_mul(0x9e37_79b9))).at(x, y);
            most += strength;
            strength *= 0.5;
            // Turned a little, so that the lattices do not line up.
            (x, y) = (1.6 * x - 1.2 * y + 3.1, 1.2 * x + 1.6 * y + 1.7);
        }
        sum / most
    }

    /// Sharp crests, 0..1: one minus the magnitude of each octave. Mountain ridges, marble veins.
    pub fn ridged(self, mut x: f32, mut y: f32, octaves: u32) -> f32 {
        let (mut sum, mut strength, mut most) = (0.0, 1.0, 0.0);
        for octave in 0..octaves {
            sum += strength * (1.0 - Self(self.0.wrapping_add(octave.wrapping_mul(0x51ed_270b))).at(x, y).abs());
            most += strength;
            strength *= 0.5;
            (x, y) = (1.6 * x - 1.2 * y + 3.1, 1.2 * x + 1.6 * y + 1.7);
        }
        sum / most
    }
}

/// `f32::floor` is a call into the C library without newer instruction sets; this is two instructions.
fn floor(x: f32) -> i32 {
    let whole = x as i32;
    whole - i32::from((whole as f32) > x)
}

fn ease(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}
