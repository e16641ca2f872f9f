//! Errors in a request that do not depend on its target. tiny_http lets all of these requests pass.

use tiny_http::Request;

use crate::http::syntax;

/// The maximum number of header lines. Clients send far fewer.
const HEADER_LINES_MOST: usize = 100;
/// The maximum length of the target and all header lines, in bytes.
pub const HEAD_MOST_BYTES: usize = 64 * 1024;

/// An error in a request. The answer is the status and a line of text, and the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The status code.
    pub status: u16,
    /// The reason, as one line of text.
    pub why: &'static str,
    /// Whether the engine has already sent the head of the answer, so that only the text is left.
    pub head_is_sent: bool,
}

impl Fault {
    /// Creates a fault whose answer has not begun.
    pub const fn new(status: u16, why: &'static str) -> Self {
        Self { status, why, head_is_sent: false }
    }

    /// The first error in the head of a request, if there is one.
    pub fn of(request: &Request) -> Option<Self> {
        let lines = request.headers();
        let fault = |status, why| Some(Self::new(status, why));
        if *request.http_version() < (1, 0) {
            fault(400, "HTTP/1.0 or HTTP/1.1 is spoken here")
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
            None
        }
    }
}

/// The length of a request's target and header lines, in bytes.
pub fn head_bytes(request: &Request) -> usize {
    let line = |line: &tiny_http::Header| line.field.as_str().len() + line.value.len();
    request.url().len() + request.headers().iter().map(line).sum::<usize>()
}
