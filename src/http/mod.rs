//! The rules of HTTP as pure functions, without sockets and files.
//!
//! For a request: whether its head is well-formed ([`fault`]), where it ends ([`framing`]), which server it is for and
//! who may read the answer ([`host`]), and what it asks for ([`target`], [`range`], [`precondition`]). For an answer:
//! its head ([`head`]), and the type of its content ([`media_type`]).
//!
//! This module depends on no other. Sources: RFC 9110 (semantics), 9112 (HTTP/1.1) and 6266 (`Content-Disposition`).

pub mod fault;
pub mod framing;
pub mod head;
pub mod host;
pub mod media_type;
pub mod precondition;
pub mod range;
pub mod target;

use tiny_http::Header;

/// The header fields of a request that this server uses, in the order of the request.
#[derive(Debug, Default)]
pub struct Fields(Vec<Header>);

impl Fields {
    const USED: [&str; 8] = [
        "Host",
        "Range",
        "If-Range",
        "If-Match",
        "If-None-Match",
        "If-Modified-Since",
        "If-Unmodified-Since",
        "Origin",
    ];

    pub fn of(headers: &[Header]) -> Self {
        let is_used = |header: &&Header| Self::USED.iter().any(|name| header.field.equiv(name));
        Self(headers.iter().filter(is_used).cloned().collect())
    }

    pub fn all<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a str> {
        values(&self.0, name)
    }

    /// The value of the only field with this name. A repeated one counts as absent (RFC 9110 5.3).
    pub fn single<'a>(&'a self, name: &'static str) -> Option<&'a str> {
        let mut lines = self.all(name);
        lines.next().filter(|_| lines.next().is_none())
    }
}

fn values<'a>(lines: &'a [Header], name: &'static str) -> impl Iterator<Item = &'a str> + Clone {
    lines.iter().filter(move |line| line.field.equiv(name)).map(|line| line.value.as_str())
}

/// Optional whitespace (RFC 9110 5.6.3).
const OWS: [char; 2] = [' ', '\t'];

/// Whether `text` has no other characters than digits. It may be empty.
fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}
