//! Texts bound to masks against diffusers' pipelines with an attention processor of `tests/reference/regions.py`, and what must hold
//! whatever the weights are.

mod golden;

use golden::Golden;
use std::collections::BTreeMap;
use std::path::Path;
use underpaint_engine::tiles::Tiling;
use underpaint_engine::{EngineError, Model, Region, Request, Saved, Wording};
use underpaint_plan::{Inpaint, Prepared, Sampler, Sampling, Scheduler};
use underpaint_raster::{Extent, Image, Mask, Unattended};

/// Smallest likeness to diffusers' picture, in dB.
const PSNR: f64 = 50.0;
/// Smallest likeness of pictures that differ only in the order of sums, in dB.
const SAME: f64 = 90.0;

fn load(path: &Path) -> Model {
    Model::load(path, &golden::options(), &Unattended).unwrap()
}

fn psnr(ours: &Image, theirs: &Image) -> f64 {
    assert_eq!(ours.extent(), theirs.extent());
    let error: f64 = ours.data().iter().zip(theirs.data()).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    // Alpha is always right and does not count.
    -10.0 * (error / (ours.data().len() as f64 * 0.75)).max(1e-20).log10()
}

/// What a row of a table, or of a test, asks for.
struct Asked<'a> {
    prompt: &'a str,
    negative: Option<&'a str>,
    wordings: &'a [Wording],
    regions: &'a [(&'a str, Mask)],
    sampling: Sampling,
    extent: Extent,
    init: Option<Image>,
    tiling: Tiling,
}

impl Default for Asked<'_> {
    fn default() -> Self {
        let sampling = Sampling {
            sampler: Sampler::Dpmpp2m,
            scheduler: Scheduler::Karras,
            steps: 4,
            start_step: 0,
            guidance_scale: 5.0,
            image_guidance_scale: 1.5,
            guidance_rescale: 0.0,
            seed: 3,
            batch: 1,
            clip_skip: 1,
        };
        let (prompt, negative) = ("a photo of a cat", Some("blurry, ugly"));
        let (wordings, regions, init) = (&[][..], &[][..], None);
        let (extent, tiling) = (Extent::new(56, 40), Tiling::WHOLE);
        Self { prompt, negative, wordings, regions, sampling, extent, init, tiling }
    }
}

fn paint(model: &mut Model, asked: &Asked<'_>) -> Result<Vec<Image>, EngineError> {
    painted(model, asked, None)
}

fn painted(model: &mut Model, asked: &Asked<'_>, save: Option<&mut Saved>) -> Result<Vec<Image>, EngineError> {
    let regions: Vec<_> = asked.regions.iter().map(|(prompt, mask)| Region { prompt, mask }).collect();
    let request = Request {
        prompt: asked.prompt,
        negative_prompt: asked.negative,
        wordings: asked.wordings,
        regions: &regions,
        embeddings: &[],
        controls: &[],
        sampling: &asked.sampling,
        inpaint: Inpaint::None,
        input: &Prepared { extent: asked.extent, init: asked.init.clone(), mask: None },
        noise: None,
        save,
    };
    model.generate_in_tiles(request, asked.tiling, &Unattended)
}

fn one(model: &mut Model, asked: &Asked<'_>) -> Image {
    paint(model, asked).unwrap().remove(0)
}

#[test]
fn pictures_are_those_of_diffusers_with_coupled_attention() {
    let folder = tempfile::tempdir().unwrap();
    let golden = Golden::of("regions.safetensors");
    let init = golden::picture(&Golden::open(), "input.image");
    let mut models = BTreeMap::from([("sd", load(&golden::plain())), ("sdxl", load(&golden::sdxl(folder.path())))]);
    for row in golden::table("regions.json") {
        let word = |field: &str| row[field].as_str().unwrap();
        let whole = |field: &str| row[field].as_u64().unwrap();
        let (name, extent) = (word("name"), Extent::new(whole("width") as u32, whole("height") as u32));
        let regions = row["regions"].as_array().unwrap().iter().enumerate().map(|(i, text)| {
            let mask = golden.get(&format!("mask.{name}.{i}")).1;
            (text.as_str().unwrap(), Mask::from_data(extent, mask))
        });
        let regions: Vec<_> = regions.collect();
        let plain = Asked::default();
        let sampling = Sampling {
            sampler: Sampler::ALL.into_iter().find(|s| s.name() == word("sampler")).unwrap(),
            scheduler: Scheduler::ALL.into_iter().find(|s| s.name() == word("scheduler")).unwrap(),
            steps: whole("steps") as u32,
            start_step: whole("start_step") as u32,
            guidance_scale: row["guidance"].as_f64().unwrap(),
            seed: whole("seed"),
            ..plain.sampling.clone()
        };
        let init = (word("kind") == "img2img").then(|| init.clone());
        let asked = Asked { prompt: word("prompt"), regions: &regions, sampling, extent, init, ..plain };
        let model = models.get_mut(word("model")).unwrap();
        let psnr = psnr(&one(model, &asked), &golden::picture(&golden, &format!("picture.{name}")));
        println!("{name}: {psnr:.1} dB");
        assert!(psnr >= PSNR, "{name} is {psnr:.1} dB from the reference's picture, at least {PSNR} are needed");
    }
}

