//! What is known of one connection, and what is decided from that: whether it is stuck (weakness 5), how long it may
//! take for a step (9), and how much of a head tiny_http may store (13).

use std::collections::VecDeque;
use std::mem;
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use tiny_http::Request;

use super::walk::{Sight, Walk};

/// What the waiting requests of one connection may take of the heap: about 8,000 short ones. If a client pipelines
/// more, its connection is hung up, because tiny_http would continue to read them into memory.
pub const WAITING_MOST_BYTES: usize = 8 << 20;
/// The timeout for a head when descriptors are short, unless the usual one is shorter.
const HEAD_WHEN_SHORT: Duration = Duration::from_millis(250);
/// How long tiny_http, or the client, may take to close a connection after its last answer.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// How long after the last answer tiny_http may bring a request that it has read ahead, unless its thread is lost.
const MORE_WITHIN: Duration = Duration::from_secs(5);
/// If a tick comes so late, the program may have been stopped. A client then has at least this time.
pub const STOPPED_AFTER: Duration = Duration::from_secs(1);
/// A connection whose bytes nobody has received in so many walks is not stuck: it has a thread, which does not read.
const UNREAD_WALKS_MOST: u8 = 32;
/// If tiny_http takes more than this, heads above `HEAD_SMALL_BYTES` that have taken longer than `HEAD_YOUNG` are too
/// long. It is the only measure that does not ask what the one connection has done.
const HEAP_MOST_BYTES: u64 = 64 << 20;
const HEAD_SMALL_BYTES: u64 = 8 << 10;
const HEAD_YOUNG: Duration = Duration::from_millis(100);
/// If it takes more than this, and is late with requests, connections with more than `HEAD_SMALL_BYTES` of these are
/// hung up: clients that pipeline together fill its queue faster than a thread empties it. If it takes twice as much, no
/// more connections are accepted until it is not late, or takes less than this.
pub const FLOOD_BYTES: u64 = 128 << 20;
/// The maximum number of bytes of a head that tiny_http reads. A request with a longer one is refused anyway.
pub const HEAD_MOST_BYTES: u64 = 128 << 10;
/// The maximum size of a body that is discarded, and of what tiny_http reads for it, with the sizes of its chunks.
pub const DRAIN_MOST_BYTES: u64 = 8 << 20;
const BODY_MOST_BYTES: u64 = DRAIN_MOST_BYTES + (1 << 20);

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// tiny_http waits for a request, or reads its head.
    InHead,
    /// A thread reads and discards the body of a request.
    InBody,
    /// A thread answers a request.
    Answering,
    /// A thread refuses a request on a duplicate of the socket, and reads what the client still sends.
    Refusing,
    /// The last answer has ended, and says so. No further request is answered.
    Ended,
}

/// A connection, from the first walk of the watch that has seen it, or from its first request.
pub struct Connection {
    /// Its number in the trace.
    pub number: u64,
    /// The generation of the `Server` that its requests come from. 0 before the first of them.
    pub generation: u32,
    pub state: State,
    /// When it entered this state.
    pub since: Instant,
    /// The requests that wait until the one before is answered, and what they take of the heap.
    pub waiting: VecDeque<Request>,
    pub waiting_bytes: usize,
    /// Whether it is to be hung up.
    pub must_end: bool,
    /// Whether tiny_http has handed over a request, or a body has ended, since the last walk that looked for that.
    pub has_stepped: bool,
    /// The size of the requests that it has handed over since then.
    pub taken_bytes: u64,
    /// When a request was discarded that came after its last answer.
    pub discarded: Option<Instant>,
    seen: Seen,
}

/// What the walks of the watch know of the socket of a connection.
#[derive(Default)]
struct Seen {
    /// The start of the last walk that has seen it, its identity, and its local address.
    last: Option<(Instant, (u64, SocketAddr))>,
    /// How many bytes tiny_http had read when a walk saw the last step.
    stepped_bytes: u64,
    /// Whether there was a step before the last walk.
    had_stepped: bool,
    /// Whether tiny_http has read too much since then, in the walk before.
    is_suspect: bool,
    /// In how many walks, up to the last one, there were bytes that nobody had received.
    unread_walks: u8,
    /// What has been shut down: `Write` after the last answer. After `Read`, a head that came before is still answered.
    shut: Option<Shutdown>,
}

