//! Pairing: a code that the command line shows gets a program on the WebSocket the token, once.
#![cfg(unix)]

use e2e::daemon::{Client, Daemon, background, kind, wait_for};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Stdio;

/// Six digits and the connection that shows them.
fn begun(daemon: &Daemon) -> (Client, String) {
    let mut owner = daemon.client();
    let begun = owner.call("pairing/begin", json!({})).unwrap();
    let code = begun["code"].as_str().unwrap().to_owned();
    assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()) && begun["expires_ms"] == 120_000);
    (owner, code)
}

fn pair(code: &str) -> Value {
    json!({"code": code, "client": {"name": "photoshop", "version": "1.0"}})
}

/// A code that is not this one.
fn another(code: &str, i: u32) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1 + i) % 1_000_000)
}

#[test]
fn a_code_gets_the_token_once() {
    let daemon = Daemon::start();
    let (mut owner, code) = begun(&daemon);
    assert_eq!(kind(&daemon.client().call("pairing/begin", json!({})).unwrap_err()), "busy", "one at a time");
    let mut local = daemon.stranger();
    assert_eq!(kind(&local.call("pair", pair(&code)).unwrap_err()), "invalid_request", "not on the local socket");

    let mut wrong = daemon.web_stranger();
    assert_eq!(kind(&wrong.call("pair", pair(&another(&code, 0))).unwrap_err()), "unauthorized");
    assert!(wrong.read().is_none());
    assert_eq!(wrong.stream.closed(), Some(1008));
    let mut broken = daemon.web_stranger();
    assert_eq!(kind(&broken.call("pair", json!({"code": 7})).unwrap_err()), "invalid_params");

    let mut photoshop = daemon.web_stranger();
    let token = photoshop.call("pair", pair(&code)).unwrap()["token"].as_str().unwrap().to_owned();
    assert_eq!(token, daemon.token());
    let hello = daemon.proven_hello(&mut photoshop);
    photoshop.call("hello", hello).unwrap();
    photoshop.call("ping", json!({})).unwrap();
    assert_eq!(kind(&photoshop.call("pair", pair(&code)).unwrap_err()), "unknown_method", "not after hello");
    let (ended, _) = owner.expect("the news", |h| h["method"] == "pairing/ended");
    assert_eq!(ended["params"], json!({"ending": "paired", "client": {"name": "photoshop", "version": "1.0"}}));

    assert_eq!(kind(&daemon.web_stranger().call("pair", pair(&code)).unwrap_err()), "unauthorized", "not twice");
    let (owner, code) = begun(&daemon);
    drop(owner);
    wait_for("the end of a pairing nobody shows any more", || daemon.client().call("pairing/begin", json!({})).ok());
    assert_eq!(kind(&daemon.web_stranger().call("pair", pair(&code)).unwrap_err()), "unauthorized");
}

/// What the painter types names the port, so that nobody who sits at another is told the code.
#[test]
fn a_code_leads_to_the_daemons_port() {
    for taken in 0..3 {
        let squatters: Vec<TcpListener> = (0..taken).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let mut ports: Vec<String> = squatters.iter().map(|at| at.local_addr().unwrap().port().to_string()).collect();
        ports.push("0".into());
        let home = tempfile::tempdir().unwrap();
        let ports = ports.join(",");
        let child = background(e2e::underpaint(home.path()).env("UNDERPAINT_WS_PORTS", &ports).arg("serve"));
        let daemon = Daemon::started(home.path(), child);
        for _ in 0..8 {
            let (_owner, code) = begun(&daemon);
            assert_eq!(code.parse::<usize>().unwrap() % 3, taken, "{code}");
            daemon.web_stranger().call("pair", pair(&code)).unwrap();
        }
    }
}

#[test]
fn five_wrong_codes_end_a_pairing() {
    let daemon = Daemon::start();
    let (mut owner, code) = begun(&daemon);
    // All at once: each is answered a second later.
    let mut guesses: Vec<(Client, u64)> = (0..5)
        .map(|i| {
            let mut client = daemon.web_stranger();
            let id = client.request("pair", pair(&another(&code, i)));
            (client, id)
        })
        .collect();
    for (client, id) in &mut guesses {
        assert_eq!(kind(&client.answer(*id).unwrap_err()), "unauthorized");
    }
    let (ended, _) = owner.expect("the news", |h| h["method"] == "pairing/ended");
    assert_eq!(ended["params"], json!({"ending": "refused"}));
    assert_eq!(kind(&daemon.web_stranger().call("pair", pair(&code)).unwrap_err()), "unauthorized");
}

#[test]
fn the_command_line_shows_the_code_and_says_how_it_ended() {
    let daemon = Daemon::start();
    for json in [true, false] {
        let mut command = e2e::underpaint(&daemon.home);
        command.args(if json { &["pair", "--json"][..] } else { &["pair"] }).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let first = lines.next().unwrap();
        let code = match json {
            true => serde_json::from_str::<Value>(&first).unwrap()["code"].as_str().unwrap().to_owned(),
            false => first.replace(' ', ""),
        };
        daemon.web_stranger().call("pair", pair(&code)).unwrap();
        let last = lines.last().unwrap();
        assert!(last.contains("paired") && last.contains("photoshop"), "{last}");
        assert!(child.wait().unwrap().success());
    }
    let mut child = e2e::underpaint(&daemon.home);
    child.arg("pair").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
    let code = first.trim().replace(' ', "");
    let mut guesses: Vec<(Client, u64)> = (0..5)
        .map(|i| {
            let mut client = daemon.web_stranger();
            let id = client.request("pair", pair(&another(&code, i)));
            (client, id)
        })
        .collect();
    for (client, id) in &mut guesses {
        client.answer(*id).unwrap_err();
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("too many wrong codes"), "{said}");
}
