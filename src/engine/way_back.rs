//! The way back to the client: weakness 9, no timeouts, for what is sent; and weakness 11 for the reader of a body
//! that was not read to its end.

use std::io::{self, ErrorKind, Write};
use std::mem::ManuallyDrop;
use std::time::{Duration, Instant};

use tiny_http::{ReadWrite, Request, Response};

use super::body::Left;
use super::fault::Fault;

/// The way back to the client.
pub struct WayBack {
    way: Way,
    /// How long a client may take nothing of its answer.
    pub timeout: Option<Duration>,
}

/// Both directions of a connection. It is never dropped by itself, also when something panics.
pub type Stream = ManuallyDrop<Box<dyn ReadWrite + Send>>;

enum Way {
    Writer(Box<dyn Write + Send>),
    /// With the reader of what is left of a body; see [`Left`].
    Stream {
        stream: Stream,
        may_drop: bool,
    },
}

impl WayBack {
    /// `Request::into_writer` drops the body's reader. Only `Request::upgrade` hands out both, and insists on
    /// sending a head, so that is the answer's own.
    pub fn of(request: Request, left: Left, fault: &mut Option<Fault>) -> Self {
        let way = match (left, fault) {
            (Left::Some | Left::TooMuch, Some(fault)) => {
                fault.head_is_sent = true;
                let stream = request.upgrade("HTTP/1.1", Response::empty(fault.status));
                Way::Stream { stream: ManuallyDrop::new(stream), may_drop: left == Left::Some }
            }
            _ => Way::Writer(request.into_writer()),
        };
        Self { way, timeout: None }
    }

    /// Whether the client is read from for a last time after the answer.
    pub fn has_last_read(&self) -> bool {
        matches!(self.way, Way::Stream { .. })
    }

    /// The stream, if the client is read from for a last time, and whether its reader may be dropped.
    pub fn into_stream(self) -> Option<(Stream, bool)> {
        match self.way {
            Way::Writer(_) => None,
            Way::Stream { stream, may_drop } => Some((stream, may_drop)),
        }
    }

    fn to(&mut self) -> &mut dyn Write {
        match &mut self.way {
            Way::Writer(writer) => writer,
            Way::Stream { stream, .. } => &mut **stream,
        }
    }

    /// A call that has sent a part of its bytes before the socket's send timeout says how many, and one that has sent
    /// nothing is repeated until the timeout is over. So a client that stalls is noticed after the timeout and a few
    /// slices of it.
    fn patiently<T>(&mut self, call: impl Fn(&mut dyn Write) -> io::Result<T>) -> io::Result<T> {
        let start = Instant::now();
        loop {
            match call(self.to()) {
                Err(error) if is_timeout(&error) && self.has_patience(start) => {}
                result => return result,
            }
        }
    }

    /// On Windows a socket must not be used after a send timeout, which is the whole timeout there.
    fn has_patience(&self, start: Instant) -> bool {
        !cfg!(windows)
            && self.timeout.is_none_or(|timeout| start.elapsed() + send_slice(timeout) / 2 < timeout)
    }
}

impl Write for WayBack {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.patiently(|to| to.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.patiently(|to| to.flush())
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
