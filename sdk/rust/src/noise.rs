//! Randomness that does not care how the picture was cut.

/// White noise as a pure function of the seed, a pixel's position in the picture and a channel: the same on every
/// tile, core and machine. Take a different `channel` for every independent value at one pixel.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    seed: u64,
}

impl Noise {
    /// Noise of [`Request::seed`](crate::Request).
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// 32 random bits. Mixing as in MurmurHash3's finaliser (public domain), one round for each half of the input.
    #[inline]
    pub fn bits(&self, x: i32, y: i32, channel: u32) -> u32 {
        let mut h = (self.seed as u32) ^ (x as u32).wrapping_mul(0x9e37_79b1);
        h = mix(h ^ (y as u32).wrapping_mul(0x85eb_ca77));
        mix(h ^ ((self.seed >> 32) as u32).wrapping_add(channel.wrapping_mul(0xc2b2_ae3d)))
    }

    /// Evenly in 0..1.
    #[inline]
    pub fn uniform(&self, x: i32, y: i32, channel: u32) -> f32 {
        (self.bits(x, y, channel) >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// Near the normal distribution with mean 0 and deviation 1, and never beyond ±3.46: the sum of four bytes.
    #[inline]
    pub fn normal(&self, x: i32, y: i32, channel: u32) -> f32 {
        let b = self.bits(x, y, channel);
        let sum = (b & 255) + (b >> 8 & 255) + (b >> 16 & 255) + (b >> 24);
        (sum as f32 - 510.0) * (1.0 / 147.801)
    }
}

#[inline]
fn mix(mut h: u32) -> u32 {
    h ^= h >> 16;
    h = h.wrapping_mul(0x85eb_ca6b);
    h ^= h >> 13;
    h = h.wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

#[cfg(test)]
mod tests {
    use super::Noise;

    #[test]
    fn moments_and_neighbours() {
        let noise = Noise::new(0x1234_5678_9abc_def0);
        let n = 256;
        let (mut mean, mut var, mut right, mut below, mut channel) = (0.0, 0.0, 0.0, 0.0, 0.0f64);
        for y in 0..n {
            for x in -n / 2..n / 2 {
                let v = noise.normal(x, y, 0) as f64;
                mean += v;
                var += v * v;
                right += v * noise.normal(x + 1, y, 0) as f64;
                below += v * noise.normal(x, y + 1, 0) as f64;
                channel += v * noise.normal(x, y, 1) as f64;
            }
        }
        let count = (n * n) as f64;
        assert!((mean / count).abs() < 0.02, "mean {}", mean / count);
        assert!((var / count - 1.0).abs() < 0.02, "variance {}", var / count);
        for (what, sum) in [("right", right), ("below", below), ("channel", channel)] {
            assert!((sum / count).abs() < 0.02, "correlation {what}: {}", sum / count);
        }
    }

    #[test]
    fn every_bit_of_the_seed_counts() {
        let base: Vec<u32> = (0..64).map(|x| Noise::new(7).bits(x, 3, 0)).collect();
        for bit in 0..64 {
            let other: Vec<u32> = (0..64).map(|x| Noise::new(7 ^ 1 << bit).bits(x, 3, 0)).collect();
            let flipped: u32 = base.iter().zip(&other).map(|(a, b)| (a ^ b).count_ones()).sum();
            assert!((800..1250).contains(&flipped), "seed bit {bit} flips {flipped} of 2048 bits");
        }
    }
}
