//! The way back to the client: weakness 9, no timeouts, for what is sent; and weakness 11 for the reader of a body
//! that was not read to its end.

use std::io::{self, ErrorKind, Read, Write};
use std::mem::{self, ManuallyDrop};
use std::time::{Duration, Instant};

use tiny_http::{ReadWrite, Request, Response};

use super::body::Left;
use super::connection::{HangUp, Id, State};
use super::fault::Fault;
use super::table;

/// How long, and how much, a refused client that still sends is read for a last time: a socket that is closed with
/// unread bytes resets the connection, and takes the answer with it.
pub const LAST_READ: Duration = Duration::from_secs(1);
const LAST_READ_MOST_BYTES: usize = 64 << 20;

/// The way back to the client.
pub struct WayBack {
    way: Way,
    /// How long a client may take nothing of its answer.
    pub timeout: Option<Duration>,
}

enum Way {
    Writer(Box<dyn Write + Send>),
    /// With the reader of what is left of a body; see [`Left`]. Never dropped by itself, also when something panics.
    Stream {
        stream: ManuallyDrop<Box<dyn ReadWrite + Send>>,
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

    /// The end of the last answer. The connection has been shut down for sending where it ends here.
    pub fn finish(self, id: Option<Id>) {
        if let Way::Stream { stream, may_drop } = self.way {
            last_read(stream, may_drop, id);
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

/// Throws away what a refused client still sends, so that it gets to read its answer; the sweep ends a read that
/// takes too long. Not inlined: its stack would be part of every viewer's.
#[inline(never)]
fn last_read(mut stream: ManuallyDrop<Box<dyn ReadWrite + Send>>, may_drop: bool, id: Option<Id>) {
    let start = Instant::now();
    let Some(id) = id else { return };
    if let Some(connection) = table::lock().get(id) {
        connection.enter(State::LastRead);
    }
    if may_drop {
        throw_away(&mut *stream, start);
        table::lock().hang_up(id, HangUp::Both);
        // What is left of the body is read by this, until the hang-up.
        drop(ManuallyDrop::into_inner(stream));
    } else {
        // Not through the stream, whose end would drop the reader.
        if table::wait_until_met(id, true) {
            throw_away(&mut Own(id), start);
        }
        close_leaked(id);
    }
}

fn throw_away(from: &mut impl Read, start: Instant) {
    let mut thrown_away = [0; 8 * 1024];
    let mut read_bytes = 0;
    while start.elapsed() < LAST_READ && read_bytes < LAST_READ_MOST_BYTES {
        match from.read(&mut thrown_away) {
            Ok(some) if some > 0 => read_bytes += some,
            _ => break,
        }
    }
}

/// The socket of a connection whose streams are ours alone, so that its handles stay what they are.
struct Own(Id);

impl Read for Own {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let handle = table::lock().get(self.0).and_then(|connection| connection.own_handle());
        handle.map_or(Ok(0), |handle| handle.receive(bytes))
    }
}

/// Closes the two handles of a stream that was leaked, which nobody else uses.
fn close_leaked(id: Id) {
    let mut table = table::lock();
    table.hang_up(id, HangUp::Both);
    table.close(id);
}

/// Lets go of a request that nobody answers and whose body's reader must not be dropped.
pub fn let_go(request: Request, id: Option<Id>) {
    mem::forget(request.upgrade("HTTP/1.1", Response::empty(400)));
    if let Some(id) = id {
        table::wait_until_met(id, true);
        close_leaked(id);
    }
}
