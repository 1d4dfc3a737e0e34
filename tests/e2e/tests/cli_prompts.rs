//! What a prompt may hold, through the command line and the daemon: weights, choices by seed, embeddings from files and folders.

use e2e::{made, run};
use std::path::{Path, PathBuf};

fn tiny() -> String {
    e2e::root().join("tests/reference/golden/tiny-sd").display().to_string()
}

/// A textual inversion of one vector for the tiny model, whose text encoder is 16 wide.
fn embedding(path: &Path, width: usize) -> PathBuf {
    let header =
        format!("{{\"emb_params\":{{\"dtype\":\"F32\",\"shape\":[1,{width}],\"data_offsets\":[0,{}]}}}}", width * 4);
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    (0..width).for_each(|i| bytes.extend((i as f32 / 8.0 - 1.0).to_le_bytes()));
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, bytes).expect("a file");
    path.to_owned()
}

#[test]
fn choices_are_drawn_by_seed_and_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let template = "a {red|green|blue} {cat|dog}";
    let args = ["generate", "--model", &tiny(), "--prompt", template, "--steps", "1", "--seed", "5"];
    let told = made(dir.path(), &[&args[..], &["--batch", "4", "-o", "out.png"]].concat());
    assert_eq!(told["receipt"]["request"]["prompt"], template);
    let prompts = told["used"]["prompts"].as_array().expect("the texts of each picture");
    let prompts: Vec<&str> = prompts.iter().map(|p| p["prompt"].as_str().expect("a text")).collect();
    assert!(prompts.len() == 4 && prompts.iter().all(|p| !p.contains(['{', '|'])), "{prompts:?}");
    for (i, prompt) in prompts.iter().enumerate() {
        let text = e2e::png_text(&dir.path().join(format!("out_{i}.png")), "parameters").expect("A1111's text");
        assert!(text.starts_with(&format!("{prompt}\nSteps: 1")), "{text}");
    }
    // The third alone is the third of the batch, and so is what was drawn, written out.
    for prompt in [template, prompts[2]] {
        let args = ["generate", "--model", &tiny(), "--prompt", prompt, "--steps", "1", "--seed", "7", "-o", "one.png"];
        let told = made(dir.path(), &args);
        assert_eq!((&told["used"]["prompt"], told["used"].get("prompts")), (&prompts[2].into(), None));
        let [one, third] = ["one.png", "out_2.png"].map(|f| e2e::pixels(&dir.path().join(f)));
        assert_eq!(one.differing(&third), 0);
    }
}

#[test]
fn embeddings_are_named_by_flag_or_found_in_the_models_folder() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = embedding(&dir.path().join("a.safetensors"), 16).display().to_string();
    embedding(&dir.path().join("home/models/embeddings/brush.safetensors"), 16);
    let model = tiny();
    let paint = |prompt: &str, more: &[&str]| {
        let args = ["generate", "--model", &model, "--prompt", prompt, "--steps", "2", "--seed", "1", "-o", "out.png"];
        let told = made(dir.path(), &[&args[..], more].concat());
        assert_eq!(
            told["used"]["embeddings"][0]["sha256"].as_str().map(str::len),
            prompt.contains(['<', 'b']).then_some(64)
        );
        e2e::pixels(&dir.path().join("out.png"))
    };
    let flag = format!("<ink>={file}");
    let by_flag = paint("a (<ink>:1.3) cat", &["--embedding", &flag]);
    assert_eq!(by_flag.differing(&paint("a (brush:1.3) cat", &[])), 0);
    assert_eq!(by_flag.differing(&paint("a (embedding:brush:1.3) cat", &[])), 0);
    assert!(by_flag.differing(&paint("a embedding:brush cat", &[])) > 100);
    assert!(by_flag.differing(&paint("a (cat:1.3) cat", &[])) > 100);
    let list = made(dir.path(), &["models", "list"]);
    let brush = list["models"].as_array().expect("a list").iter().find(|m| m["id"] == "brush").expect("the embedding");
    assert_eq!((&brush["kind"], &brush["state"]), (&"embedding".into(), &"ready".into()));
}

#[test]
fn what_is_wrong_with_a_prompt_is_one_sentence() {
    let dir = tempfile::tempdir().expect("a folder");
    let wide = embedding(&dir.path().join("wide.safetensors"), 24).display().to_string();
    let model = tiny();
    for (more, code, part) in [
        (
            vec!["--prompt", "(a:1e9)"],
            2,
            "prompt has the weight 1000000000; a number from -1000 to 1000 would be right",
        ),
        (vec!["--negative", "<lora:ink:0.8>"], 2, "there is no LoRA `ink`"),
        (vec!["--prompt", "embedding:ink"], 2, "prompt names embedding:ink, but no embedding is called that"),
        (vec!["--embedding", "ink"], 2, "--embedding ink is not of the form TOKEN=FILE"),
        (vec!["--embedding", "ink=none.safetensors"], 1, "none.safetensors"),
        (vec!["--embedding", &format!("ink={wide}")], 2, "the text encoders of this SD 1.x model need 16"),
        (vec!["--model", "brush"], 1, "it is an embedding, which stands for words: write embedding:brush in a prompt"),
    ] {
        embedding(&dir.path().join("home/models/brush.safetensors"), 16);
        let mut args = vec!["generate", "--steps", "1", "-o", "out.png"];
        if !more.contains(&"--model") {
            args.extend(["--model", &model]);
        }
        args.extend(&more);
        let output = run(dir.path(), &args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(code) && said.contains(part),
            "{more:?}: {:?} {said}",
            output.status.code()
        );
        assert!(!dir.path().join("out.png").exists());
    }
}

#[cfg(unix)]
#[test]
fn the_daemon_says_at_once_what_is_wrong_and_lists_embeddings() {
    use e2e::daemon::{Daemon, kind};
    use serde_json::json;
    let home = tempfile::tempdir().expect("a folder");
    embedding(&home.path().join("models/embeddings/brush.safetensors"), 16);
    let daemon = Daemon::start_in(home.path());
    let mut client = daemon.client();
    let list = client.call("models/list", json!({})).expect("a list");
    let brush = list.as_array().expect("a list").iter().find(|m| m["id"] == "brush").expect("the embedding");
    assert_eq!((&brush["kind"], &brush["modes"]), (&json!("embedding"), &json!([])));
    for (member, text) in [("prompt", "(a:1e9)"), ("negative_prompt", "{0::a|0::b}"), ("loras", "<lora:ink:1>")] {
        let mut params = json!({"mode": "generate", "model": "starter", "extent": [64, 64], "steps": 1});
        params[if member == "loras" { "prompt" } else { member }] = text.into();
        let error = client.call("generate", params).expect_err("a refusal");
        assert_eq!((kind(&error), &error["data"]["field"]), ("invalid_params", &json!(member)), "{error}");
    }
    // The command line asks the daemon, and one message has no room for that.
    let mut long = e2e::underpaint(home.path());
    let output = long.args(["generate", "--prompt", &"a".repeat(70_000), "-o", "out.png"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("texts must be shorter"), "{said}");
}
