//! Errors in a request that do not depend on its target (RFC 9112 2.2, 3, 5 and 6). tiny_http lets all of these requests
//! pass.

use tiny_http::{Header, Request};

use super::syntax;

/// The maximum number of header lines. Clients send far fewer.
const HEADER_LINES_MOST: usize = 100;
/// The maximum length of the target and all header lines, in bytes.
pub const HEAD_MOST_BYTES: usize = 64 * 1024;

/// Why a request is refused: it has an error, or is for another server. The connection is closed after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub status: u16,
    /// The reason, as one line of text.
    pub why: &'static str,
}

impl Fault {
    pub const fn new(status: u16, why: &'static str) -> Self {
        Self { status, why }
    }

    /// The first error in the head of a request, if there is one.
    pub fn of(request: &Request) -> Option<Self> {
        let lines = request.headers();
        let fault = |status, why| Some(Self::new(status, why));
        if *request.http_version() < (1, 0) {
            fault(400, "HTTP/1.0 or HTTP/1.1 is spoken here")
        } else if request.url().len() > HEAD_MOST_BYTES {
            fault(414, "the request's target is longer than 64 KiB")
        } else if lines.len() > HEADER_LINES_MOST {
            fault(431, "the request has too many header lines")
        } else if head_bytes(request) > HEAD_MOST_BYTES {
            fault(431, "the request's head is longer than 64 KiB")
        } else if !syntax::is_token(request.method().as_str()) {
            fault(400, "the request's method is no token")
        } else if !lines.iter().all(|line| syntax::is_token(line.field.as_str().as_str())) {
            fault(400, "the name of a header field is no token")
        } else if !lines.iter().all(|line| syntax::is_field_value(line.value.as_str())) {
            fault(400, "the value of a header field has a control character")
        } else {
            Self::of_framing(lines)
        }
    }

    /// The first error in the fields that say where the body ends.
    fn of_framing(lines: &[Header]) -> Option<Self> {
        let values = |name: &'static str| {
            lines.iter().filter(move |line| line.field.equiv(name)).map(|line| line.value.as_str())
        };
        let mut codings = values("Transfer-Encoding").peekable();
        if !syntax::is_content_length(values("Content-Length")) {
            Some(Self::new(400, "the request's Content-Length is malformed"))
        } else if codings.peek().is_some() && values("Content-Length").next().is_some() {
            Some(Self::new(400, "the request has both Content-Length and Transfer-Encoding"))
        } else if codings.any(|coding| !coding.eq_ignore_ascii_case("chunked")) {
            Some(Self::new(501, "the only Transfer-Encoding that is known here is chunked"))
        } else {
            None
        }
    }
}

/// The length of a request's target and header lines, in bytes.
pub fn head_bytes(request: &Request) -> usize {
    let line = |line: &Header| line.field.as_str().len() + line.value.len();
    request.url().len() + request.headers().iter().map(line).sum::<usize>()
}
