//! The watch: a thread that never waits for a client, for all work that belongs to no single request.
//!
//! tiny_http does not tell when a connection begins or ends, and gives out no socket. So the watch looks at all sockets of
//! the process, which is called a walk. It walks when something has happened, and not more often than the time of a walk
//! allows. It owns none of these sockets, and closes none: it shuts down those whose deadline has passed
//! ([`connection`](super::connection)), and tiny_http then closes them.

use std::io;
use std::mem;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::instrument::{buffer, heap};
use crate::platform::{self, Socket, Sockets};

use super::accept::Acceptor;
use super::connection::{Connection, STOPPED_AFTER, Sight, Timeouts, Walk};
use super::connections::{Connections, End, Wanted};
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
/// How long the watch goes on to walk after the last allocation or deadline. By then, a thread that panics has closed what
/// it had open, and a lost thread is known as such.
const ACTIVE_FOR: Duration = Duration::from_secs(2);
/// The time between two walks is at least this many times the time that a walk takes, and less for an urgent one.
const SHARE: u32 = 20;
const URGENT_SHARE: u32 = 4;
/// Descriptors are short if fewer than this are free: each connection needs two, and its answer one more for the file.
const SPARE_DESCRIPTORS: u64 = 24;
/// What tiny_http may take of the heap for each connection. It needs about 6.5 KiB.
const CONNECTION_BYTES: u64 = 16 << 10;
/// If tiny_http took more than this, memory is returned to the system later, because the C library would keep it.
const TRIM_ABOVE_BYTES: u64 = 16 << 20;
/// The first number of lost threads that is reported, and how long they must have been lost.
const LOST_MANY: usize = 100;
const LOST_FOR: Duration = Duration::from_secs(1);
/// If the number of connections that have ended does not change, tiny_http is nudged to take them in so many walks.
const NUDGED_WALKS_MOST: u8 = 8;

