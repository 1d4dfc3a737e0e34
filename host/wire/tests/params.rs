//! Parameters of `generate` as clients send them: what is understood, and which member an error names.

use serde_json::json;
use underpaint_wire::generate::{Generate, Mode, Pixels, Run};
use underpaint_wire::{Kind, json, methods};

fn object(value: serde_json::Value) -> serde_json::Map<String, serde_json::Value> {
    json::object(value.to_string().as_bytes()).unwrap()
}

#[test]
fn one_object_holds_all_three_parts() {
    let params = object(json!({
        "mode": "fill", "prompt": "a lake", "seed": "18446744073709551615", "steps": 12, "later": {"x": 1},
        "canvas": {"extent": [640, 480], "rect": {"x": 1, "y": 2, "w": 3, "h": 4}, "image": {"blob": "c1", "w": 3, "h": 4, "px": "bgra8"}},
        "mask": {"rect": {"x": 1, "y": 2, "w": 3, "h": 4}, "image": {"blob": "c1", "offset": 48, "w": 3, "h": 4, "px": "g8"}},
        "keep": true, "live": {"key": "v"}, "progress": "p", "preview": {"max_side": 128},
    }));
    let what: Generate = json::params(&params).unwrap();
    assert_eq!((what.mode, what.seed, what.steps), (Mode::Fill, Some(u64::MAX), Some(12)));
    let pixels: Pixels = json::params(&params).unwrap();
    let (canvas, mask) = (pixels.canvas.unwrap(), pixels.mask.unwrap());
    canvas.check().unwrap();
    assert_eq!((canvas.rect, mask.image.offset), (mask.rect, 48));
    let run: Run = json::params(&params).unwrap();
    assert!(run.keep);
    let preview = run.preview.unwrap();
    assert_eq!((run.live.unwrap().key.as_str(), preview.max_side, preview.every_ms), ("v", 128, 500));
}

#[test]
fn errors_name_the_member() {
    let image = json!({"blob": "c1", "w": 1, "h": 1, "px": "rgba8"});
    let with = |key: &str, value: serde_json::Value| json!({ key: value });
    for (params, field) in [
        (with("steps", json!(-1)), "steps"),
        (with("steps", json!("ten")), "steps"),
        (with("guidance_scale", json!("NaN")), "guidance_scale"),
        (with("mode", json!("inpaint")), "mode"),
        (with("seed", json!(9_007_199_254_740_992u64)), "seed"),
        (with("seed", json!("-1")), "seed"),
        (with("seed", json!(1.5)), "seed"),
        (with("filters", json!([{"params": {}}])), "filters[0].name"),
        (with("loras", json!([{"name": "ink"}, {"weight": 1}])), "loras[1].name"),
        (with("loras", json!([{"name": "ink", "weight": "1"}])), "loras[0].weight"),
        (with("canvas", json!({"extent": [1, 1], "image": image})), "canvas.rect"),
        (
            with("canvas", json!({"extent": [1], "rect": {"x": 0, "y": 0, "w": 1, "h": 1}, "image": image})),
            "canvas.extent",
        ),
        (
            with(
                "mask",
                json!({"rect": {"x": 0, "y": 0, "w": 1, "h": 1}, "image": {"blob": "a/b", "w": 1, "h": 1, "px": "g8"}}),
            ),
            "mask.image.blob",
        ),
        (
            with(
                "mask",
                json!({"rect": {"x": 0, "y": 0, "w": 1, "h": 1}, "image": {"blob": "c1", "w": 1, "h": 1, "px": "png"}}),
            ),
            "mask.image.px",
        ),
        (with("keep", json!("yes")), "keep"),
        (with("preview", json!({"max_side": -4})), "preview.max_side"),
    ] {
        let params = object(params);
        let what = json::params::<Generate>(&params).err();
        let error = what.or(json::params::<Pixels>(&params).err()).or(json::params::<Run>(&params).err());
        let error = error.unwrap_or_else(|| panic!("{params:?} was accepted"));
        assert_eq!(error.kind, Kind::InvalidParams);
        assert_eq!(error.data["field"], field, "{error}");
    }
}

#[test]
fn a_missing_top_level_member_is_named_too() {
    let error = json::params::<methods::JobName>(&object(json!({}))).unwrap_err();
    assert_eq!(error.data["field"], "job", "{error}");
}

#[test]
fn a_picture_is_enlarged_by_a_model_and_refined_by_another() {
    let image = json!({"blob": "c1", "w": 1, "h": 1, "px": "rgba8"});
    let params = object(json!({
        "model": "4x", "scale": 2, "tile": 128, "image": image, "keep": true,
        "refine": {"model": "sd15", "prompt": "oil", "denoise_strength": 0.2, "seed": "18446744073709551615"},
    }));
    let what: methods::Upscale = json::params(&params).unwrap();
    assert_eq!((what.model.as_deref(), what.scale, what.tile), (Some("4x"), Some(2.0), Some(128)));
    assert_eq!(what.refine.unwrap().seed, Some(u64::MAX));
    let pixels: methods::UpscalePixels = json::params(&params).unwrap();
    assert_eq!((pixels.image.w, pixels.px), (1, None));
    for (params, field) in [
        (json!({"image": image, "scale": "twice"}), "scale"),
        (json!({"image": image, "tile": -1}), "tile"),
        (json!({"image": image, "refine": {"steps": 1.5}}), "refine.steps"),
        (json!({"model": "4x"}), "image"),
    ] {
        let params = object(params);
        let error = json::params::<methods::Upscale>(&params).err();
        let error = error.or(json::params::<methods::UpscalePixels>(&params).err()).expect("it must be refused");
        assert_eq!(error.data["field"], field, "{error}");
    }
}

/// The sample frames are what these types say, member for member.
#[test]
fn samples_of_the_history_are_its_types() {
    use underpaint_wire::{hello, history};
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/wire/frames.json")).unwrap();
    let samples: serde_json::Value = serde_json::from_str(&text).unwrap();
    let header = |name: &str| {
        let frames = samples["frames"].as_array().unwrap();
        frames.iter().find(|frame| frame["name"] == name).unwrap_or_else(|| panic!("no sample {name}"))["header"]
            .clone()
    };
    fn same<T: serde::Serialize + serde::de::DeserializeOwned>(value: &serde_json::Value) {
        let read: T = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(&serde_json::to_value(&read).unwrap(), value);
    }
    same::<hello::Welcome>(&header("welcome-capabilities")["result"]);
    same::<history::ListHistory>(&header("history-list")["params"]);
    same::<history::HistoryList>(&header("history-listed")["result"]);
    same::<history::GetEntry>(&header("history-get")["params"]);
    same::<history::FetchedEntry>(&header("history-got")["result"]);
    same::<history::EntryName>(&header("history-remove")["params"]);
    same::<methods::Subscribe>(&header("subscribe-history")["params"]);
    same::<Vec<methods::JobInfo>>(&header("job-list")["result"]);
}
