//! The daemon's WebSocket: who gets in, what breaks it, and that it is otherwise the same as the local socket.
#![cfg(unix)]

use e2e::daemon::{Client, Daemon, background, hello, kind, wait_for};
use e2e::holes::Picture;
use e2e::samples;
use e2e::web::{NONCE, UPGRADE, Web, proof, raw, request, tcp, upgrade};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use tungstenite::Message;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};

/// A frame as the protocol lays it out.
fn frame(header: &str, tail: &[u8]) -> Vec<u8> {
    let lengths = [4 + header.len() + tail.len(), header.len()].map(|n| (n as u32).to_le_bytes());
    [lengths[0].as_slice(), &lengths[1], header.as_bytes(), tail].concat()
}

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

fn request_frame(method: &str, params: Value) -> Vec<u8> {
    frame(&json!({"jsonrpc": "2.0", "id": 0, "method": method, "params": params}).to_string(), &[])
}

/// An open WebSocket whose hello was answered, for those who go on with nonsense.
fn known(daemon: &Daemon) -> Web {
    let mut web = Web::connect(daemon.ws_port());
    let mut ask = |method, params| {
        web.write_all(&request_frame(method, params)).unwrap();
        let Ok(Message::Binary(answer)) = web.socket.read() else { panic!("no answer to {method}") };
        serde_json::from_slice::<Value>(&answer[8..]).unwrap()["result"].take()
    };
    let challenged = ask("challenge", json!({"nonce": NONCE}));
    let nonce = challenged["nonce"].as_str().unwrap();
    let mut params = hello("web", None);
    params["proof"] = json!(proof(&daemon.token(), "client", daemon.ws_port(), NONCE, nonce));
    assert_eq!(ask("hello", params)["protocol"], 1);
    web
}

#[test]
fn only_programs_on_this_machine_are_let_in() {
    let daemon = Daemon::start();
    let port = daemon.ws_port();
    let with_host = |host: &str| request("GET /ws", &format!("{host}{UPGRADE}"));
    let to = |line: &str| request(line, &format!("Host: 127.0.0.1:{port}\r\n{UPGRADE}"));
    let long = format!("X-Long: {}\r\n", "x".repeat(20_000));
    let many = "X-Many: 1\r\n".repeat(500);
    for (sent, expected) in [
        (upgrade(port, ""), 101),
        (with_host(&format!("Host: localhost:{port}\r\n")), 101),
        (with_host(&format!("Host: [::1]:{port}\r\n")), 101),
        (upgrade(port, "Origin: file://\r\n"), 101),
        (upgrade(port, "Origin: uxp://underpaint\r\n"), 101),
        (upgrade(port, "Sec-WebSocket-Extensions: permessage-deflate\r\n"), 101),
        (with_host("Host: evil.example\r\n"), 403),
        (with_host(&format!("Host: evil.example:{port}\r\n")), 403),
        (with_host(&format!("Host: 127.0.0.1:{}\r\n", port ^ 1)), 403),
        (with_host("Host: 127.0.0.1\r\n"), 403),
        (with_host(""), 403),
        (upgrade(port, &format!("Host: 127.0.0.1:{port}\r\n")), 403),
        (upgrade(port, "Origin: http://evil.example\r\n"), 403),
        (upgrade(port, &format!("Origin: http://127.0.0.1:{port}\r\n")), 403),
        (upgrade(port, "Origin: https://evil.example\r\n"), 403),
        (upgrade(port, "Origin: null\r\n"), 403),
        (upgrade(port, "Sec-Fetch-Site: cross-site\r\n"), 403),
        (upgrade(port, "Sec-Fetch-Site: same-origin\r\n"), 403),
        (to("GET /"), 404),
        (to("GET /ws/../ws"), 404),
        (to("POST /ws"), 405),
        (request("GET /ws", &format!("Host: 127.0.0.1:{port}\r\n")), 426),
        (upgrade(port, &long), 431),
        (upgrade(port, &many), 431),
        ("nonsense\r\n\r\n".into(), 400),
        ("\u{16}\u{3}\u{1}TLS".into(), 400),
    ] {
        let (status, head) = raw(port, sent.as_bytes());
        assert_eq!(status, expected, "{}", &sent[..sent.len().min(200)]);
        assert!(!head.contains("access-control") && !head.contains("location:"), "{head}");
        assert!(!head.contains("extensions"), "nothing is agreed on that is not spoken: {head}");
    }
    daemon.web_client().call("ping", json!({})).unwrap();
}

