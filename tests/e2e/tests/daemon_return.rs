//! An editor that lost its connection comes back: it finds its own jobs, takes them over, orders and ends them.
#![cfg(unix)]

use e2e::daemon::{Client, Daemon, kind};
use e2e::holes::Picture;
use serde_json::{Value, json};

/// `job/list` as (label, client, mine, state), the busy job left out.
fn listed(client: &mut Client) -> Vec<(String, String, bool, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list = client.call("job/list", json!({})).unwrap();
    let labelled = list.as_array().unwrap().iter().filter(|job| job["label"].is_string());
    labelled.map(|j| (text(&j["label"]), text(&j["client"]), j["mine"] == true, text(&j["state"]))).collect()
}

fn row(label: &str, client: &str, mine: bool) -> (String, String, bool, String) {
    (label.into(), client.into(), mine, "queued".into())
}

#[test]
fn an_editor_that_comes_back_goes_on_with_its_jobs() {
    let daemon = Daemon::start();
    let mut other = daemon.named_client("gimp");
    let (endless, picture) = (Picture::endless(), Picture::small());
    other.put("c-endless", &endless.bytes);
    let busy = other.request("generate", endless.fill("c-endless", json!({})));
    other.job(busy, "running");
    let mut krita = daemon.named_client("krita");
    krita.put("c1", &picture.bytes);
    let mut submit = |label: &str, keep: bool| {
        let id = krita.request("generate", picture.fill("c1", json!({"label": label, "keep": keep})));
        krita.job(id, "queued")
    };
    let [a, b, c] = ["a", "b", "c"].map(|label| submit(label, true));
    submit("not kept", false);
    drop(krita);

    let mut krita = daemon.named_client("krita");
    krita.put("c1", &picture.bytes);
    let own = |mine: [bool; 3]| ["a", "b", "c"].iter().zip(mine).map(|(l, m)| row(l, "krita", m)).collect::<Vec<_>>();
    // The end of the lost connection may be noticed a moment later.
    e2e::daemon::wait_for("the lost connection", || (listed(&mut krita).len() == 3).then_some(()));
    assert_eq!(listed(&mut krita), own([false; 3]));
    let status = krita.call("status", json!({})).unwrap();
    assert_eq!((&status["queue"][1]["client"], &status["queue"][1]["label"]), (&json!("krita"), &Value::Null));

    // Another program may watch, but takes nothing over.
    let mut gimp = daemon.named_client("gimp");
    let watching = gimp.request("job/attach", json!({"job": a}));
    gimp.job(watching, "queued");
    assert_eq!(kind(&gimp.call("job/move", json!({"job": a, "position": 0})).unwrap_err()), "no_such_job");
    assert_eq!(kind(&krita.call("job/move", json!({"job": c, "position": 0})).unwrap_err()), "no_such_job");

    let attached = [&a, &b, &c].map(|job| {
        let id = krita.request("job/attach", json!({"job": job}));
        krita.job(id, "queued");
        id
    });
    assert_eq!(listed(&mut krita), own([true; 3]));
    let new = krita.request("generate", picture.fill("c1", json!({"label": "d"})));
    krita.job(new, "queued");
    krita.call("job/move", json!({"job": c, "position": 0})).unwrap();
    let labels: Vec<String> = listed(&mut krita).into_iter().map(|job| job.0).collect();
    assert_eq!(labels, ["c", "a", "b", "d"], "old ones and new ones are one queue");
    // A second window of the same program takes nothing from one that is there.
    let mut second = daemon.named_client("krita");
    let also = second.request("job/attach", json!({"job": b}));
    second.job(also, "queued");
    assert_eq!(kind(&second.call("job/move", json!({"job": b, "position": 0})).unwrap_err()), "no_such_job");
    krita.call("job/cancel", json!({"job": b})).unwrap();
    assert_eq!(kind(&krita.answer(attached[1]).unwrap_err()), "cancelled");

    other.notify("cancel", json!({"id": busy}), &[]);
    for (id, job) in [(attached[2], &c), (attached[0], &a)] {
        assert_eq!(krita.answer(id).unwrap()["job"], json!(job));
    }
    assert_eq!(gimp.answer(watching).unwrap()["job"], json!(a));
    krita.answer(new).unwrap();
    // Kept until forgotten: the next time they are still found, done.
    drop(krita);
    let mut krita = daemon.named_client("krita");
    let kept: Vec<_> = listed(&mut krita).into_iter().map(|job| (job.0, job.3)).collect();
    assert_eq!(kept, [("a".into(), "done".into()), ("b".into(), "cancelled".into()), ("c".into(), "done".into())]);
}
