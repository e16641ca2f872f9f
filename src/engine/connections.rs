//! The connections, and the requests that wait on them (weakness 10).
//!
//! A connection has one thread at a time, and its other requests wait here. So a hundred pipelined requests need the
//! memory of one body, and no thread waits for the writer of another.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tiny_http::Request;

use crate::http::fault::head_bytes;

use super::connection::{Connection, State, WAITING_MOST_BYTES};

/// What all waiting requests may take of the heap. Above it, a connection is hung up whose client does not read its
/// answer, unless its own requests take less than `WAITING_SMALL_BYTES`.
const ALL_WAITING_MOST_BYTES: usize = 128 << 20;
const WAITING_SMALL_BYTES: usize = 64 << 10;
/// The estimated bytes of the heap that a request takes, in addition to its text, and each line of its head.
const REQUEST_BYTES: usize = 1024;
const LINE_BYTES: usize = 96;
/// What a table keeps of its capacity when it is empty.
const SPARE_CAPACITY: usize = 7;

/// The connections whose sockets the watch is to look at, and the threads that wait for a duplicate.
pub type Wanted = HashMap<SocketAddr, Vec<Sender<TcpStream>>>;

/// What happens to a connection after its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It stays open for the next request.
    Open,
    /// It was shut down before its answer was complete.
    Gone,
    /// The watch shuts it down, because tiny_http would not close it.
    Closed,
    /// The client has left. What waits may be of a later connection from the same client port, if there is one.
    Left,
    /// It has ended: tiny_http takes no more requests from it. What waits is of such a later connection.
    Replaced,
}

/// All connections. The lock is never held during a system call.
pub struct Connections {
    table: Mutex<Table>,
    /// How long a client may take for a head or a body, and how long it may take nothing of an answer.
    pub timeout: Option<Duration>,
    watch: Thread,
}

/// See [`Connections`].
#[derive(Default)]
pub struct Table {
    /// By the client's address. It is enough: not more than one listening socket has addresses of its family.
    pub by_peer: HashMap<SocketAddr, Connection>,
    pub wanted: Wanted,
    /// Whether no further request is answered.
    pub is_stopping: bool,
    last_number: u64,
}

impl Connections {
    pub fn new(timeout: Option<Duration>, watch: Thread) -> Self {
        Self { table: Mutex::default(), timeout, watch }
    }

    /// Locks the table. The caller must not block meanwhile, because all connections need it.
    pub fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request that came through the `Server` of this generation. The result is the request, with the number of
    /// its connection, or without if it is to be discarded. `None` if it waits for the thread of its connection.
    pub fn take(&self, peer: SocketAddr, generation: u32, request: Request) -> Option<(Request, Option<u64>)> {
        let sent_bytes = sent_bytes(&request);
        let mut table = self.lock();
        let Table { by_peer, last_number, wanted, .. } = &mut *table;
        let connection = by_peer.entry(peer).or_insert_with(|| Connection::new(Instant::now()));
        let is_first = connection.generation == 0;
        if is_first {
            *last_number += 1;
            connection.number = *last_number;
        }
        connection.has_stepped = true;
        connection.taken_bytes += sent_bytes;
        // The client may have connected again from the same port, and through a later `Server`.
        connection.generation = generation;
        let taken = match connection.state {
            State::InHead => {
                connection.enter(State::Answering);
                Some((request, Some(connection.number)))
            }
            State::Ended => {
                connection.discarded = Some(Instant::now());
                Some((request, None))
            }
            State::InBody | State::Answering | State::Refusing => {
                let bytes = heap_bytes(&request);
                connection.waiting.push_back(request);
                connection.waiting_bytes += bytes;
                connection.must_end |= connection.waiting_bytes > WAITING_MOST_BYTES;
                None
            }
        };
        let is_to_end = connection.is_to_end();
        if is_to_end {
            wanted.entry(peer).or_default();
        }
        drop(table);
        if is_first || is_to_end {
            self.watch.unpark();
        }
        taken
    }

    /// Notes what the connection does from now on.
    pub fn enter(&self, peer: SocketAddr, state: State) {
        if let Some(connection) = self.lock().by_peer.get_mut(&peer) {
            connection.enter(state);
        }
    }

