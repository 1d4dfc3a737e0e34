//! Models, filters and previews through the daemon, with the tiny model the reference data was made with.
#![cfg(unix)]

use e2e::daemon::{Client, Daemon, kind};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A daemon whose home has the tiny model and a file that only looks like one.
fn studio() -> (Daemon, Client, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let models = home.path().join("models");
    copy(&e2e::root().join("tests/reference/golden/tiny-sd"), &models.join("tiny-sd"));
    fs::write(models.join("broken.safetensors"), b"\x80\x02}q\x00.").unwrap();
    let daemon = Daemon::start_in(home.path());
    let client = daemon.client();
    (daemon, client, home)
}

fn picture(more: Value) -> Value {
    let mut params = json!({"mode": "generate", "model": "tiny-sd", "prompt": "a lighthouse", "extent": [64, 64], "steps": 3, "seed": 7});
    for (key, value) in more.as_object().unwrap() {
        params[key] = value.clone();
    }
    params
}

fn model(client: &mut Client, id: &str) -> Value {
    let list = client.call("models/list", json!({})).unwrap();
    list.as_array().unwrap().iter().find(|m| m["id"] == id).unwrap_or_else(|| panic!("{id} is not in {list}")).clone()
}

#[test]
fn models_are_found_loaded_used_and_freed() {
    let (daemon, mut client, _home) = studio();
    let mut observer = daemon.client();
    observer.call("subscribe", json!({"topics": ["models"]})).unwrap();
    let tiny = model(&mut client, "tiny-sd");
    assert_eq!((&tiny["state"], &tiny["family"]), (&json!("ready"), &json!("sd15")), "{tiny}");
    assert!(
        tiny["modes"].as_array().unwrap().contains(&json!("generate"))
            && tiny["samplers"].as_array().unwrap().contains(&json!("dpmpp_2m"))
    );
    let broken = model(&mut client, "broken");
    assert!(broken["state"] == "unusable" && broken["reason"].as_str().is_some_and(|r| !r.is_empty()), "{broken}");

    client.call("models/load", json!({"model": "tiny-sd"})).unwrap();
    observer.expect("models/changed", |h| h["method"] == "models/changed");
    assert_eq!(client.call("status", json!({})).unwrap()["model"], "tiny-sd");
    assert_eq!(model(&mut client, "tiny-sd")["state"], "loaded");
    client.call("models/unload", json!({})).unwrap();
    observer.expect("models/changed", |h| h["method"] == "models/changed");
    assert!(client.call("status", json!({})).unwrap().get("model").is_none());

    for method in [("models/load", json!({"model": "broken"})), ("generate", picture(json!({"model": "broken"})))] {
        assert_eq!(kind(&client.call(method.0, method.1).unwrap_err()), "model_unusable");
    }
    assert_eq!(kind(&client.call("models/load", json!({"model": "exemplar"})).unwrap_err()), "model_unusable");
    let error = client.call("generate", picture(json!({"extent": [63, 64]}))).unwrap_err();
    assert_eq!((kind(&error), &error["data"]["field"]), ("invalid_params", &json!("extent")));
}

#[test]
fn the_same_seed_is_the_same_picture_and_a_random_one_is_told() {
    let (_daemon, mut client, _home) = studio();
    let mut paint = |params: Value| {
        client.heard.clear();
        let result = client.call("generate", params).unwrap();
        let patch = &result["patches"][0];
        assert_eq!(
            (&patch["rect"], &patch["image"]["px"]),
            (&json!({"x": 0, "y": 0, "w": 64, "h": 64}), &json!("rgba8"))
        );
        (result["seed"].clone(), client.blob(patch["image"]["blob"].as_str().unwrap()))
    };
    let (seed, first) = paint(picture(json!({})));
    assert_eq!((seed, first.len()), (json!(7), 64 * 64 * 4));
    assert!(paint(picture(json!({}))).1 == first);
    assert!(paint(picture(json!({"seed": 8}))).1 != first);
    let big = "18446744073709551615";
    assert_eq!(paint(picture(json!({"seed": big}))).0, json!(big));
    let (drawn, random) = paint(picture(json!({"seed": null})));
    assert!(drawn.is_u64());
    assert!(paint(picture(json!({"seed": drawn}))).1 == random);
}

