//! The sums, by headers alone, and what is made of them.

use super::*;
use std::path::PathBuf;

const NEED: Need = Need {
    model_bytes: 7 << 30,
    loras_bytes: 0,
    controls_bytes: 0,
    merging_bytes: 0,
    denoise_bytes: 1 << 30,
    autoencoder_bytes: 3 << 30,
    tiled_bytes: 1 << 30,
    keeping: Keeping::Packed,
};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/golden").join(name)
}

#[test]
fn what_fits_is_done_as_usual_what_nearly_fits_in_tiles_and_what_does_not_is_refused() {
    let extent = Extent::new(1024, 1024);
    for (free, resident, tiling) in
        [(10 << 30, 0, None), (3 << 30, 7 << 30, None), (9 << 30, 0, Some(vae::SMALLEST)), (u64::MAX / 2, 0, None)]
    {
        assert_eq!(NEED.fit(free, resident, extent).unwrap(), tiling, "{free} {resident}");
    }
    let loras = Need { loras_bytes: 4 << 30, merging_bytes: 1 << 29, ..NEED };
    let controls = Need { controls_bytes: 2 << 30, ..NEED };
    let both = Need { controls_bytes: 2 << 30, ..loras };
    for (need, free, numbers, advice) in [
        (
            NEED,
            7_600_000_000,
            "8.6 GB are needed (7.5 for the model, 1.1 for 1024x1024 pixels)",
            "a smaller picture than",
        ),
        (NEED, 3 << 30, "8.6 GB are needed (7.5 for the model, 1.1 for 1024x1024 pixels)", "a smaller model would"),
        (loras, 12_000_000_000, "12.9 GB are needed (7.5 for the model, 4.3 for its LoRAs, 1.1 for", "without LoRAs"),
        (
            controls,
            9 << 30,
            "10.7 GB are needed (7.5 for the model, 2.1 for control models, 1.1 for",
            "with fewer control",
        ),
        (
            both,
            8 << 30,
            "15.0 GB are needed (7.5 for the model, 4.3 for its LoRAs, 2.1 for control",
            "with fewer control",
        ),
    ] {
        let error = need.fit(free, 0, extent).unwrap_err().to_string();
        assert!(error.starts_with(&format!("memory is too little: {numbers}")), "{error}");
        assert!(error.contains(advice), "{error}");
    }
}