    /// Notes the end of an answer. The result is the next request of the connection, or those that are to be discarded.
    pub fn ended(&self, peer: SocketAddr, mut end: End) -> Result<Request, VecDeque<Request>> {
        let mut table = self.lock();
        if end == End::Left && table.by_peer.get(&peer).is_some_and(|one| !one.waiting.is_empty()) {
            drop(table);
            end = if self.socket(peer).is_some() { End::Replaced } else { End::Gone };
            table = self.lock();
        }
        let Table { by_peer, is_stopping, wanted, .. } = &mut *table;
        let Some(connection) = by_peer.get_mut(&peer) else { return Err(VecDeque::new()) };
        let goes_on = matches!(end, End::Open | End::Replaced) && !*is_stopping;
        if goes_on && let Some(request) = connection.waiting.pop_front() {
            connection.waiting_bytes -= heap_bytes(&request);
            connection.enter(State::Answering);
            return Ok(request);
        }
        connection.waiting_bytes = 0;
        let waiting = mem::take(&mut connection.waiting);
        match end {
            End::Open => connection.enter(State::InHead),
            End::Closed => {
                connection.enter(State::Ended);
                connection.discarded = (!waiting.is_empty()).then(Instant::now);
                wanted.entry(peer).or_default();
            }
            // tiny_http may still bring requests that it has read before.
            End::Gone | End::Left if connection.must_end => connection.enter(State::Ended),
            // A later request is of a new connection from the same port.
            End::Gone | End::Left | End::Replaced => drop(by_peer.remove(&peer)),
        }
        drop(table);
        if end == End::Closed {
            self.watch.unpark();
        }
        Err(waiting)
    }

    /// A duplicate of the socket of a connection. Waits until the watch has looked for it. `None` if the client is
    /// gone, or if there can be no duplicate and the watch has shut the socket down.
    pub fn socket(&self, peer: SocketAddr) -> Option<TcpStream> {
        let (sender, receiver) = channel();
        self.lock().wanted.entry(peer).or_default().push(sender);
        self.watch.unpark();
        // The walk ends with the drop of the sender.
        let mut found: Vec<TcpStream> = receiver.iter().collect();
        // One client has connected from one port to two of our addresses. Its own does not tell which one is wanted.
        if found.len() > 1 {
            found.drain(..).for_each(|socket| drop(socket.shutdown(Shutdown::Both)));
        }
        found.pop()
    }

    /// Shuts a connection down.
    pub fn hang_up(&self, peer: SocketAddr) {
        self.socket(peer).inspect(|socket| drop(socket.shutdown(Shutdown::Both)));
    }
}

impl Table {
    /// Removes the connections whose sockets were closed before the walk that began at `start`. `ended` has the
    /// identities of the sockets without a client that this walk has met.
    pub fn forget_ended(&mut self, start: Instant, ended: &[u64]) {
        self.by_peer.retain(|_, one| !one.has_ended(start, ended));
        // A table keeps its capacity.
        self.by_peer.shrink_to(2 * self.by_peer.len() + SPARE_CAPACITY);
    }

    /// Whether a connection may be of the `Server` of this generation, which accepted none after `last`.
    pub fn has_of(&self, generation: u32, last: Instant) -> bool {
        self.by_peer.values().any(|one| one.generation == generation || one.generation == 0 && one.since <= last)
    }

    /// What all waiting requests take of the heap.
    pub fn waiting_bytes(&self) -> usize {
        self.by_peer.values().map(|one| one.waiting_bytes).sum()
    }

    /// Whether the watch is to look at the sockets for this table. If all waiting requests take too much memory, the
    /// connection is to be hung up whose client has taken the longest for one answer.
    pub fn has_work(&mut self) -> bool {
        let is_too_much = self.waiting_bytes() > ALL_WAITING_MOST_BYTES;
        if is_too_much {
            let holds_much = |one: &&mut Connection| one.waiting_bytes > WAITING_SMALL_BYTES && !one.must_end;
            let slowest = self.by_peer.values_mut().filter(holds_much).min_by_key(|one| one.since);
            slowest.into_iter().for_each(|one| one.must_end = true);
        }
        is_too_much || self.is_stopping || !self.wanted.is_empty()
    }
}

/// The size of the head of a request, or a little less.
fn sent_bytes(request: &Request) -> u64 {
    (head_bytes(request) + "GET  HTTP/1.1\r\n\r\n".len() + ": \r\n".len() * request.headers().len()) as u64
}

fn heap_bytes(request: &Request) -> usize {
    REQUEST_BYTES + head_bytes(request) + LINE_BYTES * request.headers().len()
}

#[cfg(test)]
#[path = "tests/connections_tests.rs"]
mod tests;
