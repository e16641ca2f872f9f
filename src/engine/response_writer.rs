//! The writer for an answer. It deals with weakness 9 (no timeouts) for what is sent, and with weakness 11 for the
//! reader of a body that was not read to its end.

use std::io::{self, ErrorKind, Write};
use std::mem::ManuallyDrop;
use std::time::{Duration, Instant};

use tiny_http::{ReadWrite, Request, Response};

use super::body::Unread;
use super::fault::Fault;

/// The writer for an answer.
pub struct ResponseWriter {
    inner: Inner,
    /// How long the client may take nothing of its answer.
    pub timeout: Option<Duration>,
}

/// Both directions of a connection. It is never dropped automatically, not even when a thread panics.
pub type Stream = ManuallyDrop<Box<dyn ReadWrite + Send>>;

enum Inner {
    Writer(Box<dyn Write + Send>),
    /// Includes the reader of the unread part of a body. See [`Unread`].
    Stream {
        stream: Stream,
        may_drop: bool,
    },
}

impl ResponseWriter {
    /// Takes the writer out of a request.
    ///
    /// `Request::into_writer` drops the body's reader. Only `Request::upgrade` returns both, but it always sends a
    /// head. So this head is the one of the refusal.
    pub fn new(request: Request, unread: Unread, fault: &mut Option<Fault>) -> Self {
        let inner = match (unread, fault) {
            (Unread::Droppable | Unread::Undroppable, Some(fault)) => {
                fault.head_is_sent = true;
                let stream = request.upgrade("HTTP/1.1", Response::empty(fault.status));
                Inner::Stream { stream: ManuallyDrop::new(stream), may_drop: unread == Unread::Droppable }
            }
            _ => Inner::Writer(request.into_writer()),
        };
        Self { inner, timeout: None }
    }

    /// Whether the connection lingers after the answer.
    pub fn will_linger(&self) -> bool {
        matches!(self.inner, Inner::Stream { .. })
    }

    /// The stream, if the connection lingers, and whether it may be dropped.
    pub fn into_stream(self) -> Option<(Stream, bool)> {
        match self.inner {
            Inner::Writer(_) => None,
            Inner::Stream { stream, may_drop } => Some((stream, may_drop)),
        }
    }

    fn writer(&mut self) -> &mut dyn Write {
        match &mut self.inner {
            Inner::Writer(writer) => writer,
            Inner::Stream { stream, .. } => &mut **stream,
        }
    }

    /// Repeats a call that has sent nothing before the socket's send timeout, until the whole timeout is over.
    ///
    /// A call that has sent a part of its bytes returns their number instead. So a client that stalls is detected
    /// after the timeout and a few times the send timeout.
    fn retry_timeouts<T>(&mut self, call: impl Fn(&mut dyn Write) -> io::Result<T>) -> io::Result<T> {
        let start = Instant::now();
        loop {
            match call(self.writer()) {
                Err(error) if is_timeout(&error) && self.may_retry(start) => {}
                result => return result,
            }
        }
    }

    /// Whether to repeat a call. On Windows, a socket must not be used after a send timeout, so there the send
    /// timeout is the whole timeout.
    fn may_retry(&self, start: Instant) -> bool {
        !cfg!(windows)
            && self.timeout.is_none_or(|timeout| start.elapsed() + send_slice(timeout) / 2 < timeout)
    }
}

impl Write for ResponseWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.retry_timeouts(|writer| writer.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.retry_timeouts(|writer| writer.flush())
    }
}

/// The send timeout of a socket, which is a part of `timeout`. After a client has stopped reading, the kernel still
/// takes bytes for a while, and each time the timeout starts again.
pub fn send_slice(timeout: Duration) -> Duration {
    if cfg!(windows) { timeout } else { timeout / 8 }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
