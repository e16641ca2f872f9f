//! Weakness 11: the unread body of a request.
//!
//! When tiny_http drops an unread body, it allocates a buffer for all that is left of the announced length, and reads
//! into it. So a body up to a maximum size is read and discarded first. For a larger one, the connection is shut down
//! before the drop ([`Refusal`]), which then reads nothing. The buffer is lent, and takes no memory.

use std::io::{self, ErrorKind, Read};
use std::mem;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use tiny_http::{HTTPVersion, Request};

use crate::http::fault::Fault;
use crate::http::framing::{Body, expects_continue};
use crate::instrument::heap;
use crate::platform::Mapping;

use super::connection::{DRAIN_MOST_BYTES, State};
use super::connections::{Connections, End};

/// How long a refused client may still send what is discarded, so that it gets its answer.
const LINGER_FOR: Duration = Duration::from_secs(1);
/// The same for a client that sends nothing. Each needs two threads, so with more than `LINGER_MANY` it is shorter.
const LINGER_IDLE: Duration = Duration::from_millis(250);
const LINGER_IDLE_LEAST: Duration = Duration::from_millis(50);
const LINGER_MANY: u32 = 32;
/// The number of refusals that have begun and not ended.
static REFUSALS: AtomicU32 = AtomicU32::new(0);

const LATE: Fault = Fault::new(408, "the request's body did not come within the timeout");
const TOO_LONG: Fault =
    Fault::new(413, "the request's body is too long: this server takes none, and discards 8 MiB at most");

/// What tiny_http has not read of the body of a request.
pub struct Rest {
    /// 0 for a chunked body.
    bytes: u64,
    /// Is lent for tiny_http's buffer. `None` until it is needed: many large ones would take all addresses.
    block: Option<Mapping>,
}

impl Rest {
    /// That of a request from which nothing has been read.
    pub fn of(request: &Request) -> Self {
        let bytes = if let Body::Unread(bytes) = Body::of(request) { bytes } else { 0 };
        Self { bytes, block: None }
    }

    /// Whether there is a block, or none is needed. Asks the system for it.
    fn is_allowed(&mut self) -> bool {
        if self.bytes > 0 && self.block.is_none() {
            self.block = usize::try_from(self.bytes).ok().and_then(Mapping::new);
        }
        self.bytes == 0 || self.block.is_some()
    }

    /// Runs `act`, in which tiny_http may drop the reader of the body.
    fn lend<T>(&self, act: impl FnOnce() -> T) -> T {
        match &self.block {
            Some(block) => heap::with_lent(block, self.bytes as usize, act),
            None => act(),
        }
    }

    /// Reads from the body. At the end of the input, tiny_http drops the reader.
    fn read(&mut self, request: &mut Request, into: &mut [u8]) -> io::Result<usize> {
        if !self.is_allowed() {
            return Err(ErrorKind::OutOfMemory.into());
        }
        loop {
            match self.lend(|| request.as_reader().read(into)) {
                // With a timeout, it also fails if the process was stopped meanwhile and has gone on (signal(7)).
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => {
                    self.bytes = self.bytes.saturating_sub(*read.as_ref().unwrap_or(&0) as u64);
                    return read;
                }
            }
        }
    }

    /// Reads and discards the body. The watch ends a read that takes too long: it shuts down the receiving side.
    pub fn drain(&mut self, request: &mut Request, peer: SocketAddr, all: &Connections) -> Result<(), Fault> {
        let start = Instant::now();
        all.enter(peer, State::InBody);
        let drained = self.read_whole(request);
        all.enter(peer, State::Answering);
        let is_late = all.timeout.is_some_and(|timeout| start.elapsed() >= timeout);
        drained.map_err(|fault| if is_late { LATE } else { fault })
    }

