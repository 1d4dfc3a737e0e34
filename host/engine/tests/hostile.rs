//! Model files that are broken, hostile or of another kind: each refused in one sentence that names the file, nothing executed.

mod golden;

use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use underpaint_engine::weights::header;
use underpaint_engine::{EngineError, Model, inspect};
use underpaint_raster::Unattended;

fn sentence(path: &Path) -> String {
    let error = Model::load(path, &golden::options(), &Unattended).err().expect("loading must fail");
    let text = error.to_string();
    assert!(!text.contains('\n') && text.contains(&*path.file_name().unwrap().to_string_lossy()), "{text}");
    text
}

fn file(folder: &Path, bytes: &[u8]) -> PathBuf {
    let path = folder.join("model.safetensors");
    fs::write(&path, bytes).unwrap();
    path
}

fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

#[test]
fn damaged_and_foreign_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let one = |shape: serde_json::Value, offsets: [u64; 2]| {
        json!({"a": {"dtype": "F32", "shape": shape, "data_offsets": offsets}}).to_string()
    };
    let many = (0..20_001).map(|i| format!("\"t{i}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}"));
    let many = format!("{{{}}}", many.collect::<Vec<_>>().join(","));
    let twice =
        r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
    let overlap =
        r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#;
    let gap =
        r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}}"#;
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("too few for a header", vec![1, 2, 3]),
        ("claims a header of 9223372036854775807 bytes", [&(u64::MAX / 2).to_le_bytes()[..], b"{}"].concat()),
        ("claims a header of 100 bytes", [&100u64.to_le_bytes()[..], b"{}"].concat()),
        ("claims a header of 9000000 bytes", [&9_000_000u64.to_le_bytes()[..], &vec![b' '; 9_000_000]].concat()),
        ("not a safetensors file", [&2u64.to_le_bytes()[..], b"[]"].concat()),
        ("header is not valid", with_header("{nonsense", b"")),
        ("header is not valid", with_header(&format!("{{\"a\":{}", "[".repeat(60_000)), b"")),
        ("header is not valid", with_header(r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, &[0; 4])),
        ("header is not valid", with_header(r#"{"a":{"dtype":"Q9","shape":[1],"data_offsets":[0,4]}}"#, &[0; 4])),
        ("header is not valid", with_header(r#"{"a":{"dtype":"F32","shape":[1]}}"#, &[0; 4])),
        ("more than 20000 tensors", with_header(&many, b"")),
        ("tensor a is there twice", with_header(twice, &[0])),
        ("claims bytes 0 to 400 of 4", with_header(&one(json!([100]), [0, 400]), &[0; 4])),
        ("claims bytes 8 to 4", with_header(&one(json!([1]), [8, 4]), &[0; 8])),
        ("does not fit its 4 bytes", with_header(&one(json!([2]), [0, 4]), &[0; 4])),
        ("does not fit its 0 bytes", with_header(&one(json!([1u64 << 63, 4]), [0, 0]), b"")),
        ("does not fit its 4 bytes", with_header(&one(json!([u64::MAX, u64::MAX]), [0, 4]), &[0; 4])),
        ("has 9 dimensions", with_header(&one(json!([1, 1, 1, 1, 1, 1, 1, 1, 1]), [0, 4]), &[0; 4])),
        ("overlaps the one before it", with_header(overlap, &[0; 6])),
        ("leaves a gap before it", with_header(gap, &[0; 6])),
        ("but 8 follow the header", with_header(&one(json!([1]), [0, 4]), &[0; 8])),
        ("zip archive", b"PK\x03\x04archive/data.pkl and more".to_vec()),
        ("Python pickle", b"\x80\x02ctorch._utils\n_rebuild_tensor\n".to_vec()),
        ("Python pickle", b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system".to_vec()),
        ("GGUF", b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0".to_vec()),
        ("Git LFS pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0".to_vec()),
        ("web page", b"<!DOCTYPE html><html>not found</html>".to_vec()),
        ("a picture", b"\x89PNG\r\n\x1a\n0000IHDR0000".to_vec()),
    ];
    for (part, bytes) in cases {
        let text = sentence(&file(folder.path(), &bytes));
        assert!(text.contains(part), "{text} does not say {part}");
    }
}

#[test]
fn models_of_other_kinds_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("a LoRA", vec!["lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight"]),
        ("a LoRA", vec!["unet.down_blocks.0.attentions.0.to_q.lora_A.weight"]),
        ("a language model", vec!["model.layers.0.self_attn.q_proj.weight", "lm_head.weight"]),
        ("a ControlNet", vec!["control_model.input_blocks.0.0.weight"]),
        ("an IP-Adapter", vec!["image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight"]),
        ("a T2I-Adapter", vec!["body.0.block1.weight", "conv_in.weight"]),
        ("CLIP's image encoder", vec!["vision_model.post_layernorm.weight", "text_model.final_layer_norm.weight"]),
        ("a Flux model", vec!["double_blocks.0.img_attn.proj.weight"]),
        ("Stable Diffusion 3", vec!["model.diffusion_model.joint_blocks.0.x"]),
        ("without its VAE", vec!["model.diffusion_model.input_blocks.0.0.weight", "cond_stage_model.transformer.x"]),
        ("U-Net of a diffusers folder", vec!["down_blocks.0.resnets.0.conv1.weight"]),
        ("an autoencoder on its own", vec!["encoder.conv_in.weight", "decoder.conv_in.weight"]),
        ("does not know (its first tensor is resnet)", vec!["resnet"]),
        ("without any tensor", vec![]),
    ];
    for (part, names) in cases {
        let path = folder.path().join("other.safetensors");
        golden::write(&path, &names.iter().map(|n| (n.to_string(), ("F32".into(), vec![1], vec![0; 4]))).collect());
        let text = sentence(&path);
        assert!(text.contains(part) && text.contains("Stable Diffusion 1.x"), "{text} does not say {part}");
    }
}

#[test]
fn broken_models_of_the_right_kind_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let whole = golden::read(&golden::single_file(&golden::plain(), folder.path()));
    let path = folder.path().join("broken.safetensors");
    type Change = fn(&mut golden::Tensors);
    let cases: [(&str, Change); 6] = [
        ("mid_block.resnets.0.conv1.weight is missing", |t| {
            drop(t.remove("model.diffusion_model.middle_block.0.in_layers.2.weight"))
        }),
        ("holds values that are not finite", |t| {
            let conv_in = t.get_mut("model.diffusion_model.input_blocks.0.0.weight").unwrap();
            conv_in.2[..2].copy_from_slice(&0x7e00u16.to_le_bytes());
        }),
        ("tensors of another architecture", |t| {
            t.insert("model.diffusion_model.time_embed.cond.weight".into(), ("F16".into(), vec![1], vec![0; 2]));
        }),
        ("reads texts 16 wide while its text encoders write 8", |t| {
            t.insert(
                "cond_stage_model.transformer.text_model.final_layer_norm.weight".into(),
                ("F16".into(), vec![8], vec![0; 16]),
            );
        }),
        ("is stored as F8_E5M2", |t| {
            let bias = t.get_mut("model.diffusion_model.out.2.bias").unwrap();
            (bias.0, bias.2) = ("F8_E5M2".into(), vec![0; 4]);
        }),
        ("needs 49408", |t| {
            let table = t.get_mut("cond_stage_model.transformer.text_model.embeddings.token_embedding.weight").unwrap();
            table.1[0] = 100;
            table.2.truncate(100 * 16 * 2);
        }),
    ];
    for (part, change) in cases {
        let mut tensors = whole.clone();
        change(&mut tensors);
        golden::write(&path, &tensors);
        let text = sentence(&path);
        assert!(text.contains(part), "{text} does not say {part}");
    }
    // Cut off anywhere: refused when opened, before any memory is spent on it.
    let bytes = fs::read(folder.path().join("single.safetensors")).unwrap();
    for length in [9, 1000, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        assert!(sentence(&path).contains("is damaged"));
    }
}

#[test]
fn broken_folders_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let check = |part: &str, change: &dyn Fn(&Path)| {
        let root = golden::inpainting(folder.path());
        change(&root);
        let text = inspect(&root)
            .err()
            .unwrap_or_else(|| Model::load(&root, &golden::options(), &Unattended).err().unwrap())
            .to_string();
        assert!(text.contains(part) && !text.contains('\n'), "{text} does not say {part}");
        fs::remove_dir_all(&root).unwrap();
    };
    check("a folder without vae", &|root| fs::remove_dir_all(root.join("vae")).unwrap());
    check("text_encoder_2/config.json", &|root| fs::create_dir(root.join("text_encoder_2")).unwrap());
    check("pickled weights only", &|root| {
        let unet = root.join("unet");
        fs::rename(unet.join("diffusion_pytorch_model.safetensors"), unet.join("diffusion_pytorch_model.bin")).unwrap();
    });
    check("not valid JSON", &|root| fs::write(root.join("unet/config.json"), "{").unwrap());
    let config = |root: &Path, field: &str, value: serde_json::Value| {
        let path = root.join("unet/config.json");
        let mut config: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        config[field] = value;
        fs::write(&path, config.to_string()).unwrap();
    };
    check("norm_num_groups is \"many\"", &|root| config(root, "norm_num_groups", json!("many")));
    check("which 5 groups do not divide", &|root| config(root, "norm_num_groups", json!(5)));
    check("which 7 heads do not divide", &|root| config(root, "attention_head_dim", json!(7)));
    check("addition_embed_type is \"image\"", &|root| config(root, "addition_embed_type", json!("image")));
    check("act_fn is \"gelu\"", &|root| config(root, "act_fn", json!("gelu")));
    check("it is not a JSON object", &|root| fs::write(root.join("unet/config.json"), "[]").unwrap());
}

