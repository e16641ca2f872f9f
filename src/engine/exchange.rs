//! One request and the way back to its client, cut loose from tiny_http's `Request`.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use tiny_http::{HTTPVersion, Method, ReadWrite, Request, Response};

use crate::http::Fields;
use crate::http::head::Persistence;
use crate::platform;

use super::Peer;
use super::body::{self, Body, mentions};

/// More header lines than any client sends; a request with more is a fault.
const HEADER_LINES_MOST: usize = 100;
/// How long, and how much, a client that still sends is listened to after its last answer: a socket that
/// is closed with unread bytes resets the connection, and takes the answer with it.
const LINGER: Duration = Duration::from_millis(250);
const LINGER_MOST_BYTES: usize = 1 << 20;

/// Why a request gets an answer that no route knows, and then a closed connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its status code.
    pub status: u16,
    /// Its one line of text.
    pub why: &'static str,
    /// The engine has sent the head; the line and the end of the connection are what is left.
    pub head_is_sent: bool,
}

/// One request, and the way back.
pub struct Exchange {
    /// Number of its connection, from 1.
    pub connection: u64,
    /// The client's address.
    pub peer: Peer,
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
    way_back: WayBack,
    end: End,
}

/// What becomes of a connection once its request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It stays, for the next request.
    Open,
    /// The client has left it, or tiny_http closes it.
    Gone,
    /// We close it after the answer, since tiny_http would not.
    Closed,
    /// We close it in the middle of the answer, so that the client sees that no more comes.
    BrokenOff,
}

enum WayBack {
    Writer(Box<dyn Write + Send>),
    /// With the reader of a body that must not be dropped; see [`body`].
    Undroppable(Box<dyn ReadWrite + Send>),
}

/// A request as it is dispatched. What needs no waiting has been taken over by then, since tiny_http's drop of a
/// `Request` takes 8 KiB of stack, which every viewer's thread would keep.
pub enum Incoming {
    /// Ready to be answered.
    Ready(Exchange),
    /// Its body is to be settled first, which may wait for the client.
    WithBody(Request),
}

impl Incoming {
    /// Takes over what can be.
    pub fn new(request: Request, peer: Peer) -> Self {
        if body::is_announced(&request) {
            Self::WithBody(request)
        } else {
            Self::Ready(Exchange::take(request, peer, Body::None))
        }
    }

    /// The request, on this connection. `None`: its client did not send the body that it had announced.
    pub fn settle(self, peer: Peer, connection: u64) -> Option<Exchange> {
        let mut exchange = match self {
            Self::Ready(exchange) => exchange,
            Self::WithBody(mut request) => match body::settle(&mut request) {
                Body::Broken => {
                    // Or the drop of the reader would wait for the rest.
                    platform::with_socket_to(peer, |socket| socket.shutdown(Shutdown::Both));
                    return None;
                }
                body => Exchange::take(request, peer, body),
            },
        };
        exchange.connection = connection;
        Some(exchange)
    }

    /// Lets go of a request that is not to be answered, without tiny_http's 500.
    pub fn forget(self, peer: Peer) {
        if let Some(mut exchange) = self.settle(peer, 0) {
            exchange.broke_off(false);
            exchange.finish();
        }
    }
}

impl Exchange {
    fn take(request: Request, peer: Peer, body: Body) -> Self {
        let fault = fault_of(&request, body);
        let closes_by_engine = engine_closes_after(&request);
        let asks = connection_asks(&request, "close");
        let closes = closes_by_engine || asks || fault.is_some() || body != Body::None;
        let persistence = match request.http_version() {
            _ if closes => Persistence::Closes,
            HTTPVersion(1, 0) => Persistence::KeepAlive,
            _ => Persistence::Stays,
        };
        Self {
            connection: 0,
            peer,
            method: request.method().clone(),
            target: request.url().to_owned(),
            fields: Fields::of(request.headers()),
            fault,
            persistence,
            way_back: way_back(request, body),
            end: match (closes, closes_by_engine) {
                (_, true) => End::Gone,
                (true, false) => End::Closed,
                (false, false) => End::Open,
            },
        }
    }

    /// The connection, behind tiny_http's small buffer: must be flushed.
    pub fn writer(&mut self) -> &mut dyn Write {
        match &mut self.way_back {
            WayBack::Writer(writer) => writer,
            WayBack::Undroppable(stream) => stream,
        }
    }

    /// The answer ends with the connection, whatever the client asked for.
    pub fn closes_when_done(&mut self) {
        if self.end == End::Open {
            self.end = End::Closed;
        }
    }

    /// The answer could not be sent to its end, because the client has left or for another reason.
    pub fn broke_off(&mut self, client_left: bool) {
        self.end = if client_left { End::Gone } else { End::BrokenOff };
    }

    /// Lets go of the connection, for its next request or for good.
    pub fn finish(self) -> End {
        let close = |how| platform::with_socket_to(self.peer, |socket| socket.shutdown(how));
        match self.way_back {
            WayBack::Writer(mut writer) => match self.end {
                // Before the drop, which would try to send what is left in tiny_http's buffer.
                End::BrokenOff => drop(close(Shutdown::Both)),
                End::Closed => drop(writer.flush().map(|()| close(Shutdown::Write))),
                End::Open | End::Gone => drop(writer.flush()),
            },
            WayBack::Undroppable(mut stream) => {
                drop(stream.flush().map(|()| close(Shutdown::Write)));
                platform::with_socket_to(self.peer, linger);
                platform::leak_but_close(stream, self.peer);
            }
        }
        self.end
    }
}

/// `Request::into_writer` drops the body's reader. Only `Request::upgrade` hands out both, and insists on
/// sending a head, so that is the answer's own.
fn way_back(request: Request, body: Body) -> WayBack {
    if body != Body::Undroppable {
        return WayBack::Writer(request.into_writer());
    }
    let head = Response::empty(TOO_LONG.status);
    WayBack::Undroppable(request.upgrade("HTTP/1.1", head))
}

fn fault_of(request: &Request, body: Body) -> Option<Fault> {
    let hosts = request.headers().iter().filter(|line| line.field.equiv("Host")).count();
    let version = request.http_version();
    let (status, why) = match body {
        Body::Undroppable => return Some(TOO_LONG),
        Body::Malformed => (400, "the request's Content-Length is malformed"),
        _ if *version < (1, 0) => (400, "HTTP/1.0 or HTTP/1.1 is spoken here"),
        _ if request.headers().len() > HEADER_LINES_MOST => (400, "the request has too many header lines"),
        // RFC 9112 3.2.
        _ if hosts > 1 || (hosts == 0 && *version == (1, 1)) => (400, "the request needs one Host field"),
        _ => return None,
    };
    Some(Fault { status, why, head_is_sent: false })
}

const TOO_LONG: Fault =
    Fault { status: 413, why: "the request's body is too long: this server reads none", head_is_sent: true };

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

/// Throws away what a client still sends, so that it gets to read its answer. Not inlined: its stack would be part
/// of every viewer's.
#[inline(never)]
fn linger(socket: &TcpStream) {
    let _ = socket.set_read_timeout(Some(LINGER));
    let _ = io::copy(&mut socket.take(LINGER_MOST_BYTES as u64), &mut io::sink());
}
