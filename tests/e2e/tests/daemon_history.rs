//! The history: what one editor painted, every editor sees, now and after a restart, and nobody else.
#![cfg(unix)]

use e2e::daemon::{Client, Daemon, kind, wait_for};
use e2e::holes::Picture;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A client that has put the small picture as `c1`.
fn painter(daemon: &Daemon, name: &str) -> Client {
    let mut client = daemon.named_client(name);
    client.put("c1", &Picture::small().bytes);
    client
}

/// Fills; gives the result and the pixels of its first patch.
fn fill(client: &mut Client, more: Value) -> (Value, Vec<u8>) {
    client.heard.clear();
    let result = client.call("generate", Picture::small().fill("c1", more)).unwrap();
    let pixels = client.blob(result["patches"][0]["image"]["blob"].as_str().unwrap());
    (result, pixels)
}

fn list(client: &mut Client, more: Value) -> Value {
    client.call("history/list", more).unwrap()
}

/// The list once it has `count` entries: they are entered after the job's answer.
fn entries(client: &mut Client, count: usize) -> Vec<Value> {
    wait_for("the history", || {
        let list = list(client, json!({"limit": 64}));
        let entries = list["entries"].as_array().unwrap().clone();
        (entries.len() == count).then_some(entries)
    })
}

fn configure(home: &Path, history: Value) {
    fs::write(home.join("config.json"), json!({ "history": history }).to_string()).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

#[test]
fn every_editor_sees_what_any_has_painted_also_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_in(home.path());
    let (mut krita, mut gimp) = (painter(&daemon, "krita"), painter(&daemon, "gimp"));
    gimp.call("subscribe", json!({"topics": ["history"]})).unwrap();
    assert_eq!(list(&mut gimp, json!({})), json!({"entries": [], "more": false, "keep": true}));
    let (painted, pixels) = fill(&mut krita, json!({"label": "sky", "batch": 2}));
    gimp.expect("history/changed", |h| h["method"] == "history/changed");
    let entry = entries(&mut gimp, 1).remove(0);
    for (member, expected) in [
        ("client", json!("krita")),
        ("mode", json!("fill")),
        ("label", json!("sky")),
        ("prompt", json!("")),
        ("model", json!("exemplar")),
        ("seed", json!(5)),
        ("extent", json!([96, 80])),
    ] {
        assert_eq!(entry[member], expected, "{member}");
    }
    let places = |patches: &Value| -> Vec<(Value, Value)> {
        patches.as_array().unwrap().iter().map(|p| (p["rect"].clone(), p["seed"].clone())).collect()
    };
    assert_eq!(places(&entry["patches"]), places(&painted["patches"]));
    assert_eq!(places(&entry["patches"]).len(), 2);
    let thumbnail = gimp.blob(entry["thumbnail"]["blob"].as_str().unwrap());
    assert!(thumbnail == pixels, "what is small is its own thumbnail, transparency kept");

    let get = |client: &mut Client, px: Option<&str>| {
        client.heard.clear();
        let mut asked = json!({"entry": entry["entry"]});
        if let Some(px) = px {
            asked["px"] = json!(px);
        }
        let got = client.call("history/get", asked).unwrap();
        let pixels = client.blob(got["patches"][0]["image"]["blob"].as_str().unwrap());
        (got, pixels)
    };
    let (got, same) = get(&mut gimp, None);
    assert!(same == pixels);
    assert_eq!((&got["used"], &got["receipt"]), (&painted["used"], &painted["receipt"]));
    assert_eq!(got["patches"][1]["image"]["px"], "rgba8");
    drop((krita, gimp, daemon));

    let daemon = Daemon::start_in(home.path());
    let mut photoshop = daemon.named_client("photoshop");
    assert_eq!(entries(&mut photoshop, 1)[0]["entry"], entry["entry"]);
    let (deep, words) = get(&mut photoshop, Some("rgba16"));
    assert_eq!((&deep["entry"], &deep["patches"][0]["image"]["px"]), (&entry["entry"], &json!("rgba16")));
    let widened: Vec<u8> = pixels.iter().flat_map(|&byte| [byte, byte]).collect();
    assert!(words == widened, "the same values in more bits");
}