impl Connection {
    /// One that has had no request.
    pub fn new(since: Instant) -> Self {
        Self {
            number: 0,
            generation: 0,
            state: State::InHead,
            since,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            must_end: false,
            has_stepped: false,
            taken_bytes: 0,
            discarded: None,
            seen: Seen::default(),
        }
    }

    /// Whether the watch has to hang it up.
    pub fn is_to_end(&self) -> bool {
        self.must_end && self.seen.shut != Some(Shutdown::Both)
    }

    /// Whether a thread works for it.
    pub fn is_busy(&self) -> bool {
        !matches!(self.state, State::InHead | State::Ended)
    }

    /// Notes what it does from now on.
    pub fn enter(&mut self, state: State) {
        self.has_stepped |= self.state == State::InBody;
        self.state = state;
        self.since = Instant::now();
    }

    /// Whether its socket was closed before the walk that began at `start`. `ended` has the identities of the sockets
    /// without a client that this walk has met: while tiny_http has that of a connection which has had its last answer,
    /// a request may still come from it, and must not be taken for one of a new connection.
    pub fn has_ended(&self, start: Instant, ended: &[u64]) -> bool {
        let is_ours = |(_, (identity, _))| identity > 0 && ended.contains(&identity);
        let may_bring_more = || self.state == State::Ended && start < self.since + MORE_WITHIN;
        self.seen.last.is_none_or(|(walk, _)| walk != start)
            && self.discarded.unwrap_or(self.since).max(self.since) < start
            && !self.is_busy()
            && !(may_bring_more() && self.seen.last.is_some_and(is_ours))
    }

    /// Whether this walk has seen this socket before: tiny_http has two descriptors of each.
    pub fn was_seen(&self, socket: (u64, SocketAddr), walk: &Walk) -> bool {
        self.seen.last == Some((walk.start, socket))
    }

    /// Notes what a walk sees of a socket of this client, and decides what is to be shut down of it.
    pub fn look_at(&mut self, sight: &Sight, walk: &mut Walk) -> Option<Shutdown> {
        if let Some((last, known)) = self.seen.last
            && known != sight.socket
        {
            if last == walk.start && known.1 != sight.socket.1 {
                // One client has connected from one port to two of our addresses. Requests do not tell to which one.
                self.must_end = true;
                return Some(Shutdown::Both);
            }
            // A later connection from the same port. The last step may have been its own. The discarded request, too:
            // it is hung up, because it would wait for the answer.
            if !self.is_busy() {
                let (has_stepped, must_end) = (self.has_stepped, self.discarded.is_some());
                *self = Self { has_stepped, must_end, ..Self::new(walk.start) };
            }
            self.seen = Seen::default();
        }
        self.seen.last = Some((walk.start, sight.socket));
        self.seen.unread_walks = if sight.unread_bytes > 0 { self.seen.unread_walks.saturating_add(1) } else { 0 };
        let is_shut = self.seen.shut == Some(Shutdown::Both);
        if !self.must_end && !is_shut && self.reads_too_much(sight, walk) {
            self.must_end = true;
            if !self.is_busy() {
                // Its requests in tiny_http's queue are discarded.
                self.enter(State::Ended);
            }
        }
        let side = if self.must_end || is_shut { Some(Shutdown::Both) } else { self.overdue(walk) };
        self.seen.shut = side.or(self.seen.shut);
        walk.is_urgent |= self.may_be_stuck();
        side
    }

    /// Whether it seems to be stuck in the thread pool of the tiny_http that `accepts` its local address: bytes have
    /// come, and nobody receives them. One walk is not enough: a thread may be just about to do that.
    pub fn is_stuck(&self, accepts: impl Fn(SocketAddr) -> bool) -> bool {
        let is_there = self.seen.last.is_some_and(|(_, (_, local))| accepts(local));
        self.may_be_stuck() && self.seen.unread_walks > 1 && is_there
    }

