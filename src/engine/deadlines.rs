//! Weaknesses 5, 9 and 13: which connections are stuck, how long each may take for a step, and how much of a head tiny_http
//! may store. All of this is decided for one connection, by what that connection does.

use std::mem;
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use crate::platform::Socket;

use super::body::DRAIN_MOST_BYTES;
use super::connections::{Connections, State, WAITING_MOST_BYTES};

/// The timeout for a head when descriptors are short, unless the usual one is shorter.
const HEAD_WHEN_SHORT: Duration = Duration::from_millis(250);
/// How long tiny_http, or the client, may take to close a connection after its last answer.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// If a tick comes so late, the program may have been stopped. A client then has at least this time.
pub const STOPPED_AFTER: Duration = Duration::from_secs(1);
/// A connection without a request is looked at 50 times in this time, and then four times.
const NEW: Duration = Duration::from_secs(1);
/// A connection is not stuck if nobody has received its bytes after this many walks. It has a thread, which does not read.
const UNREAD_WALKS_MOST: u8 = 32;
/// If tiny_http takes less of the heap than this, no head can be too long.
const HEAP_SMALL_BYTES: u64 = 4 << 20;
/// If tiny_http takes more than this, heads above `HEAD_SMALL_BYTES` that have taken longer than `HEAD_YOUNG` are too long.
/// It is the only measure that does not ask what the one connection has done.
const HEAP_MOST_BYTES: u64 = 64 << 20;
const HEAD_SMALL_BYTES: u64 = 8 << 10;
const HEAD_YOUNG: Duration = Duration::from_millis(100);
/// The maximum number of bytes of a head that tiny_http reads. A request with a longer one is refused anyway.
const HEAD_MOST_BYTES: u64 = 128 << 10;
/// The same for what it reads while a body is drained: the body, and the sizes of its chunks.
const BODY_MOST_BYTES: u64 = DRAIN_MOST_BYTES + (1 << 20);

/// What one look at all sockets has to know, and what it finds.
pub struct Walk {
    pub start: Instant,
    /// How long a client may take for a head or a body.
    pub timeout: Option<Duration>,
    /// When the program went on after it had been stopped.
    pub resumed: Option<Instant>,
    /// What tiny_http takes of the heap.
    pub held_bytes: u64,
    pub are_descriptors_short: bool,
    /// Whether all requests have been taken that waited in tiny_http's queues after the last walk with `needs_ping`.
    pub is_caught_up: bool,
    /// When the next walk is due.
    pub next_due: Option<Instant>,
    /// Whether a connection may be stuck.
    pub is_urgent: bool,
    /// Whether a connection is to be shut down, unless a request of it waits in a queue of tiny_http.
    pub needs_ping: bool,
}

/// What is known of a socket from one walk to the next.
pub struct Seen {
    /// The start of the first walk that has seen it, and of the last one.
    pub first: Instant,
    pub in_walk: Option<Instant>,
    /// The generation of its `Server`. 0 before its first request.
    pub generation: u32,
    /// See [`Connection::steps`](super::connections::Connection::steps).
    steps: u64,
    /// When a walk saw the last of these steps, and how many bytes tiny_http had read by then.
    stepped: Instant,
    stepped_bytes: u64,
    /// Whether tiny_http has read too much since then, in the walk before.
    is_suspect: bool,
    unread_walks: u8,
    /// What has been shut down. [`Shutdown::Write`] follows the last answer. After [`Shutdown::Read`], a head that was
    /// complete before is still answered.
    shut: Option<Shutdown>,
}

impl Walk {
    /// What is known before the first one.
    pub fn new(start: Instant, timeout: Option<Duration>) -> Self {
        Self {
            start,
            timeout,
            resumed: None,
            held_bytes: 0,
            are_descriptors_short: false,
            is_caught_up: false,
            next_due: None,
            is_urgent: false,
            needs_ping: false,
        }
    }

    /// Makes sure that there is another walk at this time.
    pub fn look_again(&mut self, at: Instant) {
        self.next_due = Some(self.next_due.map_or(at, |earliest| earliest.min(at)));
    }
}

impl Seen {
    /// A socket that was not seen before the walk that begins at `start`.
    pub fn new(start: Instant) -> Self {
        Self {
            first: start,
            in_walk: None,
            generation: 0,
            steps: 0,
            stepped: start,
            stepped_bytes: 0,
            is_suspect: false,
            unread_walks: 0,
            shut: None,
        }
    }

