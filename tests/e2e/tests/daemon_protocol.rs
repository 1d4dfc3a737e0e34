//! What the daemon makes of everything a peer may send: hellos, hostile frames, blobs, nonsense.
#![cfg(unix)]

use e2e::daemon::{Client, Daemon, kind};
use e2e::samples;
use serde_json::{Value, json};

/// Reads an error without an id, then the end of the connection.
fn refused(client: &mut Client, name: &str) -> String {
    let rest = client.rest();
    let [(header, _)] = rest.as_slice() else { panic!("{name}: {rest:?}") };
    assert_eq!(header["id"], Value::Null, "{name}");
    kind(&header["error"]).to_owned()
}

#[test]
fn hostile_frames_end_their_own_connection_at_most() {
    let daemon = Daemon::start();
    let mut witness = daemon.client();
    for sample in samples::all().iter().filter(|s| s["error"].is_string()) {
        let name = sample["name"].as_str().unwrap();
        let expected = match sample["error"].as_str().unwrap() {
            "length" => "invalid_request",
            kind => kind,
        };
        // Before hello everything is fatal; an honest length above the small limit is so only then.
        let mut stranger = daemon.stranger();
        stranger.stream.write_all(&samples::bytes(sample)).unwrap();
        match (sample["fatal"] == true, sample["id"].is_null()) {
            (true, _) | (_, true) => assert_eq!(refused(&mut stranger, name), expected, "{name}"),
            _ => assert_eq!(kind(&stranger.rest()[0].0["error"]), expected, "{name}"),
        }
        if name == "total-one-too-many" {
            continue;
        }
        let mut client = daemon.client();
        client.stream.write_all(&samples::bytes(sample)).unwrap();
        if sample["fatal"] == true {
            assert_eq!(refused(&mut client, name), expected, "{name}");
        } else {
            let (answer, _) = client.read().unwrap();
            assert_eq!((kind(&answer["error"]), &answer["id"]), (expected, &sample["id"]), "{name}");
            client.call("ping", json!({})).unwrap();
        }
        witness.call("ping", json!({})).unwrap();
    }
}

#[test]
fn hello_comes_first_and_once() {
    let daemon = Daemon::start();
    let protocol = json!({"min": 1, "max": 1});
    let mut early = daemon.stranger();
    assert_eq!(kind(&early.call("ping", json!({})).unwrap_err()), "invalid_request");
    assert!(early.read().is_none());

    let mut twice = daemon.client();
    assert_eq!(kind(&twice.call("hello", json!({"protocol": protocol})).unwrap_err()), "invalid_request");
    twice.call("ping", json!({})).unwrap();

    let mut future = daemon.stranger();
    let error = future.call("hello", json!({"protocol": {"min": 2, "max": 9}})).unwrap_err();
    assert_eq!(
        (kind(&error), &error["data"]["min"], &error["data"]["max"]),
        ("unsupported_protocol", &json!(1), &json!(1))
    );
    assert!(future.read().is_none());

    let mut welcome = daemon.stranger();
    let hello = json!({"protocol": {"min": 1, "max": 7}, "client": {"name": "x", "new": [1]}, "caps": ["unheard-of"], "new": {}});
    let result = welcome.call("hello", hello).unwrap();
    assert_eq!((&result["protocol"], &result["instance"]), (&json!(1), &daemon.endpoint()["instance"]));
    assert_eq!(result["limits"]["max_chunk_bytes"], 4 << 20);
    assert!(result.get("ws_port").is_none());
}

#[test]
fn a_token_is_checked_if_it_is_sent() {
    let daemon = Daemon::start();
    let token = std::fs::read_to_string(daemon.home.join("run/token")).unwrap();
    for (token, welcome) in
        [(token.as_str(), true), (&token[1..], false), ("", false), (&token.replace(&token[..1], "x"), false)]
    {
        let mut client = daemon.stranger();
        let answer = client.call("hello", json!({"protocol": {"min": 1, "max": 1}, "token": token}));
        assert_eq!(answer.is_ok(), welcome);
        if let Err(error) = answer {
            assert_eq!(kind(&error), "unauthorized");
            assert!(client.read().is_none());
        }
    }
}

/// Takes the five seconds a stranger is given.
#[test]
fn silence_and_half_a_hello_are_not_waited_for() {
    let daemon = Daemon::start();
    let mut silent = daemon.stranger();
    let mut half = daemon.stranger();
    half.stream.write_all(&[200, 0, 0, 0, 100, 0, 0, 0, b'{']).unwrap();
    assert!(silent.read().is_none());
    assert!(half.read().is_none());
    daemon.client().call("ping", json!({})).unwrap();
}

#[test]
fn nonsense_is_answered_and_forgotten() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for method in ["", "nope", "blob/put", "cancel", "progress", "/etc/passwd", &"x".repeat(60_000)] {
        assert_eq!(kind(&client.call(method, json!({})).unwrap_err()), "unknown_method", "{method}");
    }
    client.notify("nobody/knows", json!({"a": 1}), b"tail");
    client.notify("cancel", json!({"id": 4711}), &[]);
    client.notify("blob/free", json!({"blob": "c9"}), &[]);
    client.send(&json!({"jsonrpc": "2.0", "id": 1, "result": {}}), &[]);
    for (method, field) in [
        ("job/cancel", "job"),
        ("job/attach", "job"),
        ("models/load", "model"),
        ("blob/get", "blob"),
        ("subscribe", "topics"),
    ] {
        let error = client.call(method, json!({})).unwrap_err();
        assert_eq!((kind(&error), error["data"]["field"].as_str()), ("invalid_params", Some(field)), "{method}");
    }
    assert_eq!(client.call("job/cancel", json!({"job": "unknown"})), Ok(json!({})));
    assert_eq!(client.call("job/forget", json!({"job": "unknown"})), Ok(json!({})));
    assert_eq!(kind(&client.call("job/attach", json!({"job": "unknown"})).unwrap_err()), "no_such_job");
    for model in ["../x", "..\\x", "C:\\", "\\\\?\\C:\\x", "CON", "a\0b", "%2e%2e/x", &"m".repeat(300), "/etc/passwd"] {
        assert_eq!(
            kind(&client.call("models/load", json!({"model": model})).unwrap_err()),
            "no_such_model",
            "{model:?}"
        );
    }
    assert!(client.heard.is_empty(), "{:?}", client.heard);
}

