//! Which web pages of another origin may read the answers, by the CORS protocol of the Fetch standard.
//!
//! The live page of one server reads the figures of a second one, at another port. So a page may read the answers if
//! its host is a loopback host, or the host that the request is for. Pages from any other host may not.
//!
//! DNS rebinding gains nothing from the second rule: a server that only this machine can connect to refuses hosts that
//! DNS can redirect ([`host`](super::host)), and any other server answers to every host anyway.

use super::host::of_authority;
use super::{Fields, target};

/// The `Origin` of the request, if pages from there may read the answer.
pub fn that_may_read(fields: &Fields) -> Option<&str> {
    fields.single("Origin").filter(|origin| may_read(origin, fields.single("Host")))
}

/// Whether pages of `origin` (RFC 6454 7) may read an answer to a request with this `Host`.
fn may_read(origin: &str, host: Option<&str>) -> bool {
    let authority = target::absolute(origin).filter(|(_, path)| path.is_empty()).map(|(authority, _)| authority);
    authority.and_then(of_authority).is_some_and(|page_host| {
        ["localhost", "127.0.0.1", "[::1]"].contains(&page_host)
            || host.and_then(of_authority).is_some_and(|host| host.eq_ignore_ascii_case(page_host))
    })
}

#[cfg(test)]
mod tests {
    use super::may_read;

    #[test]
    fn pages_of_a_loopback_host_and_of_the_requests_host_may_read() {
        for origin in ["http://localhost", "http://localhost:3000", "https://127.0.0.1:8443", "http://[::1]:3001"] {
            assert!(may_read(origin, None) && may_read(origin, Some("teacher-pc:3000")), "{origin}");
        }
        let same = [
            ("http://teacher-pc:3000", "teacher-pc:3001"),
            ("https://teacher-pc", "TEACHER-PC:3001"),
            ("http://192.0.2.7:3000", "192.0.2.7"),
            ("http://[2001:db8::1]:3000", "[2001:db8::1]:3001"),
        ];
        for (origin, host) in same {
            assert!(may_read(origin, Some(host)), "{origin} {host}");
        }
    }

    #[test]
    fn no_other_page_may_read() {
        for origin in [
            "null",
            "",
            "http://",
            "http://:3000",
            "http://example.org",
            "http://teacher-pc.example.org",
            "http://teacher-pc:3000.example.org",
            "http://localhost.example.org",
            "http://localhost:3000.example.org",
            "http://localhost/",
            "http://localhost?",
            "http://127.0.0.1.example.org",
            "http://127.0.0.10",
            "ftp://teacher-pc",
            "ftp://localhost",
            "localhost",
            "teacher-pc",
        ] {
            for host in [None, Some(""), Some(":3000"), Some("teacher-pc:3000"), Some("null"), Some("localhost")] {
                assert!(!may_read(origin, host), "{origin} {host:?}");
            }
        }
    }
}
