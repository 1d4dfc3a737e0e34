//! The autoencoder in tiles against itself as a whole: no edge to be seen, little lost, cancellable within a tile.

mod golden;
mod seams;

use candle_core::{Device, Tensor};
use seams::GRADIENT_JUMP;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use underpaint_engine::EngineError;
use underpaint_engine::checkpoint::Checkpoint;
use underpaint_engine::tiles::Tiling;
use underpaint_engine::vae::{self, Vae};
use underpaint_engine::weights::Loading;
use underpaint_raster::{Job, Stage, Unattended};

const H: usize = 40;
const W: usize = 56;
const TILES: Tiling = Tiling { tile: 24, overlap: 8 };

fn load(folder: &Path) -> Vae {
    let (weights, config) = Checkpoint::open(folder, None).unwrap().vae;
    Vae::load(&weights.root(&Loading::new(&Device::Cpu, 0, &Unattended)), &config).unwrap()
}

fn starter() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../starter/model")
}

/// A smooth picture with some texture, `[1, 3, 8 H, 8 W]` in -1..=1.
fn study() -> Tensor {
    let value = |c: usize, y: usize, x: usize| {
        let (u, v) = (x as f32 / 40.0, y as f32 / 30.0);
        let wave = (u * 7.0 + v * 3.0).sin() * 0.05;
        let value = [0.5 + wave + 0.2 * (u * 0.7).sin(), 0.4 + u.sin() * 0.3 + wave, 0.6 - v.cos() * 0.3][c];
        value * 2.0 - 1.0
    };
    let (h, w) = (8 * H, 8 * W);
    let data: Vec<f32> = (0..3 * h * w).map(|i| value(i / (h * w), i / w % h, i % w)).collect();
    Tensor::from_vec(data, (1, 3, h, w), &Device::Cpu).unwrap()
}

fn values(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

/// In dB, of values in -1..=1.
fn psnr(a: &Tensor, b: &Tensor) -> f64 {
    let (a, b) = (values(a), values(b));
    let error: f64 =
        a.iter().zip(&b).map(|(a, b)| f64::from((a.clamp(-1.0, 1.0) - b.clamp(-1.0, 1.0)) / 2.0).powi(2)).sum();
    -10.0 * (error / a.len() as f64).log10()
}

/// Luma of `[1, 3, h, w]`.
fn luma(pixels: &Tensor) -> Vec<f32> {
    let planes = values(pixels);
    let area = planes.len() / 3;
    (0..area).map(|i| 0.2126 * planes[i] + 0.7152 * planes[area + i] + 0.0722 * planes[2 * area + i]).collect()
}

#[test]
fn no_seam_can_be_seen_and_less_is_lost_than_by_diffusers_tiles() {
    // The starter's autoencoder is small, but trained: what tiles lose depends on what the weights mean.
    let vae = load(&starter());
    let pixels = study();
    let whole = vae.encode(&pixels, Some(Tiling::WHOLE), &Unattended).unwrap();
    let tiled = vae.encode(&pixels, Some(TILES), &Unattended).unwrap();
    let (a, b) = (values(&whole.mean), values(&tiled.mean));
    let norm = |x: &mut dyn Iterator<Item = f32>| x.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let lost = norm(&mut a.iter().zip(&b).map(|(a, b)| a - b)) / norm(&mut a.iter().copied());
    let decoded = vae.decode(&whole.mean, Some(Tiling::WHOLE), &Unattended).unwrap();
    let in_tiles = vae.decode(&whole.mean, Some(TILES), &Unattended).unwrap();
    let likeness = psnr(&decoded, &in_tiles);
    let theirs = &golden::table("tiles.json")[0];
    println!("encoded: relative difference {lost:.4}, decoded: {likeness:.1} dB; diffusers: {theirs}");
    assert!(lost < theirs["encode_difference"].as_f64().unwrap());
    assert!(likeness > theirs["decode_psnr"].as_f64().unwrap());
    let (tiled, whole) = (luma(&in_tiles), luma(&decoded));
    let (h, w) = (8 * H, 8 * W);
    for at in seams::lines(&TILES, W, 8) {
        let jump = |luma: &[f32]| seams::jump(&|i, j| luma[i * w + j], h, at);
        let (tiled, whole) = (jump(&tiled), jump(&whole));
        println!("seam at column {at}: {tiled:.3} in tiles, {whole:.3} as a whole");
        assert!(tiled / whole <= GRADIENT_JUMP, "{at}: {tiled} against {whole}");
    }
    for at in seams::lines(&TILES, H, 8) {
        let jump = |luma: &[f32]| seams::jump(&|i, j| luma[j * w + i], w, at);
        let (tiled, whole) = (jump(&tiled), jump(&whole));
        println!("seam at row {at}: {tiled:.3} in tiles, {whole:.3} as a whole");
        assert!(tiled / whole <= GRADIENT_JUMP, "{at}: {tiled} against {whole}");
    }
}

#[test]
fn small_pictures_are_whole_and_large_ones_are_cut() {
    for (h, w, tiles) in [(128, 128, 1), (64, 256, 1), (129, 128, 2), (256, 256, 9), (32, 1024, 11)] {
        assert_eq!(vae::usual(h, w).tiles(h, w).len(), tiles, "{h}x{w}");
    }
    let vae = load(&golden::plain());
    let latents = Tensor::ones((2, 4, 9, 7), candle_core::DType::F32, &Device::Cpu).unwrap();
    let whole = vae.decode(&latents, Some(Tiling::WHOLE), &Unattended).unwrap();
    assert_eq!(values(&vae.decode(&latents, None, &Unattended).unwrap()), values(&whole));
    let tiled = vae.decode(&latents, Some(Tiling { tile: 6, overlap: 3 }), &Unattended).unwrap();
    assert_eq!(tiled.dims(), [2, 3, 72, 56]);
    let posterior = vae.encode(&tiled, Some(Tiling { tile: 6, overlap: 3 }), &Unattended).unwrap();
    assert_eq!((posterior.mean.dims(), posterior.std.dims()), (latents.dims(), latents.dims()));
}

/// Counts reports of a stage, checks that they never go back, and cancels after some.
struct Until {
    left: AtomicU32,
    last: AtomicU32,
    stage: Stage,
}

impl Job for Until {
    fn is_cancelled(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }
    fn progress(&self, stage: Stage, step: u32, steps: u32) {
        assert!(stage == self.stage && step <= steps && self.last.swap(step, Ordering::Relaxed) <= step);
        self.left.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn a_job_ends_within_a_level_of_a_tile() {
    let vae = load(&golden::plain());
    let latents = Tensor::ones((1, 4, 20, 12), candle_core::DType::F32, &Device::Cpu).unwrap();
    let pixels = Tensor::ones((1, 3, 160, 96), candle_core::DType::F32, &Device::Cpu).unwrap();
    let tiling = Some(Tiling { tile: 8, overlap: 2 });
    for left in [1, 7, 20, u32::MAX] {
        let until = |stage| Until { left: AtomicU32::new(left), last: AtomicU32::new(0), stage };
        let (decoding, encoding) = (until(Stage::Decode), until(Stage::Encode));
        let decoded = vae.decode(&latents, tiling, &decoding).map(|_| ());
        let encoded = vae.encode(&pixels, tiling, &encoding).map(|_| ());
        for (made, job) in [(decoded, decoding), (encoded, encoding)] {
            match left {
                u32::MAX => made.unwrap(),
                _ => assert!(matches!(made, Err(EngineError::Cancelled(_))) && job.is_cancelled()),
            }
        }
    }
}