#[test]
fn status_names_no_places_and_no_secrets() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let token = std::fs::read_to_string(daemon.home.join("run/token")).unwrap();
    for method in ["status", "models/list", "filters/list", "job/list"] {
        let text = client.call(method, json!({})).unwrap().to_string();
        assert!(!text.contains(&token) && !text.contains(daemon.home.to_str().unwrap()), "{method}: {text}");
    }
    let models = client.call("models/list", json!({})).unwrap();
    assert!(models.as_array().unwrap().iter().any(|m| m["id"] == "exemplar" && m["state"] == "ready"));
    let status = client.call("status", json!({})).unwrap();
    assert_eq!((&status["clients"], &status["queue"]), (&json!(1), &json!([])));
}

#[test]
fn an_id_belongs_to_one_pending_request() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    client.put("c1", &vec![7; 8 << 20]);
    let get = json!({"jsonrpc": "2.0", "id": "same", "method": "blob/get", "params": {"blob": "c1"}});
    client.send(&get, &[]);
    // Nothing is read yet, so the last chunk cannot have been written and the first request still waits.
    client.send(&json!({"jsonrpc": "2.0", "id": "same", "method": "ping"}), &[]);
    let (error, _) = client.expect("the refusal", |h| h["id"].is_null() && h["error"].is_object());
    assert_eq!((kind(&error["error"]), &error["error"]["data"]["id"]), ("invalid_request", &json!("same")));
    let (answer, _) = client.expect("the blob", |h| h["id"] == "same");
    assert_eq!(answer["result"]["size"], 8 << 20);
}

#[test]
fn blobs_come_back_as_they_were_put_and_hold_nothing_up() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let bytes: Vec<u8> = (0..32u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    client.put("c1", &bytes);
    let get = client.request("blob/get", json!({"blob": "c1"}));
    let ping = client.request("ping", json!({}));
    client.answer(ping).unwrap();
    assert!(
        client.heard.iter().all(|(h, _)| h["params"]["last"] != true),
        "the ping's answer did not wait for the blob"
    );
    assert_eq!(client.answer(get).unwrap()["size"], bytes.len());
    assert!(client.blob("c1") == bytes);
}

#[test]
fn blobs_are_written_in_place_replaced_freed_and_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let get = |client: &mut Client, blob: &str| {
        client.heard.clear();
        client.call("blob/get", json!({"blob": blob})).map(|_| client.blob(blob)).map_err(|e| kind(&e).to_owned())
    };
    client.put("c1", b"0123456789");
    client.notify("blob/write", json!({"blob": "c1", "offset": 1, "stride": 4, "row_bytes": 2, "rows": 2}), b"abcd");
    assert_eq!(get(&mut client, "c1"), Ok(b"0ab34cd789".to_vec()));
    client.put("c1", b"new");
    assert_eq!(get(&mut client, "c1"), Ok(b"new".to_vec()));
    client.notify("blob/free", json!({"blob": "c1"}), &[]);
    assert_eq!(get(&mut client, "c1"), Err("no_such_blob".to_owned()));

    let refusal = |client: &mut Client| {
        let (header, _) = client.expect("a refusal", |h| h["id"].is_null() && h["error"].is_object());
        (kind(&header["error"]).to_owned(), header["error"]["data"]["blob"].as_str().unwrap_or_default().to_owned())
    };
    let put = |blob: &str, size: u64, chunk: u64, last: bool| json!({"blob": blob, "size": size, "chunk": chunk, "last": last});
    for (params, tail, expected) in [
        (put("c2", u64::MAX, 0, false), 1, "too_large"),
        (put("c2", 1 << 30, 0, false), 1, "too_large"),
        (put("c2", 5 << 20, 0, true), 5 << 20, "too_large"),
        (put("c2", 4, 0, true), 3, "invalid_params"),
        (put("c2", 4, 7, true), 4, "invalid_params"),
        (put("s2", 4, 0, true), 4, "invalid_params"),
    ] {
        client.notify("blob/put", params.clone(), &vec![0; tail]);
        assert_eq!(
            refusal(&mut client),
            (expected.to_owned(), params["blob"].as_str().unwrap().to_owned()),
            "{params}"
        );
        assert_eq!(get(&mut client, "c2"), Err("no_such_blob".to_owned()));
    }
    // The rest of a refused blob is dropped in silence.
    client.notify("blob/put", put("c3", 1 << 40, 0, false), &[0; 4]);
    client.notify("blob/put", put("c3", 1 << 40, 1, false), &[0; 4]);
    assert_eq!(refusal(&mut client).0, "too_large");
    client.notify("blob/write", json!({"blob": "c9", "offset": 0, "stride": 1, "row_bytes": 1, "rows": 1}), b"x");
    assert_eq!(refusal(&mut client), ("no_such_blob".to_owned(), "c9".to_owned()));
    for n in 0..65 {
        client.notify("blob/put", put(&format!("c-{n}"), 1, 0, true), b"x");
    }
    assert_eq!(refusal(&mut client), ("too_large".to_owned(), "c-64".to_owned()));
    client.call("ping", json!({})).unwrap();
}
