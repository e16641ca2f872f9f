//! The watch: a thread that never waits for a client, for all work that belongs to no single request.
//!
//! tiny_http does not tell when a connection begins or ends, and gives out no socket. So the watch looks at all sockets
//! of the process, which is called a walk, when something has happened, and not more often than the time of a walk
//! allows. It shuts down those whose deadline has passed, and tiny_http then closes them.

use std::io::{self, Read};
use std::mem;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::instrument::{buffer, heap};
use crate::platform::{self, sockets};

use super::accept::Acceptor;
use super::connection::{Connection, FLOOD_BYTES, HEAD_MOST_BYTES, STOPPED_AFTER};
use super::connections::{Connections, End, Wanted};
use super::exchange::Exchange;
use super::front::{Front, Shared};
use super::panics;
use super::walk::{Sight, Walk};

/// How long answers may still take after a stop signal.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// The time between two ticks when nothing happens, when something does, and when connections or threads wait for it.
const IDLE_TICK: Duration = Duration::from_millis(100);
const TICK: Duration = Duration::from_millis(20);
const URGENT_TICK: Duration = Duration::from_millis(5);
/// The estimated time of a walk for each open descriptor. A measured one would include the time of other programs.
const DESCRIPTOR_COST: Duration = Duration::from_micros(3);
/// How long the watch goes on to walk after the last allocation or deadline. By then, a lost thread is known as such.
const ACTIVE_FOR: Duration = Duration::from_secs(2);
/// The time between two walks when nothing happens, but connections have not had a request.
const NEW_EVERY: Duration = Duration::from_millis(250);
/// The time between two walks is at least this many times the time that a walk takes, and less for an urgent one.
const SHARE: u32 = 20;
const URGENT_SHARE: u32 = 4;
/// Descriptors are short if fewer than this are free: each connection needs two, and its answer one more for the file.
const SPARE_DESCRIPTORS: u64 = 24;
/// What tiny_http may take of the heap for each connection. It needs about 6.5 KiB.
const CONNECTION_BYTES: u64 = 16 << 10;
/// tiny_http's queue is too large if it takes more than this of the heap, beside a long head for each connection.
/// Then it is given back after this time in which it was empty.
const QUEUE_MOST_BYTES: u64 = 8 << 20;
const LARGE_FOR: Duration = Duration::from_secs(1);
/// The maximum number of reads that discard what a connection has received that is shut down: 16 MiB.
const UNREAD_MOST_READS: u32 = 256;
/// Connections that have ended are lost if tiny_http has been nudged to take them for this time, and has not closed
/// them. This is the first number of lost threads that is reported.
const LOST_AFTER: Duration = Duration::from_secs(1);
const LOST_MANY: usize = 100;

/// Accepts connections, and has their requests answered. Each connection has one thread at a time.
pub struct Engine {
    shared: Arc<Shared>,
    warn: Box<dyn Fn(&str)>,
    acceptors: Vec<Acceptor>,
    sockets: sockets::Sockets,
    /// The last walk, and when it ended.
    walk: Walk,
    walked: Instant,
    ticked: Instant,
    active_until: Instant,
    /// The number of allocations when the last walk began.
    allocations: u64,
    open_descriptors: u64,
    /// Since when tiny_http's queue is large and empty. Then what it keeps, until its `Server`'s connections have ended.
    large_since: Instant,
    kept_bytes: u64,
    /// The least number of sockets since `judged` that the client has ended and tiny_http has not closed.
    ended_least: usize,
    judged: Instant,
    /// How many of them are lost (weakness 12). Each lost thread has two descriptors.
    lost: usize,
    lost_many: usize,
}