#[test]
fn pages_are_asked_for_and_nonsense_is_refused() {
    let daemon = Daemon::start();
    let mut client = painter(&daemon, "test");
    for seed in 0..5 {
        fill(&mut client, json!({"seed": seed}));
    }
    let all = entries(&mut client, 5);
    let seeds: Vec<u64> = all.iter().map(|entry| entry["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, [4, 3, 2, 1, 0]);
    let page = list(&mut client, json!({"limit": 2, "before": all[1]["entry"]}));
    assert_eq!(
        (&page["entries"][0]["seed"], &page["entries"][1]["seed"], &page["more"]),
        (&json!(2), &json!(1), &json!(true))
    );
    let rest = list(&mut client, json!({"before": page["entries"][1]["entry"]}));
    assert_eq!((rest["entries"].as_array().unwrap().len(), &rest["more"]), (1, &json!(false)));
    let entry = all[0]["entry"].as_str().unwrap();
    for (method, params, field) in [
        ("history/list", json!({"limit": 0}), "limit"),
        ("history/list", json!({"limit": 65}), "limit"),
        ("history/list", json!({"limit": -1}), "limit"),
        ("history/list", json!({"before": "../../etc"}), "before"),
        ("history/get", json!({}), "entry"),
        ("history/get", json!({"entry": "../../run/token"}), "entry"),
        ("history/get", json!({"entry": format!("{entry}/")}), "entry"),
        ("history/get", json!({"entry": "000000000001"}), "entry"),
        ("history/get", json!({"entry": entry, "px": "g8"}), "px"),
        ("history/get", json!({"entry": entry, "px": "png"}), "px"),
        ("history/remove", json!({"entry": ".."}), "entry"),
        ("history/remove", json!({"entry": 5}), "entry"),
    ] {
        let error = client.call(method, params.clone()).unwrap_err();
        assert_eq!(
            (kind(&error), error["data"]["field"].as_str()),
            ("invalid_params", Some(field)),
            "{params} {error}"
        );
    }
    entries(&mut client, 5);
}

#[test]
fn what_is_removed_is_gone_for_everybody() {
    let daemon = Daemon::start();
    let (mut krita, mut gimp) = (painter(&daemon, "krita"), painter(&daemon, "gimp"));
    let changed = |client: &mut Client| client.expect("history/changed", |h| h["method"] == "history/changed");
    krita.call("subscribe", json!({"topics": ["history"]})).unwrap();
    for seed in 0..3 {
        fill(&mut krita, json!({"seed": seed}));
        changed(&mut krita);
    }
    let all = entries(&mut gimp, 3);
    let folder = daemon.home.join("history");
    for _ in 0..2 {
        // The second time there is nothing to remove, which is no error and no news.
        assert_eq!(gimp.call("history/remove", json!({"entry": all[1]["entry"]})), Ok(json!({})));
    }
    changed(&mut krita);
    let left: Vec<Value> = entries(&mut krita, 2).iter().map(|entry| entry["seed"].clone()).collect();
    assert_eq!(left, [2, 0]);
    assert_eq!(names(&folder).len(), 2);
    assert_eq!(gimp.call("history/clear", json!({})), Ok(json!({})));
    changed(&mut krita);
    entries(&mut krita, 0);
    assert!(names(&folder).is_empty());
    assert!(!krita.heard.iter().any(|(h, _)| h["method"] == "history/changed"));
}

#[test]
fn only_what_was_painted_for_good_is_entered() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("models")).unwrap();
    e2e::upscaler(&home.path().join("models/x4.safetensors"));
    let daemon = Daemon::start_in(home.path());
    let mut client = painter(&daemon, "test");
    fill(&mut client, json!({"live": {"key": "view"}}));
    let apply = json!({
        "image": {"blob": "c1", "w": 96, "h": 80, "px": "rgba8"}, "filters": [{"name": "film-grain"}],
    });
    client.call("filter/apply", apply).unwrap();
    let unwanted = client.request("generate", Picture::small().fill("c1", json!({"batch": 16, "label": "unwanted"})));
    client.notify("cancel", json!({"id": unwanted}), &[]);
    let was_faster = client.answer(unwanted).is_ok();
    let image = json!({"blob": "c1", "w": 8, "h": 8, "stride": 96 * 4, "px": "rgba8"});
    client.call("upscale", json!({"model": "x4", "image": image, "label": "larger"})).unwrap();
    // They are entered in order, so this one is the last.
    let found = entries(&mut client, 1 + usize::from(was_faster));
    assert_eq!((&found[0]["mode"], &found[0]["label"]), (&json!("upscale"), &json!("larger")));
    assert_eq!((&found[0]["model"], &found[0]["extent"]), (&json!("x4"), &json!([32, 32])));
}

