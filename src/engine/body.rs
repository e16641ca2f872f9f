//! Weakness 11: the unread body of a request.
//!
//! When tiny_http drops an unread body, it allocates a buffer for all that is left of the announced length, and reads into
//! it. So a body up to a maximum size is read and discarded first. For a larger one, the connection is shut down before the
//! drop ([`Refusal`]), which then reads nothing. The buffer is lent, and takes no memory.

use std::io::{self, ErrorKind, Read};
use std::mem;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use tiny_http::{HTTPVersion, Request};

use crate::http::fault::Fault;
use crate::http::framing::{expects_continue, unread_bytes};
use crate::instrument::heap;
use crate::platform::Mapping;

use super::connections::{Connections, End, State};
use super::panics;

/// The maximum size of a body that is read and discarded. After such a body, the client gets its answer, and the
/// connection can stay open.
pub const DRAIN_MOST_BYTES: u64 = 8 << 20;
/// How long a refused client may still send, so that it gets its answer.
const LINGER_FOR: Duration = Duration::from_secs(1);
/// The same for a client that sends nothing.
const LINGER_IDLE: Duration = Duration::from_millis(250);
/// The maximum number of bytes that are discarded meanwhile.
const LINGER_MOST_BYTES: usize = 64 << 20;

/// The body did not come within the timeout.
pub const LATE: Fault = Fault::new(408, "the request's body did not come within the timeout");
const TOO_LONG: Fault =
    Fault::new(413, "the request's body is too long: this server takes none, and discards 8 MiB at most");

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
        return Err(Fault::new(417, "HTTP/1.0 has no Expect"));
    }
    let mut discarded = [0; 8 * 1024];
    while bytes == 0 || *read_bytes < bytes {
        match read(request, read_bytes, &mut discarded) {
            Some(Ok(0)) if bytes == 0 => break,
            Some(Ok(1..)) => {}
            _ => return Err(Fault::new(400, "the request's body ended early, or its chunks are malformed")),
        }
        if *read_bytes > DRAIN_MOST_BYTES {
            return Err(TOO_LONG);
        }
    }
    Ok(())
}

/// Reads from an unread body. At the end of the input, tiny_http drops the body's reader, whose buffer is lent here. `None` if
/// there can be no such buffer.
fn read(request: &mut Request, read_bytes: &mut u64, into: &mut [u8]) -> Option<io::Result<usize>> {
    let rest_bytes = usize::try_from(unread_bytes(request).saturating_sub(*read_bytes)).ok()?;
    let block = Mapping::new(rest_bytes.max(1))?;
    let read = loop {
        match heap::with_lent(&block, rest_bytes, || request.as_reader().read(into)) {
            // With a timeout, it also fails if the process was stopped meanwhile and has gone on (signal(7)).
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => break read,
        }
    };
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
    if body_bytes.saturating_sub(read_bytes) > isize::MAX as u64 {
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

/// A request that is refused because of its body. If it were answered through tiny_http, the reader of the body would be
/// dropped first, which waits for the body.
pub struct Refusal {
    /// A duplicate.
    pub socket: TcpStream,
    /// Is `None` only while this is dropped.
    request: Option<Request>,
    /// The number of bytes that have been read of the body.
    read_bytes: u64,
}

impl Refusal {
    /// Begins to refuse a request. `None` if its client is gone.
    pub fn begin(
        mut request: Request,
        mut read_bytes: u64,
        peer: SocketAddr,
        all: &Connections,
    ) -> Option<Self> {
        all.enter(peer, State::Refusing);
        let socket = all.socket(peer).filter(|socket| is_of(&mut request, &mut read_bytes, socket));
        let Some(socket) = socket else {
            discard(request, read_bytes);
            return None;
        };
        Some(Self { socket, request: Some(request), read_bytes })
    }

    /// Shuts the connection down. If the answer `is_complete`, this first reads and discards what the client still sends:
    /// otherwise the connection would be reset, and the client could lose its answer. Not inlined, because its buffer would
    /// be part of the stack of every thread that answers.
    #[inline(never)]
    pub fn end(mut self, is_complete: bool) -> End {
        let (start, mut read_bytes, mut discarded) = (Instant::now(), 0, [0; 8 * 1024]);
        let _ = self.socket.shutdown(Shutdown::Write);
        let has_timeout = self.socket.set_read_timeout(Some(LINGER_IDLE)).is_ok();
        while is_complete && has_timeout && read_bytes < LINGER_MOST_BYTES && start.elapsed() < LINGER_FOR {
            match self.socket.read(&mut discarded) {
                Ok(some) if some > 0 => read_bytes += some,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => break,
            }
        }
        // tiny_http has not read past the body, so no request of this connection waits.
        End::Replaced
    }
}

/// Whether this is the socket of the request, and not of a later connection from the same client port: a read of the body
/// waits, or has come to the end, while the connection exists. The timeout of the socket limits it.
fn is_of(request: &mut Request, read_bytes: &mut u64, socket: &TcpStream) -> bool {
    // A read would send `100 Continue`, or could go on for as long as the line before a chunk does.
    if expects_continue(request) || unread_bytes(request) == 0 {
        return true;
    }
    let _ = socket.set_read_timeout(Some(Duration::from_millis(1)));
    let result = read(request, read_bytes, &mut [0]);
    let _ = socket.set_read_timeout(None);
    let is_timeout = |error: io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    result.and_then(Result::err).is_none_or(is_timeout)
}

impl Drop for Refusal {
    /// Also when the thread panics. After the shutdown, the request can be dropped without waiting for its body.
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
        self.request.take().into_iter().for_each(|request| discard(request, self.read_bytes));
    }
}
