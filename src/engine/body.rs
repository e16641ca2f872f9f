//! Weakness 11: the unread body of a request.
//!
//! When tiny_http drops an unread body, it allocates a buffer for all that is left of the announced length, and reads into
//! it. So a body up to a maximum size is read and discarded first. For a larger one, the connection is shut down before the
//! drop ([`Refusal`](super::writer::Refusal)), which then reads nothing. The buffer is lent, and takes no memory.

use std::io;
use std::mem;

use tiny_http::{HTTPVersion, Header, Request};

use crate::http::fault::Fault;
use crate::instrument::heap;
use crate::platform::Mapping;

use super::panics;

/// The maximum size of a body that is read and discarded. After such a body, the client gets its answer, and the
/// connection can stay open.
pub const DRAIN_MOST_BYTES: u64 = 8 << 20;
/// tiny_http reads a body up to this size before it hands over the request.
const READ_BEFORE_BYTES: usize = 1024;
/// The header fields of requests that have a body, or may have one.
const ANNOUNCING: [&str; 4] = ["Content-Length", "Transfer-Encoding", "Expect", "Upgrade"];

/// What is unread of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing: there is no body, or tiny_http has read it.
    Read,
    /// Nothing, but it is not certain where the next request begins.
    Unclear,
    /// This many bytes. A chunked body has 0.
    Unread(u64),
}

impl Body {
    /// Looks at the head of a request.
    pub fn of(request: &Request) -> Self {
        let announces = |line: &Header| ANNOUNCING.iter().any(|name| line.field.equiv(name));
        if !request.headers().iter().any(announces) {
            return Self::Read;
        }
        match unread_bytes(request) {
            _ if is_upgrade(request) => Self::Unclear,
            0 if first(request, "Transfer-Encoding").is_none() => Self::Read,
            bytes => Self::Unread(bytes),
        }
    }
}

/// The number of bytes that tiny_http's reader still has to read, before anything is read from it. 0 for a chunked body.
fn unread_bytes(request: &Request) -> u64 {
    match request.body_length() {
        // For an upgrade, tiny_http ignores the length. Its reader is that of the whole connection.
        Some(_) if is_upgrade(request) => 0,
        Some(bytes) if bytes > READ_BEFORE_BYTES || first(request, "Expect").is_some() => bytes as u64,
        _ => 0,
    }
}

fn is_upgrade(request: &Request) -> bool {
    first(request, "Connection").is_some_and(|line| mentions(line, "upgrade"))
}

/// The first line of this field, which is the only one that tiny_http looks at.
pub fn first<'a>(request: &'a Request, name: &'static str) -> Option<&'a Header> {
    request.headers().iter().find(|line| line.field.equiv(name))
}

/// Whether the value of a header line contains `token`, which must be in lower case. tiny_http decides in the same way.
pub fn mentions(line: &Header, token: &str) -> bool {
    line.value.as_str().to_ascii_lowercase().contains(token)
}

/// Reads and discards a body of `bytes`, or a chunked body if `bytes` is 0. A client that waits for `100 Continue` gets it
/// first. `read_bytes` counts what has been read. The watch ends a read that takes too long: it shuts down the receiving
/// side, and what has come by then is still read. Not inlined, because of its buffer on the stack.
#[inline(never)]
pub fn drain(request: &mut Request, bytes: u64, read_bytes: &mut u64) -> Result<(), Fault> {
    if bytes > DRAIN_MOST_BYTES {
        return Err(TOO_LONG);
    }
    // A read would send `100 Continue`, which HTTP/1.0 does not have (RFC 9110 10.1.1).
    if *request.http_version() == HTTPVersion(1, 0) && first(request, "Expect").is_some() {
        return Err(EXPECTS_IN_1_0);
    }
    let mut discarded = [0; 8 * 1024];
    while bytes == 0 || *read_bytes < bytes {
        match read(request, read_bytes, &mut discarded) {
            Some(Ok(0)) if bytes == 0 => break,
            Some(Ok(1..)) => {}
            _ => return Err(BROKEN),
        }
        if *read_bytes > DRAIN_MOST_BYTES {
            return Err(TOO_LONG);
        }
    }
    Ok(())
}

/// Reads from an unread body. At the end of the input, tiny_http drops the body's reader, whose buffer is lent here. `None` if
/// there can be no such buffer.
pub fn read(request: &mut Request, read_bytes: &mut u64, into: &mut [u8]) -> Option<io::Result<usize>> {
    let rest_bytes = usize::try_from(unread_bytes(request).saturating_sub(*read_bytes)).ok()?;
    let block = Mapping::new(rest_bytes.max(1))?;
    let read = heap::with_lent(&block, rest_bytes, || request.as_reader().read(into));
    *read_bytes += *read.as_ref().unwrap_or(&0) as u64;
    Some(read)
}

/// Drops a request that is not to be answered. If it has an unread body, its connection must have been shut down.
/// `read_bytes` of the body have been read.
///
/// If the system does not allow a buffer for the rest, the request is leaked: two descriptors, and a thread of tiny_http
/// that waits for the reader.
pub fn discard(mut request: Request, mut read_bytes: u64) {
    let body_bytes = unread_bytes(&request);
    if body_bytes - read_bytes.min(body_bytes) > isize::MAX as u64 {
        // The drop panics instead of allocating, and frees everything.
        return drop(panics::expect(|| drop(request.into_writer())));
    }
    while read_bytes < body_bytes {
        match read(&mut request, &mut read_bytes, &mut [0; 1024]) {
            Some(Ok(1..)) => {}
            Some(Ok(0)) => break,
            Some(Err(_)) => {
                let rest_bytes = (body_bytes - read_bytes) as usize;
                let Some(block) = Mapping::new(rest_bytes) else { return mem::forget(request) };
                return heap::with_lent(&block, rest_bytes, || drop(request.into_writer()));
            }
            None => return mem::forget(request),
        }
    }
    drop(request.into_writer());
}

/// The body did not come within the timeout.
pub const LATE: Fault = Fault::new(408, "the request's body did not come within the timeout");
const TOO_LONG: Fault =
    Fault::new(413, "the request's body is too long: this server takes none, and discards 8 MiB at most");
const EXPECTS_IN_1_0: Fault = Fault::new(417, "HTTP/1.0 has no Expect");
const BROKEN: Fault = Fault::new(400, "the request's body ended early, or its chunks are malformed");
