//! Weights, chunks, breaks and embeddings against ComfyUI's rules as `tests/reference/prompts.py` has them on transformers' encoders, and
//! whole pictures against diffusers'.

mod golden;

use candle_core::{Device, Tensor};
use golden::Golden;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use underpaint_engine::checkpoint::{Checkpoint, TextPart};
use underpaint_engine::clip::{Activation, ClipConfig, Reads};
use underpaint_engine::lora::Layers;
use underpaint_engine::prompt::{Embedding, Part, Prompt, inspect, parse};
use underpaint_engine::text::{Encoded, Text};
use underpaint_engine::weights::file::SafetensorsFile;
use underpaint_engine::weights::{Loading, Weights};
use underpaint_engine::{EngineError, Model, Request, Wording};
use underpaint_plan::{Prepared, Sampling};
use underpaint_raster::{Extent, Image, Unattended};

/// Largest difference of an embedding's numbers, which are of the size of 1.
const EMBEDDING: f32 = 1e-4;
/// Smallest likeness to diffusers' picture, in dB.
const PSNR: f64 = 50.0;
/// Columns of each encoder that the golden file keeps.
const COLUMNS: usize = 4;

fn rows(member: &str) -> Vec<Value> {
    golden::table("prompts.json").into_iter().filter(|row| !row[member].is_null()).collect()
}

fn load(parts: &[TextPart], zeros_when_absent: bool) -> Text {
    let loading = Loading::new(&Device::Cpu, 0, &Unattended);
    Text::load(parts, zeros_when_absent, &loading, &mut Layers::default()).unwrap()
}

/// SD 1.x's encoder alone.
fn sd() -> Text {
    load(&Checkpoint::open(&golden::plain(), None).unwrap().texts, false)
}

/// An OpenCLIP-like encoder with a vocabulary and a width of its own.
fn second(reads: Reads) -> TextPart {
    let path = golden::folder().join("prompts.safetensors");
    let file = Rc::new(SafetensorsFile::open(&path).unwrap());
    let mut weights = Weights::new(&path);
    for entry in file.entries() {
        if let Some(name) = entry.name.strip_prefix("second.") {
            weights.insert(name.to_owned(), &file, entry);
        }
    }
    if reads == Reads::Last {
        // Only SDXL's have a projection.
        weights.drop("text_projection.weight");
    }
    let config = ClipConfig { heads: 2, activation: Activation::Gelu, norm_eps: 1e-5, reads };
    TextPart { weights, config, vocabulary: Some(golden::folder().join("tokenizer-json")) }
}

/// SD 2.x's encoder alone, or with `reads` as SDXL has it the refiner's.
fn open_clip(reads: Reads) -> Text {
    load(&[second(reads)], false)
}

/// SDXL's pair: SD 1.x's, read before its last layer, and the other one.
fn xl(zeros_when_absent: bool) -> Text {
    let mut first = Checkpoint::open(&golden::plain(), None).unwrap().texts.remove(0);
    first.config.reads = Reads::Penultimate;
    load(&[first, second(Reads::Penultimate)], zeros_when_absent)
}

/// A safetensors file of golden tensors under names of their own.
fn file(path: &Path, tensors: &[(&str, &str)]) -> PathBuf {
    let golden = Golden::of("prompts.safetensors");
    let stored = tensors.iter().map(|(name, source)| {
        let (shape, data) = golden.get(source);
        (name.to_string(), ("F32".into(), shape, data.iter().flat_map(|v| v.to_le_bytes()).collect()))
    });
    golden::write(path, &stored.collect());
    path.to_owned()
}

/// The embeddings `two` and `one` of the reference, for both encoders.
fn learned(folder: &Path) -> Vec<Embedding> {
    let both = |name: &str| {
        let [l, g] = [0, 1].map(|i| format!("learned.{name}.{i}"));
        let path = file(&folder.join(format!("{name}.safetensors")), &[("clip_l", &l), ("clip_g", &g)]);
        Embedding::open(name, &path).unwrap()
    };
    vec![both("two"), both("one")]
}