/// Takes the five seconds a stranger is given.
#[test]
fn nobody_is_waited_for() {
    let daemon = Daemon::start();
    let port = daemon.ws_port();
    let mut silent = tcp(port);
    let mut slow = tcp(port);
    slow.write_all(&upgrade(port, "").as_bytes()[..40]).unwrap();
    let mut agreed = Web::connect(port);
    let mut half = Web::connect(port);
    half.socket.get_mut().write_all(&[0x82, 0x84, 1, 2, 3]).unwrap();
    for stream in [&mut silent, &mut slow] {
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&said));
    }
    for web in [&mut agreed, &mut half] {
        assert!(matches!(web.socket.read(), Err(tungstenite::Error::Protocol(_) | tungstenite::Error::Io(_))));
    }
    daemon.web_client().call("ping", json!({})).unwrap();
}

#[test]
fn at_most_eight_are_strangers() {
    let daemon = Daemon::start();
    let known: Vec<Client> = (0..10).map(|_| daemon.web_client()).collect();
    let strangers: Vec<Web> = (0..8).map(|_| Web::connect(daemon.ws_port())).collect();
    assert_eq!(raw(daemon.ws_port(), upgrade(daemon.ws_port(), "").as_bytes()).0, 0, "the ninth is not answered");
    daemon.client().call("ping", json!({})).unwrap();
    drop(strangers);
    wait_for("room", || (raw(daemon.ws_port(), upgrade(daemon.ws_port(), "").as_bytes()).0 == 101).then_some(()));
    for mut client in known {
        client.call("ping", json!({})).unwrap();
    }
}