/// Accepts connections, and has their requests answered. Each connection has one thread at a time.
pub struct Engine {
    shared: Arc<Shared>,
    warn: Box<dyn Fn(&str)>,
    acceptors: Vec<Acceptor>,
    sockets: Sockets,
    timeouts: Timeouts,
    ticked: Instant,
    active_until: Instant,
    walked: Instant,
    /// Whether the last walk has found that another one is needed at once.
    is_urgent: bool,
    /// The number of allocations when the last walk began.
    allocations: u64,
    open_descriptors: u64,
    trims: bool,
    /// The number of connections that the client has ended and tiny_http has not closed, and in how many walks it was so.
    ended: usize,
    ended_walks: u8,
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
            timeouts: Timeouts { usual: timeout, resumed: None, are_descriptors_short: false },
            ticked: now,
            active_until: now,
            walked: now,
            is_urgent: false,
            allocations: 0,
            open_descriptors: 0,
            trims: false,
            ended: 0,
            ended_walks: 0,
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
        self.timeouts.usual = Some(Duration::ZERO);
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
            self.timeouts.resumed = Some(now);
        }
        self.fronts().for_each(Front::ensure_thread);
        let allocations = heap::allocations_of_others();
        let has_moved =
            allocations != self.allocations || self.acceptors.iter().any(|acceptor| acceptor.has_ended());
        let mut table = self.shared.connections.lock();
        let is_urgent = table.has_work() || self.is_urgent;
        if has_moved || table.by_peer.values().any(|one| one.is_due(now, &self.timeouts)) {
            self.active_until = now + ACTIVE_FOR;
        }
        drop(table);
        let share = if is_urgent { URGENT_SHARE } else { SHARE };
        if (is_urgent || now < self.active_until)
            && self.walked.elapsed() >= DESCRIPTOR_COST * self.open_descriptors as u32 * share
        {
            self.allocations = allocations;
            self.walk();
        }
        match has_moved {
            _ if is_urgent || self.is_urgent => URGENT_TICK,
            true => TICK,
            false => IDLE_TICK,
        }
    }

    fn fronts(&self) -> impl Iterator<Item = &Arc<Front>> {
        self.acceptors.iter().flat_map(Acceptor::fronts)
    }

    fn walk(&mut self) {
        let start = Instant::now();
        let mut walk = Walk {
            start,
            timeouts: self.timeouts,
            held_bytes: self.measure_heap(),
            is_caught_up: self.fronts().all(|front| front.is_caught_up()),
            needs_ping: false,
            is_urgent: false,
            stuck: 0,
        };
        let connections = &self.shared.connections;
        let wanted = connections.lock().take_wanted();
        self.acceptors.iter_mut().for_each(|one| one.descriptors = 0);
        let mut ended = 0;
        self.open_descriptors = self.sockets.each(|socket| {
            let Ok(local) = socket.stream.local_addr() else { return };
            let Some(acceptor) = self.acceptors.iter_mut().find(|one| one.accepts(local)) else { return };
            match socket.stream.peer_addr() {
                Ok(peer) => look_at(socket, local, peer, connections, &wanted, &mut walk),
                Err(_) if socket.is_listening() => acceptor.descriptors += 1,
                Err(_) => ended += 1,
            }
        });
        drop(wanted);
        self.timeouts.are_descriptors_short =
            self.open_descriptors + SPARE_DESCRIPTORS > platform::descriptor_limit();
        connections.lock().forget_ended(start);
        // The socket of a lost thread has two descriptors.
        self.report_lost(ended / 2, start);
        walk.stuck += self.ended_stuck(ended);
        self.keep_accepting(&walk);
        self.is_urgent = walk.is_urgent || walk.needs_ping;
        self.walked = Instant::now();
    }

    /// Estimates what tiny_http takes of the heap: all that is not known to be something else.
    fn measure_heap(&mut self) -> u64 {
        let table = self.shared.connections.lock();
        let known_bytes = table.waiting_bytes as u64 + CONNECTION_BYTES * table.by_peer.len() as u64;
        drop(table);
        let held_bytes = heap::live_bytes().saturating_sub(known_bytes + buffer::live_bytes());
        self.trims |= held_bytes > TRIM_ABOVE_BYTES;
        if held_bytes < TRIM_ABOVE_BYTES / 2 && mem::take(&mut self.trims) {
            platform::trim_heap();
        }
        held_bytes
    }

    /// How many of the connections that have ended may be stuck in tiny_http's thread pool. A thread is lost for the others.
    fn ended_stuck(&mut self, ended: usize) -> usize {
        let is_same = mem::replace(&mut self.ended, ended) == ended;
        self.ended_walks = if is_same { self.ended_walks.saturating_add(1) } else { 0 };
        if (1..=NUDGED_WALKS_MOST).contains(&self.ended_walks) { ended } else { 0 }
    }

    fn keep_accepting(&mut self, walk: &Walk) {
        if walk.needs_ping && walk.is_caught_up {
            self.fronts().for_each(|front| front.ping());
        }
        if self.timeouts.are_descriptors_short {
            return;
        }
        let connections = &self.shared.connections;
        for one in &mut self.acceptors {
            one.nudge(walk.stuck);
            one.ensure_accepting(walk.start, &self.shared);
            one.retire(|generation, last| connections.lock().has_of(generation, last));
        }
    }

    fn report_lost(&mut self, threads: usize, now: Instant) {
        if threads < self.lost_many {
            self.lost = None;
            return;
        }
        let (least, since) = self.lost.get_or_insert((threads, now));
        *least = threads.min(*least);
        let (least, due) = (*least, *since + LOST_FOR);
        if now < due {
            return;
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

/// Looks at a socket of a client, and shuts down what is to be shut down of it. `wanted` has the threads that wait for a
/// duplicate.
fn look_at(
    socket: &Socket,
    local: SocketAddr,
    peer: SocketAddr,
    connections: &Connections,
    wanted: &Wanted,
    walk: &mut Walk,
) {
    let sight = Sight {
        socket: (socket.identity(), local),
        unread_bytes: socket.unread_bytes(),
        received_bytes: if walk.needs_received_bytes() { socket.received_bytes() } else { None },
    };
    let mut table = connections.lock();
    let connection = table.by_peer.entry(peer).or_insert_with(|| Connection::new(walk.start));
    if connection.was_seen(&sight, walk) {
        return;
    }
    let side = connection.look_at(&sight, walk);
    drop(table);
    for thread in wanted.get(&peer).into_iter().flatten() {
        match socket.stream.try_clone() {
            Ok(own) => drop(thread.send(own)),
            // Otherwise the thread's client would wait for ever.
            Err(_) => drop(socket.stream.shutdown(Shutdown::Both)),
        }
    }
    if let Some(side) = side {
        let _ = socket.stream.shutdown(side);
        if side != Shutdown::Write {
            socket.cancel_receive();
        }
    }
}
