//! Which web pages of another origin may read the answers, by the CORS protocol of the Fetch standard.
//!
//! The live page of one server reads the figures of a second one, at another port. So pages from a loopback host may
//! read the answers. Pages from any other host may not.

use super::Fields;
use super::head::Head;

/// Appends the fields that allow a page from a loopback host to read the answer.
pub fn allow_loopback_pages(head: &mut Head, fields: &Fields) {
    head.field("Vary", "Origin");
    if let Some(origin) = fields.single("Origin").filter(|origin| is_loopback(origin)) {
        head.field("Access-Control-Allow-Origin", origin);
    }
}

/// Whether the host of this origin (RFC 6454 7) is `localhost`, `127.0.0.1` or `[::1]`.
fn is_loopback(origin: &str) -> bool {
    let Some(rest) = origin.strip_prefix("http://").or(origin.strip_prefix("https://")) else {
        return false;
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (rest, "80"),
    };
    ["localhost", "127.0.0.1", "[::1]"].contains(&host)
        && !port.is_empty()
        && port.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_loopback_pages_may_read() {
        for origin in
            ["http://localhost", "http://localhost:3000", "https://127.0.0.1:8443", "http://[::1]:3001"]
        {
            assert!(is_loopback(origin), "{origin}");
        }
        for origin in [
            "null",
            "http://example.org",
            "http://localhost.example.org",
            "http://localhost:3000.example.org",
            "http://localhost:",
            "http://127.0.0.1.example.org",
            "http://127.0.0.10",
            "ftp://localhost",
            "localhost",
        ] {
            assert!(!is_loopback(origin), "{origin}");
        }
    }
}