fn encode(text: &Text, prompt: &str, embeddings: &[Embedding], skip: usize) -> Result<Encoded, EngineError> {
    let prompt = Prompt::read("prompt", prompt)?;
    Ok(text.encode(&[Some(&prompt)], embeddings, skip)?.remove(0))
}

fn same(a: &Encoded, b: &Encoded) -> bool {
    let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values(&a.context) == values(&b.context) && a.pooled.as_ref().map(values) == b.pooled.as_ref().map(values)
}

#[test]
fn prompts_are_read_as_the_reference_reads_them() {
    let rows = rows("parts");
    assert!(rows.len() >= 18);
    for row in rows {
        let theirs = row["parts"].as_array().unwrap();
        let ours = parse(row["prompt"].as_str().unwrap()).unwrap();
        assert_eq!(ours.len(), theirs.len(), "{}: {ours:?}", row["name"]);
        for (ours, theirs) in ours.iter().zip(theirs) {
            match ours {
                Part::Break => assert!(theirs.is_null(), "{}", row["name"]),
                Part::Text { text, weight } => {
                    assert_eq!(Some(&**text), theirs["text"].as_str(), "{}", row["name"]);
                    assert!((weight - theirs["weight"].as_f64().unwrap()).abs() < 1e-12, "{}: {weight}", row["name"]);
                }
            }
        }
    }
}

#[test]
fn embeddings_are_those_of_comfyuis_rules() {
    let folder = tempfile::tempdir().unwrap();
    let (golden, learned) = (Golden::of("prompts.safetensors"), learned(folder.path()));
    let (sd, sd2, xl) = (sd(), open_clip(Reads::Last), xl(false));
    for row in rows("parts") {
        let (name, prompt) = (row["name"].as_str().unwrap(), row["prompt"].as_str().unwrap());
        let skip = row["skip"].as_u64().unwrap() as usize;
        let ours = encode(&sd, prompt, &learned, skip).unwrap().context.narrow(2, 0, COLUMNS).unwrap();
        golden::close(&format!("sd.{name}"), &ours, &golden.tensor(&format!("sd.{name}")), EMBEDDING);
        if row["second_alone"] == true {
            let ours = encode(&sd2, prompt, &learned, skip).unwrap().context.narrow(2, 0, COLUMNS).unwrap();
            golden::close(&format!("sd2.{name}"), &ours, &golden.tensor(&format!("sd2.{name}")), EMBEDDING);
        }
        if skip > 1 && name != "skip" {
            continue;
        }
        let ours = encode(&xl, prompt, &learned, skip).unwrap();
        let [l, g] = [0, 16].map(|at| ours.context.narrow(2, at, COLUMNS).unwrap());
        let context = Tensor::cat(&[l, g], 2).unwrap();
        golden::close(&format!("xl.{name}"), &context, &golden.tensor(&format!("xl.{name}")), EMBEDDING);
        let pooled = ours.pooled.unwrap().squeeze(0).unwrap();
        golden::close(&format!("pooled.{name}"), &pooled, &golden.tensor(&format!("pooled.{name}")), EMBEDDING);
    }
}

#[test]
fn what_weighs_one_is_not_touched() {
    for text in [sd(), xl(false)] {
        let plain = encode(&text, "a photo of a cat", &[], 1).unwrap();
        for alike in
            ["(a photo of a cat:1)", "(a (photo:1) of a cat:1.0)", "((a photo of a cat:1.0))", "a photo\n of a  cat"]
        {
            assert!(same(&plain, &encode(&text, alike, &[], 1).unwrap()), "{alike}");
        }
        assert!(!same(&plain, &encode(&text, "(a photo of a cat:1.01)", &[], 1).unwrap()));
        // A weight of 0 leaves nothing but the empty prompt, word by word.
        let (nothing, empty) = (encode(&text, "(cat:0)", &[], 1).unwrap(), encode(&text, "", &[], 1).unwrap());
        let [nothing, empty] = [nothing, empty].map(|e| e.context.narrow(1, 0, 2).unwrap());
        golden::close("nothing", &nothing, &empty, 0.0);
    }
}

