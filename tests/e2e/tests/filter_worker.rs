//! The process in which filters run, seen from outside: what it has, what it lacks, and that its end is the end of
//! one job and no more.
#![cfg(target_os = "linux")]

#[allow(dead_code)]
#[path = "../../filters/guests.rs"]
mod guests;

use e2e::daemon::{Client, Daemon, kind, wait_for};
use guests::{Guest, LOCAL, PIXELS, WHOLE_PICTURE, return_pixels};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use wasm_encoder::{BlockType, InstructionSink};

fn loop_forever(code: &mut InstructionSink<'_>) {
    code.loop_(BlockType::Empty).br(0).end().unreachable();
}

/// Takes the compiler seconds and most of a gigabyte: 20 tables of 3000 ways out of 3000 nested blocks.
fn compile_bomb(code: &mut InstructionSink<'_>) {
    (0..3000).for_each(|_| _ = code.block(BlockType::Empty));
    for _ in 0..20 {
        code.local_get(LOCAL).if_(BlockType::Empty).local_get(PIXELS).br_table(1..=3000, 1).end();
    }
    (0..3000).for_each(|_| _ = code.end());
    return_pixels(code);
}

/// A home with these filters in it.
fn home_with(guests: &[(&str, Guest)]) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a temporary folder");
    for (name, guest) in guests {
        install(home.path(), name, guest);
    }
    home
}

fn install(home: &Path, name: &str, guest: &Guest) {
    let dir = home.join("filters");
    fs::create_dir_all(&dir).expect("a folder");
    fs::write(dir.join(format!("{name}.wasm")), guest.wasm()).expect("a file");
}

/// A guest that may take its time.
fn patient(mut guest: Guest) -> Guest {
    guest.manifest[0] = guest.manifest[0].replace("200", "600000");
    guest
}

/// Starts a job of one filter over 24x16 grey pixels.
fn apply(client: &mut Client, filter: &str) -> u64 {
    client.put("c1", &[128; 24 * 16 * 4]);
    let image = json!({"blob": "c1", "w": 24, "h": 16, "px": "bgra8"});
    let rect = json!({"x": 0, "y": 0, "w": 24, "h": 16});
    client.request("filter/apply", json!({"image": image, "rect": rect, "filters": [{"name": filter}], "seed": 3}))
}

fn works(client: &mut Client, filter: &str) {
    let id = apply(client, filter);
    client.answer(id).unwrap_or_else(|error| panic!("{filter}: {error}"));
}

/// Processes in which the daemon runs filters now.
fn workers(daemon: &Daemon) -> Vec<u32> {
    let parent = daemon.endpoint()["pid"].as_u64().expect("a pid");
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).expect("the daemon's threads");
    let children = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let pids: Vec<u32> = children.flat_map(|c| c.split_whitespace().map(|p| p.parse().expect("a pid")).collect::<Vec<_>>()).collect();
    pids.into_iter().filter(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| !s.contains(") Z "))).collect()
}

fn worker(daemon: &Daemon) -> u32 {
    wait_for("a worker", || workers(daemon).first().copied())
}

/// A number of kilobytes in a process's status.
fn status(pid: u32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("a status");
    text.lines().find_map(|l| l.strip_prefix(field)).unwrap_or_default().trim_start_matches(':').trim().to_owned()
}

fn rss_kib(pid: u32) -> u64 {
    status(pid, "VmRSS").trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn a_worker_has_three_pipes_and_nothing_else() {
    let home = home_with(&[("endless", patient(Guest::process("endless", loop_forever)))]);
    let daemon = Daemon::start_in(home.path());
    let mut client = daemon.client();
    let id = apply(&mut client, "endless");
    client.job(id, "running");
    let pid = worker(&daemon);
    // The walls are up before it is given anything; a worker that answers `running` may still be starting.
    wait_for("the walls", || (status(pid, "Seccomp") == "2").then_some(()));
    assert_eq!(status(pid, "NoNewPrivs"), "1");
    assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).expect("its folder"), Path::new("/"));
    assert_eq!(fs::read(format!("/proc/{pid}/environ")).expect("its environment"), b"");
    let mut open: Vec<(String, String)> = fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("its files")
        .flatten()
        .map(|f| (f.file_name().to_string_lossy().into_owned(), fs::read_link(f.path()).unwrap_or_default().display().to_string()))
        .collect();
    open.sort();
    assert!(open.iter().all(|(_, to)| to.starts_with("pipe:") || to.contains("memfd:")), "{open:?}");
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("its limits");
    let limited = |name: &str| limits.lines().any(|l| l.starts_with(name) && !l.contains("unlimited"));
    assert!(limited("Max data size") && limited("Max core file size") && limited("Max file size"), "{limits}");
}

#[test]
fn a_killed_worker_ends_its_job_and_no_other() {
    let home = home_with(&[
        ("endless", patient(Guest::process("endless", loop_forever))),
        ("same", Guest::new("same")),
    ]);
    let daemon = Daemon::start_in(home.path());
    let mut client = daemon.client();
    works(&mut client, "same");
    for _ in 0..3 {
        let id = apply(&mut client, "endless");
        client.job(id, "running");
        // Once the filter runs, so that it is not killed while it starts.
        let pid = wait_for("a busy worker", || {
            workers(&daemon).into_iter().find(|pid| status(*pid, "Threads").parse() > Ok(2))
        });
        assert!(std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().expect("kill").success());
        let error = client.answer(id).unwrap_err();
        assert_eq!(kind(&error), "filter_failed", "{error}");
        let sentence = error["message"].as_str().expect("a sentence");
        assert!(sentence.contains("endless") && sentence.contains("signal 9"), "{sentence}");
        works(&mut client, "same");
        works(&mut client, "film-grain");
    }
    // Cancelled: the process is gone, the next job has another.
    let id = apply(&mut client, "endless");
    let job = client.job(id, "running");
    client.call("job/cancel", json!({"job": job})).expect("cancelled");
    assert_eq!(kind(&client.answer(id).unwrap_err()), "cancelled");
    works(&mut client, "same");
}