/// Every row breaks a rule: before hello and after it the daemon says so and goes on serving others.
#[test]
fn what_breaks_the_rules_is_closed_with_its_code() {
    let daemon = Daemon::start();
    let ping = frame(PING, &[]);
    let binary = |bytes: Vec<u8>| Message::binary(bytes);
    let piece = |bytes: &[u8], data, fin| Message::Frame(Frame::message(bytes.to_vec(), OpCode::Data(data), fin));
    let rows: Vec<(&str, Vec<Message>, u16)> = vec![
        ("text", vec![Message::text(PING)], 1003),
        ("no JSON", vec![binary(frame("{]", &[]))], 1002),
        ("an array", vec![binary(frame("[]", &[]))], 1002),
        ("empty", vec![binary(Vec::new())], 1002),
        ("half a frame", vec![binary(ping[..20].to_vec())], 1002),
        ("two frames", vec![binary([&ping[..], &ping].concat())], 1002),
        ("a short length", vec![binary(vec![5, 0, 0, 0, 2, 0, 0, 0, b'{', b'}'])], 1002),
        ("a long header", vec![binary([&60u32.to_le_bytes()[..], &57u32.to_le_bytes(), &[b' '; 56]].concat())], 1002),
        ("a message in a message", vec![piece(&ping[..20], Data::Binary, false), binary(ping.clone())], 1002),
        (
            "more than a frame, in pieces",
            vec![piece(&ping[..20], Data::Binary, false), piece(&[&ping[20..], b"x"].concat(), Data::Continue, true)],
            1002,
        ),
        ("too big", vec![binary(frame(PING, &vec![0; 9 << 20]))], 1009),
        ("too big a length", vec![binary([&u32::MAX.to_le_bytes()[..], &[2, 0, 0, 0]].concat())], 1009),
    ];
    for (name, messages, code) in &rows {
        for mut web in [Web::connect(daemon.ws_port()), known(&daemon)] {
            for message in messages {
                // The daemon may have closed before all of it was sent.
                let _ = web.socket.send(message.clone());
            }
            assert_eq!(web.close_code(), Some(*code), "{name}");
        }
    }
    // Before hello a frame of more than 64 KiB is too much; afterwards 8 MiB are fine.
    let large = frame(r#"{"jsonrpc":"2.0","method":"x"}"#, &vec![0; 8 << 20]);
    for (tail, code) in [(65_000, 1008), (65_535, 1009), (8 << 20, 1009)] {
        let mut web = Web::connect(daemon.ws_port());
        let _ = web.socket.send(binary(frame(r#"{"jsonrpc":"2.0","method":"x"}"#, &vec![0; tail])));
        assert_eq!(web.close_code(), Some(code), "{tail}");
    }
    let mut web = known(&daemon);
    web.send(binary(large));
    web.send(binary(ping));
    assert!(matches!(web.socket.read(), Ok(Message::Binary(answer)) if answer.ends_with(br#""result":{}}"#)));
}

/// Each as one message, as on the socket: fatal ones are closed, the others answered.
#[test]
fn the_sample_frames_end_as_on_the_socket() {
    let daemon = Daemon::start();
    for sample in samples::all().iter().filter(|s| s["error"].is_string()) {
        let name = sample["name"].as_str().unwrap();
        let (length, fatal) = (sample["error"] == "length", sample["fatal"] == true);
        let mut stranger = Web::connect(daemon.ws_port());
        stranger.send(Message::binary(samples::bytes(sample)));
        let code = stranger.close_code();
        let expected: &[u16] = match (length, fatal) {
            (true, _) => &[1002, 1009],
            (_, true) => &[1002],
            _ => &[1008],
        };
        assert!(code.is_some_and(|code| expected.contains(&code)), "{name}: {code:?}");
        if length {
            continue;
        }
        let mut client = daemon.web_client();
        client.stream.write_all(&samples::bytes(sample)).unwrap();
        let (answer, _) = client.read().unwrap();
        assert_eq!(
            (kind(&answer["error"]), &answer["id"]),
            (sample["error"].as_str().unwrap(), &sample["id"]),
            "{name}"
        );
        match fatal {
            true => assert!(client.read().is_none() && client.stream.closed() == Some(1002), "{name}"),
            false => assert_eq!(client.call("ping", json!({})), Ok(json!({})), "{name}"),
        }
    }
}

/// Every row is somebody who does not know the token, or does not show it as agreed: turned away, and closed.
#[test]
fn the_token_is_proven_and_never_sent() {
    let daemon = Daemon::start();
    let (token, port) = (daemon.token(), daemon.ws_port());
    let right = |server: &str| proof(&token, "client", port, NONCE, server);
    type Proof<'a> = &'a dyn Fn(&str) -> String;
    let rows: [(&str, Proof, bool); 8] = [
        ("as agreed", &right, true),
        ("another token", &|server| proof(&token.replace(&token[..1], "x"), "client", port, NONCE, server), false),
        ("the daemon's own proof, sent back", &|server| proof(&token, "server", port, NONCE, server), false),
        ("made for another port", &|server| proof(&token, "client", port ^ 1, NONCE, server), false),
        ("another client's nonce", &|server| proof(&token, "client", port, &"0".repeat(64), server), false),
        ("from another connection", &|_| right(&"0".repeat(64)), false),
        ("a part", &|server| right(server)[1..].to_owned(), false),
        ("the token", &|_| token.clone(), false),
    ];
    for (name, prove, welcome) in rows {
        let mut client = daemon.web_stranger();
        let nonce = challenge(&mut client, &token, port);
        let mut params = hello("web", None);
        params["proof"] = json!(prove(&nonce));
        let answer = client.call("hello", params);
        assert_eq!(answer.is_ok(), welcome, "{name}: {answer:?}");
        if let Err(error) = answer {
            refused(client, &error, "unauthorized");
        }
    }
    let with = |member: &str, value: &str| {
        let mut params = hello("web", None);
        params[member] = json!(value);
        params
    };
    let (short, zero) = (&NONCE[1..], "0".repeat(64));
    for (before, method, params, expected) in [
        (false, "hello", hello("web", None), "unauthorized"),
        (false, "hello", with("token", &token), "unauthorized"),
        (false, "hello", with("proof", &zero), "unauthorized"),
        (false, "hello", with("proof", &right(&zero)), "unauthorized"),
        (true, "hello", hello("web", None), "unauthorized"),
        (true, "hello", with("token", &token), "unauthorized"),
        (true, "hello", with("proof", ""), "unauthorized"),
        (true, "challenge", json!({"nonce": zero}), "invalid_request"),
        (true, "challenge", json!({"nonce": NONCE}), "invalid_request"),
        (false, "challenge", json!({}), "invalid_params"),
        (false, "challenge", json!({"nonce": 7}), "invalid_params"),
        (false, "challenge", json!({"nonce": ""}), "invalid_params"),
        (false, "challenge", json!({"nonce": short}), "invalid_params"),
        (false, "challenge", json!({"nonce": format!("{NONCE}0")}), "invalid_params"),
        (false, "challenge", json!({"nonce": NONCE.to_uppercase()}), "invalid_params"),
        (false, "challenge", json!({"nonce": format!("{} ", short)}), "invalid_params"),
        (false, "challenge", json!({"nonce": "0".repeat(60_000)}), "invalid_params"),
        (false, "status", json!({}), "invalid_request"),
    ] {
        let mut client = daemon.web_stranger();
        if before {
            challenge(&mut client, &token, port);
        }
        let error = client.call(method, params.clone()).expect_err(method);
        refused(client, &error, expected);
    }
    // What was proven stays proven, and is not asked again; on the local socket there is nothing to prove.
    let mut known = daemon.web_client();
    assert_eq!(kind(&known.call("challenge", json!({"nonce": NONCE})).unwrap_err()), "invalid_request");
    known.call("ping", json!({})).unwrap();
    let error = daemon.stranger().call("challenge", json!({"nonce": NONCE})).unwrap_err();
    assert_eq!(kind(&error), "invalid_request");
}

/// The daemon's nonce, once it has proven itself.
fn challenge(client: &mut Client, token: &str, port: u16) -> String {
    let challenged = client.call("challenge", json!({"nonce": NONCE})).unwrap();
    let nonce = challenged["nonce"].as_str().unwrap().to_owned();
    assert_eq!(challenged["proof"], proof(token, "server", port, NONCE, &nonce));
    assert!(nonce.len() == 64 && nonce != NONCE);
    nonce
}

/// `client` was turned away with `error`, which gives nothing away, and closed.
fn refused(mut client: Client, error: &Value, expected: &str) {
    assert_eq!(kind(error), expected, "{error}");
    assert!(!error.to_string().contains("run/"), "{error}");
    assert!(client.read().is_none(), "{error}");
    assert_eq!(client.stream.closed(), Some(1008), "{error}");
}

/// Somebody who hands on what the client and the daemon say gets what each proves to the other, and can use none of it: the
/// client sees another port than its own in what the daemon signed.
#[test]
fn a_proof_is_for_one_connection_at_one_port() {
    let daemon = Daemon::start();
    let (token, port) = (daemon.token(), daemon.ws_port());
    let mut handed_on = daemon.web_stranger();
    let challenged = handed_on.call("challenge", json!({"nonce": NONCE})).unwrap();
    let nonce = challenged["nonce"].as_str().unwrap();
    assert_ne!(challenged["proof"], proof(&token, "server", port ^ 1, NONCE, nonce), "good at another port");
    // A hello that was heard is good for nobody else.
    let mut client = daemon.web_stranger();
    let heard = daemon.proven_hello(&mut client);
    client.call("hello", heard.clone()).unwrap();
    let mut thief = daemon.web_stranger();
    challenge(&mut thief, &token, port);
    let error = thief.call("hello", heard).unwrap_err();
    refused(thief, &error, "unauthorized");
}

#[test]
fn only_the_local_socket_ends_the_daemon_or_hands_out_codes() {
    let daemon = Daemon::start();
    let mut web = daemon.web_client();
    for method in ["shutdown", "pairing/begin"] {
        assert_eq!(kind(&web.call(method, json!({})).unwrap_err()), "unknown_method");
    }
    web.call("ping", json!({})).unwrap();
    daemon.client().call("shutdown", json!({})).unwrap();
    web.expect("the news", |h| h["method"] == "server/closing");
    assert!(web.rest().is_empty());
    assert_eq!(web.stream.closed(), Some(1001));
    assert!(daemon.wait().success());
}

#[test]
fn a_fill_has_the_same_bits_as_over_the_socket() {
    let daemon = Daemon::start();
    let picture = Picture::small();
    let fill = |mut client: Client| {
        client.put("c1", &picture.bytes);
        let result = client.call("generate", picture.fill("c1", json!({"progress": "p"}))).unwrap();
        assert!(client.heard.iter().any(|(h, _)| h["method"] == "progress"));
        let patch = result["patches"][0].clone();
        (patch["rect"].clone(), client.blob(patch["image"]["blob"].as_str().unwrap()))
    };
    let (rect, pixels) = fill(daemon.client());
    assert!(!pixels.is_empty());
    assert!((rect, pixels) == fill(daemon.web_client()));
}

#[test]
fn blobs_come_back_as_they_were_put_and_hold_nothing_up() {
    let daemon = Daemon::start();
    let mut client = daemon.web_client();
    let bytes: Vec<u8> = (0..32u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    client.put("c1", &bytes);
    let get = client.request("blob/get", json!({"blob": "c1"}));
    let ping = client.request("ping", json!({}));
    client.answer(ping).unwrap();
    assert!(client.heard.iter().all(|(h, _)| h["params"]["last"] != true), "the answer did not wait for the blob");
    assert_eq!(client.answer(get).unwrap()["size"], bytes.len());
    assert!(client.blob("c1") == bytes);
}

#[test]
fn jobs_are_watched_cancelled_kept_and_lost() {
    let home = tempfile::tempdir().unwrap();
    let models = home.path().join("models");
    std::fs::create_dir_all(&models).unwrap();
    let tiny = e2e::root().join("tests/reference/golden/tiny-sd");
    let copied = Command::new("cp").arg("-r").arg(tiny).arg(models.join("tiny-sd")).status().unwrap();
    assert!(copied.success());
    let daemon = Daemon::start_in(home.path());
    let mut client = daemon.web_client();
    let endless = |more: Value| {
        let mut params = json!({"model": "tiny-sd", "prompt": "a lighthouse", "extent": [64, 64], "steps": 1000, "seed": 7, "progress": "p", "preview": {"max_side": 48, "every_ms": 100}});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    };
    let busy = client.request("generate", endless(json!({})));
    let (seen, tail) = client.expect("a preview", |h| h["params"]["preview"].is_object());
    let side = |key: &str| seen["params"]["preview"][key].as_u64().unwrap() as usize;
    assert_eq!(side("w") * side("h") * 4, tail.len());
    client.notify("cancel", json!({"id": busy}), &[]);
    assert_eq!(kind(&client.answer(busy).unwrap_err()), "cancelled");

    // Closed by a WebSocket's own goodbye, or lost without one: the running job ends, the kept one goes on.
    let picture = Picture::small();
    for goodbye in [true, false] {
        let mut web = known(&daemon);
        let params = picture.fill("c1", json!({"keep": true, "label": "kept"}));
        let put = json!({"jsonrpc": "2.0", "method": "blob/put", "params": {"blob": "c1", "size": picture.bytes.len(), "chunk": 0, "last": true}});
        for (header, tail) in [
            (json!({"jsonrpc": "2.0", "id": 1, "method": "generate", "params": endless(json!({}))}), &[][..]),
            (put, &picture.bytes),
            (json!({"jsonrpc": "2.0", "id": 2, "method": "generate", "params": params}), &[]),
        ] {
            web.write_all(&frame(&header.to_string(), tail)).unwrap();
        }
        let job = wait_for("both jobs", || {
            let list = client.call("job/list", json!({})).unwrap();
            list.as_array().unwrap().iter().find(|j| j["keep"] == true).map(|j| j["job"].clone())
        });
        if goodbye {
            web.socket.close(None).unwrap();
            assert_eq!(web.close_code(), Some(1000));
        }
        drop(web);
        let result = client.call("job/attach", json!({"job": job})).unwrap();
        assert!(!client.blob(result["patches"][0]["image"]["blob"].as_str().unwrap()).is_empty());
        client.call("job/forget", json!({"job": job})).unwrap();
        assert_eq!(client.call("job/list", json!({})), Ok(json!([])));
    }
}

#[test]
fn pings_and_pieces_are_understood() {
    let daemon = Daemon::start();
    let mut web = known(&daemon);
    let ping = frame(PING, &[]);
    let cuts = [0, 1, 3, 4, 9, 9, ping.len()];
    for (i, cut) in cuts.windows(2).enumerate() {
        let data = if i == 0 { Data::Binary } else { Data::Continue };
        let piece = Frame::message(ping[cut[0]..cut[1]].to_vec(), OpCode::Data(data), cut[1] == ping.len());
        web.send(Message::Frame(piece));
        web.send(Message::Ping(format!("{i}").into_bytes().into()));
    }
    let (mut pongs, mut answered) = (Vec::new(), false);
    while pongs.last().is_none_or(|last| last != "5") || !answered {
        match web.socket.read().unwrap() {
            Message::Pong(payload) => pongs.push(String::from_utf8(payload.to_vec()).unwrap()),
            Message::Binary(_) => answered = true,
            other => panic!("{other}"),
        }
    }
    assert!(pongs.is_sorted(), "{pongs:?}");
}

#[test]
fn without_a_port_everything_else_works() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = busy.local_addr().unwrap().port();
    for (ports, args, config, state) in [
        (port.to_string(), &["serve"][..], "{}", "taken"),
        ("0".into(), &["serve", "--no-websocket"], "{}", "off"),
        ("0".into(), &["serve"], r#"{"websocket": false}"#, "off"),
        (format!("{port},0"), &["serve"], r#"{"websocket": true}"#, "listening"),
    ] {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("config.json"), config).unwrap();
        let child = background(e2e::underpaint(home.path()).env("UNDERPAINT_WS_PORTS", ports).args(args));
        let daemon = Daemon::started(home.path(), child);
        let status = daemon.client().call("status", json!({})).unwrap();
        assert_eq!(status["websocket"]["state"], state);
        assert_eq!(status["websocket"].get("port"), daemon.endpoint().get("ws_port"));
        assert_eq!(daemon.endpoint().get("ws_port").is_some(), state == "listening");
        let ask = |args: &[&str]| e2e::underpaint(home.path()).args(args).output().unwrap();
        let doctor: Value = serde_json::from_slice(&ask(&["doctor", "--json"]).stdout).unwrap();
        let advice = &doctor["websocket"]["advice"];
        let said = String::from_utf8(ask(&["status"]).stdout).unwrap();
        match state {
            "listening" => assert!(said.contains("WebSocket on port") && advice.is_null(), "{said} {advice}"),
            "taken" => assert!(said.contains("17231") && advice.to_string().contains("17231"), "{said} {advice}"),
            _ => assert!(said.contains("switched off") && advice.to_string().contains("config.json"), "{said}"),
        }
        if state != "listening" {
            let output = ask(&["pair"]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.code() == Some(1) && said.contains("nothing to pair"), "{said}");
        }
    }
}

/// The system's own list of who listens: nothing but this machine's addresses.
#[test]
fn nothing_listens_beyond_this_machine() {
    let daemon = Daemon::start();
    let suffix = format!(":{:04X}", daemon.ws_port());
    let mut found = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let Ok(text) = std::fs::read_to_string(table) else {
            return e2e::skip("this system has no /proc/net to see who listens");
        };
        let rows = text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        // Column 1 is the local address, column 3 the state; 0A listens.
        found.extend(rows.filter(|r| r[3] == "0A" && r[1].ends_with(&suffix)).map(|r| r[1].to_owned()));
    }
    let loopback = ["0100007F", "00000000000000000000000001000000"];
    assert!(!found.is_empty());
    for address in &found {
        assert!(loopback.iter().any(|own| address.strip_suffix(&suffix) == Some(own)), "{found:?}");
    }
}

/// A browser that ends with the test, however that ends.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A page of another origin in a real Chromium: it hears nothing, and what Chromium sends for it is refused as it is.
#[test]
fn a_page_in_a_real_browser_is_refused() {
    let browser = ["chromium", "chromium-browser", "google-chrome"];
    let there = |name: &&str| Command::new(name).arg("--version").stdout(Stdio::null()).status().is_ok();
    let Some(browser) = browser.iter().find(|name| there(name)) else {
        return e2e::skip("a page's WebSocket, because Chromium is not installed (apt install chromium)");
    };
    let daemon = Daemon::start();
    let (site, spy) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let page = format!(
        "<script>for (const port of [{}, {}]) {{ const socket = new WebSocket(`ws://127.0.0.1:${{port}}/ws`); \
         const say = how => () => fetch(`/${{port}}-${{how}}`); socket.onopen = say('open'); socket.onerror = say('refused') }}</script>",
        daemon.ws_port(),
        port(&spy)
    );
    let profile = tempfile::tempdir().unwrap();
    let child = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://localhost:{}/", port(&site)))
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let browser = Browser(child);
    let head = |listener: &TcpListener| {
        listener.set_nonblocking(true).unwrap();
        let mut stream = wait_for("the browser", || listener.accept().ok()).0;
        stream.set_nonblocking(false).unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
            head.push(byte[0]);
        }
        (String::from_utf8_lossy(&head).into_owned(), stream)
    };
    let (mut sent, mut heard) = (None, None);
    while sent.is_none() || heard.is_none() {
        let (asked, mut stream) = head(&site);
        let path = asked.split(' ').nth(1).unwrap_or_default().to_owned();
        let body = if path == "/" { page.as_str() } else { "" };
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let _ = stream.write_all(answer.as_bytes());
        if path == "/" {
            sent = Some(head(&spy).0);
        } else if let Some(how) = path.strip_prefix(&format!("/{}-", daemon.ws_port())) {
            heard = Some(how.to_owned());
        }
    }
    drop(browser);
    assert_eq!(heard.unwrap(), "refused");
    let sent = sent.unwrap();
    assert!(sent.contains("Origin: http://localhost:"), "{sent}");
    let to_daemon = sent.replace(&format!("127.0.0.1:{}", port(&spy)), &format!("127.0.0.1:{}", daemon.ws_port()));
    assert_eq!(raw(daemon.ws_port(), to_daemon.as_bytes()).0, 403, "{to_daemon}");
}
