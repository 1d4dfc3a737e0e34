//! A file of any tensors: every reader of weights takes it or refuses it in one line, from the header to the last layer. Files begin as one
//! of the reference's, whose tensors are then renamed, reshaped, retyped, left out.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use underpaint_engine::memory::{self, Besides, Keeping, Painting};
use underpaint_engine::prompt::{self, Embedding};
use underpaint_engine::tiles::Tiling;
use underpaint_engine::weights::header;
use underpaint_engine::{
    ControlModel, EngineError, LoraUse, Model, Options, Upscaler, inspect, inspect_control, lora, taesd, upscale,
};
use underpaint_raster::{Extent, Image, Unattended};

/// Largest file that is written.
const MOST: usize = 4 << 20;
const BASES: [&str; 10] = [
    "tiny-inpaint.safetensors",
    "upscale.safetensors",
    "control.safetensors",
    "prompts.safetensors",
    "lora/kohya.safetensors",
    "lora/locon-tucker.safetensors",
    "lora/loha-tucker.safetensors",
    "lora/lokr-both.safetensors",
    "lora/diffusers-dora.safetensors",
    "lora/full.safetensors",
];
const TYPES: [(&str, usize); 6] = [("F32", 4), ("F16", 2), ("BF16", 2), ("F8_E4M3", 1), ("I64", 8), ("BOOL", 1)];
/// What makes a file one of a kind.
const NAMES: [&str; 20] = [
    "conv_first.weight",
    "conv_last.weight",
    "body.0.rdb1.conv1.weight",
    "body.0.weight",
    "body.1.weight",
    "body.2.weight",
    "model.0.weight",
    "model.1.sub.0.RDB1.conv1.0.weight",
    "controlnet_cond_embedding.conv_in.weight",
    "task_embedding",
    "adapter.body.0.in_conv.weight",
    "adapter.conv_in.weight",
    "ip_adapter.1.to_k_ip.weight",
    "image_proj.proj.weight",
    "embeddings.patch_embedding.weight",
    "visual_projection.weight",
    "emb_params",
    "clip_l",
    "clip_g",
    "decoder.layers.0.weight",
];

#[derive(Arbitrary, Debug)]
enum Change {
    Drop,
    Shape(Vec<u8>),
    Type(u8),
    Name(String),
    Known(u8),
    Alike(u16),
}

#[derive(Clone)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    kind: usize,
}

/// The tensors of each of [`BASES`], and none.
fn bases() -> &'static [Vec<Tensor>] {
    static ALL: OnceLock<Vec<Vec<Tensor>>> = OnceLock::new();
    ALL.get_or_init(|| {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/golden");
        let tensors = |name: &&str| {
            let bytes = fs::read(golden.join(name)).expect("the reference");
            let length = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
            let entries = header::parse(&bytes[8..8 + length], (bytes.len() - 8 - length) as u64).expect("a header");
            let tensor = |entry: header::Entry| Tensor { name: entry.name, shape: entry.shape, kind: 1 };
            entries.into_iter().map(tensor).collect()
        };
        BASES.iter().map(tensors).chain([Vec::new()]).collect()
    })
}

fuzz_target!(|input: (u8, u8, Vec<(u16, Change)>)| {
    let (base, fill, changes) = input;
    let mut tensors = bases()[base as usize % bases().len()].clone();
    for (at, change) in changes {
        let (at, count) = (at as usize, tensors.len());
        if count == 0 || matches!(change, Change::Known(_)) {
            let Change::Known(known) = change else { continue };
            tensors.push(Tensor { name: NAMES[known as usize % NAMES.len()].into(), shape: vec![1], kind: 1 });
            continue;
        }
        let alike = |other: u16| tensors[other as usize % count].shape.clone();
        match change {
            Change::Drop => drop(tensors.remove(at % count)),
            Change::Shape(shape) => tensors[at % count].shape = shape.into_iter().map(usize::from).collect(),
            Change::Type(kind) => tensors[at % count].kind = kind as usize % TYPES.len(),
            Change::Name(name) => tensors[at % count].name = name,
            Change::Alike(other) => tensors[at % count].shape = alike(other),
            Change::Known(_) => {}
        }
    }
    let Some(bytes) = file(&tensors, fill) else { return };
    let path = std::env::temp_dir().join(format!("underpaint-fuzz-{}.safetensors", std::process::id()));
    fs::write(&path, bytes).expect("a file");
    read(&path);
});

fn file(tensors: &[Tensor], fill: u8) -> Option<Vec<u8>> {
    let (mut header, mut end) = (serde_json::Map::new(), 0usize);
    for Tensor { name, shape, kind } in tensors {
        let (start, (kind, bytes)) = (end, TYPES[*kind]);
        let count = shape.iter().try_fold(bytes, |count, side| count.checked_mul(*side))?;
        end = start.checked_add(count).filter(|end| *end <= MOST)?;
        let entry = serde_json::json!({"dtype": kind, "shape": shape, "data_offsets": [start, end]});
        if header.insert(name.clone(), entry).is_some() {
            return None;
        }
    }
    let header = serde_json::Value::Object(header).to_string();
    let length = (header.len() as u64).to_le_bytes();
    Some([&length[..], header.as_bytes(), &vec![fill; end]].concat())
}

/// A result, or a sentence.
fn said<T>(result: Result<T, EngineError>) -> Option<T> {
    result.map_err(|error| assert_eq!(error.to_string().lines().count(), 1, "{error}")).ok()
}

fn read(path: &Path) {
    let options = Options::default();
    let _ = (taesd::is_tiny(path), taesd::is_decoder(path));
    if said(inspect(path)).is_some() {
        said(Model::load(path, &options, &Unattended));
    }
    if said(inspect_control(path)).flatten().is_some() {
        said(ControlModel::load(path, Some(path), &options, &Unattended));
    }
    if let Some(facts) = said(upscale::inspect(path)).flatten() {
        let picture = Image::new(Extent::new(5, 4));
        if let Some(upscaler) = said(Upscaler::load(path, &Options::default(), &Unattended)) {
            let made = said(upscaler.upscale(&picture, None, &Unattended));
            assert!(made.is_none_or(|made| made.extent() == Extent::new(5 * facts.scale, 4 * facts.scale)));
        }
        said(memory::enlarging(path, picture.extent(), None, u64::MAX));
    }
    if said(prompt::inspect(path)).flatten().is_some() {
        said(Embedding::open("word", path));
    }
    let loras = [LoraUse { path, weight: 1.0, text_weight: -0.5 }];
    let painting = Painting { extent: Extent::new(64, 64), tiling: Tiling::WHOLE, rows: 2, pictures: 1 };
    let besides = Besides { loras: &loras, controls: &[(path, None)] };
    said(memory::need(path, None, Besides::default(), painting, Keeping::Packed));
    if said(lora::inspect(path)).flatten().is_some() {
        said(memory::need(&tiny(), None, besides, painting, Keeping::Packed));
        MODEL.with_borrow_mut(|model| {
            if said(model.set_loras(&loras, &Unattended)).is_none() {
                said(model.set_loras(&[], &Unattended)).expect("a model without LoRAs");
            }
        });
    }
}

fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/golden/tiny-sd")
}

thread_local! {
    static MODEL: RefCell<Model> =
        RefCell::new(Model::load(&tiny(), &Options::default(), &Unattended).expect("the reference"));
}
