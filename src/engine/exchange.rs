//! One request and the way back to its client, cut loose from tiny_http's `Request`.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use tiny_http::{HTTPVersion, Method, Request};

use crate::http::Fields;
use crate::http::head::Persistence;
use crate::instrument::record::Outcome;

use super::body::{self, Left, Settled, mentions};
use super::connection::{HangUp, Id, State};
use super::fault::{Fault, HEAD_MOST_BYTES, head_bytes};
use super::table;
use super::way_back::{WayBack, let_go};

/// What a header line takes of the heap beside its text.
const LINE_BYTES: usize = 96;
/// What a request that waits takes of the heap beside its text: most of it is tiny_http's.
const REQUEST_BYTES: usize = 1024;
/// One request, and the way back.
pub struct Exchange {
    /// Number of its connection, from 1.
    pub connection: u64,
    /// The client's address.
    pub peer: SocketAddr,
    /// The version of HTTP.
    pub version: HTTPVersion,
    /// The method as it came.
    pub method: Method,
    /// The target as it came.
    pub target: String,
    /// The header lines that matter.
    pub fields: Fields,
    /// What is wrong with the request as such.
    pub fault: Option<Fault>,
    /// What its answer has to say about the connection.
    pub persistence: Persistence,
    id: Option<Id>,
    way_back: WayBack,
    end: End,
}

/// What becomes of a connection once its request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It stays, for the next request.
    Open,
    /// tiny_http closes it.
    Gone,
    /// We close it after the answer, since tiny_http would not.
    Closed,
    /// We close it in the middle of the answer, so that the client sees that no more comes.
    BrokenOff,
}

/// A request as it is dispatched. What needs no waiting has been taken over by then, since tiny_http's drop of a
/// `Request` takes 8 KiB of stack, which every viewer's thread would keep.
pub enum Incoming {
    /// Ready to be answered.
    Ready(Exchange),
    /// Its body is to be settled first, which may wait for the client.
    WithBody(Request, SocketAddr),
}

impl Incoming {
    /// Takes over what can be.
    pub fn new(request: Request, peer: SocketAddr) -> Self {
        if body::is_announced(&request) {
            Self::WithBody(request, peer)
        } else {
            Self::Ready(Exchange::take(request, peer, &Settled { left: Left::Nothing, fault: None }))
        }
    }

    /// Whether a body is to be settled first.
    pub fn has_body(&self) -> bool {
        matches!(self, Self::WithBody(..))
    }

    /// What it takes of the heap while it waits, roughly.
    pub fn heap_bytes(&self) -> usize {
        REQUEST_BYTES
            + match self {
                Self::Ready(exchange) => exchange.target.len() + exchange.fields.bytes(),
                Self::WithBody(request, _) => head_bytes(request) + LINE_BYTES * request.headers().len(),
            }
    }

    /// The request, to be answered on this connection. `timeout`: for a body to be read away, and for a client
    /// that takes nothing of its answer.
    pub fn begin(self, id: Id, connection: u64, timeout: Option<Duration>) -> Exchange {
        let mut exchange = match self {
            Self::Ready(exchange) => exchange,
            Self::WithBody(mut request, peer) => {
                let settled = body::settle(&mut request, timeout);
                if settled.fault.is_some() {
                    // Before the client has an answer and leaves. Where too much is left, its streams cannot be
                    // dropped, only closed.
                    table::wait_until_met(id, settled.left == Left::TooMuch);
                }
                Exchange::take(request, peer, &settled)
            }
        };
        if let Some(connection) = table::lock().get(id)
            && connection.state == State::InBody
        {
            connection.enter(State::Answering);
        }
        exchange.id = Some(id);
        exchange.connection = connection;
        exchange.way_back.timeout = timeout;
        exchange.makes_sure_to_close();
        exchange
    }

    /// Lets go of a request that is not to be answered. Its connection has been shut down, so nothing waits for
    /// its client.
    pub fn forget(self, id: Option<Id>) {
        match self {
            Self::WithBody(request, _) if body::is_undroppable(&request) => {
                let_go(request, id);
            }
            other => drop(other),
        }
    }
}

