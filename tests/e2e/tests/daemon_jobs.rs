//! The life of jobs, with the embedded fill as the engine: queued, watched, cancelled, kept, lost, in turn.
#![cfg(unix)]

use e2e::daemon::{Client, Daemon, kind};
use e2e::holes::Picture;
use serde_json::{Value, json};

/// Starts a fill that keeps the device busy; gives its request id once it runs.
fn occupy(client: &mut Client, more: Value) -> u64 {
    let picture = Picture::endless();
    client.put("c-endless", &picture.bytes);
    let id = client.request("generate", picture.fill("c-endless", more));
    client.job(id, "running");
    id
}

/// A client that has put the small picture as `c1`.
fn painter(daemon: &Daemon) -> (Client, Picture) {
    let (mut client, picture) = (daemon.client(), Picture::small());
    client.put("c1", &picture.bytes);
    (client, picture)
}

fn cancel(client: &mut Client, id: u64) {
    client.notify("cancel", json!({"id": id}), &[]);
}

fn cancelled(client: &mut Client, id: u64) {
    let error = client.answer(id).unwrap_err();
    assert_eq!((kind(&error), &error["code"]), ("cancelled", &json!(-32800)));
}

/// Linear light in, linear light out: the same picture as in sRGB.
#[test]
fn a_patch_has_the_colour_encoding_of_its_canvas() {
    let daemon = Daemon::start();
    let (mut client, picture) = painter(&daemon);
    let encoded: Vec<f32> = picture.bytes[..picture.w * picture.h * 4].iter().map(|&b| f32::from(b) / 255.0).collect();
    let linear = |v: f32| if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) };
    let light = encoded.chunks(4).flat_map(|p| [linear(p[0]), linear(p[1]), linear(p[2]), p[3]]);
    let bytes = |values: Vec<f32>| values.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>();
    client.put("c-encoded", &bytes(encoded.clone()));
    client.put("c-light", &bytes(light.collect()));
    let mut patch = |blob: &str, color: &str| {
        let mut params = picture.fill("c1", json!({}));
        params["canvas"]["image"] =
            json!({"blob": blob, "w": picture.w, "h": picture.h, "px": "rgbaf32", "color": color});
        let result = client.call("generate", params).unwrap();
        let image = &result["patches"][0]["image"];
        let bytes = client.blob(image["blob"].as_str().unwrap());
        let values: Vec<f32> = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        (image["color"].clone(), values)
    };
    let (none, encoded) = patch("c-encoded", "srgb");
    let (color, light) = patch("c-light", "linear-srgb");
    assert_eq!((none, color), (Value::Null, json!("linear-srgb")));
    assert_eq!(encoded.len(), light.len());
    for (was, is) in encoded.chunks(4).zip(light.chunks(4)) {
        assert!((0..3).all(|c| (linear(was[c]) - is[c]).abs() < 1e-3) && was[3] == is[3], "{was:?} {is:?}");
    }
}