impl Engine {
    /// Starts to accept connections on `listeners`: one, or one for IPv4 and one for IPv6.
    ///
    /// `timeout` is how long a client may take for a head or a body, or take nothing of an answer. `answer` is called
    /// on the thread of the connection. The thread that calls this becomes the watch when it calls [`Engine::run`].
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
            sockets: sockets::Sockets::new()?,
            walk: Walk::new(now, timeout),
            walked: now,
            ticked: now,
            active_until: now,
            allocations: 0,
            open_descriptors: 0,
            large_since: now,
            kept_bytes: 0,
            ended_least: 0,
            judged: now,
            lost: 0,
            lost_many: LOST_MANY,
        })
    }

    /// Runs the watch until `stop_requests` is above 0. Then stops accepting, hangs up the clients that have not sent a
    /// whole request, and lets the running answers end, but not after a second stop request.
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

    /// Waits after the tick until the next one is due, or until the watch is woken.
    fn tick_and_wait(&mut self) {
        let wait = panics::contain(|| self.tick()).unwrap_or(IDLE_TICK);
        self.fronts().for_each(Front::ensure_thread);
        thread::park_timeout(wait);
    }

    /// Returns the time until the next tick.
    fn tick(&mut self) -> Duration {
        let now = Instant::now();
        if now - mem::replace(&mut self.ticked, now) > STOPPED_AFTER {
            self.walk.resumed = Some(now);
        }
        let allocations = heap::allocations_of_others();
        let has_moved = allocations != self.allocations || self.acceptors.iter().any(|acceptor| acceptor.has_ended());
        let mut table = self.shared.connections.lock();
        let is_urgent = table.has_work() || self.walk.is_urgent;
        if has_moved || table.by_peer.values().any(|one| one.is_due(now, &self.walk)) {
            self.active_until = now + ACTIVE_FOR;
        }
        let is_active = is_urgent || now < self.active_until;
        let walks = is_active || now >= self.walked + NEW_EVERY && table.by_peer.values().any(Connection::is_new);
        drop(table);
        let share = if is_urgent { URGENT_SHARE } else { SHARE };
        if walks && now >= self.walked + DESCRIPTOR_COST * self.open_descriptors as u32 * share {
            self.allocations = allocations;
            self.walk_now();
        }
        match has_moved {
            _ if is_urgent || self.walk.is_urgent => URGENT_TICK,
            true => TICK,
            false => IDLE_TICK,
        }
    }

    fn fronts(&self) -> impl Iterator<Item = &Arc<Front>> {
        self.acceptors.iter().flat_map(Acceptor::fronts)
    }

    fn walk_now(&mut self) {
        let (held_bytes, is_caught_up) = (self.held_bytes(), self.fronts().all(|front| front.is_caught_up()));
        let start = Instant::now();
        self.walk = Walk { start, held_bytes, is_caught_up, needs_ping: false, is_urgent: false, ..self.walk };
        let connections = &self.shared.connections;
        let wanted = mem::take(&mut connections.lock().wanted);
        self.acceptors.iter_mut().for_each(|one| one.descriptors = 0);
        let mut ended = Vec::new();
        self.open_descriptors = self.sockets.each(|socket| {
            let Ok(local) = socket.local_addr() else { return };
            let Some(acceptor) = self.acceptors.iter_mut().find(|one| one.accepts(local)) else { return };
            match socket.peer_addr() {
                Ok(peer) => look(socket, [local, peer], connections, &wanted, &mut self.walk),
                Err(_) if sockets::is_listening(socket) => acceptor.descriptors += 1,
                Err(_) => ended.push(sockets::identity(socket)),
            }
        });
        drop(wanted);
        self.walk.are_descriptors_short = self.open_descriptors + SPARE_DESCRIPTORS > platform::descriptor_limit();
        connections.lock().forget_ended(start, &ended);
        if self.walk.is_caught_up {
            self.judge_ended(ended.len());
        }
        self.keep_accepting(ended.len());
        self.walk.is_urgent |= self.walk.needs_ping;
        self.walked = Instant::now();
    }

    /// Estimates what tiny_http takes of the heap: all that is not known to be something else.
    fn held_bytes(&self) -> u64 {
        let table = self.shared.connections.lock();
        let known_bytes = table.waiting_bytes() as u64 + CONNECTION_BYTES * table.by_peer.len() as u64;
        heap::live_bytes().saturating_sub(known_bytes + buffer::live_bytes() + self.kept_bytes)
    }

    /// `ended` sockets have no client any more. Requests of them may wait in tiny_http's queues, so a ping must show that
    /// none does before its `Server` is dropped: threads of tiny_http would wait for ever for these requests.
    fn keep_accepting(&mut self, ended: usize) {
        let all_are_lost = ended <= self.lost;
        if (self.walk.needs_ping || !all_are_lost) && self.walk.is_caught_up {
            self.fronts().for_each(|front| front.ping());
        }
        if self.walk.are_descriptors_short {
            return;
        }
        let (connections, ended) = (&self.shared.connections, self.ended_least.saturating_sub(self.lost));
        let heads = connections.lock().by_peer.len() + self.lost;
        let is_large = self.walk.held_bytes > QUEUE_MOST_BYTES + HEAD_MOST_BYTES * heads as u64;
        let is_flood = self.walk.is_behind(2 * FLOOD_BYTES);
        if !is_large || !self.walk.is_caught_up || self.walk.needs_ping {
            self.large_since = self.walk.start;
        }
        // On other systems, endless heads could be taken for what a queue keeps: their size is not known.
        let is_due = platform::IS_LINUX && self.walk.start > self.large_since + LARGE_FOR;
        let must_renew = is_flood || is_due && self.fronts().count() == self.acceptors.len();
        if is_due {
            self.large_since = self.walk.start;
            self.kept_bytes += if must_renew { 0 } else { self.walk.held_bytes };
        }
        for one in &mut self.acceptors {
            if all_are_lost && self.walk.is_caught_up && one.retire(self.walk.start, connections) {
                self.kept_bytes = 0;
            }
            let renewing = if must_renew { one.renew() } else { 0 };
            // Until the queue is emptied, those who connect wait in the kernel's backlog.
            if !(one.has_ended() && self.walk.is_behind(FLOOD_BYTES)) {
                one.nudge(ended + renewing, connections);
                one.ensure_accepting(&self.shared);
            }
        }
    }

    /// Finds threads that are lost, and reports them when there are `lost_many`. No request waits in tiny_http's queues.
    fn judge_ended(&mut self, ended: usize) {
        self.ended_least = self.ended_least.min(ended);
        if self.walk.start < self.judged + LOST_AFTER {
            return;
        }
        (self.judged, self.lost) = (self.walk.start, mem::replace(&mut self.ended_least, ended));
        let threads = self.lost / 2;
        if threads >= self.lost_many {
            self.lost_many = 2 * threads;
            (self.warn)(&format!(
                "tiny_http holds {threads} connections that have ended, and does not free them: clients have probably \
                 sent requests that it cannot answer, such as for HTTP/2.0; a thread stays for each, until the server \
                 is restarted"
            ));
        }
    }
}