/// Everything that costs memory or time, one after the other: the daemon serves on, and is as large as before.
#[test]
fn hostile_filters_cost_the_daemon_nothing() {
    let grow = |code: &mut InstructionSink<'_>| {
        code.loop_(BlockType::Empty).i32_const(16).memory_grow(0).i32_const(-1).i32_ne().br_if(0).end().unreachable();
    };
    let home = home_with(&[("same", Guest::new("same"))]);
    let daemon = Daemon::start_in(home.path());
    let pid = daemon.endpoint()["pid"].as_u64().expect("a pid") as u32;
    let mut client = daemon.client();
    works(&mut client, "same");
    works(&mut client, "film-grain");
    let before = rss_kib(pid);

    let hungry = |name: &str, mut guest: Guest| {
        guest.manifest[0] = format!(r#"{{"api":"1.0.0","name":"{name}","version":"1","memory_bytes":536870912,"timeout_ms":2000}}"#);
        guest
    };
    for (name, guest, word) in [
        ("endless", Guest::process("endless", loop_forever), "timeout"),
        ("hungry", hungry("hungry", Guest::process("hungry", grow)), "memory"),
        ("crash", Guest::process("crash", |code| _ = code.unreachable()), "trap"),
        ("whole", Guest { passes: vec![(WHOLE_PICTURE, 0)], ..Guest::process("whole", loop_forever) }, "timeout"),
    ] {
        install(home.path(), name, &guest);
        let id = apply(&mut client, name);
        let error = client.answer(id).unwrap_err();
        assert_eq!((kind(&error), &error["data"]["reason"]), ("filter_failed", &json!(word)), "{error}");
    }
    install(home.path(), "bomb", &Guest::process("bomb", compile_bomb));
    let id = apply(&mut client, "bomb");
    let error = client.answer(id).unwrap_err();
    assert_eq!(kind(&error), "invalid_params", "a filter that was refused is not there: {error}");
    let names = client.call("filters/list", json!({})).expect("a list");
    let names: Vec<&Value> = names.as_array().expect("a list").iter().map(|f| &f["name"]).collect();
    assert!(names.contains(&&json!("same")) && !names.contains(&&json!("bomb")), "{names:?}");
    works(&mut client, "same");

    let after = rss_kib(pid);
    // Their files, manifests and descriptions are kept; nothing that they did is.
    assert!(after < before + 16 * 1024, "{before} KiB before, {after} KiB after");
    assert!(workers(&daemon).len() <= 1, "workers stay behind");
}

/// The command that installs it says why, and is not hurt either.
#[test]
fn a_compile_bomb_is_stopped_where_it_is_added() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::write(dir.path().join("bomb.wasm"), Guest::process("bomb", compile_bomb).wasm()).expect("a file");
    let output = e2e::run(dir.path(), &["filter", "add", "bomb.wasm"]);
    let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{sentence}");
    assert!(sentence.starts_with("error: filter bomb: it cannot be compiled: it t"), "{sentence}");
    assert!(!dir.path().join("home/filters/bomb.wasm").exists());
}

/// What a daemon serves follows its folder, without a restart.
#[test]
fn files_that_come_change_and_go_are_noticed() {
    let home = home_with(&[]);
    let daemon = Daemon::start_in(home.path());
    let mut client = daemon.client();
    let mut known = || -> Vec<String> {
        let list = client.call("filters/list", json!({})).expect("a list");
        let names = list.as_array().expect("a list").iter().filter(|f| f["name"] == "soft");
        names.map(|f| f["version"].as_str().expect("a version").to_owned()).collect()
    };
    assert!(known().is_empty());
    for version in ["1.0.0", "1.0.1", "2.0"] {
        let mut guest = Guest::new("soft");
        guest.manifest[0] = guest.manifest[0].replace(r#""version":"1.0.0""#, &format!(r#""version":"{version}""#));
        install(home.path(), "soft", &guest);
        assert_eq!(known(), [version]);
    }
    fs::remove_file(home.path().join("filters/soft.wasm")).expect("it was there");
    assert!(known().is_empty());
}

/// The same pixels in a process of its own as in the one that asks.
#[test]
fn a_worker_makes_the_same_pixels() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let photo = e2e::png(90, 70, |x, y| [x as u8 * 2, y as u8 * 3, 7]);
    fs::write(dir.path().join("photo.png"), photo).expect("a picture");
    let run = |inline: bool, out: &str| {
        let mut command = e2e::underpaint(&dir.path().join("home"));
        if inline {
            command.env("UNDERPAINT_FILTERS", "inline");
        }
        let args = ["filter", "run", "film-grain", "photo.png", "--seed", "5", "-o", out];
        assert!(command.args(args).current_dir(dir.path()).status().expect("the binary runs").success());
        fs::read(dir.path().join(out)).expect("a picture")
    };
    assert!(run(false, "worker.png") == run(true, "inline.png"));
}
