//! Who may open the WebSocket: a program on this machine, and no page that a browser shows.
//!
//! A browser lets every page on the web try, without asking anyone. What it cannot do is lie about itself: `Host` is
//! the name it looked up (a name of the attacker's that leads to 127.0.0.1 is still that name), `Origin` is the page.
//! Both are looked at before anything is agreed on. Programs may say what they like here; the token is for them.

use hyper::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{Method, Request, Response, StatusCode, Version};
use sha1::{Digest, Sha1};

/// Where the WebSocket is.
pub const PATH: &str = "/ws";

/// Answers the one request of a connection to `port`: 101, or why not. No answer has a body, or a header that lets a
/// page of another origin read it.
pub fn answer<B>(port: u16, request: &Request<B>) -> Response<String> {
    let mut answer = Response::new(String::new());
    let headers = answer.headers_mut();
    match check(port, request) {
        Ok(accept) => {
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
            *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        }
        Err(status) => {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
            if status == StatusCode::UPGRADE_REQUIRED {
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            *answer.status_mut() = status;
        }
    }
    answer
}

/// What `Sec-WebSocket-Accept` must say, or the status of the refusal.
fn check<B>(port: u16, request: &Request<B>) -> Result<HeaderValue, StatusCode> {
    let headers = request.headers();
    if !is_this_machine(port, headers) || !is_no_page(headers) {
        return Err(StatusCode::FORBIDDEN);
    }
    if request.uri() != PATH {
        return Err(StatusCode::NOT_FOUND);
    }
    if request.method() != Method::GET {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    let wants = |name, word: &str| {
        let values = headers.get_all(name).iter().filter_map(|value: &HeaderValue| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case(word))
    };
    let version = only(headers, SEC_WEBSOCKET_VERSION).map(HeaderValue::as_bytes);
    let upgrades = wants(CONNECTION, "upgrade") && wants(UPGRADE, "websocket") && version == Some(b"13");
    if !upgrades || request.version() != Version::HTTP_11 {
        return Err(StatusCode::UPGRADE_REQUIRED);
    }
    let key = only(headers, SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes())).ok_or(StatusCode::BAD_REQUEST)?;
    HeaderValue::from_str(&accept(key.as_bytes())).map_err(|_| StatusCode::BAD_REQUEST)
}

/// The value of a header that occurs exactly once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// `Host` is one of the three names of this machine, byte for byte, with this port.
fn is_this_machine(port: u16, headers: &HeaderMap) -> bool {
    let names = ["127.0.0.1", "localhost", "[::1]"];
    only(headers, HOST).is_some_and(|host| names.iter().any(|name| host == format!("{name}:{port}").as_bytes()))
}

/// `Origin` is no page's: absent, or an application's own (`file:` and schemes no site has). An opaque origin, `null`,
/// may be anyone's.
fn is_no_page(headers: &HeaderMap) -> bool {
    let origin_is_fine = !headers.contains_key(ORIGIN)
        || only(headers, ORIGIN).and_then(|origin| origin.to_str().ok()).is_some_and(|origin| {
            let scheme = origin.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
            scheme.is_some_and(|scheme| !scheme.is_empty() && !["http", "https"].contains(&scheme.as_str()))
        });
    // What newer browsers add: nothing of ours is ever a page of theirs.
    let site = headers.get_all("sec-fetch-site");
    origin_is_fine && site.iter().all(|site| site == "none")
}

/// Sixteen bytes in base64.
fn is_key(key: &[u8]) -> bool {
    key.len() == 24
        && key.ends_with(b"==")
        && key[..22].iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

/// RFC 6455, section 4.2.2: proof that this is a WebSocket and not some other server that answers anything.
fn accept(key: &[u8]) -> String {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    base64(&Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, i| bits << 8 | usize::from(three.get(i).copied().unwrap_or(0)));
        for digit in 0..4 {
            let sextet = bits >> (18 - 6 * digit) & 63;
            text.push(if digit <= three.len() { char::from(DIGITS[sextet]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPGRADES: &[(&str, &str)] = &[
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn status(method: &str, uri: &str, lines: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let answer = answer(17231, &request.body(()).unwrap());
        assert!(answer.headers().keys().all(|name| !name.as_str().starts_with("access-control")));
        answer.status().as_u16()
    }

    /// The status of an upgrade with these headers besides.
    fn upgrade(lines: &[(&str, &str)]) -> u16 {
        status("GET", "/ws", &[UPGRADES, lines].concat())
    }

    #[test]
    fn programs_on_this_machine_and_no_pages() {
        let host = ("host", "127.0.0.1:17231");
        for lines in [
            &[host][..],
            &[("host", "localhost:17231")],
            &[("host", "[::1]:17231")],
            &[host, ("origin", "file://")],
            &[host, ("origin", "uxp://underpaint")],
            &[host, ("sec-fetch-site", "none")],
        ] {
            assert_eq!(upgrade(lines), 101, "{lines:?}");
        }
        for lines in [
            &[][..],
            &[("host", "evil.example")],
            &[("host", "127.0.0.1.evil.example:17231")],
            &[("host", "127.0.0.1")],
            &[("host", "127.0.0.1:17232")],
            &[("host", "127.0.0.1:17231 ")],
            &[("host", "127.0.0.1:017231")],
            &[("host", "LOCALHOST:17231")],
            &[("host", "localhost.:17231")],
            &[("host", "0.0.0.0:17231")],
            &[("host", "[0:0:0:0:0:0:0:1]:17231")],
            &[host, host],
            &[host, ("host", "evil.example")],
            &[host, ("origin", "http://127.0.0.1:17231")],
            &[host, ("origin", "https://evil.example")],
            &[host, ("origin", "HTTP://evil.example")],
            &[host, ("origin", "null")],
            &[host, ("origin", "")],
            &[host, ("origin", "evil.example")],
            &[host, ("origin", "file://"), ("origin", "http://evil.example")],
            &[host, ("origin", "file://"), ("origin", "file://")],
            &[host, ("sec-fetch-site", "cross-site")],
            &[host, ("sec-fetch-site", "same-site")],
            &[host, ("sec-fetch-site", "same-origin")],
            &[host, ("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")],
        ] {
            assert_eq!(upgrade(lines), 403, "{lines:?}");
        }
    }

    #[test]
    fn one_path_one_method_one_version() {
        let host = ("host", "127.0.0.1:17231");
        let without = |name: &str| {
            let mut lines = [UPGRADES, &[host]].concat();
            lines.retain(|(n, _)| *n != name);
            lines
        };
        for (method, uri, expected) in [
            ("GET", "/", 404),
            ("GET", "/ws/", 404),
            ("GET", "/ws?token=1", 404),
            ("GET", "/WS", 404),
            ("POST", "/ws", 405),
            ("OPTIONS", "/ws", 405),
        ] {
            assert_eq!(status(method, uri, &without("")), expected, "{method} {uri}");
        }
        for (name, expected) in
            [("connection", 426), ("upgrade", 426), ("sec-websocket-version", 426), ("sec-websocket-key", 400)]
        {
            assert_eq!(status("GET", "/ws", &without(name)), expected, "without {name}");
        }
        for (name, value, expected) in [
            ("sec-websocket-version", "8", 426),
            ("upgrade", "h2c", 426),
            ("connection", "close", 426),
            ("sec-websocket-key", "short", 400),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=", 400),
        ] {
            let lines = [&without(name)[..], &[(name, value)]].concat();
            assert_eq!(status("GET", "/ws", &lines), expected, "{name}: {value}");
        }
        let twice = [&without("")[..], &[UPGRADES[3]]].concat();
        assert_eq!(status("GET", "/ws", &twice), 400);
    }

    /// The RFC's own example.
    #[test]
    fn the_answer_to_a_key() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(["", "f", "fo", "foo"].map(|text| base64(text.as_bytes())), ["", "Zg==", "Zm8=", "Zm9v"]);
    }
}