/// Looks at a socket of a client, gives duplicates to the threads in `wanted`, and shuts down what is to be shut down.
fn look(socket: &TcpStream, [local, peer]: [SocketAddr; 2], all: &Connections, wanted: &Wanted, walk: &mut Walk) {
    let identity = (sockets::identity(socket), local);
    if all.lock().by_peer.get(&peer).is_some_and(|one| one.was_seen(identity, walk)) {
        return;
    }
    let (unread_bytes, received_bytes) = (sockets::unread_bytes(socket), sockets::received_bytes(socket));
    let sight = Sight { socket: identity, unread_bytes, received_bytes };
    let since = walk.start;
    let side = all.lock().by_peer.entry(peer).or_insert_with(|| Connection::new(since)).look_at(&sight, walk);
    for thread in wanted.get(&peer).into_iter().flatten() {
        match socket.try_clone() {
            Ok(own) => drop(thread.send(own)),
            // Otherwise the thread's client would wait for ever.
            Err(_) => drop(socket.shutdown(Shutdown::Both)),
        }
    }
    if let Some(side) = side {
        if socket.shutdown(side).is_ok() && side == Shutdown::Both {
            // Linux keeps what has come before, some MB, and tiny_http would make requests of it. No read waits now.
            let (mut socket, mut discarded) = (socket, [0; 64 << 10]);
            let _ = (0..UNREAD_MOST_READS).take_while(|_| matches!(socket.read(&mut discarded), Ok(1..))).count();
        }
        if side != Shutdown::Write {
            sockets::cancel_receive(socket);
        }
    }
}
