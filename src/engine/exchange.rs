//! A request and the writer for its answer, separated from tiny_http's `Request`, from its start to its end.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use tiny_http::{HTTPVersion, Method, Request};

use crate::http::Fields;
use crate::http::fault::{Fault, HEAD_MOST_BYTES, head_bytes};
use crate::http::framing::{self, Body};
use crate::http::head::Head;
use crate::instrument::record::Outcome;

use super::body::{Refusal, Rest};
use super::connections::{Connections, End};

/// A request, and the writer for its answer.
pub struct Exchange<'a> {
    /// The number of its connection, from 1.
    pub connection: u64,
    /// The client's address.
    pub peer: SocketAddr,
    pub version: HTTPVersion,
    pub method: Method,
    /// The target as the client sent it.
    pub target: String,
    pub fields: Fields,
    /// The error in the request itself, if there is one.
    pub fault: Option<Fault>,
    connections: &'a Connections,
    writer: Writer,
    end: End,
}

enum Writer {
    /// tiny_http's, which has a small buffer.
    OfTinyHttp(Box<dyn Write + Send>),
    /// The socket itself, for a request whose body is not read.
    Refusing(Refusal),
}

impl<'a> Exchange<'a> {
    /// Prepares a request to be answered, and drains its body. `None` if its client is gone.
    pub(super) fn begin(mut request: Request, peer: SocketAddr, number: u64, all: &'a Connections) -> Option<Self> {
        let (mut fault, body, mut rest) = (Fault::of(&request), Body::of(&request), Rest::of(&request));
        if let (Body::Unread(_), None) = (body, fault) {
            fault = rest.drain(&mut request, peer, all).err();
        }
        let is_refused = matches!(body, Body::Unread(_)) && fault.is_some();
        let is_unclear = matches!(body, Body::Unclear | Body::Unread(0));
        let end = if is_refused || framing::is_closed_by_tiny_http(&request) {
            End::Replaced
        } else if is_unclear || fault.is_some() || framing::asks_to_close(&request) {
            End::Closed
        } else {
            End::Open
        };
        let keeps_head = head_bytes(&request) <= HEAD_MOST_BYTES;
        Some(Self {
            connection: number,
            peer,
            version: request.http_version().clone(),
            method: request.method().clone(),
            target: if keeps_head { request.url().to_owned() } else { "(too long)".to_owned() },
            fields: if keeps_head { Fields::of(request.headers()) } else { Fields::default() },
            fault,
            connections: all,
            end,
            writer: if is_refused {
                Writer::Refusing(Refusal::begin(request, rest, peer, all)?)
            } else {
                Writer::OfTinyHttp(request.into_writer())
            },
        })
    }

    /// Starts the head, which says whether the connection stays open, if that is not the default (RFC 9112 9.3).
    pub fn head(&self, status: u16) -> Head {
        let connection = match self.version {
            _ if self.end != End::Open => Some("close"),
            HTTPVersion(1, 0) => Some("keep-alive"),
            _ => None,
        };
        Head::new(status, connection, &self.fields)
    }

    /// The writer for the answer. It may have a buffer of 1 KiB, so it must be flushed. A write that has sent nothing
    /// fails after an eighth of [`Exchange::timeout`], and may be repeated; on Windows after all of it, for good.
    pub fn writer(&mut self) -> &mut dyn Write {
        match &mut self.writer {
            Writer::OfTinyHttp(writer) => writer,
            Writer::Refusing(refusal) => &mut refusal.socket,
        }
    }

    /// How long the client may take nothing of the answer (weakness 9).
    pub fn timeout(&self) -> Option<Duration> {
        self.connections.timeout
    }

    /// Closes the connection after the answer, whatever the client asked for.
    pub fn closes_when_done(&mut self) {
        if self.end == End::Open {
            self.end = End::Closed;
        }
    }

    /// Ends the exchange. The connection stays open for its next request, or is closed.
    pub fn finish(self, outcome: Outcome) -> End {
        use Outcome::{ClientClosed, Failed, Short, Stopped, TimedOut};
        let is_complete = !matches!(outcome, ClientClosed | TimedOut | Short | Stopped | Failed);
        match self.writer {
            Writer::Refusing(refusal) => refusal.end(is_complete),
            Writer::OfTinyHttp(_) if is_complete => self.end,
            Writer::OfTinyHttp(_) if outcome == ClientClosed => End::Left,
            // Before the writer is dropped: tiny_http could send an answer of its own, which would end up in this one.
            Writer::OfTinyHttp(_) => {
                self.connections.hang_up(self.peer);
                End::Gone
            }
        }
    }
}