#[test]
fn no_prompt_and_an_empty_one_are_two_things_for_sdxl() {
    let zeros = |e: &Encoded| e.context.abs().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap() == 0.0;
    let cat = Prompt::read("prompt", "cat BREAK dog").unwrap();
    for (text, absent) in [(sd(), false), (xl(false), false), (xl(true), true)] {
        let both = text.encode(&[None, Some(&cat)], &[], 1).unwrap();
        assert_eq!(zeros(&both[0]), absent);
        assert!(!zeros(&encode(&text, "", &[], 1).unwrap()));
        // A shorter one has as many tokens as the longer one beside it: two chunks.
        assert_eq!(both[0].context.dims()[1], 154);
        assert_eq!(both[0].context.dims(), both[1].context.dims());
    }
}

#[test]
fn embeddings_of_every_usual_form_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (sd, xl) = (sd(), xl(false));
    let expected = encode(&sd, "a embedding:two cat", &learned(folder.path()), 1).unwrap();
    let l = "learned.two.0";
    for (i, name) in ["emb_params", "string_to_param.*", "string_to_param/*", "<two>", "clip_l"].into_iter().enumerate()
    {
        let path = file(&at(&format!("{i}.safetensors")), &[(name, l)]);
        let embedding = [Embedding::open("two", &path).unwrap()];
        for prompt in [
            "a embedding:two cat",
            "a two cat",
            "a TWO cat",
            "a embedding:two.safetensors cat",
            "a embedding: two cat",
            "a embedding:old/two.pt cat",
        ] {
            assert!(same(&expected, &encode(&sd, prompt, &embedding, 1).unwrap()), "{name}: {prompt}");
        }
        // Part of a word is not the word.
        for prompt in ["a two-tone cat", "a twofold cat", "a embedding_two cat"] {
            assert!(
                same(&encode(&sd, prompt, &[], 1).unwrap(), &encode(&sd, prompt, &embedding, 1).unwrap()),
                "{prompt}"
            );
        }
    }
    // Of two names the longer one counts, and a name need not be letters.
    let path = file(&at("toy.safetensors"), &[("<cat-toy>", l)]);
    let longer = [Embedding::open("<cat", &path).unwrap(), Embedding::open("<cat-toy>", &path).unwrap()];
    assert!(same(&expected, &encode(&sd, "a <cat-toy> cat", &longer, 1).unwrap()));
    let g = "learned.two.1";
    let expected = encode(&xl, "a embedding:two cat", &learned(folder.path()), 1).unwrap();
    let path = file(&at("xl.safetensors"), &[("text_encoders_0", l), ("text_encoders_1", g)]);
    assert!(same(&expected, &encode(&xl, "a two cat", &[Embedding::open("two", &path).unwrap()], 1).unwrap()));
}

#[test]
fn embeddings_that_are_not_there_or_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (sd, xl, learned) = (sd(), xl(false), learned(folder.path()));
    let wide = file(&folder.path().join("wide.safetensors"), &[("emb_params", "learned.two.1")]);
    let wide = [Embedding::open("wide", &wide).unwrap()];
    let narrow = file(&folder.path().join("narrow.safetensors"), &[("emb_params", "learned.two.0")]);
    let narrow = [Embedding::open("narrow", &narrow).unwrap()];
    let (sd2, refiner) = (open_clip(Reads::Last), open_clip(Reads::Penultimate));
    for (text, prompt, embeddings, part) in [
        (&sd, "a embedding:three", &learned[..], "prompt names embedding:three, but no embedding is called that"),
        (&sd, "(embedding:three,:1.2)", &[], "prompt names embedding:three,, but no embedding is called that"),
        (
            &sd,
            "a embedding:wide",
            &wide,
            "wide.safetensors has embeddings 24 wide; the text encoders of this SD 1.x model need 16",
        ),
        (&sd2, "a embedding:narrow", &narrow, "has embeddings 16 wide; the text encoders of this SD 2.x model need 24"),
        (&refiner, "a embedding:narrow", &narrow, "the text encoders of this SDXL refiner model need 24"),
        (&xl, "a embedding:wide", &wide, "the text encoders of this SDXL model need 16 and 24"),
    ] {
        let sentence = encode(text, prompt, embeddings, 1).unwrap_err().to_string();
        assert!(sentence.contains(part) && sentence.starts_with("prompt names"), "{sentence}");
    }
    // A word can stand for so many tokens that no machine would encode them.
    let sentence = encode(&sd, &"two ".repeat(10_000), &learned, 1).unwrap_err().to_string();
    assert!(sentence.contains("prompt fills 271 chunks of a text encoder; at most 256"), "{sentence}");
    // A word that happens to be called like one for another family is a word.
    assert!(same(&encode(&sd, "a wide cat", &wide, 1).unwrap(), &encode(&sd, "a wide cat", &[], 1).unwrap()));
    assert!(sd.fits(&wide[0]).is_err() && xl.fits(&learned[0]).is_ok() && sd.fits(&learned[0]).is_ok());
}

