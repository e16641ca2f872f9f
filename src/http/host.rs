//! Which host a request is for (RFC 9112 3.2), whether this server is that, and which web pages may read the answer.
//!
//! The first check prevents DNS rebinding. In such an attack, a web page from `evil.example` makes the DNS resolve that
//! name to 127.0.0.1. The browser then treats a server on this machine as the page's own origin, and lets the page read
//! its answers. But the request still has `evil.example` as its Host. So a server that only this machine can connect to
//! answers only for hosts that no DNS server can redirect: IP addresses, `localhost`, and names under `.localhost`.

use std::net::{Ipv4Addr, Ipv6Addr};

use tiny_http::HTTPVersion;

use super::fault::Fault;
use super::{Fields, is_digits, target};

const MALFORMED: Fault =
    Fault::new(400, "the request's Host is malformed: it must be a name or an address, optionally followed by :PORT");
const MISDIRECTED: Fault = Fault::new(
    421,
    "this server is for its own machine only, and answers only to localhost, names under .localhost and IP addresses, \
     because a web page could use any other Host to read it (DNS rebinding); a proxy in front of it must send \
     \"Host: localhost\", and a server at an address that other machines can reach (--bind) answers to every Host",
);

/// Checks whether this server answers for the host of a request: that of the `Host` field, or of an absolute `target`
/// if there is one (RFC 9112 3.2.2). `is_loopback` says that only this machine can connect.
pub fn check(target: &str, fields: &Fields, version: &HTTPVersion, is_loopback: bool) -> Result<(), Fault> {
    let mut lines = fields.all("Host");
    let field = match (lines.next(), lines.next()) {
        (Some(only), None) => Some(only),
        (None, None) if *version < (1, 1) => None,
        _ => return Err(Fault::new(400, "the request needs exactly one Host field")),
    };
    let authority = target::absolute(target).map(|(authority, _)| authority);
    let field = field.filter(|field| !field.is_empty() || authority.is_none());
    let mut name = "";
    // The authority of the target comes last and so replaces the field, but the field must be well-formed as well.
    for text in [field, authority].into_iter().flatten() {
        name = of_authority(text).ok_or(MALFORMED)?;
    }
    let is_safe = !is_loopback || name.is_empty() || is_address(name) || is_local(name);
    if is_safe { Ok(()) } else { Err(MISDIRECTED) }
}

/// The `Origin` of the request, if pages from there may read the answer, by the CORS protocol of the Fetch standard.
pub fn origin_that_may_read(fields: &Fields) -> Option<&str> {
    fields.single("Origin").filter(|origin| may_read(origin, fields.single("Host")))
}

/// Whether pages of `origin` (RFC 6454 7) may read an answer to a request with this `Host`: those of a loopback host,
/// and those of the same host, because the live page of one server reads the figures of a second one, at another port.
/// DNS rebinding gains nothing: either [`check`] prevents it, or the server answers to every host anyway.
fn may_read(origin: &str, host: Option<&str>) -> bool {
    let authority = target::absolute(origin).filter(|(_, path)| path.is_empty()).map(|(authority, _)| authority);
    authority.and_then(of_authority).is_some_and(|page_host| {
        ["localhost", "127.0.0.1", "[::1]"].contains(&page_host)
            || host.and_then(of_authority).is_some_and(|host| host.eq_ignore_ascii_case(page_host))
    })
}

/// The host of `uri-host [":" port]` (RFC 9110 7.2, RFC 3986 3.2.2), with the brackets of an IPv6 address. `None` for
/// anything else, which includes an empty host and an authority with userinfo.
fn of_authority(text: &str) -> Option<&str> {
    let end = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (host, port) = text.split_at(end);
    let is_valid =
        (is_address(host) || is_reg_name(host)) && (port.is_empty() || port.strip_prefix(':').is_some_and(is_digits));
    is_valid.then_some(host)
}

/// Whether `host` is what std parses as an address: `127.1` is a name.
fn is_address(host: &str) -> bool {
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    bracketed.is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok()) || host.parse::<Ipv4Addr>().is_ok()
}

/// Whether `name` has at least one character, and only those of a `reg-name` (RFC 3986 3.2.2).
fn is_reg_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&b))
}

