//! The watch: a thread that never waits for a client, for all work that belongs to no single request.
//!
//! tiny_http does not tell when a connection begins or ends, and gives out no socket. So the watch looks at all sockets of
//! the process, which is called a walk. It walks when something has happened, and not more often than the time of a walk
//! allows. It owns none of these sockets, and closes none: it shuts down those whose deadline has passed
//! ([`deadlines`](super::deadlines)), and tiny_http then closes them.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use crate::instrument::{buffer, heap};
use crate::platform::{self, Sockets};

use super::accept::Acceptor;
use super::connections::{Connection, Connections, End, SPARE_CAPACITY};
use super::deadlines::{STOPPED_AFTER, Seen, Walk};
use super::exchange::Exchange;
use super::front::{Front, Shared};
use super::panics;

/// How long answers may still take after a stop signal.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// The time between two ticks when nothing happens.
const IDLE_TICK: Duration = Duration::from_millis(100);
/// The same when something happens.
const TICK: Duration = Duration::from_millis(20);
/// The same when connections may be stuck or are to be shut down, or when a thread waits for a socket.
const URGENT_TICK: Duration = Duration::from_millis(5);
/// The estimated time of a walk for each open descriptor. A measured one would include the time of other programs.
const DESCRIPTOR_COST: Duration = Duration::from_micros(2);
/// How long after an allocation a thread that panics has closed what it had open.
const SETTLED_AFTER: Duration = Duration::from_millis(500);
/// The time between two walks is at least this many times the time that a walk takes, and less for an urgent one.
const SHARE: u32 = 20;
const URGENT_SHARE: u32 = 4;
/// Descriptors are short if fewer than this are free: each connection needs two, and its answer one more for the file.
const SPARE_DESCRIPTORS: u64 = 24;
/// What tiny_http may take of the heap for each connection. It needs about 6.5 KiB.
const CONNECTION_BYTES: u64 = 16 << 10;
/// If tiny_http took more than this, memory is returned to the system later, because the C library would keep it.
const TRIM_ABOVE_BYTES: u64 = 16 << 20;
const TRIM_TICK: Duration = Duration::from_millis(200);
/// The first number of lost threads that is reported, and how long they must have been lost.
const LOST_MANY: usize = 100;
const LOST_FOR: Duration = Duration::from_secs(1);

/// Accepts connections, and has their requests answered. Each connection has one thread at a time.
pub struct Engine {
    shared: Arc<Shared>,
    warn: Box<dyn Fn(&str)>,
    acceptors: Vec<Acceptor>,
    sockets: Sockets,
    /// By the identity of the socket, the local address, and the client.
    seen: HashMap<(u64, SocketAddr, SocketAddr), Seen>,
    walk: Walk,
    walked: Instant,
    ticked: Instant,
    /// The number of allocations when the last walk began.
    allocations: u64,
    open_descriptors: u64,
    trims: bool,
    /// The least number of lost threads (weakness 12) since that time, if there are `lost_many`.
    lost: Option<(usize, Instant)>,
    lost_many: usize,
}

impl Engine {
    /// Starts to accept connections on `listeners`: one, or one for IPv4 and one for IPv6.
    ///
    /// `timeout` is how long a client may take for a head or a body, and how long it may take nothing of an answer.
    /// `answer` is called on the thread of the connection. `warn` reports what the user should know. The thread that calls
    /// this becomes the watch when it calls [`Engine::run`].
    pub fn start(
        listeners: Vec<TcpListener>,
        timeout: Option<Duration>,
        answer: impl Fn(Exchange) -> End + Send + Sync + 'static,
        warn: impl Fn(&str) + 'static,
    ) -> io::Result<Self> {
        panics::install_hook();
        let connections = Connections::new(timeout, thread::current());
        let shared = Arc::new(Shared { connections, answer: Box::new(answer) });
        let accept = |listener| Acceptor::start(listener, &shared);
        let now = Instant::now();
        Ok(Self {
            acceptors: listeners.into_iter().map(accept).collect::<io::Result<_>>()?,
            shared,
            warn: Box::new(warn),
            sockets: Sockets::new()?,
            seen: HashMap::new(),
            walk: Walk::new(now, timeout),
            walked: now,
            ticked: now,
            allocations: 0,
            open_descriptors: 0,
            trims: false,
            lost: None,
            lost_many: LOST_MANY,
        })
    }

    /// Runs the watch until `stop_requests` is above 0. Then stops accepting, and hangs up the clients that have not sent a
    /// whole request. Waits until the running answers have ended, [`STOP_PATIENCE`] is over, or `stop_requests` is above 1.
    pub fn run(mut self, stop_requests: impl Fn() -> u32) {
        while stop_requests() == 0 {
            self.tick_and_wait();
        }
        self.shared.connections.lock().is_stopping = true;
        self.walk.timeout = Some(Duration::ZERO);
        self.acceptors.iter_mut().for_each(Acceptor::stop);
        let deadline = Instant::now() + STOP_PATIENCE;
        let is_busy = |one: &Self| one.shared.connections.lock().by_peer.values().any(Connection::is_busy);
        while is_busy(&self) && stop_requests() < 2 && Instant::now() < deadline {
            self.tick_and_wait();
        }
    }

    /// Does all that is due, and waits until the next tick, or until the watch is woken.
    fn tick_and_wait(&mut self) {
        thread::park_timeout(panics::contain(|| self.tick()).unwrap_or(IDLE_TICK));
    }

