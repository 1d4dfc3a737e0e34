//! `control/preprocess`: what is shown is what would steer, as a job like the others.
#![cfg(unix)]

use e2e::controls::{control_net, estimator};
use e2e::daemon::{Client, Daemon, kind};
use e2e::holes::Picture;
use serde_json::{Value, json};
use std::path::Path;

/// A daemon with the tiny model and a ControlNet for it; with `depth` a depth estimator, too.
fn daemon(home: &Path, depth: bool) -> Daemon {
    let models = home.join("models");
    e2e::copy(&e2e::root().join("tests/reference/golden/tiny-sd"), &models.join("tiny"));
    control_net(&models.join("lines.safetensors"));
    if depth {
        estimator(&models.join("near"));
    }
    Daemon::start_in(home)
}

/// Members of both methods: what is painted, and where.
fn painted(picture: &Picture, blob: &str, more: Value) -> Value {
    let mut params =
        picture.fill(blob, json!({"model": "tiny", "prompt": "a cat", "steps": 2, "seed": 4, "px": "rgbaf32"}));
    for (key, value) in more.as_object().expect("members") {
        params[key] = value.clone();
    }
    params
}

/// The bytes of the one patch of an answer.
fn patch(client: &mut Client, method: &str, params: Value) -> (Value, Vec<u8>) {
    let told = params.to_string();
    let result = client.call(method, params).unwrap_or_else(|error| panic!("{told}: {error}"));
    assert_eq!(result["patches"].as_array().map(Vec::len), Some(1), "{result}");
    let bytes = client.blob(result["patches"][0]["image"]["blob"].as_str().expect("a blob"));
    (result, bytes)
}

/// The answer is put into the request in the picture's place, without preprocessing: the same is painted to the last bit.
#[test]
fn what_is_shown_is_what_would_steer() {
    let dir = tempfile::tempdir().expect("a folder");
    let daemon = daemon(dir.path(), true);
    let mut client = daemon.client();
    let canvas = Picture::new(200, 150, 40);
    client.put("c-canvas", &canvas.bytes);
    // Half transparent here and there, and of another size than its place.
    let layer: Vec<u8> = (0..90 * 70u32)
        .flat_map(|i| [(i % 90 * 2) as u8, ((i / 90) * 3) as u8, (i % 7 * 30) as u8, if i % 5 == 0 { 90 } else { 255 }])
        .collect();
    client.put("c-layer", &layer);
    let image = json!({"blob": "c-layer", "w": 90, "h": 70, "px": "rgba8"});
    let on_layer = json!({"x": 60, "y": 40, "w": 120, "h": 90});
    let rows = [
        ("the canvas itself", json!({"mode": "fill"}), None),
        ("a layer", json!({"mode": "fill"}), Some(&on_layer)),
        ("refined", json!({"mode": "fill", "denoise_strength": 0.6, "feather_px": 9}), Some(&on_layer)),
        ("all of the canvas", json!({"mode": "generate", "mask": null}), Some(&on_layer)),
    ];
    for (about, more, placed) in rows {
        let without_mask = more.get("mask").is_some();
        for preprocess in ["canny", "soft_edge", "scribble", "tile", "blur", "depth"] {
            let mut wish = painted(&canvas, "c-canvas", more.clone());
            if without_mask {
                wish.as_object_mut().expect("members").remove("mask");
            }
            let mut steered = |control: Value| {
                let mut params = wish.clone();
                params["controls"] = json!([control]);
                patch(&mut client, "generate", params).1
            };
            let mut control = json!({"model": "lines", "preprocess": preprocess});
            if let Some(rect) = placed {
                control["image"] = json!({"rect": rect, "image": image});
            }
            let wanted = steered(control);

            let mut asked = json!({"preprocess": preprocess, "px": "rgbaf32", "generate": wish});
            if let Some(rect) = placed {
                (asked["image"], asked["rect"]) = (image.clone(), rect.clone());
                asked["generate"]["canvas"].as_object_mut().expect("a canvas").remove("image");
            }
            let (shown, pixels) = patch(&mut client, "control/preprocess", asked.clone());
            let (used, described) = (&shown["used"], &shown["patches"][0]["image"]);
            assert_eq!((&used["preprocess"], &used["model"]), (&json!(preprocess), &json!("tiny")));
            assert_eq!(used["extent"], json!([described["w"], described["h"]]));
            client.put("c-shown", &pixels);
            let again = json!({"blob": "c-shown", "w": described["w"], "h": described["h"], "px": "rgbaf32"});
            let sent = json!({"model": "lines", "image": {"rect": used["rect"], "image": again}});
            let mut params = wish.clone();
            params["controls"] = json!([sent]);
            let got = patch(&mut client, "generate", params).1;
            assert!(got == wanted, "{about}, {preprocess}: another picture steers than was shown ({used})");
            let free = patch(&mut client, "generate", wish.clone()).1;
            assert!(got != free, "{about}, {preprocess}: it steers nothing");

            // For a layer it has the size of the part it shows.
            asked["resize"] = json!(true);
            let (layer, _) = patch(&mut client, "control/preprocess", asked);
            assert_eq!((&layer["patches"][0]["rect"], &layer["used"]["rect"]), (&used["rect"], &used["rect"]));
        }
    }
    assert_eq!(client.call("job/list", json!({})), Ok(json!([])));
    assert_eq!(client.call("history/list", json!({})).expect("a list")["entries"][0]["mode"], "generate");
}

