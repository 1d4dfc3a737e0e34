//! Parameters of `generate` as clients send them: what is understood, and which member an error names.

use serde_json::json;
use underpaint_wire::generate::{Generate, Mode, Pixels, Run};
use underpaint_wire::{Kind, json, methods, proof};

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
fn a_nonce_is_read_in_its_one_spelling() {
    let challenge = |nonce| json::params::<proof::Challenge>(&object(json!({ "nonce": nonce })));
    let good = "0123456789abcdef".repeat(4);
    assert_eq!(challenge(json!(good)).unwrap().nonce.to_string(), good);
    for bad in [json!(""), json!(7), json!(null), json!([good]), json!(good[1..]), json!(good.to_uppercase())] {
        assert_eq!(challenge(bad).unwrap_err().data["field"], "nonce");
    }
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

/// The header of the sample frame `name`.
fn sample(name: &str) -> serde_json::Value {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/wire/frames.json")).unwrap();
    let samples: serde_json::Value = serde_json::from_str(&text).unwrap();
    let frames = samples["frames"].as_array().unwrap();
    frames.iter().find(|frame| frame["name"] == name).unwrap_or_else(|| panic!("no sample {name}"))["header"].clone()
}

/// The sample frames are what these types say, member for member.
#[test]
fn samples_are_what_their_types_say() {
    use underpaint_wire::{hello, history};
    let header = sample;
    fn same<T: serde::Serialize + serde::de::DeserializeOwned>(value: &serde_json::Value) {
        let read: T = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(&serde_json::to_value(&read).unwrap(), value);
    }
    same::<hello::Hello>(&header("hello-proved")["params"]);
    same::<proof::Challenge>(&header("challenge")["params"]);
    same::<proof::Challenged>(&header("challenged")["result"]);
    same::<hello::Welcome>(&header("welcome-capabilities")["result"]);
    same::<history::ListHistory>(&header("history-list")["params"]);
    same::<history::HistoryList>(&header("history-listed")["result"]);
    same::<history::GetEntry>(&header("history-get")["params"]);
    same::<history::FetchedEntry>(&header("history-got")["result"]);
    same::<history::EntryName>(&header("history-remove")["params"]);
    same::<methods::Subscribe>(&header("subscribe-history")["params"]);
    same::<Vec<methods::JobInfo>>(&header("job-list")["result"]);
}

/// The same of control pictures: both halves of the request together hold every member.
#[test]
fn samples_of_control_pictures_are_their_types() {
    use underpaint_wire::control::{Preprocess, PreprocessPixels};
    let whole = |name: &str| {
        let params = object(sample(name)["params"].clone());
        let what: Preprocess = json::params(&params).unwrap();
        let pixels: PreprocessPixels = json::params(&params).unwrap();
        (what, pixels, json::params::<Run>(&params).unwrap())
    };
    let (what, pixels, run) = whole("control-preprocess");
    assert_eq!((what.preprocess.as_str(), what.preprocessor.as_deref(), what.resize), ("canny", None, false));
    let generate = what.generate.unwrap();
    assert_eq!(
        (generate.mode, generate.model.as_deref(), generate.prompt.as_str()),
        (Mode::Fill, Some("sd15"), "a lake")
    );
    let steered = pixels.generate.unwrap();
    let (part, mask) = (steered.canvas.unwrap(), steered.mask.unwrap());
    part.check().unwrap();
    assert_eq!((part.rect.w, part.image, mask.rect.w), (256, None, 40));
    assert_eq!((pixels.image.unwrap().w, pixels.rect.unwrap().x, pixels.px), (120, 60, None));
    assert_eq!((run.label.as_deref(), run.progress.as_deref()), (Some("Canny"), Some("p17")));
    let (what, pixels, _) = whole("control-preprocess-alone");
    assert_eq!((what.preprocessor.as_deref(), what.generate, what.resize), (Some("depth"), None, true));
    assert!(pixels.image.unwrap().blob.is_tail() && pixels.generate.is_none());
    let answer = &sample("control-preprocessed")["result"];
    let read: methods::JobResult = serde_json::from_value(answer.clone()).unwrap();
    assert_eq!(&serde_json::to_value(&read).unwrap(), answer);
    let asked = sample("fill-context-steered")["params"].clone();
    let read: methods::FillContext = serde_json::from_value(asked.clone()).unwrap();
    assert_eq!((read.steered, serde_json::to_value(&read).unwrap()), (true, asked));

    let image = json!({"blob": "c1", "w": 1, "h": 1, "px": "rgba8"});
    for (params, field) in [
        (json!({"image": image}), "preprocess"),
        (json!({"preprocess": 1}), "preprocess"),
        (json!({"preprocess": "canny", "resize": "yes"}), "resize"),
        (json!({"preprocess": "canny", "generate": {"steps": -1}}), "generate.steps"),
        (json!({"preprocess": "canny", "image": {"blob": "c1"}}), "image.w"),
        (json!({"preprocess": "canny", "generate": {"canvas": {"extent": [1, 1]}}}), "generate.canvas.rect"),
    ] {
        let params = object(params);
        let error = json::params::<Preprocess>(&params).err();
        let error = error.or(json::params::<PreprocessPixels>(&params).err()).expect("it must be refused");
        assert_eq!(error.data["field"], field, "{error}");
    }
}
