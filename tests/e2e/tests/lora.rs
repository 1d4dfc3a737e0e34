//! LoRAs through the binary: on the command line, in the daemon, in lists and receipts. That they paint what the reference does is
//! the engine's to show.

use e2e::{made, run};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    e2e::root().join("tests/reference/golden").join(name)
}

/// Copies the tiny model and LoRAs into `models`, with a LoRA for SDXL beside them.
fn furnish(models: &Path) {
    fs::create_dir_all(models.join("loras/in a folder")).unwrap();
    for part in ["unet", "vae", "text_encoder", "scheduler"] {
        fs::create_dir_all(models.join("tiny-sd").join(part)).unwrap();
        for file in fs::read_dir(golden("tiny-sd").join(part)).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), models.join("tiny-sd").join(part).join(file.file_name())).unwrap();
        }
    }
    for name in ["kohya", "loha"] {
        fs::copy(golden(&format!("lora/{name}.safetensors")), models.join(format!("loras/{name}.safetensors")))
            .unwrap();
    }
    let diffusers = models.join("loras/in a folder/pytorch_lora_weights.safetensors");
    fs::copy(golden("lora/diffusers.safetensors"), diffusers).unwrap();
    let header = json!({
        "lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_up.weight": {"dtype": "F16", "shape": [2, 1], "data_offsets": [0, 4]},
        "lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": {"dtype": "F16", "shape": [1, 2], "data_offsets": [4, 8]},
    });
    let header = header.to_string();
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 8]].concat();
    fs::write(models.join("loras/xl.safetensors"), bytes).unwrap();
}

