//! What can be wrong with a request as such, whatever it asks for. tiny_http lets all of this pass.

use tiny_http::Request;

use crate::http::syntax;

/// More header lines than any client sends.
const HEADER_LINES_MOST: usize = 100;
/// And more bytes of them, with the target.
pub const HEAD_MOST_BYTES: usize = 64 * 1024;

/// Why a request gets an answer that no route knows, and then a closed connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its status code.
    pub status: u16,
    /// Its one line of text.
    pub why: &'static str,
    /// The engine has sent the head; the line and the end of the connection are what is left.
    pub head_is_sent: bool,
}

impl Fault {
    /// A fault whose answer has not begun.
    pub const fn new(status: u16, why: &'static str) -> Self {
        Self { status, why, head_is_sent: false }
    }

    /// What is wrong with a request's head, if anything is.
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

/// Bytes of a request's target and header lines.
pub fn head_bytes(request: &Request) -> usize {
    let line = |line: &tiny_http::Header| line.field.as_str().len() + line.value.len();
    request.url().len() + request.headers().iter().map(line).sum::<usize>()
}