#[test]
fn a_fill_comes_back_as_a_patch() {
    let daemon = Daemon::start();
    let (mut client, picture) = painter(&daemon);
    let id = client.request("generate", picture.fill("c1", json!({"progress": "p1", "label": "sky"})));
    let result = client.answer(id).unwrap();
    let states: Vec<&str> = client
        .heard
        .iter()
        .filter(|(h, _)| h["method"] == "job/state")
        .filter_map(|(h, _)| h["params"]["state"].as_str())
        .collect();
    assert_eq!(states, ["queued", "running", "done"]);
    assert!(client.heard.iter().any(|(h, _)| h["method"] == "progress"
        && h["params"]["progress"] == "p1"
        && h["params"]["job"] == result["job"]));
    assert_eq!(
        (&result["state"], &result["seed"], result["patches"].as_array().unwrap().len()),
        (&json!("done"), &json!(5), 1)
    );
    let mut timing_ms = result["timing_ms"].as_object().unwrap().clone();
    let [total, _] = ["total", "queued"].map(|part| timing_ms.remove(part).and_then(|ms| ms.as_u64()).unwrap());
    assert_eq!(timing_ms.keys().collect::<Vec<_>>(), ["compose", "infill", "plan"], "the parts of the work");
    // Each is told in whole milliseconds.
    let parts: u64 = timing_ms.values().map(|ms| ms.as_u64().unwrap()).sum();
    assert!(parts <= total && total <= parts + 3, "{}", result["timing_ms"]);

    let patch = &result["patches"][0];
    let number = |value: &Value| value.as_u64().unwrap() as usize;
    let [x, y, w, h] = ["x", "y", "w", "h"].map(|k| number(&patch["rect"][k]));
    assert_eq!(
        (number(&patch["image"]["w"]), number(&patch["image"]["h"]), &patch["image"]["px"]),
        (w, h, &json!("rgba8"))
    );
    let pixels = client.blob(patch["image"]["blob"].as_str().unwrap());
    assert_eq!(pixels.len(), w * h * 4);
    let [hx, hy, hw, hh] = picture.hole;
    assert!(x <= hx && y <= hy && x + w >= hx + hw && y + h >= hy + hh, "the patch covers the hole");
    let alpha = |px: usize, py: usize| pixels[((py - y) * w + px - x) * 4 + 3];
    assert!((hy..hy + hh).all(|py| (hx..hx + hw).all(|px| alpha(px, py) == 255)), "the hole is painted wholly");
    assert!(pixels.chunks_exact(4).all(|p| p[3] > 0 || p[..3] == [0; 3]), "nothing hides where alpha is 0");

    // The same again, wherever the mask's rect begins and in whatever order the channels come.
    client.heard.clear();
    let mut params = picture.fill("c1", json!({"px": "bgra8"}));
    params["mask"] = json!({
        "rect": {"x": hx, "y": hy, "w": hw, "h": hh},
        "image": {"blob": "c1", "offset": picture.w * picture.h * 4 + hy * picture.w + hx, "stride": picture.w, "w": hw, "h": hh, "px": "g8"},
    });
    let again = client.call("generate", params).unwrap();
    assert_eq!(again["patches"][0]["rect"], patch["rect"]);
    let swapped: Vec<u8> = client
        .blob(again["patches"][0]["image"]["blob"].as_str().unwrap())
        .chunks_exact(4)
        .flat_map(|p| [p[2], p[1], p[0], p[3]])
        .collect();
    assert!(swapped == pixels);
}