#[test]
fn broken_and_foreign_embeddings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.safetensors");
    let tensor = |dtype: &str, shape: &[usize], bytes: usize| (dtype.to_owned(), shape.to_vec(), vec![0; bytes]);
    let one = |name: &str, tensor| golden::Tensors::from([(name.to_owned(), tensor)]);
    let two =
        golden::Tensors::from([("a".to_owned(), tensor("F32", &[1], 4)), ("b".to_owned(), tensor("F32", &[1], 4))]);
    let nan = ("F32".to_owned(), vec![1, 16], [f32::NAN; 16].iter().flat_map(|v| v.to_le_bytes()).collect());
    for (part, tensors) in [
        ("without any tensor", golden::Tensors::new()),
        ("not a textual inversion", two),
        ("tensor emb_params has shape [0, 16]", one("emb_params", tensor("F32", &[0, 16], 0))),
        ("tensor emb_params has shape [1, 1, 16]", one("emb_params", tensor("F32", &[1, 1, 16], 64))),
        ("tensor emb_params has shape [1025, 1]", one("emb_params", tensor("F32", &[1025, 1], 4100))),
        ("tensor emb_params has shape [1, 8193]", one("emb_params", tensor("F16", &[1, 8193], 16386))),
        ("tensor clip_l has shape []", one("clip_l", tensor("F32", &[], 4))),
        ("is stored as F8_E5M2", one("emb_params", tensor("F8_E5M2", &[1, 16], 16))),
        ("values that are not finite", one("emb_params", nan)),
    ] {
        golden::write(&path, &tensors);
        let text = Embedding::open("bad", &path).unwrap_err().to_string();
        assert!(
            text.contains(part) && text.contains("bad.safetensors") && !text.contains('\n'),
            "{text} does not say {part}"
        );
    }
    let whole = std::fs::read(file(&path, &[("emb_params", "learned.two.0")])).unwrap();
    for length in [0, 7, 20, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(Embedding::open("bad", &path).is_err() && inspect(&path).is_err(), "{length} bytes");
    }
    std::fs::write(&path, b"PK\x03\x04archive/data.pkl and more").unwrap();
    assert!(Embedding::open("bad", &path).unwrap_err().to_string().contains("pickled"));
}

#[test]
fn embeddings_are_told_from_other_files_by_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("any.safetensors");
    let tensor = |shape: &[usize]| ("F16".to_owned(), shape.to_vec(), vec![0; shape.iter().product::<usize>() * 2]);
    for (tensors, widths) in [
        (vec![("emb_params", vec![4, 16])], Some(vec![16])),
        (vec![("clip_g", vec![2, 1280]), ("clip_l", vec![2, 768])], Some(vec![1280, 768])),
        (vec![("<any-name>", vec![768])], Some(vec![768])),
        (vec![("emb_params", vec![4, 16]), ("step", vec![1])], Some(vec![16])),
        (vec![("weight", vec![3, 17])], None),
        (vec![("a", vec![768]), ("b", vec![768])], None),
        (vec![("emb_params", vec![4, 1, 16])], None),
        (vec![], None),
    ] {
        golden::write(&path, &tensors.iter().map(|(name, shape)| (name.to_string(), tensor(shape))).collect());
        assert_eq!(inspect(&path).unwrap(), widths, "{tensors:?}");
    }
    for part in ["text_encoder/model.safetensors", "vae/diffusion_pytorch_model.safetensors"] {
        assert_eq!(inspect(&golden::plain().join(part)).unwrap(), None);
    }
}