    /// A client that waits for `100 Continue` gets it first. Not inlined, because of its buffer on the stack.
    #[inline(never)]
    fn read_whole(&mut self, request: &mut Request) -> Result<(), Fault> {
        if self.bytes > DRAIN_MOST_BYTES {
            return Err(TOO_LONG);
        }
        // A read would send `100 Continue`, which HTTP/1.0 does not have (RFC 9110 10.1.1).
        if *request.http_version() == HTTPVersion(1, 0) && expects_continue(request) {
            return Err(Fault::new(417, "HTTP/1.0 has no Expect"));
        }
        let (is_chunked, mut read_bytes, mut discarded) = (self.bytes == 0, 0, [0; 8 * 1024]);
        while is_chunked || self.bytes > 0 {
            match self.read(request, &mut discarded) {
                Ok(0) if is_chunked => break,
                Ok(bytes @ 1..) => read_bytes += bytes as u64,
                _ => return Err(Fault::new(400, "the request's body ended early, or its chunks are malformed")),
            }
            if read_bytes > DRAIN_MOST_BYTES {
                return Err(TOO_LONG);
            }
        }
        Ok(())
    }
}

/// Drops a request that is not to be answered. If it has an unread body, its connection must have been shut down.
///
/// If the system allows no buffer for the rest, the request is leaked, with two descriptors and a thread of tiny_http.
pub fn discard(mut request: Request, mut rest: Rest) {
    // Blocks for others may take all addresses for a moment.
    (0..20).take_while(|_| !rest.is_allowed()).for_each(|_| thread::sleep(Duration::from_millis(5)));
    // tiny_http would allocate a buffer before each read, and only one is lent.
    while rest.bytes > 0 && matches!(rest.read(&mut request, &mut [0; 1024]), Ok(1..)) {}
    if !rest.is_allowed() {
        return mem::forget(request);
    }
    rest.lend(|| drop(request.into_writer()));
}

/// A request that is refused because of its body. tiny_http would wait for the body before it lets it be answered.
pub struct Refusal {
    /// A duplicate.
    pub socket: TcpStream,
    /// Is `None` only while this is dropped.
    request: Option<(Request, Rest)>,
}

impl Refusal {
    /// Begins to refuse a request. `None` if its client is gone.
    pub fn begin(mut request: Request, mut rest: Rest, peer: SocketAddr, all: &Connections) -> Option<Self> {
        all.enter(peer, State::Refusing);
        let socket = all.socket(peer).filter(|socket| is_of(&mut request, &mut rest, socket));
        let Some(socket) = socket else {
            discard(request, rest);
            return None;
        };
        REFUSALS.fetch_add(1, Relaxed);
        Some(Self { socket, request: Some((request, rest)) })
    }

    /// Shuts the connection down. If the answer `is_complete`, this first discards what the client still sends: a reset
    /// would take the answer from it. Not inlined: its buffer would be on the stack of every thread that answers.
    #[inline(never)]
    pub fn end(mut self, is_complete: bool) -> End {
        let (start, mut discarded) = (Instant::now(), [0; 8 * 1024]);
        let _ = self.socket.shutdown(Shutdown::Write);
        let idle = (LINGER_IDLE * LINGER_MANY / REFUSALS.load(Relaxed)).clamp(LINGER_IDLE_LEAST, LINGER_IDLE);
        let has_timeout = self.socket.set_read_timeout(Some(idle)).is_ok();
        while is_complete && has_timeout && start.elapsed() < LINGER_FOR {
            match self.socket.read(&mut discarded) {
                Ok(1..) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => break,
            }
        }
        // tiny_http has not read past the body, so no request of this connection waits.
        End::Replaced
    }
}

/// Whether this is the socket of the request, and not of a later connection from the same client port: a read of the
/// body waits, or has come to the end, while the connection exists. The timeout of the socket limits it.
fn is_of(request: &mut Request, rest: &mut Rest, socket: &TcpStream) -> bool {
    // A read would send `100 Continue`, or, of a chunked body, could go on for as long as the line before a chunk does.
    if expects_continue(request) || rest.bytes == 0 || !rest.is_allowed() {
        return true;
    }
    let _ = socket.set_read_timeout(Some(Duration::from_millis(1)));
    let result = rest.read(request, &mut [0]);
    rest.block = None;
    let _ = socket.set_read_timeout(None);
    let is_timeout = |error: io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    result.err().is_none_or(is_timeout)
}

impl Drop for Refusal {
    /// Also when the thread panics. After the shutdown, the request can be dropped without waiting for its body.
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
        self.request.take().into_iter().for_each(|(request, rest)| discard(request, rest));
        REFUSALS.fetch_sub(1, Relaxed);
    }
}