#[test]
fn bad_parameters_are_answered_at_once_and_make_no_job() {
    let daemon = Daemon::start();
    let (mut client, picture) = painter(&daemon);
    let good = picture.fill("c1", json!({}));
    let with = |path: &str, value: Value| {
        let mut params = good.clone();
        let (parent, key) = path.rsplit_once('/').unwrap();
        params.pointer_mut(parent).unwrap()[key] = value;
        params
    };
    let plus = |more: Value| picture.fill("c1", more);
    for (params, expected, field) in [
        (plus(json!({"steps": 0})), "invalid_params", "steps"),
        (plus(json!({"steps": -1})), "invalid_params", "steps"),
        (plus(json!({"guidance_scale": -1})), "invalid_params", "guidance_scale"),
        (plus(json!({"denoise_strength": 1.5})), "invalid_params", "denoise_strength"),
        (plus(json!({"sampler": "magic"})), "invalid_params", "sampler"),
        (plus(json!({"scheduler": "magic"})), "invalid_params", "scheduler"),
        (plus(json!({"mode": "paint"})), "invalid_params", "mode"),
        (plus(json!({"seed": 1.5})), "invalid_params", "seed"),
        (plus(json!({"batch": 0})), "invalid_params", "batch"),
        (plus(json!({"batch": 2, "live": {"key": "v"}})), "invalid_params", "batch"),
        (plus(json!({"passes": 2, "live": {"key": "v"}})), "invalid_params", "passes"),
        (plus(json!({"passes": 0})), "invalid_params", "passes"),
        (plus(json!({"live": {"key": ""}})), "invalid_params", "live.key"),
        (plus(json!({"loras": [{"id": "x"}]})), "invalid_params", "loras[0].name"),
        (plus(json!({"loras": [{"name": "x", "weight": 11}]})), "invalid_params", "loras.weight"),
        (plus(json!({"loras": [{"name": "../../etc/passwd"}]})), "invalid_params", "loras"),
        (plus(json!({"controls": [{}]})), "invalid_params", "controls[0].model"),
        (plus(json!({"controls": [{"model": "x"}]})), "no_such_model", "controls"),
        (plus(json!({"px": "g8"})), "invalid_params", "px"),
        (plus(json!({"preview": {"max_side": 4096}})), "invalid_params", "preview.max_side"),
        (plus(json!({"dedupe": "x".repeat(65)})), "invalid_params", "dedupe"),
        (plus(json!({"filters": [{"name": "no-such-filter"}]})), "invalid_params", "filters"),
        (plus(json!({"model": "../../etc/passwd"})), "no_such_model", "model"),
        (plus(json!({"mask": null})), "invalid_params", "mask"),
        (plus(json!({"canvas": null})), "invalid_params", "canvas"),
        (with("/canvas/image/blob", json!("c2")), "no_such_blob", "canvas.image.blob"),
        (with("/canvas/image/blob", json!("tail")), "invalid_params", "canvas.image"),
        (with("/canvas/image/px", json!("rgbaf32")), "invalid_params", "canvas.image"),
        (with("/canvas/image/stride", json!(3)), "invalid_params", "canvas.image.stride"),
        (with("/canvas/image/offset", json!(u64::MAX)), "invalid_params", "canvas.image"),
        (with("/canvas/image/w", json!(95)), "invalid_params", "canvas.rect"),
        (with("/canvas/image/h", json!(70000)), "invalid_params", "canvas.rect"),
        (with("/canvas/extent", json!([10, 10])), "invalid_params", "canvas.rect"),
        (with("/canvas/rect/x", json!(-1)), "invalid_params", "canvas.rect"),
        (with("/mask/image/px", json!("rgba8")), "invalid_params", "mask.image.px"),
        (with("/mask/rect/w", json!(10)), "invalid_params", "mask.rect"),
        (with("/mask/rect/x", json!(5000)), "invalid_params", "mask"),
    ] {
        let error = client.call("generate", params.clone()).unwrap_err();
        let found = (kind(&error), error["data"]["field"].as_str().unwrap_or_default());
        assert_eq!(found, (expected, field), "{params}\n{error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.ends_with('.') && !message.contains('\n'), "{message}");
    }
    assert!(client.heard.is_empty(), "no job was made: {:?}", client.heard);
    assert_eq!(client.call("job/list", json!({})), Ok(json!([])));
}

#[test]
fn the_daemon_says_which_pixels_it_wants() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let ask = |client: &mut Client, extent: Value, bounds: [i64; 4]| {
        let bounds = json!({"x": bounds[0], "y": bounds[1], "w": bounds[2], "h": bounds[3]});
        client
            .call("fill/context", json!({"mode": "fill", "model": "exemplar", "extent": extent, "mask_bounds": bounds}))
    };
    let rect = ask(&mut client, json!([8000, 6000]), [3000, 3000, 200, 100]).unwrap()["rect"].clone();
    let at = |key: &str| rect[key].as_i64().unwrap();
    assert!(at("x") <= 3000 && at("y") <= 3000 && at("x") + at("w") >= 3200 && at("y") + at("h") >= 3100, "{rect}");
    assert!(at("x") > 0 && at("w") < 8000, "not the whole document: {rect}");
    let small = ask(&mut client, json!([100, 50]), [-20, -20, 60, 60]).unwrap()["rect"].clone();
    assert_eq!(small, json!({"x": 0, "y": 0, "w": 100, "h": 50}));
    for (extent, bounds, field) in [
        (json!([0, 5]), [0, 0, 1, 1], "extent"),
        (json!([100_000, 5]), [0, 0, 1, 1], "extent"),
        (json!([100, 100]), [200, 0, 1, 1], "mask_bounds"),
        (json!([100, 100]), [0, 0, 0, 0], "mask_bounds"),
    ] {
        assert_eq!(ask(&mut client, extent, bounds).unwrap_err()["data"]["field"], field);
    }
}