#[test]
fn what_besides_the_model_takes_memory_is_told_by_headers() {
    let painting = |side| Painting { extent: Extent::new(side, side), tiling: Tiling::WHOLE, rows: 2, pictures: 1 };
    let model = golden("tiny-sd");
    let of = |besides: Besides<'_>, side| need(&model, None, besides, painting(side), Keeping::Packed).unwrap();
    let plain = of(Besides::default(), 64);
    let [kohya, dora] = ["lora/kohya.safetensors", "lora/dora.safetensors"].map(golden);
    let used = |path, weight| LoraUse { path, weight, text_weight: weight };
    let one = of(Besides { loras: &[used(&kohya, 0.5)], ..Besides::default() }, 64);
    let two = of(Besides { loras: &[used(&kohya, 0.5), used(&dora, 1.0)], ..Besides::default() }, 64);
    assert!(0 < one.loras_bytes && one.loras_bytes < two.loras_bytes && two.merging_bytes >= one.merging_bytes);
    // Those at weight 0 are not merged.
    assert_eq!(of(Besides { loras: &[used(&kohya, 0.0)], ..Besides::default() }, 64), plain);
    // A control model counts once, however often it steers; what it finds and sees grows with the picture.
    let folder = tempfile::tempdir().unwrap();
    let header_only = |name: &str, shape: [usize; 4]| {
        let bytes = 2 * shape.iter().product::<usize>();
        let header = format!(r#"{{"{name}":{{"dtype":"F16","shape":{shape:?},"data_offsets":[0,{bytes}]}}}}"#);
        let path = folder.path().join(name);
        let start = (header.len() as u64).to_le_bytes();
        std::fs::write(&path, [&start, header.as_bytes(), &vec![0; bytes]].concat()).unwrap();
        path
    };
    let net = header_only("controlnet_cond_embedding.conv_in.weight", [16, 3, 3, 3]);
    let adapter = header_only("adapter.body.0.in_conv.weight", [8, 4, 1, 1]);
    let steered = |paths: &[&Path], side| {
        let controls: Vec<_> = paths.iter().map(|path| (*path, None)).collect();
        of(Besides { controls: &controls, ..Besides::default() }, side)
    };
    let (once, twice) = (steered(&[&net], 64), steered(&[&net, &net], 64));
    assert_eq!((once.controls_bytes, twice.controls_bytes), (864, 864));
    assert_eq!(steered(&[&net, &adapter], 64).controls_bytes, 864 + 64);
    assert!(plain.denoise_bytes < once.denoise_bytes && once.denoise_bytes < twice.denoise_bytes);
    let grown = |side| steered(&[&net], side).denoise_bytes - of(Besides::default(), side).denoise_bytes;
    assert_eq!(grown(128), 4 * grown(64));
    let missing = golden("lora/no-such.safetensors");
    assert!(
        need(
            &model,
            None,
            Besides { loras: &[used(&missing, 1.0)], ..Besides::default() },
            painting(64),
            Keeping::Packed
        )
        .is_err()
    );
}

#[test]
fn what_enlarges_is_cut_smaller_where_memory_is_short_and_refused_where_that_is_not_enough() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("compact.safetensors");
    let tensors =
        [("body.0.weight", vec![64, 3, 3, 3]), ("body.1.weight", vec![64]), ("body.2.weight", vec![48, 64, 3, 3])];
    let (mut header, mut end) = (serde_json::Map::new(), 0);
    for (name, shape) in tensors {
        let start = end;
        end += 2 * shape.iter().product::<usize>();
        header.insert(name.into(), serde_json::json!({"dtype": "F16", "shape": shape, "data_offsets": [start, end]}));
    }
    let header = serde_json::Value::Object(header).to_string();
    let start = (header.len() as u64).to_le_bytes();
    std::fs::write(&path, [&start, header.as_bytes(), &vec![0; end]].concat()).unwrap();
    let extent = Extent::new(1000, 1000);
    let result = (24 + 32) * 16_000_000;
    let fit = |tile, free| enlarging(&path, extent, tile, free);
    for (tile, more, expected) in
        [(None, 1 << 30, None), (Some(512), 1 << 30, Some(512)), (None, 20 << 20, Some(128)), (None, 8 << 20, Some(64))]
    {
        assert_eq!(fit(tile, result + more).unwrap(), expected, "{tile:?} {more}");
    }
    for (tile, free, words) in [
        (Some(1000), result + (1 << 26), "smaller tiles or a smaller picture"),
        (None, result, "a smaller picture than 1000x1000 would fit"),
    ] {
        let error = fit(tile, free).unwrap_err().to_string();
        assert!(error.starts_with("memory is too little: ") && error.contains(words), "{error}");
    }
    // A sound file of something else is refused by whoever loads it.
    assert_eq!(enlarging(&golden("lora/kohya.safetensors"), extent, None, 0).unwrap(), None);
}

#[test]
fn a_card_keeps_what_it_computes_with_and_refuses_only_what_cannot_fit() {
    for (device, dtype, keeping) in [
        (DeviceKind::Cpu, None, Keeping::Packed),
        (DeviceKind::Cpu, Some(Dtype::F16), Keeping::Packed),
        (DeviceKind::Cuda, None, Keeping::Card(2)),
        (DeviceKind::Cuda, Some(Dtype::F32), Keeping::Card(4)),
        (DeviceKind::Metal, Some(Dtype::Bf16), Keeping::Card(2)),
    ] {
        assert_eq!(Keeping::of(device, dtype), keeping, "{device:?} {dtype:?}");
    }
    let extent = Extent::new(512, 512);
    let painting = Painting { extent, tiling: Tiling::WHOLE, rows: 2, pictures: 3 };
    let of = |keeping| need(&golden("tiny-sd"), None, Besides::default(), painting, keeping).unwrap();
    let [packed, half, whole] = [Keeping::Packed, Keeping::Card(2), Keeping::Card(4)].map(of);
    let waiting = PIXEL * 3 * extent.area();
    assert_eq!(whole.denoise_bytes, packed.denoise_bytes - waiting, "pictures wait elsewhere");
    assert_eq!(whole.denoise_bytes, 2 * half.denoise_bytes);
    assert_eq!(whole.autoencoder_bytes, half.autoencoder_bytes, "it is exact whatever is chosen");
    assert!(half.model_bytes < whole.model_bytes && whole.model_bytes < 2 * half.model_bytes);

    let card = Need { keeping: Keeping::Card(2), ..NEED };
    let fit = |free| card.fit(free, 0, extent);
    for (free, tiling) in [(12 << 30, None), (10 << 30, Some(vae::SMALLEST)), (8 << 30, Some(vae::SMALLEST))] {
        assert_eq!(fit(free).unwrap(), tiling, "{free}");
    }
    let error = fit(7 << 30).unwrap_err().to_string();
    let expected = "memory of the graphics card is too little: 8.6 GB are needed (7.5 for the model, 1.1 for 512x512 pixels) and 7.5 GB are \
                    free; close other programs that use it, take --device cpu, or a smaller";
    assert!(error.starts_with(expected), "{error}");
}