#[test]
fn the_command_line_lists_paints_and_tells() {
    let dir = tempfile::tempdir().unwrap();
    furnish(&dir.path().join("home/models"));
    let list = made(dir.path(), &["models", "list"]);
    let ids = |kind: &str| -> Vec<String> {
        list[kind].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids("models"), ["exemplar", "starter", "tiny-sd"], "a LoRA is no unusable model");
    assert_eq!(ids("loras"), ["in-a-folder", "kohya", "loha", "xl"]);
    let kohya = list["loras"].as_array().unwrap().iter().find(|l| l["id"] == "kohya").unwrap();
    let told =
        json!({"title": "tiny kohya", "trigger": "tny style", "tags": ["cat", "dog", "sofa"], "family": "unknown"});
    told.as_object().unwrap().iter().for_each(|(key, value)| assert_eq!(&kohya[key], value, "{key}"));
    assert_eq!(made(dir.path(), &["models", "inspect", "kohya"])["trigger"], "tny style");
    assert_eq!(made(dir.path(), &["models", "inspect", "home/models/loras/xl.safetensors"])["family"], "sdxl");

    let paint = |args: &[&str]| {
        let base =
            ["generate", "--model", "tiny-sd", "--prompt", "a cat", "--steps", "2", "--seed", "1", "-o", "out.png"];
        let told = made(dir.path(), &[&base[..], args].concat());
        (told, e2e::pixels(&dir.path().join("out.png")))
    };
    let (told, without) = paint(&[]);
    assert!(told["used"].get("loras").is_none());
    let (told, with) = paint(&["--lora", "kohya,weight=0.8", "--lora", "Tiny Kohya,weight=-0.2,text-weight=0"]);
    assert!(without.differing(&with) > 1000);
    let loras = told["used"]["loras"].as_array().unwrap();
    assert_eq!((loras.len(), &loras[0]["name"], &loras[0]["weight"]), (2, &json!("kohya"), &json!(0.8)));
    assert_eq!((&loras[1]["weight"], &loras[1]["text_weight"]), (&json!(-0.2), &json!(0.0)));
    assert_eq!(loras[0]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(told["receipt"]["used"]["loras"], told["used"]["loras"]);
    let text = e2e::png_text(&dir.path().join("out.png"), "parameters").unwrap();
    let hash = &loras[0]["sha256"].as_str().unwrap()[..10];
    assert!(
        text.starts_with("a cat <lora:kohya:0.8>") && text.contains(&format!("Lora hashes: \"kohya: {hash}")),
        "{text}"
    );
    let receipt = e2e::png_text(&dir.path().join("out.png"), "underpaint").unwrap();
    assert!(!receipt.contains(&dir.path().display().to_string()), "no path of this machine");

    // A file is as good as an id, and weight 0 is none.
    let file = golden("lora/kohya.safetensors").display().to_string();
    let (_, by_id) = paint(&["--lora", "kohya"]);
    let (_, by_file) = paint(&["--lora", &file]);
    assert_eq!(by_id.differing(&by_file), 0);
    assert_eq!(paint(&["--lora", "kohya,weight=0"]).1.differing(&without), 0);
}

#[test]
fn what_cannot_be_used_is_said() {
    let dir = tempfile::tempdir().unwrap();
    furnish(&dir.path().join("home/models"));
    let whole = fs::read(golden("lora/kohya.safetensors")).unwrap();
    fs::write(dir.path().join("cut.safetensors"), &whole[..whole.len() - 9]).unwrap();
    fs::write(dir.path().join("pickle.safetensors"), b"\x80\x02}q\x00.").unwrap();
    let model = golden("tiny-sd/unet/diffusion_pytorch_model.safetensors");
    fs::copy(model, dir.path().join("model.safetensors")).unwrap();
    for (lora, code, words) in [
        ("nowhere", 2, ["no LoRA `nowhere`", "in-a-folder, kohya, loha, xl"]),
        ("nowhere.safetensors", 1, ["nowhere.safetensors", "cannot read"]),
        ("kohya,weight=11", 2, ["loras.weight is 11", "-10 to 10"]),
        ("kohya,weight=NaN", 2, ["loras.weight is NaN", "-10 to 10"]),
        ("kohya,weight=much", 2, ["`much` is not a number", "weight=0.8"]),
        ("kohya,strength=1", 2, ["`strength`", "text-weight"]),
        ("cut.safetensors", 1, ["cut.safetensors", "damaged"]),
        ("pickle.safetensors", 1, ["pickle.safetensors", "pickle"]),
        ("model.safetensors", 1, ["model.safetensors", "is not a LoRA"]),
        ("xl", 1, ["xl.safetensors is a LoRA for SDXL", "2 of 2 keys do not fit"]),
    ] {
        let args = ["generate", "--model", "tiny-sd", "--steps", "1", "--lora", lora, "-o", "out.png"];
        let output = run(dir.path(), &args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{lora}: {stderr}");
        assert!(words.iter().all(|w| stderr.contains(w)) && !stderr.contains("panicked"), "{lora}: {stderr}");
        assert_eq!(stderr.lines().filter(|l| l.starts_with("error:")).count(), 1, "{stderr}");
        assert!(!dir.path().join("out.png").exists());
    }
    let fill =
        ["fill", "--image", "x.png", "--mask", "m.png", "--model", "exemplar", "--lora", "kohya", "-o", "out.png"];
    fs::write(dir.path().join("x.png"), e2e::png(16, 16, |x, y| [x as u8, y as u8, 9])).unwrap();
    fs::write(dir.path().join("m.png"), e2e::png(16, 16, |x, _| [if x == 3 { 255 } else { 0 }; 3])).unwrap();
    let output = run(dir.path(), &fill);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && stderr.contains("`exemplar` takes no LoRAs"), "{stderr}");
}

#[cfg(unix)]
#[test]
fn the_daemon_changes_them_between_jobs_of_one_loaded_model() {
    use e2e::daemon::{Daemon, kind};
    let home = tempfile::tempdir().unwrap();
    furnish(&home.path().join("models"));
    let daemon = Daemon::start_in(home.path());
    let mut client = daemon.client();
    let list = client.call("loras/list", json!({})).unwrap();
    assert_eq!(
        list.as_array().unwrap().iter().map(|l| l["id"].as_str().unwrap()).collect::<Vec<_>>(),
        ["in-a-folder", "kohya", "loha", "xl"]
    );
    client.call("models/load", json!({"model": "tiny-sd"})).unwrap();
    let mut paint = |loras: serde_json::Value| {
        client.heard.clear();
        let params = json!({
            "model": "tiny-sd", "prompt": "a cat", "extent": [64, 64], "steps": 2, "seed": 7, "loras": loras, "progress": "p",
        });
        let result = client.call("generate", params)?;
        let steps: Vec<u64> = client
            .heard
            .iter()
            .filter(|(h, _)| h["method"] == "progress" && h["params"]["stage"] == "load")
            .map(|(h, _)| h["params"]["steps"].as_u64().unwrap())
            .collect();
        // Hundreds where the model was loaded, a few dozen where LoRAs changed.
        let loaded = steps.iter().any(|steps| *steps > 60);
        Ok::<_, serde_json::Value>((client.blob(result["patches"][0]["image"]["blob"].as_str().unwrap()), loaded))
    };
    let plain = paint(json!([])).unwrap();
    assert!(!plain.1);
    let kohya = json!({"name": "kohya", "weight": 0.8});
    let one = paint(json!([kohya])).unwrap();
    let two = paint(json!([kohya, {"name": "loha", "weight": -0.5, "text_weight": 0.1}])).unwrap();
    assert!(!one.1 && !two.1, "the model was loaded again");
    let (one, two, plain) = (one.0, two.0, plain.0);
    assert!(one != plain && two != one && two != plain);
    for (name, expected) in [("nowhere", ("invalid_params", "loras")), ("xl", ("model_unusable", "loras"))] {
        let error = paint(json!([kohya, {"name": name}])).unwrap_err();
        assert_eq!((kind(&error), error["data"]["field"].as_str().unwrap()), expected, "{error}");
    }
    assert!(paint(json!([kohya])).unwrap() == (one.clone(), false));
    assert!(paint(json!([])).unwrap() == (plain, false), "something stayed behind");
    // A model that was written to is loaded again by itself.
    let weights = home.path().join("models/tiny-sd/unet/diffusion_pytorch_model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    fs::write(&weights, bytes).unwrap();
    assert!(paint(json!([kohya])).unwrap().0 == one, "the model that was loaded again paints otherwise");
}
