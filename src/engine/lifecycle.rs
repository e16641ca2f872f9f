//! The beginning and the end of an exchange: what both do to its connection.

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

/// How long, and how much, a refused client that still sends is read for a last time: a socket that is closed with
/// unread bytes resets the connection, and takes the answer with it.
pub const LINGER_FOR: Duration = Duration::from_secs(1);
const LINGER_MOST_BYTES: usize = 64 << 20;

impl Incoming {
    /// The request, to be answered on this connection. `timeout`: for a body to be read away, and for a client
    /// that takes nothing of its answer.
    pub fn begin(self, id: Id, connection: u64, timeout: Option<Duration>) -> Exchange {
        let mut exchange = match self {
            Self::Ready(exchange) => exchange,
            Self::WithBody(mut request, peer) => {
                let drained = body::drain(&mut request, timeout);
                if drained.fault.is_some() {
                    // Before the client has an answer and leaves. Where too much is left, its streams cannot be
                    // dropped, only closed.
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

    /// Lets go of a request that is not to be answered. Its connection has been shut down, so nothing waits for
    /// its client.
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
    /// The answer ends with the connection, whatever the client asked for.
    pub fn closes_when_done(&mut self) {
        self.persistence = Persistence::Closes;
        if self.end == End::Open {
            self.end = End::Closed;
            self.prepare_close();
        }
    }

    /// Before the answer: a client that has got it may leave, and use its port again at once.
    fn prepare_close(&self) {
        if self.end == End::Closed
            && let Some(id) = self.id
        {
            table::wait_for_handles(id, false);
        }
    }

    /// Lets go of the connection, for its next request or for good. `outcome`: how the answer ended.
    pub fn finish(mut self, outcome: Outcome) -> End {
        match outcome {
            Outcome::ClientClosed => self.end = End::BrokenOff,
            Outcome::TimedOut | Outcome::Short | Outcome::Stopped | Outcome::Failed => {
                self.end = End::BrokenOff;
                // The client may still be there, so the connection must be known, to be shut down.
                self.id.inspect(|&id| {
                    table::wait_for_handles(id, false);
                });
            }
            Outcome::Sent | Outcome::Refused | Outcome::Missing | Outcome::Forbidden => {}
        }
        if self.end != End::BrokenOff && self.response_writer.flush().is_err() {
            self.end = End::BrokenOff;
        }
        match self.end {
            // Before the drop of the writer, which would try to send what is left in tiny_http's buffer.
            End::BrokenOff => self.hang_up(HangUp::Both),
            End::Closed => self.hang_up(HangUp::Sending),
            // tiny_http would close it only after the last read.
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

/// Throws away what a refused client still sends, so that it gets to read its answer; the sweep ends a read that
/// takes too long. Not inlined: its stack would be part of every viewer's.
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
        // What is left of the body is read by this, until the hang-up.
        drop(ManuallyDrop::into_inner(stream));
    } else {
        // Not through the stream, whose end would drop the reader.
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

/// The socket of a connection whose streams are ours alone, so that its handles stay what they are.
struct SocketReader(Id);

impl Read for SocketReader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let handle = table::lock().get(self.0).and_then(|connection| connection.valid_handle());
        handle.map_or(Ok(0), |handle| handle.receive(bytes))
    }
}

/// Closes the two handles of a stream that was leaked, which nobody else uses.
fn close_leaked(id: Id) {
    let mut table = table::lock();
    table.hang_up(id, HangUp::Both);
    table.close_handles(id);
}

/// Lets go of a request that nobody answers and whose body's reader must not be dropped.
pub fn leak_request(request: Request, id: Option<Id>) {
    mem::forget(request.upgrade("HTTP/1.1", Response::empty(400)));
    if let Some(id) = id {
        table::wait_for_handles(id, true);
        close_leaked(id);
    }
}