#[test]
fn the_painter_says_how_much_is_kept() {
    let home = tempfile::tempdir().unwrap();
    configure(home.path(), json!({"max_entries": 2}));
    let daemon = Daemon::start_in(home.path());
    let mut client = painter(&daemon, "test");
    for seed in 0..4 {
        fill(&mut client, json!({"seed": seed}));
    }
    let newest = wait_for("the last two", || {
        let list = list(&mut client, json!({}));
        let seeds: Vec<u64> = list["entries"].as_array().unwrap().iter().filter_map(|e| e["seed"].as_u64()).collect();
        (seeds == [3, 2]).then_some(list)
    });
    assert_eq!(newest["keep"], true);
    // Switched off it counts from the next job on, without a restart.
    configure(home.path(), json!({"keep": false}));
    fill(&mut client, json!({"seed": 9, "prompt": "a secret"}));
    client.call("shutdown", json!({})).unwrap();
    assert!(daemon.wait().success());
    let daemon = Daemon::start_in(home.path());
    let list = list(&mut daemon.client(), json!({}));
    assert_eq!((list["entries"].as_array().unwrap().len(), &list["keep"]), (2, &json!(false)));
    assert_eq!(list["entries"][0]["seed"], 3);
    let config = home.path().join("config.json");
    fs::write(&config, json!({"history": {"keeps": false}}).to_string()).unwrap();
    let refused = e2e::underpaint(home.path()).args(["models", "list"]).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("keeps"));
}

#[test]
fn an_orderly_end_waits_and_a_sudden_one_leaves_no_half_entry() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("history");
    let daemon = Daemon::start_in(home.path());
    let mut client = painter(&daemon, "test");
    fill(&mut client, json!({"seed": 1}));
    client.call("shutdown", json!({})).unwrap();
    assert!(daemon.wait().success());
    assert_eq!(names(&folder).len(), 1, "entered before the end");
    // Killed right after each answer, wherever the writing was.
    let mut whole = 1;
    for round in 0..6 {
        let daemon = Daemon::start_in(home.path());
        let mut client = painter(&daemon, "test");
        assert_eq!(list(&mut client, json!({}))["entries"].as_array().unwrap().len(), whole, "round {round}");
        fill(&mut client, json!({"seed": round, "batch": 4}));
        daemon.kill();
        whole = names(&folder).iter().filter(|name| !name.starts_with('.')).count();
    }
    let daemon = Daemon::start_in(home.path());
    let mut client = painter(&daemon, "test");
    let left = entries(&mut client, whole);
    for entry in &left {
        let got = client.call("history/get", json!({"entry": entry["entry"]})).unwrap();
        assert_eq!(got["patches"].as_array().unwrap().len(), entry["patches"].as_array().unwrap().len());
    }
    assert!(names(&folder).iter().all(|name| !name.starts_with('.') && !name.contains("damaged")));
}