/// Whether `name` is `localhost` or a name under `.localhost`. These always mean this machine (RFC 6761 6.3).
fn is_local(name: &str) -> bool {
    let labels = name.strip_suffix('.').unwrap_or(name);
    labels.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status that [`check`] leads to. 200 stands for a host that is answered.
    fn status(target: &str, lines: &[&str], minor: u8, is_loopback: bool) -> u16 {
        let fields = Fields::from_lines(lines);
        check(target, &fields, &HTTPVersion(1, minor), is_loopback).map_or_else(|r| r.status, |()| 200)
    }

    #[test]
    fn on_a_loopback_bind_only_what_no_dns_can_change_is_answered() {
        for host in [
            "localhost",
            "localhost:",
            "localhost:3000",
            "LOCALHOST.",
            "LocalHost.:80",
            "v0.localhost",
            "a.b.LOCALHOST.:99999999",
            "127.0.0.1",
            "127.0.0.1:3000",
            "192.0.2.7",
            "[::1]",
            "[::1]:80",
            "[::ffff:127.0.0.1]",
            "[2001:DB8::1]:",
        ] {
            for is_loopback in [true, false] {
                assert_eq!(status("/", &[&format!("Host: {host}")], 1, is_loopback), 200, "{host}");
            }
        }
        for name in [
            "evil.example",
            "evil.example:3000",
            "localhost.evil.example",
            "localhost.evil.example.",
            "127.0.0.1.evil.example",
            "notlocalhost",
            "evil-localhost",
            "localhost..",
            ".",
            "127.1",
            "0x7f.1",
            "0x7f000001",
            "2130706433",
            "127.0.0.01",
            "127.0.0.256",
            "127.0.0.1.",
            "%6cocalhost",
            "a%2elocalhost",
            "localhost%00",
            "localhost%",
            "evil.example,localhost",
            "user-_~!$&'()*+,;=",
        ] {
            assert_eq!(status("/", &[&format!("Host: {name}")], 1, true), 421, "{name}");
            assert_eq!(status("/", &[&format!("Host: {name}")], 1, false), 200, "{name}");
        }
    }

    #[test]
    fn a_malformed_host_is_refused_on_any_bind() {
        for host in [
            "",
            ":",
            ":80",
            "localhost:80a",
            "localhost:-1",
            "localhost:80:80",
            "local host",
            "localhost/",
            "localhost?",
            "localhost#",
            "localhost\\",
            "http://localhost",
            "user@localhost",
            "user:80@localhost",
            "\"localhost\"",
            "<localhost>",
            "::1",
            "[::1",
            "::1]",
            "[]",
            "[::1]80",
            "[::1]:x",
            "[::1].localhost",
            "[127.0.0.1]",
            "[localhost]",
            "[fe80::1%25eth0]",
            "[v1.a]",
            "[[::1]]",
        ] {
            for is_loopback in [true, false] {
                assert_eq!(status("/", &[&format!("Host: {host}")], 1, is_loopback), 400, "{host:?}");
                assert_eq!(status("/", &[&format!("Host: {host}")], 0, is_loopback), 400, "{host:?}");
                let absolute = format!("http://{host}");
                if !host.contains(['/', '?']) {
                    assert_eq!(status(&absolute, &["Host: localhost"], 1, is_loopback), 400, "{host:?}");
                }
            }
        }
    }

    #[test]
    fn one_line_is_needed_and_the_authority_of_a_target_replaces_it() {
        let (good, bad) = ("Host: localhost", "host: evil.example");
        let table: [(&str, &[&str], u8, u16); 26] = [
            ("/", &[], 1, 400),
            ("/", &[], 0, 200),
            ("/", &[bad], 0, 421),
            ("/", &[good, good], 1, 400),
            ("/", &[good, good], 0, 400),
            ("*", &[good], 1, 200),
            ("*", &[bad], 1, 421),
            ("//localhost/", &[bad], 1, 421),
            ("//evil.example/", &[good], 1, 200),
            ("evil.example:80", &[good], 1, 200),
            ("ftp://evil.example/", &[good], 1, 200),
            ("http://localhost/", &[good], 1, 200),
            ("HTTPS://LOCALHOST.:1?/", &[bad], 1, 200),
            ("http://[::1]", &[bad], 0, 200),
            ("http://localhost/", &["Host:"], 1, 200),
            ("http://localhost/", &["Host: :80"], 1, 400),
            ("http://localhost/", &["Host: a b"], 1, 400),
            ("http://localhost/", &[], 0, 200),
            ("http://localhost/", &[], 1, 400),
            ("http://localhost/", &[good, bad], 1, 400),
            ("http://evil.example/", &[good], 1, 421),
            ("hTTp://evil.example?localhost", &[good], 1, 421),
            ("https://evil.example", &[], 0, 421),
            ("http://localhost.evil.example/", &["Host:"], 1, 421),
            ("http:///", &[good], 1, 400),
            ("http://localhost@evil.example/", &[good], 1, 400),
        ];
        for (target, lines, minor, wanted) in table {
            assert_eq!(status(target, lines, minor, true), wanted, "{target} {lines:?} 1.{minor}");
            let elsewhere = if wanted == 421 { 200 } else { wanted };
            assert_eq!(status(target, lines, minor, false), elsewhere, "{target} {lines:?} 1.{minor}");
        }
    }

    #[test]
    fn a_refusal_is_one_line_that_says_what_to_do() {
        for word in ["localhost", "IP addresses", "--bind", "proxy"] {
            assert!(MISDIRECTED.why.contains(word), "{word}");
        }
        assert_eq!(MISDIRECTED.why.lines().count(), 1);
    }

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
