//! A request and the writer for its answer, separated from tiny_http's `Request`.

use std::io::Write;
use std::net::SocketAddr;

use tiny_http::{HTTPVersion, Method, Request};

use crate::http::Fields;
use crate::http::head::Persistence;

use super::address::Id;
use super::body::{self, DrainedBody, Unread, mentions};
use super::fault::{Fault, HEAD_MOST_BYTES, head_bytes};
use super::response_writer::ResponseWriter;

/// The estimated number of bytes of the heap that a header line takes in addition to its text.
const LINE_BYTES: usize = 96;
/// The same for a waiting request. Most of it is tiny_http's.
const REQUEST_BYTES: usize = 1024;

/// A request, and the writer for its answer.
pub struct Exchange {
    /// The number of its connection, from 1.
    pub connection: u64,
    /// The client's address.
    pub peer: SocketAddr,
    /// The version of HTTP that the client used.
    pub version: HTTPVersion,
    /// The method as the client sent it.
    pub method: Method,
    /// The target as the client sent it.
    pub target: String,
    /// The header fields that this server uses.
    pub fields: Fields,
    /// The error in the request itself, if there is one.
    pub fault: Option<Fault>,
    /// What the answer says about the connection.
    pub persistence: Persistence,
    pub(super) id: Option<Id>,
    pub(super) response_writer: ResponseWriter,
    pub(super) end: End,
}

/// What happens to a connection after its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It stays open for the next request.
    Open,
    /// tiny_http closes it after the answer.
    Gone,
    /// The engine closes it after the answer, because tiny_http would not.
    Closed,
    /// The engine closes it before the answer is complete. The client then sees that the rest is missing.
    BrokenOff,
}

/// A request for a thread that answers.
///
/// Without a body, the `Request` of tiny_http is dropped when this is created, by the thread that dispatches. The
/// drop uses 8 KiB of stack, which every thread that answers would otherwise keep.
pub enum Incoming {
    /// Ready to be answered.
    Ready(Exchange),
    /// The body must be drained first, which may wait for the client.
    WithBody(Request, SocketAddr),
}

impl Incoming {
    /// Converts a request of tiny_http, unless it has a body.
    pub fn new(request: Request, peer: SocketAddr) -> Self {
        if body::is_announced(&request) {
            Self::WithBody(request, peer)
        } else {
            Self::Ready(Exchange::new(request, peer, &DrainedBody { unread: Unread::Nothing, fault: None }))
        }
    }

    /// Whether a body must be drained first.
    pub fn has_body(&self) -> bool {
        matches!(self, Self::WithBody(..))
    }

    /// The estimated number of bytes of the heap that it takes while it waits.
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

    /// The writer for the answer. It has tiny_http's small buffer, so it must be flushed.
    pub fn writer(&mut self) -> &mut dyn Write {
        &mut self.response_writer
    }
}

/// Whether tiny_http closes the connection by itself after this request. It looks for these words in the first
/// `Connection` field only.
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