/// `underpaint.json` is written by whoever made the model: everything in it is checked, and the file and member named.
#[test]
fn what_a_model_says_about_itself_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let root = golden::inpainting(folder.path());
    let own = root.join("underpaint.json");
    let zeros = [[0; 3]; 5];
    for (text, part) in [
        ("{".into(), "not valid JSON"),
        ("[]".into(), "it is not a JSON object"),
        (json!({"name": 3}).to_string(), "name must be text"),
        (json!({"name": ""}).to_string(), "name must be text"),
        (json!({"name": "two\nlines"}).to_string(), "name must be text"),
        (json!({"name": "x".repeat(81)}).to_string(), "name must be text"),
        (json!({"defaults": []}).to_string(), "defaults must be an object"),
        (json!({"defaults": {"steps": 0}}).to_string(), "defaults.steps is 0"),
        (json!({"defaults": {"steps": 1001}}).to_string(), "defaults.steps is 1001"),
        (json!({"defaults": {"steps": "many"}}).to_string(), "defaults.steps is \"many\""),
        (json!({"defaults": {"guidance_scale": 101}}).to_string(), "defaults.guidance_scale is 101"),
        (json!({"defaults": {"guidance_scale": -1}}).to_string(), "defaults.guidance_scale is -1"),
        (r#"{"defaults": {"guidance_scale": 1e999}}"#.into(), "not valid JSON"),
        (json!({"defaults": {"sampler": "plms"}}).to_string(), "defaults.sampler is \"plms\""),
        (json!({"defaults": {"scheduler": 1}}).to_string(), "defaults.scheduler is 1"),
        (json!({"preview": 1}).to_string(), "preview must be 5 rows of 3 numbers"),
        (json!({"preview": zeros[..4]}).to_string(), "preview must be 5 rows of 3 numbers"),
        (json!({"preview": [[0, 0], [0, 0], [0, 0], [0, 0], [0, 0]]}).to_string(), "preview must be 5 rows"),
        (json!({"preview": [[1e30, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]}).to_string(), "preview must be"),
    ] {
        fs::write(&own, &text).unwrap();
        let said = inspect(&root).expect_err(&text).to_string();
        assert!(said.contains(part) && said.contains("underpaint.json") && !said.contains('\n'), "{said}");
    }
    // What it does not say is the family's, what nobody knows is left alone.
    let said = json!({"name": " Mine ", "defaults": {"steps": 9, "sampler": "euler"}, "preview": zeros, "later": [1]});
    let before = {
        fs::remove_file(&own).unwrap();
        inspect(&root).unwrap()
    };
    fs::write(&own, said.to_string()).unwrap();
    let facts = inspect(&root).unwrap();
    assert_eq!((before.name, facts.name.as_deref()), (None, Some("Mine")));
    let expected = underpaint_plan::Defaults { steps: 9, sampler: underpaint_plan::Sampler::Euler, ..before.defaults };
    assert_eq!(facts.defaults, expected);
}

#[test]
fn infinite_latents_are_an_error_not_a_black_picture() {
    let folder = tempfile::tempdir().unwrap();
    let root = golden::inpainting(folder.path());
    let path = root.join("unet/diffusion_pytorch_model.safetensors");
    let mut tensors = golden::read(&path);
    let bias = tensors.get_mut("conv_out.bias").unwrap();
    (bias.0, bias.2) = ("F32".into(), [f32::MAX; 4].iter().flat_map(|v| v.to_le_bytes()).collect());
    golden::write(&path, &tensors);
    let mut model = Model::load(&root, &golden::options(), &Unattended).unwrap();
    let sampling = underpaint_plan::Sampling { steps: 3, ..golden::sampling() };
    let input = underpaint_plan::Prepared { extent: underpaint_raster::Extent::new(64, 64), init: None, mask: None };
    let request =
        underpaint_engine::Request { prompt: "", negative_prompt: Some(""), ..golden::request(&sampling, &input) };
    assert!(matches!(model.generate(request, &Unattended), Err(EngineError::NotFinite { .. })));
}

/// Random edits of a valid header never panic and never claim bytes that are not there.
#[test]
fn mutated_headers_are_parsed_or_refused() {
    let valid = r#"{"__metadata__":{"k":"v"},"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},"b":{"dtype":"F32","shape":[],"data_offsets":[12,16]}}"#;
    assert_eq!(header::parse(valid.as_bytes(), 16).unwrap().len(), 2);
    let pieces: [&[u8]; 12] = [
        b"18446744073709551615",
        b"-1",
        b"1e99",
        b"{",
        b"}",
        b"[",
        b"\"a\"",
        b"F64",
        b"\\u0000",
        b"\xff",
        b"0",
        b"data_offsets",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for _ in 0..100_000 {
        let mut bytes = valid.as_bytes().to_vec();
        for _ in 0..1 + random(4) {
            let at = random(bytes.len());
            match random(3) {
                0 => bytes[at] = random(256) as u8,
                1 => drop(bytes.drain(at..(at + 1 + random(9)).min(bytes.len()))),
                _ => drop(bytes.splice(at..at, pieces[random(pieces.len())].iter().copied())),
            }
            if bytes.is_empty() {
                break;
            }
        }
        if let Ok(entries) = header::parse(&bytes, 16) {
            let mut at = 0;
            for entry in entries {
                let bytes = entry.shape.iter().product::<usize>() as u64 * entry.dtype.bytes();
                assert!(entry.start == at && entry.end == at + bytes);
                at = entry.end;
            }
            assert_eq!(at, 16);
        }
    }
}