    fn may_be_stuck(&self) -> bool {
        (1..UNREAD_WALKS_MOST).contains(&self.seen.unread_walks) && self.is_new()
    }

    /// Whether tiny_http has read more than it may for one head or body.
    fn reads_too_much(&mut self, sight: &Sight, walk: &mut Walk) -> bool {
        let is_danger = walk.held_bytes > HEAP_MOST_BYTES && walk.start > self.since + HEAD_YOUNG;
        let Some(received_bytes) = sight.received_bytes else {
            // Nobody who sends nothing can be meant.
            return is_danger && self.state == State::InHead && self.seen.unread_walks > 1;
        };
        let read_bytes = received_bytes.saturating_sub(sight.unread_bytes);
        // A step may have come after this sight, and before this look.
        let has_stepped = mem::take(&mut self.has_stepped);
        let taken_bytes = mem::take(&mut self.taken_bytes);
        walk.needs_ping |= walk.held_bytes > FLOOD_BYTES;
        // Requests that tiny_http has in its queue, although it was to hand over all, are not a step.
        let is_flood = walk.is_behind(FLOOD_BYTES);
        if mem::replace(&mut self.seen.had_stepped, has_stepped) || has_stepped {
            let stepped_bytes = if is_flood { self.seen.stepped_bytes + taken_bytes } else { read_bytes };
            (self.seen.stepped_bytes, self.seen.is_suspect) = (stepped_bytes.min(read_bytes), false);
        }
        let most_bytes = match self.state {
            State::Refusing => return false,
            State::InBody => BODY_MOST_BYTES,
            _ if is_danger => HEAD_SMALL_BYTES,
            _ => HEAD_MOST_BYTES,
        };
        let is_too_much = read_bytes > self.seen.stepped_bytes + most_bytes;
        walk.needs_ping |= is_too_much;
        // If the bytes are of whole requests in tiny_http's queue, the ping brings a step, unless threads are short.
        let was_suspect = mem::replace(&mut self.seen.is_suspect, is_too_much && walk.is_caught_up);
        let is_beyond_all = read_bytes > self.seen.stepped_bytes + WAITING_MOST_BYTES as u64;
        is_too_much && (is_beyond_all || is_flood || was_suspect && walk.is_caught_up)
    }

    /// Whether another walk is to look at it now, for its deadline.
    pub fn is_due(&self, now: Instant, walk: &Walk) -> bool {
        self.due(walk).is_some_and(|due| due <= now) && self.seen.shut != Some(Shutdown::Both)
    }

    /// Whether walks are to go on because it may become stuck: it has had no request.
    pub fn is_new(&self) -> bool {
        self.generation == 0 && self.seen.shut.is_none()
    }

    /// When it must have left its state.
    fn due(&self, walk: &Walk) -> Option<Instant> {
        let limit = match self.state {
            State::InHead if walk.are_descriptors_short => HEAD_WHEN_SHORT.min(walk.timeout.unwrap_or(Duration::MAX)),
            State::InHead | State::InBody => walk.timeout?,
            State::Ended if walk.are_descriptors_short => Duration::ZERO,
            State::Ended => CLOSE_WITHIN,
            State::Answering | State::Refusing => return None,
        };
        // Time in which the program did not run does not count against a client.
        let least = walk.resumed.map_or(self.since, |resumed| resumed + STOPPED_AFTER);
        Some(least.max(self.since + limit))
    }

    /// What is to be shut down for its deadline.
    fn overdue(&self, walk: &mut Walk) -> Option<Shutdown> {
        let is_early = self.due(walk)? > walk.start;
        match (self.state, self.seen.shut) {
            (State::Ended, None) if is_early => Some(Shutdown::Write),
            _ if is_early => None,
            (State::InBody, Some(Shutdown::Read)) => None,
            (State::InHead | State::InBody, None) => {
                walk.needs_ping = true;
                Some(Shutdown::Read)
            }
            (State::InHead, Some(Shutdown::Read)) if !walk.is_caught_up => {
                walk.needs_ping = true;
                None
            }
            _ => Some(Shutdown::Both),
        }
    }
}

#[cfg(test)]
#[path = "tests/connection_tests.rs"]
mod tests;
