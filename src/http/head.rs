//! The head of an answer (RFC 9112 4 and 5).
//!
//! Written here and not by `tiny_http::Response`: that cannot announce a close, gives a 304 a length that
//! is not the 200's, and may turn to chunks when the client says `TE`.

use std::fmt::Display;
use std::io::Write;
use std::time::SystemTime;

use httpdate::HttpDate;
use tiny_http::StatusCode;

use super::target::percent_encoded;

/// Bytes of the first write of an answer: its head, which is shorter, and as much of its body as there is room for.
pub const OPENING_BYTES: usize = 2048;

/// What becomes of the connection after this answer (RFC 9112 9.3), as its `Connection` field says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// HTTP/1.1's default: it stays, and nothing is said.
    Stays,
    /// An HTTP/1.0 client asked for it and is told so.
    KeepAlive,
    /// It is closed after this answer.
    Closes,
}

/// A head under construction.
pub struct Head(Vec<u8>);

impl Head {
    /// Status line, Date, Server and Connection.
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

    /// One field. Values come from this program and from the file's name, never from a request.
    pub fn field(&mut self, name: &str, value: impl Display) {
        self.line(format_args!("{name}: {value}"));
    }

    /// The finished head, with the empty line that ends it.
    pub fn finish(mut self) -> Vec<u8> {
        self.line("");
        self.0
    }

    fn line(&mut self, line: impl Display) {
        write!(self.0, "{line}\r\n").expect("a vector takes whatever is written");
    }
}

/// `Content-Disposition: inline` with the file's name (RFC 6266), as plain text for `curl -OJ`, which
/// reads no other form, and percent-encoded for everybody else. What would end the quoted text, or
/// the line, is a `_` in the plain form.
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
