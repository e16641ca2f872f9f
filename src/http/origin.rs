//! Which pages of other origins may read the answers (the Fetch standard's CORS protocol): those that this machine
//! served to itself, so that the live page can show two servers side by side, and no page of the web.

use super::Fields;
use super::head::Head;

/// Lets a loopback page read the answer.
pub fn let_read(head: &mut Head, fields: &Fields) {
    head.field("Vary", "Origin");
    if let Some(origin) = fields.single("Origin").filter(|origin| is_loopback(origin)) {
        head.field("Access-Control-Allow-Origin", origin);
    }
}

/// Whether a page of this origin (RFC 6454 7) was served by this machine, to this machine.
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