/// `value` left of `from`, 0 right of it.
fn left_of(from: u32, value: f32, extent: Extent) -> Mask {
    let value = |i: usize| if (i as u32 % extent.w) < from { value } else { 0.0 };
    Mask::from_data(extent, (0..extent.area() as usize).map(value).collect())
}

fn rest(mask: &Mask) -> Mask {
    Mask::from_data(mask.extent(), mask.data().iter().map(|v| 1.0 - v).collect())
}

#[test]
fn masks_share_the_picture_out() {
    let folder = tempfile::tempdir().unwrap();
    let extent = Asked::default().extent;
    let (full, none) = (Mask::new(extent, 1.0), Mask::new(extent, 0.0));
    let long = "an old stone bridge in the mist ".repeat(14);
    for (name, path) in [("sd", golden::plain()), ("sdxl", golden::sdxl(folder.path()))] {
        let mut model = load(&path);
        for guidance_scale in [5.0, 1.0] {
            let sampling = Sampling { guidance_scale, ..Asked::default().sampling };
            let mut made = |prompt: &str, regions: &[(&str, Mask)]| {
                one(&mut model, &Asked { prompt, regions, sampling: sampling.clone(), ..Asked::default() })
            };
            let (cat, sea) = (made("a photo of a cat", &[]), made("the sea at night", &[]));
            let what = format!("{name}, guidance {guidance_scale}");
            assert!(psnr(&cat, &sea) < 40.0, "{what}: prompts must tell");
            assert!(
                made("a photo of a cat", &[("the sea at night", none.clone())]) == cat,
                "{what}: where no region is, nothing changes"
            );
            let whole = made("a photo of a cat", &[("the sea at night", full.clone())]);
            // SDXL goes on being told the whole text of the prompt.
            if name == "sd" {
                assert!(whole == sea, "{what}: a region of everything is its own picture");
            }
            // With guidance the plain picture's negative prompt is filled up to the same length.
            if name == "sd" && guidance_scale == 1.0 {
                assert!(made("", &[(&long, full.clone())]) == made(&long, &[]), "{what}: of any length");
            }
            let half = left_of(20, 0.7, extent);
            let two =
                made("a photo of a cat", &[("the sea at night", half.clone()), ("the sea at night", rest(&half))]);
            assert!(psnr(&two, &whole) >= SAME, "{what}: equal regions are one");
            let more =
                made("a photo of a cat", &[("the sea at night", full.clone()), ("the sea at night", half.clone())]);
            assert!(psnr(&more, &whole) >= SAME, "{what}: what is covered twice is shared");
            let same = made("a photo of a cat", &[("a photo of a cat", half.clone())]);
            assert!(psnr(&same, &cat) >= SAME, "{what}: a region of the prompt is the prompt");
            // Not binary: half as much of a mask is another picture, and between the two.
            let (weak, strong) = (left_of(99, 0.5, extent), left_of(99, 0.8, extent));
            let [weak, strong] = [weak, strong].map(|mask| made("a photo of a cat", &[("the sea at night", mask)]));
            assert!(psnr(&weak, &strong) < 60.0 && psnr(&strong, &whole) > psnr(&weak, &whole), "{what}");
            let longer = made("a photo of a cat", &[(&long, half.clone()), ("the sea at night", rest(&half))]);
            assert!(psnr(&longer, &two) < 60.0, "{what}: texts of other lengths stand beside each other");
        }
    }
}