#[test]
fn a_long_job_shows_itself_and_stops_within_a_step() {
    let (daemon, mut client, _home) = studio();
    let long = picture(json!({"steps": 1000, "progress": "p", "preview": {"max_side": 48, "every_ms": 100}}));
    let id = client.request("generate", long.clone());
    let (seen, tail) = client.expect("a preview", |h| h["method"] == "progress" && h["params"]["preview"].is_object());
    let preview = &seen["params"]["preview"];
    let side = |key: &str| preview[key].as_u64().unwrap() as usize;
    assert_eq!((&preview["blob"], side("w") * side("h") * 4), (&json!("tail"), tail.len()));
    assert!(side("w") <= 48 && side("h") <= 48 && seen["params"]["steps"] == 1000);
    client.expect("another step", |h| {
        h["method"] == "progress" && h["params"]["step"].as_u64() > seen["params"]["step"].as_u64()
    });
    client.notify("cancel", json!({"id": id}), &[]);
    assert_eq!(kind(&client.answer(id).unwrap_err()), "cancelled");
    let mut last = 0;
    for (header, _) in
        client.heard.iter().filter(|(h, _)| h["method"] == "progress" && h["params"]["stage"] == "denoise")
    {
        let step = header["params"]["step"].as_u64().unwrap();
        assert!(step >= last, "steps never go back");
        last = step;
    }
    client.call("generate", picture(json!({}))).unwrap();

    // Who cannot show previews is sent none.
    let mut plain = daemon.stranger();
    plain.call("hello", json!({"protocol": {"min": 1, "max": 1}})).unwrap();
    let id = plain.request("generate", long);
    let (seen, _) = plain.expect("progress", |h| {
        h["method"] == "progress" && h["params"]["stage"] == "denoise" && h["params"]["step"].as_u64() > Some(1)
    });
    plain.notify("cancel", json!({"id": id}), &[]);
    plain.answer(id).unwrap_err();
    assert!(
        seen["params"].get("preview").is_none()
            && plain.heard.iter().all(|(h, _)| h["params"].get("preview").is_none())
    );
}

#[test]
fn filters_are_told_checked_and_run() {
    let (_daemon, mut client, _home) = studio();
    let list = client.call("filters/list", json!({})).unwrap();
    let grain = list.as_array().unwrap().iter().find(|f| f["name"] == "film-grain").expect("film-grain").clone();
    assert!(
        grain["params"]
            .as_array()
            .is_some_and(|p| !p.is_empty() && p.iter().all(|p| p["name"].is_string() && p["type"].is_string())),
        "{grain}"
    );
    assert!(grain["limits"]["timeout_ms"].is_u64() && grain["limits"]["memory_bytes"].is_u64());

    let mut pixels = vec![128u8; 40 * 30 * 4];
    pixels[..40 * 4].fill(0);
    client.put("c1", &pixels);
    let apply = |filters: Value| json!({"image": {"blob": "c1", "w": 40, "h": 30, "px": "bgra8"}, "rect": {"x": -5, "y": 9, "w": 40, "h": 30}, "filters": filters, "progress": "p", "seed": 3});
    let result = client.call("filter/apply", apply(json!([{"name": "film-grain"}]))).unwrap();
    let patch = &result["patches"][0];
    assert_eq!((&patch["rect"], &patch["image"]["px"]), (&json!({"x": -5, "y": 9, "w": 40, "h": 30}), &json!("bgra8")));
    let filtered = client.blob(patch["image"]["blob"].as_str().unwrap());
    assert_eq!(filtered.len(), pixels.len());
    assert!(filtered != pixels && filtered[..40 * 4] == pixels[..40 * 4], "where alpha is 0 nothing is painted");

    client.heard.clear();
    let picture_for = |input: &str| json!({input: {"blob": "c1", "w": 40, "h": 30, "px": "bgra8"}});
    for filters in [
        json!([{"name": "nope"}]),
        json!([{"name": "film-grain", "params": {"nope": 1}}]),
        json!([{"name": "film-grain", "images": picture_for("nope")}]),
        json!([]),
        json!(vec![json!({"name": "film-grain"}); 33]),
    ] {
        let error = client.call("filter/apply", apply(filters)).unwrap_err();
        assert_eq!((kind(&error), &error["data"]["field"]), ("invalid_params", &json!("filters")));
    }
    assert!(client.heard.is_empty(), "no job was made: {:?}", client.heard);
    let bare = client.call("generate", picture(json!({}))).unwrap();
    let grainy = client.call("generate", picture(json!({"filters": [{"name": "film-grain"}]}))).unwrap();
    let pixels = [&bare, &grainy].map(|r| client.blob(r["patches"][0]["image"]["blob"].as_str().unwrap()));
    assert!(pixels[0] != pixels[1] && pixels[0].len() == pixels[1].len());
}
