//! Weakness 11: the unread body of a request.
//!
//! When tiny_http drops an unread body, it allocates a buffer for all that is left of the announced length, and reads into
//! it. So a body up to a maximum size is read and discarded first. For a larger one, the connection is shut down before the
//! drop ([`Refusal`](super::writer::Refusal)), which then reads nothing. The buffer is lent, and takes no memory.

use std::io;
use std::mem;

use tiny_http::{HTTPVersion, Request};

use crate::http::fault::Fault;
use crate::http::framing::{expects_continue, unread_bytes};
use crate::instrument::heap;
use crate::platform::Mapping;

use super::panics;

/// The maximum size of a body that is read and discarded. After such a body, the client gets its answer, and the
/// connection can stay open.
pub const DRAIN_MOST_BYTES: u64 = 8 << 20;

/// Reads and discards a body of `bytes`, or a chunked body if `bytes` is 0. A client that waits for `100 Continue` gets it
/// first. `read_bytes` counts what has been read. The watch ends a read that takes too long: it shuts down the receiving
/// side, and what has come by then is still read. Not inlined, because of its buffer on the stack.
#[inline(never)]
pub fn drain(request: &mut Request, bytes: u64, read_bytes: &mut u64) -> Result<(), Fault> {
    if bytes > DRAIN_MOST_BYTES {
        return Err(TOO_LONG);
    }
    // A read would send `100 Continue`, which HTTP/1.0 does not have (RFC 9110 10.1.1).
    if *request.http_version() == HTTPVersion(1, 0) && expects_continue(request) {
        return Err(EXPECTS_IN_1_0);
    }
    let body = request.as_reader();
    let mut discarded = [0; 8 * 1024];
    while bytes == 0 || *read_bytes < bytes {
        match body.read(&mut discarded) {
            Ok(0) if bytes == 0 => break,
            Ok(some) if some > 0 => *read_bytes += some as u64,
            _ => return Err(BROKEN),
        }
        if *read_bytes > DRAIN_MOST_BYTES {
            return Err(TOO_LONG);
        }
    }
    Ok(())
}

/// Reads from an unread body, if that cannot wait for long. At the end of the input, tiny_http drops the body's reader, whose
/// buffer is lent here. `None` if there can be no such buffer.
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