    /// Returns the time until the next tick.
    fn tick(&mut self) -> Duration {
        let now = Instant::now();
        if now - mem::replace(&mut self.ticked, now) > STOPPED_AFTER {
            self.walk.resumed = Some(now);
        }
        self.fronts().for_each(Front::ensure_thread);
        let has_ended = self.acceptors.iter().any(Acceptor::has_ended);
        let allocations = heap::allocations_of_others();
        let has_moved = allocations != self.allocations;
        let is_urgent =
            self.shared.connections.lock().has_work() || self.walk.is_urgent || self.walk.needs_ping;
        let is_due = self.walk.next_due.is_some_and(|due| due <= now);
        let share = if is_urgent { URGENT_SHARE } else { SHARE };
        if (has_moved || is_due || is_urgent || has_ended)
            && self.walked.elapsed() >= DESCRIPTOR_COST * self.open_descriptors as u32 * share
        {
            self.allocations = allocations;
            self.walk();
            if has_moved {
                // What ends after the last allocation, such as an accept loop that panics, is seen by one more walk.
                self.walk.look_again(now + SETTLED_AFTER);
            }
        }
        match self.walk.next_due {
            _ if is_urgent || self.walk.is_urgent || self.walk.needs_ping => URGENT_TICK,
            _ if has_moved || has_ended => TICK,
            Some(due) => due.saturating_duration_since(Instant::now()).clamp(TICK, IDLE_TICK),
            None => IDLE_TICK,
        }
    }

    fn fronts(&self) -> impl Iterator<Item = &Arc<Front>> {
        self.acceptors.iter().flat_map(Acceptor::fronts)
    }

    fn walk(&mut self) {
        let start = Instant::now();
        let is_caught_up = self.fronts().all(|front| front.is_caught_up());
        (self.walk.start, self.walk.is_caught_up) = (start, is_caught_up);
        (self.walk.next_due, self.walk.is_urgent, self.walk.needs_ping) = (None, false, false);
        self.measure_heap();
        let connections = &self.shared.connections;
        let wanted = connections.lock().take_wanted();
        self.acceptors.iter_mut().for_each(|one| (one.descriptors, one.stuck) = (0, 0));
        let mut ended = 0;
        self.open_descriptors = self.sockets.each(|socket| {
            let Ok(local) = socket.stream.local_addr() else { return };
            let Some(acceptor) = self.acceptors.iter_mut().find(|one| one.accepts(local)) else { return };
            match socket.stream.peer_addr() {
                Ok(peer) => {
                    let seen = self.seen.entry((socket.identity, local, peer));
                    let seen = seen.or_insert_with(|| Seen::new(start));
                    // tiny_http has two descriptors of a socket.
                    if seen.in_walk.replace(start) != Some(start) {
                        hand_over(&socket.stream, wanted.get(&peer));
                        let is_stuck = seen.look_at(socket, peer, connections, &mut self.walk);
                        acceptor.stuck += usize::from(is_stuck);
                    }
                }
                Err(_) if socket.is_listening() => acceptor.descriptors += 1,
                Err(_) => ended += 1,
            }
        });
        drop(wanted);
        self.seen.retain(|_, seen| seen.in_walk == Some(start));
        self.seen.shrink_to(2 * self.seen.len() + SPARE_CAPACITY);
        connections.lock().forget_ended(start);
        self.walk.are_descriptors_short =
            self.open_descriptors + SPARE_DESCRIPTORS > platform::descriptor_limit();
        self.keep_accepting();
        // The socket of a lost thread has two descriptors.
        self.report_lost(ended / 2);
        self.walked = Instant::now();
    }

    /// Estimates what tiny_http takes of the heap: all that is not known to be something else.
    fn measure_heap(&mut self) {
        let waiting_bytes = self.shared.connections.lock().waiting_bytes as u64;
        let known_bytes = buffer::live_bytes() + waiting_bytes + CONNECTION_BYTES * self.seen.len() as u64;
        self.walk.held_bytes = heap::live_bytes().saturating_sub(known_bytes);
        self.trims |= self.walk.held_bytes > TRIM_ABOVE_BYTES;
        if self.walk.held_bytes < TRIM_ABOVE_BYTES / 2 && mem::take(&mut self.trims) {
            platform::trim_heap();
        } else if self.trims {
            self.walk.look_again(self.walk.start + TRIM_TICK);
        }
    }

    fn keep_accepting(&mut self) {
        if self.walk.needs_ping && self.walk.is_caught_up {
            self.fronts().for_each(|front| front.ping());
        }
        if self.walk.are_descriptors_short {
            return;
        }
        for one in &mut self.acceptors {
            one.nudge();
            one.ensure_accepting(self.walk.start, &self.shared);
            one.retire(|generation, last| {
                let is_of = |seen: &Seen| match seen.generation {
                    0 => seen.first <= last,
                    known => known == generation,
                };
                self.seen.values().any(is_of)
            });
        }
    }

    fn report_lost(&mut self, threads: usize) {
        if threads < self.lost_many {
            self.lost = None;
            return;
        }
        let now = self.walk.start;
        let (least, since) = self.lost.get_or_insert((threads, now));
        *least = threads.min(*least);
        let (least, due) = (*least, *since + LOST_FOR);
        if now < due {
            return self.walk.look_again(due);
        }
        self.lost = None;
        while self.lost_many <= least {
            self.lost_many *= 2;
        }
        (self.warn)(&format!(
            "tiny_http holds {least} connections that have ended, and does not free them: clients have probably sent \
             requests that it cannot answer, such as for HTTP/2.0; a thread stays for each, until the server is restarted"
        ));
    }
}

/// Gives a duplicate of the socket to each thread that waits for it. If there can be none, the socket is shut down.
fn hand_over(socket: &TcpStream, threads: Option<&Vec<Sender<TcpStream>>>) {
    for thread in threads.into_iter().flatten() {
        match socket.try_clone() {
            Ok(own) => drop(thread.send(own)),
            Err(_) => drop(socket.shutdown(Shutdown::Both)),
        }
    }
}
