//! The head of an answer (RFC 9112 4 and 5).
//!
//! `tiny_http::Response` is not used, for three reasons. It cannot send `Connection: close`. It gives a 304 a
//! `Content-Length` that differs from that of the 200. And it may choose the chunked coding when the client sends
//! `TE`.

use std::fmt::Display;
use std::io::Write;
use std::time::SystemTime;

use httpdate::HttpDate;
use tiny_http::StatusCode;

use super::target::percent_encoded;

/// The maximum size of the first write of an answer. It has the head, which is always shorter, and as much of the body
/// as fits.
pub const OPENING_BYTES: usize = 2048;

/// What happens to the connection after the answer (RFC 9112 9.3), and how the `Connection` field says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// The connection stays open. This is the default of HTTP/1.1, which needs no field.
    Stays,
    /// The connection stays open because an HTTP/1.0 client requested it. The field says `keep-alive`.
    KeepAlive,
    /// The connection is closed after the answer. The field says `close`.
    Closes,
}

/// The head of an answer, under construction.
pub struct Head(Vec<u8>);

impl Head {
    /// Starts a head with the status line and the fields `Date`, `Server` and, where needed, `Connection`.
    pub fn new(status: u16, persistence: Persistence) -> Self {
        let mut head = Self(Vec::with_capacity(OPENING_BYTES));
        let reason = StatusCode(status).default_reason_phrase();
        head.line(format_args!("HTTP/1.1 {status} {reason}"));
        head.field("Date", HttpDate::from(SystemTime::now()));
        head.field("Server", concat!("heapserve/", env!("CARGO_PKG_VERSION")));
        match persistence {
            Persistence::Stays => {}
            Persistence::KeepAlive => head.field("Connection", "keep-alive"),
            Persistence::Closes => head.field("Connection", "close"),
        }
        head
    }

    /// Appends a field. The value must not contain line breaks, which would let it add further fields. This matters
    /// for values that the program does not make itself: the file name, and the `Origin` of a request, both of which
    /// are checked before.
    pub fn field(&mut self, name: &str, value: impl Display) {
        self.line(format_args!("{name}: {value}"));
    }

    /// Appends the empty line that ends the head, and returns the bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.line("");
        self.0
    }

    fn line(&mut self, line: impl Display) {
        write!(self.0, "{line}\r\n").expect("writing to a vector does not fail");
    }
}

/// The value of `Content-Disposition` (RFC 6266): `inline`, with the file's name in two forms.
///
/// The plain form is for `curl -OJ`, which reads no other. In it, `_` replaces each character that would end the
/// quoted string or the line. The percent-encoded form is for all other clients.
pub fn disposition(file_name: &str) -> String {
    let plain = file_name.replace(|c: char| c == '"' || c == '\\' || c.is_control(), "_");
    let encoded = percent_encoded(file_name.as_bytes());
    format!("inline; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_file_name_leaves_room_in_the_head() {
        let mut head = Head::new(206, Persistence::KeepAlive);
        head.field("Content-Disposition", disposition(&"ü".repeat(127)));
        head.field("Content-Range", format_args!("bytes {0}-{0}/{0}", u64::MAX));
        head.field("Content-Length", u64::MAX);
        head.field("ETag", format_args!("\"{:x}-{:x}\"", u128::MAX, u64::MAX));
        assert!(head.finish().len() < OPENING_BYTES);
    }

    #[test]
    fn a_name_stays_inside_its_quotes() {
        let table = [
            ("a.mp4", "inline; filename=\"a.mp4\"; filename*=UTF-8''a.mp4"),
            ("a\"b.mp4", "inline; filename=\"a_b.mp4\"; filename*=UTF-8''a%22b.mp4"),
            ("ü.mp4", "inline; filename=\"ü.mp4\"; filename*=UTF-8''%C3%BC.mp4"),
            ("a\r\nX: y", "inline; filename=\"a__X: y\"; filename*=UTF-8''a%0D%0AX%3A%20y"),
        ];
        for (name, value) in table {
            assert_eq!(disposition(name), value);
        }
    }
}