/// Without a request that it is for it is made of the picture as it is, as for a picture without a canvas.
#[test]
fn a_picture_alone_is_read_as_it_is() {
    let dir = tempfile::tempdir().expect("a folder");
    let daemon = daemon(dir.path(), true);
    let mut client = daemon.client();
    let picture: Vec<u8> = (0..64 * 64u32)
        .flat_map(|i| [(i % 64 * 4) as u8, (i / 64 * 4) as u8, 90, if i % 9 == 0 { 0 } else { 255 }])
        .collect();
    client.put("c1", &picture);
    let image = json!({"blob": "c1", "w": 64, "h": 64, "px": "rgba8"});
    for preprocess in ["canny", "tile", "depth"] {
        let paint = |control: Value| json!({"model": "tiny", "prompt": "a cat", "steps": 2, "seed": 4, "extent": [64, 64], "px": "rgbaf32", "controls": [control]});
        let whole = json!({"x": 0, "y": 0, "w": 64, "h": 64});
        let control = json!({"model": "lines", "preprocess": preprocess, "image": {"rect": whole, "image": image}});
        let wanted = patch(&mut client, "generate", paint(control)).1;
        let asked = json!({"preprocess": preprocess, "image": image, "rect": {"x": -3, "y": 7, "w": 64, "h": 64}, "px": "rgbaf32"});
        let (shown, pixels) = patch(&mut client, "control/preprocess", asked);
        assert_eq!(shown["patches"][0]["rect"], json!({"x": -3, "y": 7, "w": 64, "h": 64}));
        client.put("c2", &pixels);
        let again = json!({"blob": "c2", "w": 64, "h": 64, "px": "rgbaf32"});
        let got =
            patch(&mut client, "generate", paint(json!({"model": "lines", "image": {"rect": whole, "image": again}})))
                .1;
        assert!(got == wanted, "{preprocess}: another picture steers than was shown");
    }
}

#[test]
fn it_waits_its_turn_and_can_be_cancelled() {
    let dir = tempfile::tempdir().expect("a folder");
    let daemon = daemon(dir.path(), true);
    let mut client = daemon.client();
    let busy = Picture::endless();
    client.put("c-endless", &busy.bytes);
    let running = client.request("generate", busy.fill("c-endless", json!({})));
    client.job(running, "running");
    let small = Picture::small();
    client.put("c1", &small.bytes);
    let image = json!({"blob": "c1", "w": small.w, "h": small.h, "px": "rgba8"});
    let ask = json!({"preprocess": "depth", "image": image, "label": "Depth"});
    let [first, second] = [0, 1].map(|_| client.request("control/preprocess", ask.clone()));
    let job = client.job(second, "queued");
    client.job(first, "queued");
    let queue = client.call("job/list", json!({})).expect("a list");
    assert_eq!(
        (&queue[2]["job"], &queue[2]["label"], &queue[2]["position"]),
        (&json!(job), &json!("Depth"), &json!(1))
    );
    client.call("job/cancel", json!({"job": job})).expect("an answer");
    assert_eq!(kind(&client.answer(second).unwrap_err()), "cancelled");
    client.notify("cancel", json!({"id": running}), &[]);
    assert_eq!(kind(&client.answer(running).unwrap_err()), "cancelled");
    let result = client.answer(first).expect("a picture");
    assert_eq!((&result["used"]["kind"], &result["used"]["preprocessor"]), (&json!("depth"), &json!("near")));
    assert!(result["timing_ms"]["total"].is_u64(), "{}", result["timing_ms"]);
}

