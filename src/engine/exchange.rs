//! One request and the way back to its client, cut loose from tiny_http's `Request`.

use std::io::Write;
use std::net::SocketAddr;

use tiny_http::{HTTPVersion, Method, Request};

use crate::http::Fields;
use crate::http::head::Persistence;

use super::address::Id;
use super::body::{self, DrainedBody, Unread, mentions};
use super::fault::{Fault, HEAD_MOST_BYTES, head_bytes};
use super::response_writer::ResponseWriter;

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
    pub(super) id: Option<Id>,
    pub(super) response_writer: ResponseWriter,
    pub(super) end: End,
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
    /// Its body is to be drained first, which may wait for the client.
    WithBody(Request, SocketAddr),
}

impl Incoming {
    /// Takes over what can be.
    pub fn new(request: Request, peer: SocketAddr) -> Self {
        if body::is_announced(&request) {
            Self::WithBody(request, peer)
        } else {
            Self::Ready(Exchange::new(request, peer, &DrainedBody { unread: Unread::Nothing, fault: None }))
        }
    }

    /// Whether a body is to be drained first.
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
}

impl Exchange {
    pub(super) fn new(request: Request, peer: SocketAddr, body: &DrainedBody) -> Self {
        let head_bytes = head_bytes(&request);
        let mut fault = Fault::of(&request).or(body.fault);
        let closes_by_engine = engine_closes_after(&request);
        let closes = closes_by_engine
            || connection_asks(&request, "close")
            || fault.is_some()
            || body.unread != Unread::Nothing;
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
            response_writer: ResponseWriter::new(request, body.unread, &mut fault),
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
        &mut self.response_writer
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