    /// Looks at the socket, and shuts it down if its time is over. Returns whether it seems to be stuck in tiny_http's
    /// thread pool: bytes have come, and nobody receives them.
    pub fn look_at(&mut self, socket: &Socket, peer: SocketAddr, all: &Connections, walk: &mut Walk) -> bool {
        let (mut state, mut since, mut steps, mut is_flooding) = (State::InHead, self.first, 0, false);
        if let Some(connection) = all.lock().by_peer.get_mut(&peer) {
            connection.in_walk = Some(walk.start);
            self.generation = connection.generation;
            (state, steps, is_flooding) = (connection.state, connection.steps, connection.is_flooding);
            since = connection.since.max(self.first);
        }
        let is_shut = self.shut == Some(Shutdown::Both);
        if is_shut || is_flooding || self.reads_too_much(socket, state, steps, walk) {
            self.shut_down(socket, Shutdown::Both);
        } else {
            self.keep_deadline(socket, state, since, walk);
        }
        if self.shut == Some(Shutdown::Both) {
            // The walk after its end may find a lost thread.
            walk.look_again(walk.start + CLOSE_WITHIN);
        }
        if steps > 0 || self.shut.is_some() {
            return false;
        }
        let is_new = walk.start < self.first + NEW;
        walk.look_again(walk.start + if is_new { NEW / 50 } else { NEW / 4 });
        self.unread_walks = if socket.unread_bytes() > 0 { self.unread_walks.saturating_add(1) } else { 0 };
        walk.is_urgent |= (1..UNREAD_WALKS_MOST).contains(&self.unread_walks);
        // One walk is not enough: a thread may be just about to receive the bytes.
        (2..UNREAD_WALKS_MOST).contains(&self.unread_walks)
    }

    /// Whether tiny_http has read more than it may for one head or body.
    fn reads_too_much(&mut self, socket: &Socket, state: State, steps: u64, walk: &mut Walk) -> bool {
        if walk.held_bytes < HEAP_SMALL_BYTES || state == State::Refusing {
            return false;
        }
        let is_danger = walk.held_bytes > HEAP_MOST_BYTES && walk.start > self.stepped + HEAD_YOUNG;
        // Other systems than Linux do not tell how much has come.
        let Some(received_bytes) = socket.received_bytes() else {
            return is_danger && state == State::InHead;
        };
        let read_bytes = received_bytes.saturating_sub(socket.unread_bytes());
        if mem::replace(&mut self.steps, steps) != steps {
            (self.stepped, self.stepped_bytes, self.is_suspect) = (walk.start, read_bytes, false);
        }
        let most_bytes = match state {
            State::InBody => BODY_MOST_BYTES,
            _ if is_danger => HEAD_SMALL_BYTES,
            _ => HEAD_MOST_BYTES,
        };
        let is_too_much = read_bytes > self.stepped_bytes + most_bytes;
        walk.needs_ping |= is_too_much;
        // The bytes may be of whole requests that wait in tiny_http's queue. If so, the ping brings a step, unless there are
        // too few threads to take them.
        let was_suspect = mem::replace(&mut self.is_suspect, is_too_much && walk.is_caught_up);
        let is_beyond_all = read_bytes > self.stepped_bytes + WAITING_MOST_BYTES as u64;
        is_too_much && (is_beyond_all || was_suspect && walk.is_caught_up)
    }

    fn keep_deadline(&mut self, socket: &Socket, state: State, since: Instant, walk: &mut Walk) {
        if state == State::Ended && self.shut.is_none() {
            self.shut_down(socket, Shutdown::Write);
        }
        let Some(limit) = limit(state, walk.timeout, walk.are_descriptors_short) else { return };
        // Time in which the program did not run does not count against a client.
        let due = (since + limit).max(walk.resumed.map_or(since, |resumed| resumed + STOPPED_AFTER));
        match (state, self.shut) {
            _ if walk.start < due => walk.look_again(due),
            (State::InBody, Some(Shutdown::Read)) => {}
            (State::InHead | State::InBody, None) => {
                self.shut_down(socket, Shutdown::Read);
                walk.needs_ping = true;
            }
            (State::InHead, Some(Shutdown::Read)) if !walk.is_caught_up => walk.needs_ping = true,
            _ => self.shut_down(socket, Shutdown::Both),
        }
    }

    fn shut_down(&mut self, socket: &Socket, side: Shutdown) {
        let _ = socket.stream.shutdown(side);
        if side != Shutdown::Write {
            socket.cancel_receive();
        }
        self.shut = Some(side);
    }
}

/// How long a connection may stay in this state.
fn limit(state: State, timeout: Option<Duration>, are_descriptors_short: bool) -> Option<Duration> {
    match state {
        State::InHead if are_descriptors_short => Some(HEAD_WHEN_SHORT.min(timeout.unwrap_or(Duration::MAX))),
        State::InHead | State::InBody => timeout,
        State::Ended if are_descriptors_short => Some(Duration::ZERO),
        State::Ended => Some(CLOSE_WITHIN),
        State::Answering | State::Refusing => None,
    }
}

#[cfg(test)]
#[path = "tests/deadlines_tests.rs"]
mod tests;
