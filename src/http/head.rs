//! The head of an answer (RFC 9112 4 and 5).
//!
//! `tiny_http::Response` is not used, for three reasons. It cannot send `Connection: close`. It gives a 304 a
//! `Content-Length` that differs from that of the 200. And it may choose the chunked coding when the client sends `TE`.

use std::fmt::Display;
use std::io::Write;
use std::time::SystemTime;

use httpdate::HttpDate;
use tiny_http::StatusCode;

use super::target::percent_encoded;
use super::{Fields, host};

/// The maximum size of an answer's first write: the head, which is always shorter, and as much of the body as fits.
pub const OPENING_BYTES: usize = 2048;

/// The head of an answer, under construction.
pub struct Head(Vec<u8>);

impl Head {
    /// Starts a head with the fields of every answer: `Connection` where needed, `Date` if known (RFC 9110 6.6.1).
    pub fn new(status: u16, connection: Option<&str>, request: &Fields) -> Self {
        let mut head = Self(Vec::with_capacity(OPENING_BYTES));
        let reason = StatusCode(status).default_reason_phrase();
        head.line(format_args!("HTTP/1.1 {status} {reason}"));
        http_date(SystemTime::now()).inspect(|date| head.field("Date", date));
        head.field("Server", concat!("heapserve/", env!("CARGO_PKG_VERSION")));
        connection.inspect(|value| head.field("Connection", value));
        head.field("Vary", "Origin");
        host::origin_that_may_read(request).inspect(|origin| head.field("Access-Control-Allow-Origin", origin));
        head
    }

    /// Appends a field. A line break in the value would add another one: file name and `Origin` are checked before.
    pub fn field(&mut self, name: &str, value: impl Display) {
        self.line(format_args!("{name}: {value}"));
    }

    /// Makes nginx and other proxies pass on the answer as it comes, where they would collect it for seconds.
    pub fn forbid_buffering(&mut self) {
        self.field("X-Accel-Buffering", "no");
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

/// The time as an HTTP-date (RFC 9110 5.6.7). `None` before 1970 and after 9999, where httpdate would panic.
pub fn http_date(time: SystemTime) -> Option<HttpDate> {
    /// 10000-01-01 00:00:00 UTC.
    const END_SECONDS: u64 = 253_402_300_800;
    let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    (since_1970.as_secs() < END_SECONDS).then(|| time.into())
}

/// The value of `Content-Disposition`: `inline`, with the file's name in two forms (RFC 6266 appendix D).
///
/// The percent-encoded form has the exact name. The plain form is for clients that do not know the other (`curl -OJ`).
/// In it, `_` replaces each character outside ASCII, because clients do not agree on its encoding. It also replaces
/// what would end the quoted string or the line, and `%`, which some clients decode.
pub fn disposition(file_name: &str) -> String {
    let is_plain = |c: char| c == ' ' || c.is_ascii_graphic() && !"\"\\%".contains(c);
    let plain = file_name.replace(|c| !is_plain(c), "_");
    let encoded = percent_encoded(file_name.as_bytes());
    format!("inline; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_file_name_leaves_room_in_the_head() {
        let mut head = Head::new(206, Some("keep-alive"), &Fields::default());
        head.field("Content-Disposition", disposition(&"ü".repeat(127)));
        head.field("Content-Range", format_args!("bytes {0}-{0}/{0}", u64::MAX));
        head.field("Content-Length", u64::MAX);
        head.field("ETag", format_args!("\"{0:x}-{1:x}-{0:x}-{1:x}\"", u128::MAX, u64::MAX));
        assert!(head.finish().len() < OPENING_BYTES);
    }

    #[test]
    fn a_name_stays_inside_its_quotes() {
        let table = [
            ("a.mp4", "inline; filename=\"a.mp4\"; filename*=UTF-8''a.mp4"),
            ("a\"b.mp4", "inline; filename=\"a_b.mp4\"; filename*=UTF-8''a%22b.mp4"),
            ("Füße 雪.mp4", "inline; filename=\"F__e _.mp4\"; filename*=UTF-8''F%C3%BC%C3%9Fe%20%E9%9B%AA.mp4"),
            ("a%41.mp4", "inline; filename=\"a_41.mp4\"; filename*=UTF-8''a%2541.mp4"),
            ("a\r\nX: y", "inline; filename=\"a__X: y\"; filename*=UTF-8''a%0D%0AX%3A%20y"),
        ];
        for (name, value) in table {
            assert_eq!(disposition(name), value);
        }
    }

    #[test]
    fn a_date_has_four_digits_for_its_year_and_is_not_before_1970() {
        use std::time::Duration;
        let shown = |seconds| http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).map(|d| d.to_string());
        assert_eq!(shown(0).unwrap(), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(shown(253_402_300_799).unwrap(), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(shown(253_402_300_800), None);
        // Windows counts time in steps of 100 ns.
        assert_eq!(http_date(SystemTime::UNIX_EPOCH - Duration::from_nanos(100)), None);
    }
}