#[test]
fn what_cannot_be_shown_is_said_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let daemon = daemon(dir.path(), false);
    let mut client = daemon.client();
    let picture = Picture::small();
    client.put("c1", &picture.bytes);
    let image = json!({"blob": "c1", "w": picture.w, "h": picture.h, "px": "rgba8"});
    let wish = painted(&picture, "c1", json!({}));
    let alone = |key: &str, value: Value| {
        let mut params = json!({"preprocess": "canny", "image": image});
        params[key] = value;
        params
    };
    let within = |pointer: &str, value: Value| {
        let mut params = json!({"preprocess": "canny", "image": image, "generate": wish});
        let (parent, key) = pointer.rsplit_once('/').expect("a member");
        params.pointer_mut(parent).expect("its parent")[key] = value;
        params
    };
    let huge = json!({"x": 0, "y": 0, "w": 16384, "h": 16384});
    for (params, expected, field, words) in [
        (json!({"image": image}), "invalid_params", "preprocess", "preprocess"),
        (
            alone("preprocess", json!("hed")),
            "invalid_params",
            "preprocess",
            "known are canny, soft_edge, scribble, tile, blur, depth",
        ),
        (alone("preprocess", json!("x".repeat(5000))), "invalid_params", "preprocess", "is unknown"),
        (alone("preprocess", json!("depth")), "no_such_model", "preprocessor", "put Depth Anything V2"),
        (alone("preprocessor", json!("lines")), "invalid_params", "preprocessor", "`canny` is made without one"),
        (
            json!({"preprocess": "depth", "preprocessor": "lines", "image": image}),
            "no_such_model",
            "preprocessor",
            "no depth estimator `lines`",
        ),
        (json!({"preprocess": "canny"}), "invalid_params", "image", "is missing"),
        (alone("px", json!("g8")), "invalid_params", "px", "a patch has alpha"),
        (alone("rect", json!({"x": 0, "y": 0, "w": 0, "h": 5})), "invalid_params", "rect", "is 0x5"),
        (alone("rect", huge.clone()), "invalid_params", "rect", "16384x16384"),
        (alone("image", json!({"blob": "c9", "w": 1, "h": 1, "px": "rgba8"})), "no_such_blob", "image.blob", "c9"),
        (alone("image", json!({"blob": "c1", "w": 16384, "h": 16384, "px": "rgba8"})), "too_large", "image", "16384"),
        (
            alone("image", json!({"blob": "c1", "w": 5000, "h": 5000, "px": "rgba8"})),
            "invalid_params",
            "image",
            "bytes",
        ),
        (alone("progress", json!("p".repeat(65))), "invalid_params", "progress", "1 to 64"),
        (within("/generate/steps", json!("many")), "invalid_params", "generate.steps", "steps"),
        (within("/generate/denoise_strength", json!(2)), "invalid_params", "generate.denoise_strength", "2"),
        (within("/generate/model", json!("none")), "no_such_model", "generate.model", "no model `none`"),
        (within("/generate/model", json!("exemplar")), "invalid_params", "generate.model", "no diffusion model"),
        (within("/generate/canvas", json!(null)), "invalid_params", "generate.canvas", "picture"),
        (within("/generate/canvas/image/blob", json!("c9")), "no_such_blob", "generate.canvas.image.blob", "c9"),
        (within("/generate/canvas/extent", json!([10, 10])), "invalid_params", "generate.canvas.rect", "inside"),
        (
            within("/generate/canvas", json!({"extent": [16384, 16384], "rect": huge})),
            "invalid_params",
            "generate.canvas.rect",
            "16384",
        ),
        (
            within(
                "/generate/canvas",
                json!({"extent": [4_294_967_295u32, 1], "rect": {"x": 0, "y": 0, "w": 1, "h": 1}}),
            ),
            "invalid_params",
            "generate.canvas.extent",
            "2147483647",
        ),
        (within("/generate/mask", json!(null)), "invalid_params", "generate.mask", "mask"),
        (within("/generate/mask/image/px", json!("rgba8")), "invalid_params", "generate.mask.image.px", "one channel"),
        (within("/generate/mask/rect/x", json!(5000)), "invalid_params", "generate.mask", "mask"),
    ] {
        let error = client.call("control/preprocess", params.clone()).expect_err(&params.to_string());
        let found = (kind(&error), error["data"]["field"].as_str().unwrap_or_default());
        assert_eq!(found, (expected, field), "{params}\n{error}");
        let message = error["message"].as_str().expect("a sentence");
        assert!(message.ends_with('.') && !message.contains('\n') && message.contains(words), "{message}");
        assert!(message.len() < 300, "{message}");
    }
    assert!(client.heard.is_empty(), "no job was made: {:?}", client.heard);
}

/// A fill without words is the embedded one's, which looks far; what steers it is a diffusion model's.
#[test]
fn what_steers_decides_how_much_is_worth_sending() {
    let dir = tempfile::tempdir().expect("a folder");
    let daemon = daemon(dir.path(), false);
    let mut client = daemon.client();
    let asked = |more: Value| {
        let mut params =
            json!({"mode": "fill", "extent": [8000, 6000], "mask_bounds": {"x": 3000, "y": 3000, "w": 200, "h": 100}});
        params.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
        params
    };
    let mut rect = |more: Value| client.call("fill/context", asked(more)).expect("a rect")["rect"].clone();
    let [plain, steered, worded, tiny] =
        [json!({}), json!({"steered": true}), json!({"prompt": "a cat"}), json!({"model": "tiny"})].map(&mut rect);
    assert_ne!(plain, steered);
    assert_eq!((&steered, &steered), (&worded, &tiny));
    assert_eq!(rect(json!({"steered": false})), plain);
}