/// Two regions side by side in a row of tiles: what lies in neither of the tiles on the border is, to the bit, what its own text
/// gives there. Each step lets what is across the border come one tile nearer.
#[test]
fn tiles_are_told_of_the_regions_that_lie_in_them() {
    let folder = tempfile::tempdir().unwrap();
    for (name, path) in [("sd", golden::plain()), ("sdxl", golden::sdxl(folder.path()))] {
        let mut model = load(&path);
        let (cells, factor) = (20, model.facts().multiple);
        let extent = Extent::new(cells as u32 * factor, 6 * factor);
        // Of 6 cells each, from the cells 0, 3, 7, 10 and 14 on.
        let row = Tiling { tile: 6, overlap: 2 };
        let (left, full) = (left_of(extent.w / 2, 1.0, extent), || Mask::new(extent, 1.0));
        let halves = [("the sea at night", left.clone()), ("a stone bridge", rest(&left))];
        for (steps, guidance_scale, exact) in [(1, 5.0, 7), (2, 5.0, 3), (2, 1.0, 3)] {
            let mut made = |prompt: &str, regions: &[(&str, Mask)], tiling| {
                let sampling = Sampling { steps, guidance_scale, ..Asked::default().sampling };
                let (asked, mut saved) = (Asked { extent, sampling, tiling, ..Asked::default() }, Saved::default());
                let picture = painted(&mut model, &Asked { prompt, regions, ..asked }, Some(&mut saved)).unwrap();
                (picture, saved.latents.data)
            };
            let what = format!("{name}, {steps} steps, guidance {guidance_scale}");
            let prompt = "a photo of a cat";
            let one_tile = made(prompt, &halves, Tiling { tile: cells, overlap: 2 });
            assert!(one_tile == made(prompt, &halves, Tiling::WHOLE), "{what}: one tile is the whole");
            let (_, both) = made(prompt, &halves, row);
            assert_ne!(both, one_tile.1, "{what}");
            let sides = [(halves[0].0, 0..exact), (halves[1].0, cells - exact..cells)];
            for (text, far) in sides {
                let (_, alone) = made(prompt, &[(text, full())], row);
                let same = |cell: usize| (cell..alone.len()).step_by(cells).all(|i| alone[i] == both[i]);
                assert!(far.clone().all(same), "{what}: `{text}` far from the border");
                assert!(!(0..cells).all(same), "{what}: `{text}` is not everywhere");
                // SDXL goes on being told the whole text of the prompt.
                assert!(name == "sdxl" || alone == made(text, &[], row).1, "{what}: `{text}` alone");
            }
        }
    }
}

#[test]
fn each_picture_of_a_batch_has_its_own_texts() {
    let mut model = load(&golden::plain());
    let extent = Asked::default().extent;
    let regions = [("unused", left_of(30, 1.0, extent))];
    let wording = |prompt: &str, region: &str| Wording {
        prompt: prompt.into(),
        negative_prompt: Some("ugly".into()),
        regions: vec![region.into()],
    };
    let wordings = [wording("a cat", "the sea"), wording("a cat", "a wood"), wording("a dog", "the sea")];
    let sampling = Sampling { batch: 3, ..Asked::default().sampling };
    let batch =
        paint(&mut model, &Asked { wordings: &wordings, regions: &regions, sampling, ..Asked::default() }).unwrap();
    for (i, wording) in (0..).zip(&wordings) {
        let sampling = Sampling { seed: 3 + i, ..Asked::default().sampling };
        let regions = [(&*wording.regions[0], regions[0].1.clone())];
        let (prompt, negative) = (&*wording.prompt, wording.negative_prompt.as_deref());
        let alone = one(&mut model, &Asked { prompt, negative, regions: &regions, sampling, ..Asked::default() });
        assert!(alone == batch[i as usize], "picture {i}");
    }
}

#[test]
fn what_cannot_be_painted_is_refused_in_a_sentence() {
    let mut model = load(&golden::plain());
    let extent = Asked::default().extent;
    let full = || Mask::new(extent, 1.0);
    let few = [Wording { prompt: "a cat".into(), ..Wording::default() }];
    let plain = Asked::default;
    for (asked, sentence) in [
        (
            Asked { regions: &[("a dog", Mask::new(Extent::new(8, 8), 1.0))], ..plain() },
            "regions.mask is 8x8; it must have the picture's size, 56x40",
        ),
        (Asked { regions: &[("a dog", Mask::new(extent, f32::NAN))], ..plain() }, "regions.mask holds values"),
        (Asked { regions: &[("a dog", Mask::new(extent, 1.5))], ..plain() }, "regions.mask holds values"),
        (Asked { regions: &[("(a:1e9)", full())], ..plain() }, "regions.prompt has the weight"),
        (
            Asked { regions: &[("a dog", full())], wordings: &few, ..plain() },
            "regions.prompt is given for 0 regions; there are 1",
        ),
    ] {
        let error = paint(&mut model, &asked).unwrap_err().to_string();
        assert!(error.starts_with(sentence), "{error} does not begin with {sentence}");
    }
    one(&mut model, &plain());
}
