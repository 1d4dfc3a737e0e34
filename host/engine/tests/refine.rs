//! Painting in tiles against painting as a whole, from the same noise.

mod seams;

mod golden;

use seams::GRADIENT_JUMP;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use underpaint_engine::tiles::Tiling;
use underpaint_engine::{EngineError, Model, Request, Saved};
use underpaint_plan::{Inpaint, Prepared, Sampler, Sampling};
use underpaint_raster::{Extent, Image, Job, Mask, Stage, Unattended};

const W: u32 = 256;
const H: u32 = 224;
/// Two by two.
const TILES: Tiling = Tiling { tile: 20, overlap: 8 };

fn load() -> Model {
    let starter = Path::new(env!("CARGO_MANIFEST_DIR")).join("../starter/model");
    Model::load(&starter, &golden::options(), &Unattended).unwrap()
}

/// Something to paint over: a sky, hills, a meadow.
fn study() -> Image {
    let pixel = |x: u32, y: u32| {
        let (u, v) = (x as f32 / W as f32, y as f32 / H as f32);
        let hill = 0.5 + 0.1 * (u * 9.0).sin();
        match v < hill {
            true => [0.45 + 0.3 * v, 0.6 + 0.2 * v, 0.85, 1.0],
            false => [0.3 + 0.2 * u, 0.5 - 0.2 * v, 0.2, 1.0],
        }
    };
    Image::from_data(Extent::new(W, H), (0..H).flat_map(|y| (0..W).flat_map(move |x| pixel(x, y))).collect())
}

fn paint(model: &mut Model, sampler: Sampler, tiling: Tiling, job: &dyn Job) -> Result<(Image, Saved), EngineError> {
    let sampling = Sampling { sampler, guidance_scale: 1.0, ..sampling() };
    repaint(model, &sampling, None, tiling, job)
}

fn sampling() -> Sampling {
    Sampling { steps: 10, start_step: 6, seed: 11, ..golden::sampling() }
}

fn repaint(
    model: &mut Model,
    sampling: &Sampling,
    mask: Option<Mask>,
    tiling: Tiling,
    job: &dyn Job,
) -> Result<(Image, Saved), EngineError> {
    let inpaint = if mask.is_some() { Inpaint::Differential } else { Inpaint::None };
    let input = Prepared { extent: Extent::new(W, H), init: Some(study()), mask };
    let mut saved = Saved::default();
    let request = Request {
        prompt: "green hills under a blue sky",
        negative_prompt: Some(""),
        inpaint,
        save: Some(&mut saved),
        ..golden::request(sampling, &input)
    };
    let picture = model.generate_in_tiles(request, tiling, job)?.remove(0);
    Ok((picture, saved))
}

#[test]
fn two_by_two_tiles_show_no_edge_and_begin_with_the_noise_of_one() {
    let mut model = load();
    for sampler in [Sampler::Dpmpp2m, Sampler::EulerA] {
        let (whole, one) = paint(&mut model, sampler, Tiling::WHOLE, &Unattended).unwrap();
        let (tiled, four) = paint(&mut model, sampler, TILES, &Unattended).unwrap();
        assert_eq!(one.noise, four.noise);
        assert_ne!(one.latents, four.latents);
        let luma = |image: &Image, x: usize, y: usize| {
            let [r, g, b, _] = image.pixel(x as u32, y as u32);
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        // Where the two pictures differ in what they show, a single line says little: the mean of all lines tells.
        let columns = seams::lines(&TILES, W as usize / 8, 8).into_iter().map(|at| (at, true));
        let lines: Vec<_> =
            columns.chain(seams::lines(&TILES, H as usize / 8, 8).into_iter().map(|at| (at, false))).collect();
        let mean = |image: &Image| {
            let jumps = lines.iter().map(|&(at, column)| match column {
                true => seams::jump(&|i, j| luma(image, j, i), H as usize, at),
                false => seams::jump(&|i, j| luma(image, i, j), W as usize, at),
            });
            jumps.sum::<f64>() / lines.len() as f64
        };
        let (tiled, whole) = (mean(&tiled), mean(&whole));
        println!("{sampler:?}: {tiled:.3} in tiles, {whole:.3} as a whole, {} lines", lines.len());
        assert!(tiled / whole <= GRADIENT_JUMP, "{tiled} against {whole}");
    }
}

/// Counts questions whether to go on, and says no after some.
struct Impatient(AtomicU32);

impl Job for Impatient {
    fn is_cancelled(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
    }
    fn progress(&self, _: Stage, _: u32, _: u32) {}
}

/// Counts how often it is asked.
#[derive(Default)]
struct Counting(AtomicU32);

impl Job for Counting {
    fn is_cancelled(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        false
    }
    fn progress(&self, _: Stage, _: u32, _: u32) {}
}

/// A soft selection in one corner: the original stays to the bit where it does not reach, and tiles it does not reach take no
/// time and change nothing.
#[test]
fn tiles_in_which_nothing_is_painted_are_not_looked_at() {
    let mut model = load();
    let value = |x: u32, y: u32| ((90.0 - (x as f32).hypot(y as f32)) / 40.0).clamp(0.0, 1.0);
    let mask = (0..H).flat_map(|y| (0..W).map(move |x| value(x, y))).collect();
    let mask = Mask::from_data(Extent::new(W, H), mask);
    for sampler in [Sampler::Dpmpp2m, Sampler::EulerA] {
        // To take back a billionth of the contrast is to take back nothing, but needs the contrast of the whole.
        let [local, all] = [0.0, 1e-9].map(|guidance_rescale| {
            let (sampling, job) = (Sampling { sampler, guidance_rescale, ..sampling() }, Counting::default());
            let (_, saved) = repaint(&mut model, &sampling, Some(mask.clone()), TILES, &job).unwrap();
            (saved.latents.data, job.0.into_inner())
        });
        let different = local.0.iter().zip(&all.0).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{sampler:?}: {different:e} apart, asked {} and {} times", local.1, all.1);
        assert!(different < 1e-5, "{sampler:?}: {different}");
        assert!(local.1 < all.1, "{sampler:?}: asked {} and {} times", local.1, all.1);
        let whole = Sampling { sampler, ..sampling() };
        let (_, whole) = repaint(&mut model, &whole, Some(mask.clone()), Tiling::WHOLE, &Unattended).unwrap();
        let (w, h) = (W as usize / 8, H as usize / 8);
        let kept = |i: usize| mask.at((i % w * 8) as u32, (i / w % h * 8) as u32) <= 0.0;
        let same = |i: &usize| whole.latents.data[*i] == local.0[*i];
        let (kept, painted): (Vec<usize>, Vec<usize>) = (0..local.0.len()).partition(|&i| kept(i));
        assert!(kept.len() > painted.len() / 2 && kept.iter().all(same), "{sampler:?}");
        assert!(!painted.iter().any(|i| i % w < 8 && i / w % h < 8 && same(i)), "{sampler:?}");
    }
}

#[test]
fn a_job_ends_within_a_tile_of_a_step() {
    let mut model = load();
    let error = paint(&mut model, Sampler::Euler, TILES, &Impatient(AtomicU32::new(40))).unwrap_err();
    assert!(matches!(error, EngineError::Cancelled(_)), "{error}");
}
