//! The playground from outside: raw requests as an attacker would send them, and the page in a real Chromium.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A playground that runs until it is dropped.
struct Playground {
    child: Child,
    port: u16,
    token: String,
    _home: TempDir,
}

impl Playground {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = e2e::underpaint(home.path());
        command.args(["--json", "filter", "play", "--no-open"]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("underpaint runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).expect("one line of JSON");
        let address = said["address"].as_str().unwrap().strip_prefix("http://127.0.0.1:").unwrap().to_owned();
        let (port, token) = address.split_once("/#").unwrap();
        Self { child, port: port.parse().unwrap(), token: token.into(), _home: home }
    }

    /// Sends these bytes and reads the answer to its end: status, headers, body.
    fn raw(&self, request: &[u8]) -> (u16, String, Vec<u8>) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        // A server that refuses early may close before everything was sent.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(answer.len());
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        (status, head, answer.get(end + 4..).unwrap_or_default().to_vec())
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
        let (port, token, len) = (self.port, &self.token, body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\nContent-Length: {len}\r\n{headers}\r\n"
        );
        self.raw(&[head.as_bytes(), body].concat())
    }
}

impl Drop for Playground {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything but the page itself.
const ROUTES: [(&str, &str); 6] = [
    ("GET", "/api/filters"),
    ("PUT", "/api/picture"),
    ("PUT", "/api/mask"),
    ("PUT", "/api/image"),
    ("POST", "/api/apply"),
    ("POST", "/api/save"),
];

#[test]
fn strangers_are_refused() {
    let playground = Playground::start();
    let Playground { port, token, .. } = &playground;
    let own = format!("Host: 127.0.0.1:{port}\r\n");
    let with_token = format!("{own}Authorization: Bearer {token}\r\n");
    for (method, path) in ROUTES {
        let send = |headers: &str| {
            playground.raw(
                format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n")
                    .as_bytes(),
            )
        };
        for (headers, expected) in [
            (own.clone(), 401),
            (format!("{own}Authorization: Bearer {}\r\n", "0".repeat(64)), 401),
            (format!("{own}Cookie: token={token}\r\n"), 401),
            (format!("Host: evil.example\r\nAuthorization: Bearer {token}\r\n"), 403),
            (format!("Host: 127.0.0.1.evil.example:{port}\r\nAuthorization: Bearer {token}\r\n"), 403),
            (format!("{with_token}Origin: http://evil.example\r\n"), 403),
            (format!("{with_token}Origin: null\r\n"), 403),
            (format!("{with_token}Sec-Fetch-Site: cross-site\r\n"), 403),
            (format!("{with_token}Host: 127.0.0.1:{port}\r\n"), 403),
        ] {
            let (status, head, body) = send(&headers);
            assert_eq!(status, expected, "{method} {path} with {headers}");
            assert!(!head.contains("access-control") && !head.contains("location:"), "{head}");
            assert!(!String::from_utf8_lossy(&body).contains(token.as_str()));
        }
        let (status, _, _) = send(&with_token);
        assert!(![401, 403, 404].contains(&status), "{method} {path} with the token: {status}");
    }
    // The page is everybody's on this machine, holds no secret, and may not be shown inside another.
    let (status, head, body) = playground.raw(format!("GET / HTTP/1.1\r\n{own}Connection: close\r\n\r\n").as_bytes());
    assert_eq!(status, 200);
    assert!(head.contains("frame-ancestors 'none'") && !String::from_utf8_lossy(&body).contains(token.as_str()));
    for path in ["/api/other", "/../Cargo.toml", "/page.js/..", "/etc/passwd", "/api"] {
        assert_eq!(playground.ask("GET", path, "", b"").0, 404, "{path}");
    }
}

#[test]
fn nonsense_is_answered_with_a_sentence() {
    let playground = Playground::start();
    for (method, path, body, says) in [
        ("PUT", "/api/picture", &b"no picture"[..], "not a picture"),
        ("PUT", "/api/mask", &e2e::png(3, 2, |_, _| [255; 3]), "3x2"),
        ("POST", "/api/apply", b"{", "cannot be read"),
        ("POST", "/api/apply", br#"{"chain":[],"path":"/etc/passwd"}"#, "cannot be read"),
        ("POST", "/api/apply", br#"{"chain":[{"name":"no-such"}]}"#, "no-such"),
        ("POST", "/api/apply", br#"{"chain":[{"name":"film-grain","params":{"strength":7}}]}"#, "strength"),
        ("POST", "/api/apply", br#"{"chain":[{"name":"film-grain","params":{"colour":1}}]}"#, "colour"),
    ] {
        let (status, _, answer) = playground.ask(method, path, "", body);
        assert!((400..500).contains(&status), "{path}: {status}");
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert!(answer["error"].as_str().unwrap().contains(says), "{path}: {answer}");
    }
    // It goes on serving, and what it makes is what the command line makes.
    let picture = e2e::png(64, 48, |x, y| [(x * 4) as u8, (y * 5) as u8, 90]);
    assert_eq!(playground.ask("PUT", "/api/picture", "", &picture).0, 200);
    let chain = json!({"chain": [{"name": "film-grain", "params": {"strength": 0.7}}], "seed": 3}).to_string();
    let (status, _, saved) = playground.ask("POST", "/api/save", "", chain.as_bytes());
    assert_eq!(status, 200);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in.png"), &picture).unwrap();
    std::fs::write(dir.path().join("page.png"), &saved).unwrap();
    e2e::made(
        dir.path(),
        &["filter", "run", "film-grain", "in.png", "-o", "cli.png", "--seed", "3", "--param", "strength=0.7"],
    );
    let [page, cli] = ["page.png", "cli.png"].map(|name| e2e::pixels(&dir.path().join(name)));
    assert_eq!(page.differing(&cli), 0);
    let (status, head, preview) = playground.ask("POST", "/api/apply", "", br#"{"chain":[],"side":32}"#);
    assert_eq!((status, preview.len()), (200, 2 * 32 * 24 * 4), "{head}");
}

#[test]
fn the_page_in_a_real_browser() {
    let playground = Playground::start();
    let script = e2e::root().join("tests/playground/page.py");
    let address = format!("http://127.0.0.1:{}/#{}", playground.port, playground.token);
    let Ok(output) = Command::new("python3").arg(script).arg(address).output() else {
        return e2e::skip("the playground's page, because python3 is not installed (apt install python3)");
    };
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    match output.status.code() {
        Some(77) => e2e::skip(said.trim().trim_start_matches("skipped: ")),
        _ => assert!(output.status.success(), "the page does not do what it should; see above"),
    }
}
