//! Weakness 11: a request's unread body. When tiny_http drops one it allocates what is left of it, as
//! announced: `Content-Length: 4000000000` moves the heap by 4 GB, and larger ones end the process. So
//! no body is ever left to that drop: it is read and thrown away where it is small, and where it is not,
//! its reader is never dropped.

use std::io::Read;

use tiny_http::{Header, Request};

/// The most of a request body that is read and thrown away to keep the connection usable.
const DRAINED_MOST_BYTES: usize = 64 * 1024;
/// Bodies up to this size are already in memory when tiny_http hands the request over.
const ENGINE_READS_BYTES: usize = 1024;

/// What is to be done about a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none, or none is left.
    None,
    /// It cannot be told where it ends, so the connection closes after the answer.
    Unread,
    /// It is announced as so long that its reader must not be dropped.
    Undroppable,
    /// The client did not send what it had announced, in time or at all.
    Broken,
    /// Its length is nonsense.
    Malformed,
}

/// Whether the head speaks of a body at all.
pub fn is_announced(request: &Request) -> bool {
    let speaks = |line: &Header| ANNOUNCING.iter().any(|name| line.field.equiv(name));
    request.headers().iter().any(speaks)
}

/// Fields with which a body comes, or may.
const ANNOUNCING: [&str; 4] = ["Content-Length", "Transfer-Encoding", "Expect", "Upgrade"];

/// Reads away what is worth reading. May block for as long as the client is silent, up to the timeout.
pub fn settle(request: &mut Request) -> Body {
    let all = |name| request.headers().iter().filter(move |line| line.field.equiv(name));
    let waits = all("Expect").next().is_some();
    // Handed over as it is by tiny_http, which then closes.
    let upgrade = all("Connection").next().is_some_and(|line| mentions(line, "upgrade"));
    let chunked = all("Transfer-Encoding").next().is_some();
    let digits = |line: &Header| line.value.as_str().bytes().all(|b| b.is_ascii_digit());
    let sane = all("Content-Length").all(digits) && all("Content-Length").count() <= 1;
    let left = match request.body_length() {
        Some(bytes) if !upgrade && (bytes > ENGINE_READS_BYTES || waits) => bytes,
        _ => 0,
    };
    match left {
        0 if !sane => Body::Malformed,
        0 if chunked || upgrade => Body::Unread,
        0 => Body::None,
        _ if left > DRAINED_MOST_BYTES => Body::Undroppable,
        _ if !drained(request.as_reader(), left) => Body::Broken,
        _ if !sane => Body::Malformed,
        _ => Body::None,
    }
}

/// Whether a header line's value has this token somewhere, in any case; as tiny_http looks at it.
pub fn mentions(line: &Header, token: &str) -> bool {
    line.value.as_str().to_ascii_lowercase().contains(token)
}

/// A client that waits for `100 Continue` gets it from this reader.
fn drained(body: &mut dyn Read, bytes: usize) -> bool {
    let mut thrown_away = [0; 1024];
    let mut left = bytes;
    while left > 0 {
        let most = left.min(thrown_away.len());
        match body.read(&mut thrown_away[..most]) {
            Ok(some) if some > 0 => left -= some,
            _ => return false,
        }
    }
    true
}