fn sampling(steps: u32, seed: u64, batch: u32) -> Sampling {
    Sampling { steps, seed, batch, ..golden::sampling() }
}

fn paint(
    model: &mut Model,
    sampling: &Sampling,
    (prompt, negative): (&str, &str),
    wordings: &[Wording],
    embeddings: &[Embedding],
) -> Result<Vec<Image>, EngineError> {
    let input = Prepared { extent: Extent::new(64, 64), init: None, mask: None };
    let request =
        Request { prompt, negative_prompt: Some(negative), wordings, embeddings, ..golden::request(sampling, &input) };
    model.generate(request, &Unattended)
}

#[test]
fn pictures_of_weighed_prompts_are_those_of_diffusers() {
    let folder = tempfile::tempdir().unwrap();
    let (golden, learned) = (Golden::of("prompts.safetensors"), learned(folder.path()));
    let load = |path: &Path| Model::load(path, &golden::options(), &Unattended).unwrap();
    let (mut sd, mut xl) = (load(&golden::plain()), load(&golden::sdxl(folder.path())));
    let rows = rows("picture");
    assert_eq!(rows.len(), 5);
    for row in rows {
        let word = |field: &str| row[field].as_str().unwrap();
        let sampling = sampling(row["steps"].as_u64().unwrap() as u32, row["seed"].as_u64().unwrap(), 1);
        let model = if word("model") == "xl" { &mut xl } else { &mut sd };
        let ours = paint(model, &sampling, (word("prompt"), word("negative")), &[], &learned).unwrap();
        let (shape, theirs) = golden.get(&format!("picture.{}", word("picture")));
        assert_eq!(shape, [64, 64, 3]);
        let ours = ours[0].data().chunks_exact(4).flat_map(|p| &p[..3]);
        let error: f64 = ours.zip(&theirs).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        let psnr = -10.0 * (error / theirs.len() as f64).log10();
        println!("{}: {psnr:.1} dB", row["picture"]);
        assert!(psnr >= PSNR, "{} is {psnr:.1} dB from diffusers' picture", row["picture"]);
    }
}

#[test]
fn each_picture_of_a_batch_may_have_its_own_texts() {
    let mut model = Model::load(&golden::plain(), &golden::options(), &Unattended).unwrap();
    let wording = |prompt: &str, negative: &str| Wording {
        prompt: prompt.into(),
        negative_prompt: Some(negative.into()),
        regions: Vec::new(),
    };
    let wordings = [wording("a cat", "ugly"), wording("a (dog:1.4) BREAK a house", ""), wording("a cat", "ugly")];
    let batch = paint(&mut model, &sampling(3, 10, 3), ("", ""), &wordings, &[]).unwrap();
    for (i, wording) in wordings.iter().enumerate() {
        let texts = (&*wording.prompt, wording.negative_prompt.as_deref().unwrap());
        let alone = paint(&mut model, &sampling(3, 10 + i as u64, 1), texts, &[], &[]).unwrap();
        assert!(alone[0] == batch[i], "picture {i}");
    }
    let error = paint(&mut model, &sampling(3, 0, 2), ("", ""), &wordings, &[]).unwrap_err().to_string();
    assert_eq!(error, "prompt is given for 3 pictures; 2 are to be made");
    let error = paint(&mut model, &sampling(3, 0, 1), ("", "(a:1e6)"), &[], &[]).unwrap_err().to_string();
    assert!(error.starts_with("negative_prompt has the weight 1000000"), "{error}");
}
