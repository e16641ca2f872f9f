//! The writers for an answer: tiny_http's, and the socket itself, for a request whose body is not read.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use tiny_http::Request;

use crate::http::framing::expects_continue;

use super::body;
use super::connections::{Connections, End, Key, State};

/// How long a refused client may still send, so that it gets its answer.
const LINGER_FOR: Duration = Duration::from_secs(1);
/// The same for a client that sends nothing.
const LINGER_IDLE: Duration = Duration::from_millis(250);
/// The maximum number of bytes that are discarded meanwhile.
const LINGER_MOST_BYTES: usize = 64 << 20;

/// The writer for an answer.
pub enum Writer {
    /// Through tiny_http, which has a small buffer.
    OfTinyHttp(Box<dyn Write + Send>),
    /// To the socket itself.
    Refusing(Refusal),
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
    pub fn begin(mut request: Request, mut read_bytes: u64, key: Key, all: &Connections) -> Option<Self> {
        all.enter(key, State::Refusing);
        let socket = all.socket(key).filter(|socket| is_of(&mut request, &mut read_bytes, socket));
        let Some(socket) = socket else {
            body::discard(request, read_bytes);
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
    // A read would send `100 Continue`.
    if expects_continue(request) {
        return true;
    }
    let _ = socket.set_read_timeout(Some(Duration::from_millis(1)));
    let read = body::read(request, read_bytes, &mut [0]);
    let _ = socket.set_read_timeout(None);
    // Errors of the decoder of chunks are not those of the socket.
    let Some(Err(error)) = read else { return true };
    error.raw_os_error().is_none() || matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

impl Drop for Refusal {
    /// Also when the thread panics. After the shutdown, the request can be dropped without waiting for its body.
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
        self.request.take().into_iter().for_each(|request| body::discard(request, self.read_bytes));
    }
}
