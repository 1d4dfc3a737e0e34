//! A second pass too large to be seen at once: what its owner sees of it, and how soon it ends when nobody wants it any more.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use underpaint::models::{Catalogue, Models};
use underpaint::worker::{self, Input, JobError, Output};
use underpaint_engine::Options;
use underpaint_filters::Filters;
use underpaint_raster::{Extent, Image, Job, Mask, Rect, Stage};
use underpaint_wire::generate::{Generate, Mode};

/// Square pictures of this side, in which most of the middle is selected.
const SIDE: u32 = 400;

/// What a job was asked and told.
#[derive(Default)]
struct Watched {
    seen: Mutex<Seen>,
    /// It is cancelled when it is asked so many times in the second pass.
    patience: Option<usize>,
}

#[derive(Default)]
struct Seen {
    /// Questions whether to go on, and how many were asked when a step of the second pass was done.
    asked: usize,
    steps: Vec<usize>,
    refused: usize,
    /// Previews of the first pass and of the second.
    previews: [Vec<(Image, Rect)>; 2],
}

impl Job for Watched {
    fn is_cancelled(&self) -> bool {
        let mut seen = self.seen.lock().unwrap();
        seen.asked += usize::from(!seen.steps.is_empty());
        let cancelled = self.patience.is_some_and(|patience| seen.asked >= patience);
        seen.refused += usize::from(cancelled);
        cancelled
    }

    fn progress(&self, stage: Stage, step: u32, _: u32) {
        let mut seen = self.seen.lock().unwrap();
        if stage == Stage::Upscale && seen.steps.len() == step as usize {
            let asked = seen.asked;
            seen.steps.push(asked);
        }
    }

    fn wants_preview(&self) -> bool {
        true
    }

    fn preview_at(&self, image: Image, rect: Rect) {
        let mut seen = self.seen.lock().unwrap();
        let pass = usize::from(!seen.steps.is_empty());
        seen.previews[pass].push((image, rect));
    }
}

/// A slanted band of the picture, so that tiles in two corners have little of it.
fn mask() -> Mask {
    let at = |i: u32| ((i % SIDE) as f32, (i / SIDE) as f32);
    let inside = |(x, y): (f32, f32)| (60.0..340.0).contains(&x) && (60.0..340.0).contains(&y) && (x - y).abs() < 150.0;
    Mask::from_data(Extent::new(SIDE, SIDE), (0..SIDE * SIDE).map(at).map(|p| f32::from(inside(p))).collect())
}

fn fill(passes: impl Into<Option<u32>>, job: &dyn Job) -> Result<Output, JobError> {
    let home = tempfile::tempdir().unwrap();
    let mut catalogue = Catalogue::scan(&[], None, home.path(), None);
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/golden/tiny-sd");
    let model = catalogue.add(&tiny).unwrap();
    let mut models = Models::new(Arc::new(catalogue), Options::default());
    let extent = Extent::new(SIDE, SIDE);
    let pixel = |i: u32| [(i % SIDE) as f32 / SIDE as f32, (i / SIDE) as f32 / SIDE as f32, 0.4, 1.0];
    let canvas = Image::from_data(extent, (0..SIDE * SIDE).flat_map(pixel).collect());
    let request = Generate {
        mode: Mode::Fill,
        model: Some(model),
        prompt: "a cat".into(),
        seed: Some(7),
        steps: Some(6),
        passes: passes.into(),
        ..Generate::default()
    };
    let input = Input {
        canvas: Some((extent, extent.rect(), canvas)),
        mask: Some((extent.rect(), mask())),
        ..Input::default()
    };
    worker::run(&mut models, &Filters::new(None).unwrap(), &request, input, job)
}

#[test]
fn it_is_shown_where_it_will_be_and_fades_as_one_pass_does() {
    let job = Watched::default();
    let twice = fill(2, &job).unwrap();
    let once = fill(1, &Watched::default()).unwrap();
    let second = &twice.used["second_pass"];
    assert!(second["tiles"]["tile"].as_u64().is_some_and(|tile| tile < 200), "{second}");
    let ((fine, _), (coarse, _)) = (&twice.patches[0], &once.patches[0]);
    assert_eq!(fine.rect, coarse.rect);
    let alpha = |image: &Image| image.data().chunks_exact(4).map(|p| p[3]).collect::<Vec<_>>();
    assert_eq!(alpha(&fine.image), alpha(&coarse.image), "no mask is rounded by tiles");
    let soft = alpha(&fine.image).iter().filter(|a| (0.05..0.95).contains(*a)).count();
    assert!(soft > 5000, "{soft} soft pixels");
    assert_ne!(fine.image, coarse.image);
    let seen = job.seen.into_inner().unwrap();
    assert_eq!(seen.previews[1].len(), 4, "one a step");
    for (pass, previews) in seen.previews.iter().enumerate() {
        assert!(!previews.is_empty());
        for (image, rect) in previews {
            // Within two latents of the pass, in canvas pixels.
            let cell = 2.0 * f64::from(rect.w) / f64::from(image.extent().w) + 1.0;
            let (got, wanted) = (rect, fine.rect);
            let ends = |r: Rect| [i64::from(r.x), i64::from(r.y), r.right(), r.bottom()];
            let off = ends(*got).into_iter().zip(ends(wanted)).map(|(a, b)| (a - b).unsigned_abs()).max();
            assert!(off.is_some_and(|off| off as f64 <= cell), "pass {pass}: {got:?}, the patch is at {wanted:?}");
            let middle = image.pixel(image.extent().w / 2, image.extent().h / 2)[3];
            assert_eq!((middle, image.pixel(0, 0)[3] < 0.5), (1.0, true), "pass {pass}");
        }
    }
    let width = |pass: usize| seen.previews[pass][0].0.extent().w;
    assert!(width(1) > 2 * width(0), "finer: {} and {}", width(1), width(0));
}

/// A graphics card takes two passes where a processor takes one; its receipt must make the same picture here.
#[test]
fn the_receipt_says_how_many_passes_were_taken() {
    for (asked, taken) in [(None, 1), (Some(1), 1), (Some(2), 2)] {
        let made = fill(asked, &Watched::default()).unwrap();
        assert_eq!(made.receipt["request"]["passes"], taken);
        assert_eq!(made.used["second_pass"].is_object(), taken == 2);
    }
}

#[test]
fn it_ends_within_a_tile() {
    let job = Watched::default();
    fill(2, &job).unwrap();
    let steps = job.seen.into_inner().unwrap().steps;
    let asked: Vec<usize> = steps.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // Dozens of tiles, and several questions in each.
    assert!(asked.iter().all(|&asked| asked > 200), "questions in each step: {asked:?}");
    for patience in [steps[1] - 3, steps[1] + 100, steps[2] - 20] {
        let job = Watched { patience: Some(patience), ..Watched::default() };
        let error = fill(2, &job).unwrap_err();
        assert!(matches!(error, JobError::Cancelled), "{error}");
        let seen = job.seen.into_inner().unwrap();
        let done = steps.iter().filter(|&&asked| asked < patience).count();
        assert_eq!((seen.asked, seen.refused, seen.steps.len()), (patience, 1, done), "no is an answer");
    }
}
