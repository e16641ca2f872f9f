//! Weakness 11: a request's unread body. When tiny_http drops one it allocates what is left of it, as
//! announced: `Content-Length: 4000000000` moves the heap by 4 GB, and larger ones end the process. So a
//! body is read away up to a bound, under one deadline; a reader that has more left than that is never dropped.

use std::time::{Duration, Instant};

use tiny_http::{HTTPVersion, Header, Request};

use crate::http::syntax;

use super::fault::Fault;

/// The most of a body that is read away, so that an honest upload gets its refusal and leaves the connection usable.
const DRAIN_MOST_BYTES: u64 = 8 << 20;
/// Bodies up to this size are already in memory when tiny_http hands the request over.
const ENGINE_READS_BYTES: usize = 1024;
/// Fields with which a body comes, or may.
const ANNOUNCING: [&str; 4] = ["Content-Length", "Transfer-Encoding", "Expect", "Upgrade"];

/// What is left of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Nothing: the connection's next bytes are the next request.
    Nothing,
    /// Nothing that tiny_http keeps, but where the body ends is not known.
    Unknown,
    /// A part of it, whose reader may be dropped.
    Droppable,
    /// So much of it that its reader must not be dropped.
    Undroppable,
}

/// What has become of a body.
pub struct DrainedBody {
    /// What is left of it.
    pub unread: Unread,
    /// Why the request is refused.
    pub fault: Option<Fault>,
}

/// Whether the head speaks of a body at all.
pub fn is_announced(request: &Request) -> bool {
    let speaks = |line: &Header| ANNOUNCING.iter().any(|name| line.field.equiv(name));
    request.headers().iter().any(speaks)
}

/// Whether what is left of an unsettled body must not be dropped.
pub fn is_undroppable(request: &Request) -> bool {
    unread_bytes(request) > DRAIN_MOST_BYTES
}

/// Reads the body away, for as long as `patience` says. The caller sees to it that a read ends by then.
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
        // Reading it would send the 100 that HTTP/1.0 does not know (RFC 9110 10.1.1).
        () if (unread_bytes > 0 || is_chunked) && waits_in_1_0 => refused(EXPECTS_IN_1_0),
        () if unread_bytes > 0 || is_chunked => match drain_within(request, unread_bytes, timeout) {
            Err(fault) => DrainedBody { unread: Unread::Droppable, fault: Some(fault) },
            Ok(()) if is_chunked => DrainedBody { unread: Unread::Unknown, fault: None },
            Ok(()) => DrainedBody { unread: Unread::Nothing, fault: None },
        },
        () => DrainedBody { unread: Unread::Nothing, fault: None },
    }
}

/// What tiny_http has announced to it and has not read; 0 for a chunked body.
fn unread_bytes(request: &Request) -> u64 {
    let has = |name, token| {
        let first = request.headers().iter().find(|line| line.field.equiv(name));
        first.is_some_and(|line| mentions(line, token))
    };
    match request.body_length() {
        Some(bytes) if bytes > ENGINE_READS_BYTES || has("Expect", "") => {
            // An upgraded connection is handed over as it is.
            if has("Connection", "upgrade") { 0 } else { bytes as u64 }
        }
        _ => 0,
    }
}

/// Whether a header line's value has this token somewhere, in any case; as tiny_http looks at it.
pub fn mentions(line: &Header, token: &str) -> bool {
    line.value.as_str().to_ascii_lowercase().contains(token)
}

/// Reads a body of `bytes`, or a chunked one. A client that waits for `100 Continue` gets it from this reader. Not
/// inlined: its stack would be part of every viewer's.
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
