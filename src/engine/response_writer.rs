//! The way back to the client: weakness 9, no timeouts, for what is sent; and weakness 11 for the reader of a body
//! that was not read to its end.

use std::io::{self, ErrorKind, Write};
use std::mem::ManuallyDrop;
use std::time::{Duration, Instant};

use tiny_http::{ReadWrite, Request, Response};

use super::body::Unread;
use super::fault::Fault;

/// The way back to the client.
pub struct ResponseWriter {
    inner: Inner,
    /// How long a client may take nothing of its answer.
    pub timeout: Option<Duration>,
}

/// Both directions of a connection. It is never dropped by itself, also when something panics.
pub type Stream = ManuallyDrop<Box<dyn ReadWrite + Send>>;

enum Inner {
    Writer(Box<dyn Write + Send>),
    /// With the reader of what is left of a body; see [`Left`].
    Stream {
        stream: Stream,
        may_drop: bool,
    },
}

impl ResponseWriter {
    /// `Request::into_writer` drops the body's reader. Only `Request::upgrade` hands out both, and insists on
    /// sending a head, so that is the answer's own.
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

    /// Whether the client is read from for a last time after the answer.
    pub fn will_linger(&self) -> bool {
        matches!(self.inner, Inner::Stream { .. })
    }

    /// The stream, if the client is read from for a last time, and whether its reader may be dropped.
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

    /// A call that has sent a part of its bytes before the socket's send timeout says how many, and one that has sent
    /// nothing is repeated until the timeout is over. So a client that stalls is noticed after the timeout and a few
    /// slices of it.
    fn retry_timeouts<T>(&mut self, call: impl Fn(&mut dyn Write) -> io::Result<T>) -> io::Result<T> {
        let start = Instant::now();
        loop {
            match call(self.writer()) {
                Err(error) if is_timeout(&error) && self.may_retry(start) => {}
                result => return result,
            }
        }
    }

    /// On Windows a socket must not be used after a send timeout, which is the whole timeout there.
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

/// The send timeout of a socket: a part of the whole one, since the kernel takes bytes for some time after a client
/// has stopped to read, and each time the clock starts anew.
pub fn send_slice(timeout: Duration) -> Duration {
    if cfg!(windows) { timeout } else { timeout / 8 }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