#[test]
fn a_damaged_entry_costs_no_other() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("history");
    let daemon = Daemon::start_in(home.path());
    let mut client = painter(&daemon, "test");
    let changed = |client: &mut Client| client.expect("history/changed", |h| h["method"] == "history/changed");
    client.call("subscribe", json!({"topics": ["history"]})).unwrap();
    for seed in 0..3 {
        fill(&mut client, json!({"seed": seed}));
        changed(&mut client);
    }
    let all = entries(&mut client, 3);
    let place = |at: usize| folder.join(all[at]["entry"].as_str().unwrap());
    fs::write(place(1).join("patch-0.png"), "no picture").unwrap();
    let error = client.call("history/get", json!({"entry": all[1]["entry"]})).unwrap_err();
    assert_eq!(kind(&error), "internal");
    changed(&mut client);
    entries(&mut client, 2);
    daemon.kill();
    fs::write(place(2).join("entry.json"), "{").unwrap();
    fs::create_dir(folder.join("00000000zzzz")).unwrap();
    let daemon = Daemon::start_in(home.path());
    assert_eq!(entries(&mut daemon.client(), 1)[0]["entry"], all[0]["entry"]);
    assert_eq!(names(&folder).iter().filter(|name| name.ends_with(".damaged")).count(), 2);
}

fn cli(home: &Path, args: &[&str]) -> Value {
    let mut command: Command = e2e::underpaint(home);
    let output = command.args(["history"]).args(args).arg("--json").output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{args:?}: {e} {output:?}"))
}

#[test]
fn the_command_line_works_with_and_without_a_daemon() {
    let home = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_in(home.path());
    let mut client = painter(&daemon, "krita");
    let (painted, pixels) = fill(&mut client, json!({"label": "sky"}));
    fill(&mut client, json!({"seed": 6, "px": "rgba16"}));
    let all = entries(&mut client, 2);
    let name = |at: usize| all[at]["entry"].as_str().unwrap();
    let out = home.path().join("out.png");
    let file = out.to_str().unwrap();
    let look = |state: &str| {
        let listed = cli(home.path(), &["list"]);
        assert_eq!(listed["entries"].as_array().unwrap().len(), 2, "{state}");
        assert_eq!((&listed["entries"][1]["label"], &listed["entries"][1]["client"]), (&json!("sky"), &json!("krita")));
        assert_eq!(cli(home.path(), &["list", "--limit", "1"])["more"], true);
        let shown = cli(home.path(), &["show", name(1)]);
        assert_eq!((&shown["receipt"], &shown["used"]), (&painted["receipt"], &painted["used"]), "{state}");
        let _ = fs::remove_file(&out);
        cli(home.path(), &["export", name(1), "-o", file]);
        assert!(e2e::pixels(&out).rgba() == pixels, "{state}");
        assert!(e2e::png_text(&out, "underpaint").is_some_and(|text| text.contains("exemplar")));
        cli(home.path(), &["export", name(0), "-o", file]);
        assert_eq!(fs::read(&out).unwrap()[24], 16, "as deep as it was painted");
        for (args, says) in [
            (&["show", "../../run"][..], "12 digits"),
            (&["show", "000000000001"], "no such entry"),
            (&["export", name(0), "-o", "out.jpg"], ".png"),
            (&["remove"], "required"),
        ] {
            let refused = cli(home.path(), args);
            assert!(refused["error"]["message"].as_str().unwrap().contains(says), "{state}: {refused}");
        }
        let people = e2e::underpaint(home.path()).args(["history", "list"]).output().unwrap();
        assert!(String::from_utf8_lossy(&people.stdout).contains("sky"), "{state}");
    };
    look("asked of the daemon");
    client.call("subscribe", json!({"topics": ["history"]})).unwrap();
    client.call("shutdown", json!({})).unwrap();
    assert!(daemon.wait().success());
    look("read from the files");
    cli(home.path(), &["remove", name(0)]);
    assert_eq!(cli(home.path(), &["list"])["entries"].as_array().unwrap().len(), 1);
    let daemon = Daemon::start_in(home.path());
    let mut client = daemon.client();
    client.call("subscribe", json!({"topics": ["history"]})).unwrap();
    cli(home.path(), &["clear"]);
    client.expect("history/changed", |h| h["method"] == "history/changed");
    entries(&mut client, 0);
}
