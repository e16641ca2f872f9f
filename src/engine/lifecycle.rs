//! The start and the end of an exchange, and what both do to its connection.

use std::io::{self, Read, Write};
use std::mem::{self, ManuallyDrop};
use std::time::{Duration, Instant};

use tiny_http::{Request, Response};

use crate::http::head::Persistence;
use crate::instrument::record::Outcome;

use super::address::Id;
use super::body::{self, Unread};
use super::connection::{HangUp, State};
use super::exchange::{End, Exchange, Incoming};
use super::response_writer::Stream;
use super::table;

/// How long a connection lingers. Meanwhile, what the client still sends is read and discarded. If the socket were
/// closed with unread bytes, the connection would be reset, and a refused client could lose its answer. This is also
/// how long tiny_http may take to close a connection after its last answer.
pub const LINGER_FOR: Duration = Duration::from_secs(1);
/// The maximum number of bytes that are discarded meanwhile.
const LINGER_MOST_BYTES: usize = 64 << 20;

impl Incoming {
    /// Prepares a request to be answered on this connection, and drains its body.
    ///
    /// `timeout` is how long the body may take, and how long the client may take nothing of its answer.
    pub fn begin(self, id: Id, connection: u64, timeout: Option<Duration>) -> Exchange {
        let mut exchange = match self {
            Self::Ready(exchange) => exchange,
            Self::WithBody(mut request, peer) => {
                let drained = body::drain(&mut request, timeout);
                if drained.fault.is_some() {
                    // The handles are recorded before the answer, because the client may disconnect after it. An
                    // undroppable body needs both of them: they are closed, because the stream cannot be dropped.
                    table::wait_for_handles(id, drained.unread == Unread::Undroppable);
                }
                Exchange::new(request, peer, &drained)
            }
        };
        if let Some(connection) = table::lock().get(id)
            && connection.state == State::InBody
        {
            connection.enter(State::Answering);
        }
        exchange.id = Some(id);
        exchange.connection = connection;
        exchange.response_writer.timeout = timeout;
        exchange.prepare_close();
        exchange
    }

    /// Discards a request that is not to be answered.
    ///
    /// This does not wait for the client, because the connection has been shut down. If the table was full when the
    /// request came, the next sweep shuts the connection down.
    pub fn discard(self, id: Option<Id>) {
        match self {
            Self::WithBody(request, _) if body::is_undroppable(&request) => {
                leak_request(request, id);
            }
            other => drop(other),
        }
    }
}

impl Exchange {
    /// Closes the connection after the answer, whatever the client asked for.
    pub fn closes_when_done(&mut self) {
        self.persistence = Persistence::Closes;
        if self.end == End::Open {
            self.end = End::Closed;
            self.prepare_close();
        }
    }

    /// Waits until a handle is recorded, if the engine will have to close the connection. This is done before the
    /// answer, because after it the client may disconnect and use its port for a new connection at once.
    fn prepare_close(&self) {
        if self.end == End::Closed
            && let Some(id) = self.id
        {
            table::wait_for_handles(id, false);
        }
    }

    /// Ends the exchange. The connection stays open for its next request, or is closed. `outcome` is how the answer
    /// ended.
    pub fn finish(mut self, outcome: Outcome) -> End {
        match outcome {
            Outcome::ClientClosed => self.end = End::BrokenOff,
            Outcome::TimedOut | Outcome::Short | Outcome::Stopped | Outcome::Failed => {
                self.end = End::BrokenOff;
                // The client may still be connected. The connection can be shut down only if a handle is recorded.
                self.id.inspect(|&id| {
                    table::wait_for_handles(id, false);
                });
            }
            Outcome::Sent
            | Outcome::Refused
            | Outcome::Missing
            | Outcome::Forbidden
            | Outcome::Unreadable => {}
        }
        if self.end != End::BrokenOff && self.response_writer.flush().is_err() {
            self.end = End::BrokenOff;
        }
        match self.end {
            // The connection is shut down before the writer is dropped, because that drop would try to send what is
            // left in tiny_http's buffer.
            End::BrokenOff => self.hang_up(HangUp::Both),
            End::Closed => self.hang_up(HangUp::Sending),
            // tiny_http would close it only after the connection has lingered.
            End::Open | End::Gone if self.response_writer.will_linger() => self.hang_up(HangUp::Sending),
            End::Open | End::Gone => {}
        }
        if let Some((stream, may_drop)) = self.response_writer.into_stream() {
            linger(stream, may_drop, self.id);
        }
        self.end
    }

    fn hang_up(&self, how: HangUp) {
        if let Some(id) = self.id {
            table::lock().hang_up(id, how);
        }
    }
}

/// Reads and discards what a refused client still sends, so that the client gets its answer. The sweep ends a read
/// that takes too long.
///
/// Not inlined, because its buffer would be part of the stack of every thread that answers.
#[inline(never)]
fn linger(mut stream: Stream, may_drop: bool, id: Option<Id>) {
    let start = Instant::now();
    let Some(id) = id else { return };
    if let Some(connection) = table::lock().get(id) {
        connection.enter(State::Lingering);
    }
    if may_drop {
        discard_input(&mut *stream, start);
        table::lock().hang_up(id, HangUp::Both);
        // The drop reads the rest of the body. It does not wait, because the connection is shut down.
        drop(ManuallyDrop::into_inner(stream));
    } else {
        // The stream itself is not read: at the end of the input it would drop the body's reader.
        if table::wait_for_handles(id, true) {
            discard_input(&mut SocketReader(id), start);
        }
        close_leaked(id);
    }
}

fn discard_input(from: &mut impl Read, start: Instant) {
    let mut discarded = [0; 8 * 1024];
    let mut read_bytes = 0;
    while start.elapsed() < LINGER_FOR && read_bytes < LINGER_MOST_BYTES {
        match from.read(&mut discarded) {
            Ok(some) if some > 0 => read_bytes += some,
            _ => break,
        }
    }
}

/// Reads from the socket of a connection whose stream is leaked. Nobody else closes its handles.
struct SocketReader(Id);

impl Read for SocketReader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let handle = table::lock().get(self.0).and_then(|connection| connection.valid_handle());
        handle.map_or(Ok(0), |handle| handle.receive(bytes))
    }
}

/// Closes the two handles of a leaked stream, which nobody else uses.
fn close_leaked(id: Id) {
    let mut table = table::lock();
    table.hang_up(id, HangUp::Both);
    table.close_handles(id);
}

/// Discards a request without dropping its body's reader: leaks its stream, and closes the handles of the connection.
fn leak_request(request: Request, id: Option<Id>) {
    mem::forget(request.upgrade("HTTP/1.1", Response::empty(400)));
    if let Some(id) = id {
        table::wait_for_handles(id, true);
        close_leaked(id);
    }
}
