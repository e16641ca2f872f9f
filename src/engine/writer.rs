//! The writers for an answer: tiny_http's, and the socket itself, for a request whose body is not read.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use tiny_http::Request;

use super::body;
use super::connections::{Connections, Key, State};

/// How long a refused client may still send, so that it gets its answer.
const LINGER_FOR: Duration = Duration::from_secs(1);
/// The same for a client that sends nothing.
const LINGER_IDLE: Duration = Duration::from_millis(250);
/// The maximum number of bytes that are discarded meanwhile.
const LINGER_MOST_BYTES: usize = 64 << 20;

/// The send timeout of a socket, which is a part of `timeout`: a write that has sent some of its bytes returns when it is
/// over, so a client that stalls is detected after `timeout` and at most two parts.
pub fn send_slice(timeout: Duration) -> Duration {
    if cfg!(windows) { timeout } else { timeout / 8 }
}

/// The writer for an answer. It gives up when the client has taken nothing for the timeout (weakness 9).
pub enum Writer {
    /// Through tiny_http.
    OfTinyHttp(Box<dyn Write + Send>, Option<Duration>),
    /// To the socket itself.
    Refusing(Refusal),
}

impl Writer {
    /// Repeats a call that has sent nothing before the send timeout of the socket, until the whole timeout is over. On
    /// Windows, a socket must not be used after a send timeout.
    fn retry<T>(&mut self, call: impl Fn(&mut dyn Write) -> io::Result<T>) -> io::Result<T> {
        let start = Instant::now();
        let (writer, timeout): (&mut dyn Write, _) = match self {
            Self::OfTinyHttp(writer, timeout) => (writer, *timeout),
            Self::Refusing(refusal) => (&mut refusal.socket, Some(LINGER_FOR)),
        };
        let is_over = || {
            timeout.is_some_and(|timeout| start.elapsed() + send_slice(timeout) / 2 >= timeout)
                || cfg!(windows)
        };
        loop {
            match call(writer) {
                Err(error) if is_timeout(&error) && !is_over() => {}
                result => return result,
            }
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.retry(|writer| writer.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.retry(|writer| writer.flush())
    }
}

/// A request that is refused because of its body. If it were answered through tiny_http, the reader of the body would be
/// dropped first, which waits for the body.
pub struct Refusal {
    /// A duplicate.
    socket: TcpStream,
    /// Is `None` only while this is dropped.
    request: Option<Request>,
    /// The number of bytes that have been read of the body.
    read_bytes: u64,
}

impl Refusal {
    /// Begins to refuse a request. `None` if its client is gone.
    pub fn begin(request: Request, read_bytes: u64, key: Key, connections: &Connections) -> Option<Self> {
        connections.enter(key, State::Refusing);
        match connections.socket(key) {
            Some(socket) => Some(Self { socket, request: Some(request), read_bytes }),
            None => {
                body::discard(request, read_bytes);
                None
            }
        }
    }

    /// Closes the connection. If the answer `is_complete`, this first reads and discards what the client still sends: if
    /// the socket were closed with unread bytes, the connection would be reset, and the client could lose its answer.
    ///
    /// Not inlined, because its buffer would be part of the stack of every thread that answers.
    #[inline(never)]
    pub fn end(mut self, is_complete: bool) {
        let start = Instant::now();
        let mut discarded = [0; 8 * 1024];
        let mut read_bytes = 0;
        let _ = self.socket.shutdown(Shutdown::Write);
        let has_timeout = self.socket.set_read_timeout(Some(LINGER_IDLE)).is_ok();
        while is_complete && has_timeout && read_bytes < LINGER_MOST_BYTES && start.elapsed() < LINGER_FOR {
            match self.socket.read(&mut discarded) {
                Ok(some) if some > 0 => read_bytes += some,
                _ => break,
            }
        }
    }
}

impl Drop for Refusal {
    /// Also when the thread panics. After the shutdown, the request can be dropped without waiting for its body.
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
        self.request.take().into_iter().for_each(|request| body::discard(request, self.read_bytes));
    }
}