#[test]
fn a_cancelled_job_is_answered_and_the_device_is_free() {
    let daemon = Daemon::start();
    let (mut client, picture) = painter(&daemon);
    let busy = occupy(&mut client, json!({}));
    let waiting = client.request("generate", picture.fill("c1", json!({})));
    client.job(waiting, "queued");
    cancel(&mut client, waiting);
    cancelled(&mut client, waiting);
    assert_eq!(
        client.call("status", json!({})).unwrap()["queue"].as_array().unwrap().len(),
        1,
        "the running one is not touched"
    );
    cancel(&mut client, busy);
    cancel(&mut client, busy);
    cancelled(&mut client, busy);
    client.job(busy, "cancelled");
    client.call("generate", picture.fill("c1", json!({}))).unwrap();
    cancel(&mut client, busy);
    // From another connection of the same user, by the job's id.
    let busy = occupy(&mut client, json!({}));
    let job = client.call("job/list", json!({})).unwrap()[0]["job"].clone();
    daemon.client().call("job/cancel", json!({"job": job})).unwrap();
    cancelled(&mut client, busy);
}

#[test]
fn a_lost_client_gives_the_device_to_the_next() {
    let daemon = Daemon::start();
    let (mut second, picture) = painter(&daemon);
    let mut first = daemon.client();
    occupy(&mut first, json!({}));
    let waiting = Picture::small();
    first.put("c1", &waiting.bytes);
    let also = first.request("generate", waiting.fill("c1", json!({})));
    first.job(also, "queued");
    let id = second.request("generate", picture.fill("c1", json!({})));
    second.job(id, "queued");
    drop(first);
    second.answer(id).unwrap();
    assert_eq!(second.call("job/list", json!({})), Ok(json!([])), "what the lost client left is gone");
    assert_eq!(second.call("status", json!({})).unwrap()["clients"], 1);
}

#[test]
fn a_kept_job_outlives_its_client_and_is_fetched_by_another() {
    let daemon = Daemon::start();
    let (mut first, picture) = painter(&daemon);
    let busy = occupy(&mut first, json!({}));
    let id = first.request("generate", picture.fill("c1", json!({"keep": true, "label": "kept"})));
    let job = first.job(id, "queued");
    let _ = busy;
    drop(first);

    let mut second = daemon.client();
    let attach = second.request("job/attach", json!({"job": job, "progress": "p"}));
    let result = second.answer(attach).unwrap();
    assert_eq!((&result["job"], &result["state"]), (&json!(job), &json!("done")));
    let patch = second.blob(result["patches"][0]["image"]["blob"].as_str().unwrap());
    assert!(!patch.is_empty());

    let mut third = daemon.client();
    let listed = third.call("job/list", json!({})).unwrap();
    assert_eq!(
        (&listed[0]["job"], &listed[0]["state"], &listed[0]["mine"], &listed[0]["keep"], &listed[0]["label"]),
        (&json!(job), &json!("done"), &json!(false), &json!(true), &json!("kept"))
    );
    let again = third.call("job/attach", json!({"job": job})).unwrap();
    assert!(
        third.blob(again["patches"][0]["image"]["blob"].as_str().unwrap()) == patch,
        "it can be fetched more than once"
    );
    third.call("job/forget", json!({"job": job})).unwrap();
    assert_eq!(kind(&second.call("job/attach", json!({"job": job})).unwrap_err()), "no_such_job");
}

#[test]
fn whoever_only_watches_does_not_decide() {
    let daemon = Daemon::start();
    let (mut owner, picture) = painter(&daemon);
    let busy = occupy(&mut owner, json!({}));
    let id = owner.request("generate", picture.fill("c1", json!({})));
    let job = owner.job(id, "queued");
    let mut lost = daemon.client();
    let attach = lost.request("job/attach", json!({"job": job}));
    lost.job(attach, "queued");
    drop(lost);
    let mut watcher = daemon.client();
    let attach = watcher.request("job/attach", json!({"job": job}));
    watcher.job(attach, "queued");
    cancel(&mut watcher, attach);
    cancelled(&mut watcher, attach);
    let staying = watcher.request("job/attach", json!({"job": job}));
    watcher.job(staying, "queued");
    cancel(&mut owner, busy);
    assert_eq!(owner.answer(id).unwrap()["job"], json!(job));
    assert_eq!(watcher.answer(staying).unwrap()["job"], json!(job), "the result goes to each");
    // Nobody asked to keep it.
    assert_eq!(kind(&watcher.call("job/attach", json!({"job": job})).unwrap_err()), "no_such_job");
}

