//! Which server a request is meant for (RFC 9112 3.2), and whether that is this one.
//!
//! The danger is DNS rebinding: a web page from `evil.example` makes its name mean 127.0.0.1. The browser then
//! takes a server on this machine for the page's own origin, and lets the page read its answers. Such a
//! request still has the page's name as its Host. So a server that only this machine can connect to answers to
//! names and addresses that no DNS can change, and to no other name.

use std::net::{Ipv4Addr, Ipv6Addr};

use tiny_http::HTTPVersion;

use super::{Fields, target};

/// Why a request is not for this server, or nobody can tell whom it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its status code.
    pub status: u16,
    /// One line of text.
    pub why: &'static str,
}

const NOT_ONE: Refusal = Refusal { status: 400, why: "the request needs one Host field" };
const MALFORMED: Refusal = Refusal {
    status: 400,
    why: "the request's Host is malformed: it is a name or an address, and maybe :PORT",
};
const MISDIRECTED: Refusal = Refusal {
    status: 421,
    why: "this server is for its own machine only: to keep web pages out (DNS rebinding) it answers to localhost, \
          names under .localhost and IP addresses, and to no other Host; let a proxy in front send \
          \"Host: localhost\", or choose another address with --bind, where every name is answered",
};

/// Whether a request for `target` is answered here. Its Host field counts, or the authority of an absolute target
/// in its place (RFC 9112 3.2.2). `is_loopback`: only this machine can connect.
pub fn check(target: &str, fields: &Fields, version: &HTTPVersion, is_loopback: bool) -> Result<(), Refusal> {
    let mut lines = fields.all("Host");
    let field = match (lines.next(), lines.next()) {
        (Some(only), None) => Some(only),
        (None, None) if *version < (1, 1) => None,
        _ => return Err(NOT_ONE),
    };
    let authority = target::absolute(target).map(|(authority, _)| authority);
    let field = field.filter(|field| !(field.is_empty() && authority.is_some()));
    let mut host = None;
    // The field must be well-formed even where the authority, which comes last, replaces it.
    for text in [field, authority].into_iter().flatten() {
        host = Some(Host::parse(text).ok_or(MALFORMED)?);
    }
    match host {
        Some(Host::Name(name)) if is_loopback && !is_local(name) => Err(MISDIRECTED),
        _ => Ok(()),
    }
}

/// The host of an authority.
enum Host<'a> {
    Name(&'a str),
    Address,
}

impl<'a> Host<'a> {
    /// Reads `uri-host [":" port]` (RFC 9110 7.2, RFC 3986 3.2.2), whose host may not be empty. Only what std
    /// reads as an address is one: `127.1` is a name. `None` for anything else, and so for userinfo.
    fn parse(text: &'a str) -> Option<Self> {
        let (host, port) = if let Some(bracketed) = text.strip_prefix('[') {
            let (address, port) = bracketed.split_once(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            (Self::Address, port)
        } else {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let host = match name.parse::<Ipv4Addr>() {
                Ok(_) => Self::Address,
                Err(_) => is_reg_name(name).then_some(Self::Name(name))?,
            };
            (host, port)
        };
        let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        (port.is_empty() || port.strip_prefix(':').is_some_and(digits)).then_some(host)
    }
}

/// Whether this is a `reg-name` (RFC 3986 3.2.2) of at least one character.
fn is_reg_name(name: &str) -> bool {
    let plain =
        |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&b));
    let is_hex = |digits: &str| digits.bytes().all(|b| b.is_ascii_hexdigit());
    let encoded =
        |text: &str| text.split_at_checked(2).is_some_and(|(digits, rest)| is_hex(digits) && plain(rest));
    let mut pieces = name.split('%');
    !name.is_empty() && pieces.next().is_some_and(plain) && pieces.all(encoded)
}

/// Whether the name is `localhost` or under `.localhost`, which are this machine everywhere (RFC 6761 6.3).
fn is_local(name: &str) -> bool {
    let labels = name.strip_suffix('.').unwrap_or(name);
    labels.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 200 for what is answered.
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
            "localhost%",
            "localhost%4",
            "%zz.localhost",
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
}
