//! One request and the way back to its client, cut loose from tiny_http's `Request`.

use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use tiny_http::{HTTPVersion, Method, ReadWrite, Request, Response};

use crate::http::Fields;
use crate::http::head::Persistence;

use super::body::{self, Left, Settled, mentions};
use super::table::{self, HangUp, Id, State};

/// More header lines than any client sends; a request with more is a fault.
const HEADER_LINES_MOST: usize = 100;
/// And more bytes of them.
const HEAD_MOST_BYTES: usize = 64 * 1024;
/// What a request that waits takes of the heap beside its text: most of it is tiny_http's.
const REQUEST_BYTES: usize = 1024;
/// How long, and how much, a refused client that still sends is read for a last time: a socket that is closed with
/// unread bytes resets the connection, and takes the answer with it.
pub const LAST_READ: Duration = Duration::from_secs(1);
const LAST_READ_MOST_BYTES: usize = 64 << 20;

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
    pub peer: SocketAddr,
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
                Self::WithBody(request, _) => head_bytes(request),
            }
    }

    /// The request, to be answered on this connection. `timeout`: for a body to be read away, and for a client
    /// that takes nothing of its answer.
    pub fn begin(self, id: Id, connection: u64, timeout: Option<Duration>) -> Exchange {
        let mut exchange = match self {
            Self::Ready(exchange) => exchange,
            Self::WithBody(mut request, peer) => {
                let settled = body::settle(&mut request, timeout);
                Exchange::take(request, peer, &settled)
            }
        };
        if let Some(connection) = table::lock().get(id)
            && connection.state == State::Body
        {
            connection.enter(State::Answering);
        }
        exchange.id = Some(id);
        exchange.connection = connection;
        exchange.way_back.timeout = timeout;
        exchange
    }

    /// Lets go of a request that is not to be answered. Its connection has been shut down, so nothing waits for
    /// its client.
    pub fn forget(self, id: Option<Id>) {
        match self {
            Self::WithBody(request, _) if body::is_undroppable(&request) => {
                leak(request.upgrade("HTTP/1.1", Response::empty(400)), id);
            }
            other => drop(other),
        }
    }
}

impl Exchange {
    fn take(request: Request, peer: SocketAddr, body: &Settled) -> Self {
        let head_bytes = head_bytes(&request);
        let mut fault = fault_of(&request, head_bytes).or(body.fault);
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
        if self.end == End::Open {
            self.end = End::Closed;
        }
    }

    /// The answer could not be sent to its end.
    pub fn broke_off(&mut self) {
        self.end = End::BrokenOff;
    }

    /// Lets go of the connection, for its next request or for good.
    pub fn finish(mut self) -> End {
        if self.end != End::BrokenOff && self.way_back.flush().is_err() {
            self.end = End::BrokenOff;
        }
        match self.end {
            // Before the drop of the writer, which would try to send what is left in tiny_http's buffer.
            End::BrokenOff => self.hang_up(HangUp::Both),
            End::Closed => self.hang_up(HangUp::Sending),
            End::Open | End::Gone => {}
        }
        if let Way::Stream { stream, may_drop } = self.way_back.way {
            last_read(stream, may_drop, self.id);
            return End::BrokenOff;
        }
        self.end
    }

    fn hang_up(&self, how: HangUp) {
        if let Some(id) = self.id {
            table::lock().hang_up(id, how);
        }
    }
}

/// The way back to the client.
struct WayBack {
    way: Way,
    /// How long a client may take nothing of its answer.
    timeout: Option<Duration>,
}

enum Way {
    Writer(Box<dyn Write + Send>),
    /// With the reader of what is left of a body; see [`body`].
    Stream {
        stream: Box<dyn ReadWrite + Send>,
        may_drop: bool,
    },
}

impl WayBack {
    /// `Request::into_writer` drops the body's reader. Only `Request::upgrade` hands out both, and insists on
    /// sending a head, so that is the answer's own.
    fn of(request: Request, left: Left, fault: &mut Option<Fault>) -> Self {
        let way = match (left, fault) {
            (Left::Some | Left::TooMuch, Some(fault)) => {
                fault.head_is_sent = true;
                let stream = request.upgrade("HTTP/1.1", Response::empty(fault.status));
                Way::Stream { stream, may_drop: left == Left::Some }
            }
            _ => Way::Writer(request.into_writer()),
        };
        Self { way, timeout: None }
    }

    fn to(&mut self) -> &mut dyn Write {
        match &mut self.way {
            Way::Writer(writer) => writer,
            Way::Stream { stream, .. } => stream,
        }
    }

    /// Weakness 9: the socket's send timeout is half of the timeout, and a call that sent a part of its bytes
    /// before it says how many. So a call that sent nothing is repeated until the timeout is over, and a client that
    /// stalls is noticed after at most one and a half of it.
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
        !cfg!(windows) && self.timeout.is_none_or(|timeout| start.elapsed() < timeout * 3 / 4)
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

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn head_bytes(request: &Request) -> usize {
    let line = |line: &tiny_http::Header| line.field.as_str().len() + line.value.len();
    request.url().len() + request.headers().iter().map(line).sum::<usize>()
}

fn fault_of(request: &Request, head_bytes: usize) -> Option<Fault> {
    let hosts = request.headers().iter().filter(|line| line.field.equiv("Host")).count();
    let version = request.http_version();
    let (status, why) = match () {
        () if *version < (1, 0) => (400, "HTTP/1.0 or HTTP/1.1 is spoken here"),
        () if request.headers().len() > HEADER_LINES_MOST => (431, "the request has too many header lines"),
        () if head_bytes > HEAD_MOST_BYTES => (431, "the request's head is longer than 64 KiB"),
        // RFC 9112 3.2.
        () if hosts > 1 || (hosts == 0 && *version == (1, 1)) => (400, "the request needs one Host field"),
        () => return None,
    };
    Some(Fault { status, why, head_is_sent: false })
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

/// Throws away what a refused client still sends, so that it gets to read its answer; the sweep ends a read that
/// takes too long. Not inlined: its stack would be part of every viewer's.
#[inline(never)]
fn last_read(mut stream: Box<dyn ReadWrite + Send>, may_drop: bool, id: Option<Id>) {
    let start = Instant::now();
    id.inspect(|&id| {
        table::lock().get(id).into_iter().for_each(|connection| connection.enter(State::LastRead));
    });
    if may_drop {
        throw_away(&mut stream, start);
        id.inspect(|&id| table::lock().hang_up(id, HangUp::Both));
        // What is left of the body is read by this, until the hang-up.
        drop(stream);
    } else {
        // Its own end would drop the reader.
        if let Some(mut socket) = id.and_then(|id| socket_of(id, start)) {
            throw_away(&mut socket, start);
        }
        leak(stream, id);
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

/// A second handle on a connection, once the sweep has seen it, which is soon; it never sees a client that was gone
/// before. `None` as well where descriptors have run out.
fn socket_of(id: Id, start: Instant) -> Option<TcpStream> {
    while start.elapsed() < LAST_READ {
        if let Some(connection) = table::lock().get(id).filter(|connection| connection.was_met()) {
            return connection.with_socket(|socket| socket.try_clone().ok()).flatten();
        }
        thread::sleep(Duration::from_millis(1));
    }
    None
}

/// Leaks a stream that must not be dropped, and closes its two handles, which nobody else uses.
fn leak(stream: Box<dyn ReadWrite + Send>, id: Option<Id>) {
    mem::forget(stream);
    if let Some(id) = id {
        let mut table = table::lock();
        table.hang_up(id, HangUp::Both);
        table.close(id);
    }
}