#[test]
fn a_kept_job_nobody_wants_any_more_ends() {
    let daemon = Daemon::start();
    let mut first = daemon.client();
    occupy(&mut first, json!({"keep": true}));
    // Of another program: one of the same takes the job over by attaching.
    let mut second = daemon.named_client("another program");
    let job = second.call("job/list", json!({})).unwrap()[0]["job"].clone();
    drop(first);
    let attach = second.request("job/attach", json!({"job": job}));
    second.job(attach, "running");
    second.call("job/forget", json!({"job": job})).unwrap();
    cancelled(&mut second, attach);
}

#[test]
fn the_same_request_twice_is_one_job() {
    let daemon = Daemon::start();
    let (mut client, picture) = painter(&daemon);
    let busy = occupy(&mut client, json!({}));
    let once = json!({"dedupe": "once"});
    let first = client.request("generate", picture.fill("c1", once.clone()));
    let second = client.request("generate", picture.fill("c1", once.clone()));
    assert_eq!(client.job(first, "queued"), client.job(second, "queued"));
    cancel(&mut client, busy);
    let results = [first, second].map(|id| client.answer(id).unwrap()["job"].clone());
    assert_eq!(results[0], results[1]);
    // Also after it ended and from a new connection of the same program, but not of another.
    let (mut later, _) = painter(&daemon);
    assert_eq!(later.call("generate", picture.fill("c1", once.clone())).unwrap()["job"], results[0]);
    let mut other = daemon.named_client("another program");
    other.put("c1", &picture.bytes);
    assert_ne!(other.call("generate", picture.fill("c1", once.clone())).unwrap()["job"], results[0]);
    // What was cancelled starts anew.
    let busy = occupy(&mut client, json!({"dedupe": "twice"}));
    cancel(&mut client, busy);
    cancelled(&mut client, busy);
    client.call("generate", picture.fill("c1", json!({"dedupe": "twice"}))).unwrap();
}

#[test]
fn a_newer_live_request_takes_the_place_of_the_waiting_one() {
    let daemon = Daemon::start();
    let (mut client, picture) = painter(&daemon);
    let busy = occupy(&mut client, json!({"live": {"key": "view"}}));
    let plain = client.request("generate", picture.fill("c1", json!({})));
    let mut live = |key: &str, seed: u64| {
        let id = client.request("generate", picture.fill("c1", json!({"live": {"key": key}, "seed": seed})));
        client.job(id, "queued");
        id
    };
    let [first, other, second, third] = [live("view", 1), live("other", 2), live("view", 3), live("view", 4)];
    for id in [first, second] {
        let error = client.answer(id).unwrap_err();
        assert_eq!((kind(&error), &error["code"]), ("superseded", &json!(-32800)));
    }
    cancel(&mut client, busy);
    let mut order: Vec<u64> = Vec::new();
    while order.len() < 3 {
        let (event, _) = client.expect("a job that runs", |h| {
            h["method"] == "job/state" && h["params"]["state"] == "running" && h["params"]["id"] != busy
        });
        order.push(event["params"]["id"].as_u64().unwrap());
    }
    assert_eq!(order, [third, other, plain], "live ones go first, in the place of those they replaced");
    assert_eq!(client.answer(third).unwrap()["seed"], 4);
}

#[test]
fn clients_take_turns_and_order_their_own() {
    let daemon = Daemon::start();
    let (mut many, picture) = painter(&daemon);
    let (mut few, _) = painter(&daemon);
    let mut observer = daemon.client();
    observer.call("subscribe", json!({"topics": ["queue"]})).unwrap();
    let busy = occupy(&mut many, json!({}));
    let submit = |client: &mut Client| {
        let id = client.request("generate", picture.fill("c1", json!({})));
        client.job(id, "queued")
    };
    let [a, b, c] = [submit(&mut many), submit(&mut many), submit(&mut many)];
    let [x, y] = [submit(&mut few), submit(&mut few)];
    many.call("job/move", json!({"job": c, "position": 0})).unwrap();
    assert_eq!(
        kind(&few.call("job/move", json!({"job": a, "position": 0})).unwrap_err()),
        "no_such_job",
        "not another's"
    );
    let listed = few.call("job/list", json!({})).unwrap();
    let mine: Vec<bool> = listed.as_array().unwrap().iter().map(|j| j["mine"] == true).collect();
    assert_eq!(mine, [false, true, false, true, false, false]);
    cancel(&mut many, busy);
    let expected = [&x, &c, &y, &a, &b];
    for job in expected {
        observer.expect("its turn", |h| h["method"] == "queue/changed" && h["params"]["running"] == json!(job));
    }
    observer.expect("rest", |h| {
        h["method"] == "queue/changed" && h["params"]["length"] == 0 && h["params"]["running"].is_null()
    });
    assert!(
        observer.heard.iter().all(
            |(h, _)| !expected.iter().any(|j| h["params"]["running"] == json!(j)) || h["params"]["length"].is_u64()
        )
    );
}

