//! Who may talk to the playground: this page, in a browser on this machine, with the token.
//!
//! What went wrong elsewhere, and is refused here: a name on the web that resolves to 127.0.0.1 (DNS rebinding) by the
//! `Host` header, pages of other origins by `Origin` and `Sec-Fetch-Site`, everything else on the machine by the token.

use hyper::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, ORIGIN};

/// The rules for one port and token.
pub struct Guard {
    hosts: [String; 2],
    token: String,
}

impl Guard {
    /// For requests to this port that bring this token.
    pub fn new(port: u16, token: String) -> Self {
        Self { hosts: [format!("127.0.0.1:{port}"), format!("localhost:{port}")], token }
    }

    /// Where the page is. What follows `#` never leaves the browser.
    pub fn address(&self) -> String {
        format!("http://{}/#{}", self.hosts[0], self.token)
    }

    /// Fails unless the request was made to this very host, by its own page or by no page at all.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), String> {
        let only = |name: HeaderName| {
            let mut values = headers.get_all(name).iter();
            (values.next(), values.next().is_some())
        };
        let host = match only(HOST) {
            (Some(host), false) => self.hosts.iter().find(|h| h.as_bytes() == host.as_bytes()),
            _ => None,
        };
        let Some(host) = host else { return Err("The playground is on this machine alone.".into()) };
        match only(ORIGIN) {
            (None, _) => {}
            (Some(origin), false) if origin.as_bytes() == format!("http://{host}").as_bytes() => {}
            _ => return Err("A page of another origin may not use the playground.".into()),
        }
        match headers.get("sec-fetch-site").map(|site| site.as_bytes()) {
            None | Some(b"same-origin" | b"none") => Ok(()),
            Some(_) => Err("A page of another site may not use the playground.".into()),
        }
    }

    /// True if the request brings the token.
    pub fn knows(&self, headers: &HeaderMap) -> bool {
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (given.next(), given.next()) else { return false };
        let wanted = format!("Bearer {}", self.token);
        // As long as it takes for the right one, wherever it differs.
        value.len() == wanted.len()
            && value.as_bytes().iter().zip(wanted.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::Guard;
    use hyper::header::{HeaderMap, HeaderName, HeaderValue};

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
        }
        headers
    }

    #[test]
    fn only_this_host_and_its_own_page() {
        let guard = Guard::new(4711, "secret".into());
        for lines in [
            &[("host", "127.0.0.1:4711")][..],
            &[("host", "localhost:4711"), ("origin", "http://localhost:4711")],
            &[("host", "127.0.0.1:4711"), ("origin", "http://127.0.0.1:4711"), ("sec-fetch-site", "same-origin")],
            &[("host", "127.0.0.1:4711"), ("sec-fetch-site", "none")],
        ] {
            assert_eq!(guard.check(&headers(lines)), Ok(()), "{lines:?}");
        }
        for lines in [
            &[][..],
            &[("host", "evil.example")],
            &[("host", "127.0.0.1.evil.example:4711")],
            &[("host", "127.0.0.1:4712")],
            &[("host", "127.0.0.1")],
            &[("host", "LOCALHOST:4711")],
            &[("host", "localhost.:4711")],
            &[("host", "0.0.0.0:4711")],
            &[("host", "127.0.0.1:4711"), ("host", "127.0.0.1:4711")],
            &[("host", "127.0.0.1:4711"), ("origin", "null")],
            &[("host", "127.0.0.1:4711"), ("origin", "http://localhost:4711")],
            &[("host", "127.0.0.1:4711"), ("origin", "https://127.0.0.1:4711")],
            &[("host", "127.0.0.1:4711"), ("origin", "file://")],
            &[("host", "127.0.0.1:4711"), ("sec-fetch-site", "cross-site")],
            &[("host", "127.0.0.1:4711"), ("sec-fetch-site", "same-site")],
        ] {
            assert!(guard.check(&headers(lines)).is_err(), "{lines:?}");
        }
    }

    #[test]
    fn the_token_whole_and_once() {
        let guard = Guard::new(1, "secret".into());
        assert!(guard.knows(&headers(&[("authorization", "Bearer secret")])));
        for value in ["", "secret", "Bearer", "Bearer secre", "Bearer secret2", "Bearer Secret", "bearer secret"] {
            assert!(!guard.knows(&headers(&[("authorization", value)])), "{value:?}");
        }
        assert!(!guard.knows(&headers(&[("authorization", "Bearer secret"), ("authorization", "Bearer secret")])));
        assert!(!guard.knows(&headers(&[("cookie", "token=secret")])));
    }
}