impl Exchange {
    fn take(request: Request, peer: SocketAddr, body: &Settled) -> Self {
        let head_bytes = head_bytes(&request);
        let mut fault = Fault::of(&request).or(body.fault);
        let closes_by_engine = engine_closes_after(&request);
        let closes = closes_by_engine
            || connection_asks(&request, "close")
            || fault.is_some()
            || body.left != Left::Nothing;
        let persistence = match request.http_version() {
            _ if closes => Persistence::Closes,
            HTTPVersion(1, 0) => Persistence::KeepAlive,
            _ => Persistence::Stays,
        };
        let keeps_head = head_bytes <= HEAD_MOST_BYTES;
        let mut exchange = Self {
            connection: 0,
            peer,
            version: request.http_version().clone(),
            method: request.method().clone(),
            target: if keeps_head { request.url().to_owned() } else { "(too long)".to_owned() },
            fields: if keeps_head { Fields::of(request.headers()) } else { Fields::default() },
            fault: None,
            persistence,
            id: None,
            way_back: WayBack::of(request, body.left, &mut fault),
            end: match (closes, closes_by_engine) {
                (_, true) => End::Gone,
                (true, false) => End::Closed,
                (false, false) => End::Open,
            },
        };
        exchange.fault = fault;
        exchange
    }

    /// The connection, behind tiny_http's small buffer: must be flushed.
    pub fn writer(&mut self) -> &mut dyn Write {
        &mut self.way_back
    }

    /// The answer ends with the connection, whatever the client asked for.
    pub fn closes_when_done(&mut self) {
        self.persistence = Persistence::Closes;
        if self.end == End::Open {
            self.end = End::Closed;
            self.makes_sure_to_close();
        }
    }

    /// Before the answer: a client that has got it may leave, and use its port again at once.
    fn makes_sure_to_close(&self) {
        if self.end == End::Closed
            && let Some(id) = self.id
        {
            table::wait_until_met(id, false);
        }
    }

    /// Lets go of the connection, for its next request or for good. `outcome`: how the answer ended.
    pub fn finish(mut self, outcome: Outcome) -> End {
        match outcome {
            Outcome::ClientClosed => self.end = End::BrokenOff,
            Outcome::TimedOut | Outcome::Short | Outcome::Failed => {
                self.end = End::BrokenOff;
                // The client may still be there, so the connection must be known, to be shut down.
                self.id.inspect(|&id| {
                    table::wait_until_met(id, false);
                });
            }
            Outcome::Sent | Outcome::Refused | Outcome::Missing | Outcome::Forbidden => {}
        }
        if self.end != End::BrokenOff && self.way_back.flush().is_err() {
            self.end = End::BrokenOff;
        }
        match self.end {
            // Before the drop of the writer, which would try to send what is left in tiny_http's buffer.
            End::BrokenOff => self.hang_up(HangUp::Both),
            End::Closed => self.hang_up(HangUp::Sending),
            // tiny_http would close it only after the last read.
            End::Open | End::Gone if self.way_back.has_last_read() => self.hang_up(HangUp::Sending),
            End::Open | End::Gone => {}
        }
        self.way_back.finish(self.id);
        self.end
    }

    fn hang_up(&self, how: HangUp) {
        if let Some(id) = self.id {
            table::lock().hang_up(id, how);
        }
    }
}

/// Whether tiny_http closes the connection by itself once this request is answered: it looks at the
/// first Connection field only, for these words.
fn engine_closes_after(request: &Request) -> bool {
    let first = request.headers().iter().find(|line| line.field.equiv("Connection"));
    match first {
        Some(line) if mentions(line, "close") || mentions(line, "upgrade") => true,
        Some(line) => !mentions(line, "keep-alive") && *request.http_version() == (1, 0),
        None => *request.http_version() == (1, 0),
    }
}

fn connection_asks(request: &Request, option: &str) -> bool {
    let mut lines = request.headers().iter().filter(|line| line.field.equiv("Connection"));
    lines.any(|line| line.value.as_str().split(',').any(|o| o.trim().eq_ignore_ascii_case(option)))
}