#[test]
fn jobs_keep_the_pixels_they_were_submitted_with() {
    let daemon = Daemon::start();
    let (mut client, picture) = painter(&daemon);
    let reference = client.call("generate", picture.fill("c1", json!({}))).unwrap();
    let expected = client.blob(reference["patches"][0]["image"]["blob"].as_str().unwrap());
    let busy = occupy(&mut client, json!({}));
    let id = client.request("generate", picture.fill("c1", json!({})));
    let row = picture.w * 4;
    client.notify(
        "blob/write",
        json!({"blob": "c1", "offset": 0, "stride": row, "row_bytes": row, "rows": picture.h}),
        &vec![9; row * picture.h],
    );
    client.notify("blob/free", json!({"blob": "c1"}), &[]);
    client.job(id, "queued");
    cancel(&mut client, busy);
    let result = client.answer(id).unwrap();
    assert!(client.blob(result["patches"][0]["image"]["blob"].as_str().unwrap()) == expected);
}

#[test]
fn a_connection_has_a_bounded_number_of_jobs() {
    let daemon = Daemon::start();
    let (mut client, picture) = painter(&daemon);
    let busy = occupy(&mut client, json!({}));
    let ids: Vec<u64> = (0..63).map(|_| client.request("generate", picture.fill("c1", json!({})))).collect();
    let error = client.call("generate", picture.fill("c1", json!({}))).unwrap_err();
    assert_eq!((kind(&error), &error["data"]["retryable"]), ("busy", &json!(true)));
    for id in ids {
        cancel(&mut client, id);
        cancelled(&mut client, id);
    }
    cancel(&mut client, busy);
    cancelled(&mut client, busy);
}

#[test]
fn every_request_gets_exactly_one_response() {
    let daemon = Daemon::start();
    let (mut client, picture) = painter(&daemon);
    let busy = occupy(&mut client, json!({}));
    let mut ids = vec![busy];
    for round in 0..20 {
        let live = json!({"live": {"key": format!("k{}", round % 3)}, "dedupe": format!("d{}", round % 7)});
        ids.push(client.request("generate", picture.fill("c1", if round % 2 == 0 { live } else { json!({}) })));
        ids.push(client.request(["ping", "status", "models/list", "filters/list", "nope"][round % 5], json!({})));
        ids.push(client.request("generate", json!({"mode": "fill"})));
        cancel(&mut client, ids[round]);
    }
    cancel(&mut client, busy);
    let barrier = ids.iter().map(|&id| client.answer(id).is_ok()).filter(|ok| *ok).count();
    assert!(barrier >= 20, "all pings, statuses and lists were answered with results");
    client.call("shutdown", json!({})).unwrap();
    let more = client.rest();
    assert!(more.iter().all(|(h, _)| h.get("method").is_some()), "no second response: {more:?}");
    assert!(daemon.wait().success());
}

#[test]
fn at_the_end_everything_is_answered() {
    let daemon = Daemon::start();
    let (mut painter, picture) = painter(&daemon);
    let busy = occupy(&mut painter, json!({}));
    let waiting = painter.request("generate", picture.fill("c1", json!({})));
    painter.job(waiting, "queued");
    let mut idle = daemon.client();
    daemon.client().call("shutdown", json!({})).unwrap();
    for id in [busy, waiting] {
        let error = painter.answer(id).unwrap_err();
        assert_eq!((kind(&error), &error["data"]["retryable"]), ("shutting_down", &json!(true)));
    }
    painter.expect("server/closing", |h| h["method"] == "server/closing");
    let rest = idle.rest();
    assert_eq!(
        rest.iter().filter(|(h, _)| h["method"] == "server/closing" && h["params"]["after_ms"].is_u64()).count(),
        1
    );
    assert!(daemon.wait().success());
}
