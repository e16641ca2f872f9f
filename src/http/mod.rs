//! HTTP semantics as pure functions, apart from sockets and files: whether a head is well-formed ([`syntax`]),
//! which server a request is for ([`host`]), what it asks for ([`target`], [`range`], [`precondition`]) and how an
//! answer's head is written ([`head`]).
//!
//! Sources: RFC 9110 (semantics), RFC 9112 (HTTP/1.1), RFC 6266 (Content-Disposition).

pub mod head;
pub mod host;
pub mod media_type;
pub mod origin;
pub mod precondition;
pub mod range;
pub mod syntax;
pub mod target;

use tiny_http::Header;

/// The header lines of a request that this server reads, in the order in which they came.
#[derive(Debug, Default)]
pub struct Fields(Vec<Header>);

impl Fields {
    const READ: [&str; 8] = [
        "Host",
        "Range",
        "If-Range",
        "If-Match",
        "If-None-Match",
        "If-Modified-Since",
        "If-Unmodified-Since",
        "Origin",
    ];

    /// Keeps what the server reads of a request's header lines.
    pub fn of(headers: &[Header]) -> Self {
        let read = |header: &&Header| Self::READ.iter().any(|name| header.field.equiv(name));
        Self(headers.iter().filter(read).cloned().collect())
    }

    /// What they take of the heap, roughly.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|line| size_of::<Header>() + line.value.len()).sum()
    }

    /// The values of all lines of this name.
    pub fn all<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a str> {
        let lines = self.0.iter().filter(move |line| line.field.equiv(name));
        lines.map(|line| line.value.as_str())
    }

    /// The value of the only line of this name. A field that is no list and came more than once means
    /// nothing, so it counts as absent (RFC 9110 5.3).
    pub fn single<'a>(&'a self, name: &'static str) -> Option<&'a str> {
        let mut lines = self.all(name);
        lines.next().filter(|_| lines.next().is_none())
    }
}

#[cfg(test)]
impl Fields {
    /// Fields from lines such as `Range: bytes=0-1`, for tables of tests.
    pub fn from_lines(lines: &[&str]) -> Self {
        let headers: Vec<Header> = lines.iter().map(|line| line.parse().unwrap()).collect();
        Self::of(&headers)
    }
}
