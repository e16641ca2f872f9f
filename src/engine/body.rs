//! Weakness 11: the unread body of a request.
//!
//! When tiny_http drops an unread body, it allocates a buffer for all that is left of the announced length.
//! `Content-Length: 4000000000` makes the heap grow by 4 GB, and a larger value can end the process. So a body up to
//! a maximum size is read and discarded, with one deadline for the whole body. If more than that is left, the reader
//! of the body is never dropped.

use std::time::{Duration, Instant};

use tiny_http::{HTTPVersion, Header, Request};

use crate::http::syntax;

use super::fault::Fault;

/// The maximum size of a body that is read and discarded. After such a body, the client gets its answer, and the
/// connection can stay open.
const DRAIN_MOST_BYTES: u64 = 8 << 20;
/// tiny_http reads a body up to this size before it hands over the request.
const ENGINE_READS_BYTES: usize = 1024;
/// The header fields of requests that have a body, or may have one.
const ANNOUNCING: [&str; 4] = ["Content-Length", "Transfer-Encoding", "Expect", "Upgrade"];

/// What is unread of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Nothing. The next bytes of the connection are the next request.
    Nothing,
    /// Nothing that tiny_http's reader would still read, but it is not certain where the next request begins.
    Unknown,
    /// A part. Its reader may be dropped.
    Droppable,
    /// So much that its reader must not be dropped.
    Undroppable,
}

/// The result of [`drain`].
pub struct DrainedBody {
    /// What is unread.
    pub unread: Unread,
    /// Why the request is refused, if it is.
    pub fault: Option<Fault>,
}

/// Whether the head has a field of requests that may have a body.
pub fn is_announced(request: &Request) -> bool {
    let speaks = |line: &Header| ANNOUNCING.iter().any(|name| line.field.equiv(name));
    request.headers().iter().any(speaks)
}

/// Whether a request that has not been drained must not be dropped, because of its body.
pub fn is_undroppable(request: &Request) -> bool {
    unread_bytes(request) > DRAIN_MOST_BYTES
}

/// Reads and discards the body of a request.
///
/// The deadline is `timeout` after the start. A read that blocks longer is ended by the sweep, which shuts down the
/// receiving side.
pub fn drain(request: &mut Request, timeout: Option<Duration>) -> DrainedBody {
    let lines = |name| request.headers().iter().filter(move |line| line.field.equiv(name));
    let is_chunked = lines("Transfer-Encoding").next().is_some();
    let is_sized = lines("Content-Length").next().is_some();
    let is_upgrade = lines("Connection").next().is_some_and(|line| mentions(line, "upgrade"));
    let is_other_coding =
        lines("Transfer-Encoding").any(|line| !line.value.as_str().eq_ignore_ascii_case("chunked"));
    let waits_in_1_0 = *request.http_version() == HTTPVersion(1, 0) && lines("Expect").next().is_some();
    let lengths = lines("Content-Length").map(|line| line.value.as_str());
    let is_malformed = syntax::content_length(lengths).is_err();
    let unread_bytes = unread_bytes(request);
    let refused = |fault: Fault| DrainedBody {
        unread: match unread_bytes {
            0 if is_chunked && !is_upgrade => Unread::Droppable,
            0 => Unread::Unknown,
            1..=DRAIN_MOST_BYTES => Unread::Droppable,
            _ => Unread::Undroppable,
        },
        fault: Some(fault),
    };
    match () {
        () if is_malformed => refused(MALFORMED_LENGTH),
        () if is_sized && is_chunked => refused(TWO_LENGTHS),
        () if is_other_coding => refused(OTHER_CODING),
        () if is_upgrade => DrainedBody { unread: Unread::Unknown, fault: None },
        () if unread_bytes > DRAIN_MOST_BYTES => refused(TOO_LONG),
        // A read would send `100 Continue`, which HTTP/1.0 does not have (RFC 9110 10.1.1).
        () if (unread_bytes > 0 || is_chunked) && waits_in_1_0 => refused(EXPECTS_IN_1_0),
        () if unread_bytes > 0 || is_chunked => match drain_within(request, unread_bytes, timeout) {
            Err(fault) => DrainedBody { unread: Unread::Droppable, fault: Some(fault) },
            Ok(()) if is_chunked => DrainedBody { unread: Unread::Unknown, fault: None },
            Ok(()) => DrainedBody { unread: Unread::Nothing, fault: None },
        },
        () => DrainedBody { unread: Unread::Nothing, fault: None },
    }
}

/// The number of bytes that tiny_http's reader still has to read, for a request that has not been drained. 0 for a
/// chunked body.
fn unread_bytes(request: &Request) -> u64 {
    let has = |name, token| {
        let first = request.headers().iter().find(|line| line.field.equiv(name));
        first.is_some_and(|line| mentions(line, token))
    };
    match request.body_length() {
        Some(bytes) if bytes > ENGINE_READS_BYTES || has("Expect", "") => {
            // For an upgrade, tiny_http ignores the length. Its reader is that of the whole connection.
            if has("Connection", "upgrade") { 0 } else { bytes as u64 }
        }
        _ => 0,
    }
}

/// Whether the value of a header line contains `token`, which must be in lower case. The case of the value does not
/// matter. tiny_http decides in the same way.
pub fn mentions(line: &Header, token: &str) -> bool {
    line.value.as_str().to_ascii_lowercase().contains(token)
}

/// Reads and discards a body of `bytes`, or a chunked body if `bytes` is 0. A client that waits for `100 Continue`
/// gets it first.
///
/// Not inlined, because its buffer would be part of the stack of every thread that answers.
#[inline(never)]
fn drain_within(request: &mut Request, bytes: u64, timeout: Option<Duration>) -> Result<(), Fault> {
    let start = Instant::now();
    let is_late = || timeout.is_some_and(|most| start.elapsed() >= most);
    let most_bytes = if bytes > 0 { bytes } else { DRAIN_MOST_BYTES };
    let body = request.as_reader();
    let mut discarded = [0; 8 * 1024];
    let mut read_bytes = 0;
    loop {
        if bytes > 0 && read_bytes == bytes {
            return Ok(());
        }
        let result = body.read(&mut discarded);
        match result {
            Ok(0) if bytes == 0 => return Ok(()),
            Ok(some) if some > 0 => read_bytes += some as u64,
            _ if is_late() => return Err(LATE),
            _ => return Err(BROKEN),
        }
        if is_late() && read_bytes < bytes {
            return Err(LATE);
        }
        if bytes == 0 && read_bytes > most_bytes {
            return Err(TOO_LONG);
        }
    }
}

const TOO_LONG: Fault =
    Fault::new(413, "the request's body is too long: this server takes none, and discards 8 MiB at most");
const MALFORMED_LENGTH: Fault = Fault::new(400, "the request's Content-Length is malformed");
const TWO_LENGTHS: Fault = Fault::new(400, "the request has both Content-Length and Transfer-Encoding");
const OTHER_CODING: Fault = Fault::new(501, "the only Transfer-Encoding that is known here is chunked");
const EXPECTS_IN_1_0: Fault = Fault::new(417, "HTTP/1.0 has no Expect");
const LATE: Fault = Fault::new(408, "the request's body did not come within the timeout");
const BROKEN: Fault = Fault::new(400, "the request's body ended early, or its chunks are malformed");
