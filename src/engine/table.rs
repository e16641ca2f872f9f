//! The table of living connections: the engine's one truth about who is connected, in which state, since
//! when, and with what waiting.
//!
//! tiny_http tells only the client's address of a request. Connections are told apart by both addresses: the
//! listening socket is known when a request comes, and the [`sweep`](super::sweep) adds the local address
//! and the handles. The table has a fixed place outside the heap, and every look-up goes through
//! a hash of the client's address, so that its cost does not grow with the number of connections.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::platform::{Duplicate, Handle};

use super::queue::Waiting;

/// Connections that the table has room for. Linux has 32,768 threads by default, and each takes at least one.
const MOST: usize = 1 << 15;

/// How long a thread waits for the sweep to see a connection.
const MEETING_TAKES_MOST: Duration = Duration::from_secs(1);

static TABLE: Mutex<Table> = Mutex::new(Table::new());

/// The table. Whoever has it must not block: every connection waits for it.
pub fn lock() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread that sweeps.
pub static SUPERVISOR: OnceLock<Thread> = OnceLock::new();

/// Waits until the sweep has seen both handles of a connection, or at least one, so that it can be acted on; for
/// a while at most, since it never sees a client that has gone before. Whether it has.
pub fn wait_until_met(id: Id, needs_both: bool) -> bool {
    let begun = lock().sweep;
    let start = Instant::now();
    loop {
        {
            let mut table = lock();
            let swept = table.swept;
            let Some(connection) = table.get(id) else { return false };
            // A request does not tell which address of this host it came to: there may be a second connection.
            let is_certain = connection.is_told_by_both || swept > begun;
            let is_met = if needs_both { connection.was_met_twice() } else { connection.was_met() };
            if is_met && is_certain {
                return true;
            }
            table.is_urgent = true;
        }
        if start.elapsed() >= MEETING_TAKES_MOST {
            return false;
        }
        SUPERVISOR.get().inspect(|supervisor| supervisor.unpark());
        thread::sleep(Duration::from_millis(1));
    }
}

/// Time since the engine's first look at the clock.
pub fn now() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// An internet address and port, in a form that is all zeros where it is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Address {
    ip: u128,
    scope: u32,
    port: u16,
}

impl From<SocketAddr> for Address {
    fn from(from: SocketAddr) -> Self {
        let ip = match from.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        let scope = if let SocketAddr::V6(v6) = from { v6.scope_id() } else { 0 };
        Self { ip: ip.to_bits(), scope, port: from.port() }
    }
}

impl Address {
    /// A name for a socket that has no client any more: no address of a client has no port.
    pub fn of_identity(identity: u64) -> Self {
        Self { ip: identity.into(), scope: 0, port: 0 }
    }
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is none in this place of the table.
    Free,
    /// tiny_http waits for a request head, or reads one, or the connection waits in its pool.
    InHead,
    /// As `InHead`, and the side that receives was shut down. A head that was complete by then is still answered.
    Cut,
    /// Its first waiting request waits for a thread.
    Ready,
    /// A thread reads a request's body away.
    Body,
    /// A thread answers.
    Answering,
    /// A thread reads, for a last time, what a refused client still sends.
    LastRead,
    /// It was answered for the last time, and nothing more is answered on it.
    Ending,
    /// It was shut down both ways.
    Lost,
}

/// Which side of a connection is to be shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangUp {
    /// The side that receives.
    Receiving,
    /// The side that sends, after the answer.
    Sending,
    /// Both.
    Both,
}

/// A connection that was looked up before, to be looked up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    at: u32,
    born: u64,
}

impl Id {
    /// Its place, which it keeps as long as a thread works for it.
    pub fn at(self) -> u32 {
        self.at
    }
}

/// One connection.
pub struct Connection {
    /// 1 for the first place that was ever taken, and so on; 0 in a free place.
    pub born: u64,
    /// Its number for people, given with its first request; 0 before.
    pub number: u64,
    /// Which of the listening sockets it came to.
    pub listener: u8,
    /// Which `Server` handed its requests over; 0 while it had none.
    pub generation: u32,
    /// The client's address; for a dead socket, which has none any more, one made of its identity.
    pub client: Address,
    /// The address of this host that it came to; unknown until the sweep sees it, where a socket listens at all.
    pub local: Address,
    /// Its local address was known from the start.
    pub is_told_by_both: bool,
    /// tiny_http's two handles, recorded while they were seen to be of this connection.
    pub handles: [Handle; 2],
    /// See [`Handle::identity`].
    pub identity: u64,
    /// The last sweep that saw it; for a new connection, the last one that began before it.
    pub seen_in_sweep: u64,
    /// The sweep in which it became `Lost`.
    pub lost_in_sweep: u64,
    /// What it does.
    pub state: State,
    /// Since when.
    pub since: Duration,
    /// Whether it is among those that wait for a thread.
    pub(super) is_queued: bool,
    /// Its requests that wait, if there are any.
    pub waiting: Waiting,
    /// What these take of the heap.
    pub waiting_bytes: usize,
    /// How often it was seen with bytes that nobody received, while it had no request.
    pub unread_looks: u8,
    next_in_bucket: u32,
    /// The next connection that waits for a thread.
    pub next_ready: u32,
}

impl Connection {
    const FREE: Self = Self {
        born: 0,
        number: 0,
        listener: 0,
        generation: 0,
        client: Address { ip: 0, scope: 0, port: 0 },
        local: Address { ip: 0, scope: 0, port: 0 },
        is_told_by_both: false,
        handles: [Handle::NONE; 2],
        identity: 0,
        seen_in_sweep: 0,
        lost_in_sweep: 0,
        state: State::Free,
        since: Duration::ZERO,
        is_queued: false,
        waiting: None,
        waiting_bytes: 0,
        unread_looks: 0,
        next_in_bucket: 0,
        next_ready: 0,
    };

    /// Whether some thread of ours works for it, or is about to.
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Ready | State::Body | State::Answering | State::LastRead)
    }

    /// Whether nothing more is answered on it.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ending | State::Lost)
    }

    /// Whether its handles were ever known.
    pub fn was_met(&self) -> bool {
        self.handles[0] != Handle::NONE
    }

    /// Whether both of its handles are known.
    pub fn was_met_twice(&self) -> bool {
        self.handles[1] != Handle::NONE
    }

    /// A handle of a connection whose streams are the caller's, so that it cannot have been closed.
    pub fn own_handle(&self) -> Option<Handle> {
        self.known_handles().find(|handle| handle.identity() == self.identity)
    }

    /// Changes its state, from now on.
    pub fn enter(&mut self, state: State) {
        self.state = state;
        self.since = now();
    }

    /// Whether `duplicate` is of this connection.
    fn is(&self, duplicate: &Duplicate) -> bool {
        let same = |known: Address, is: std::io::Result<SocketAddr>| is.is_ok_and(|is| known == is.into());
        same(self.client, duplicate.peer_addr())
            && same(self.local, duplicate.local_addr())
            && self.identity == duplicate.identity()
    }

    fn known_handles(&self) -> impl Iterator<Item = Handle> {
        self.handles.into_iter().filter(|&handle| handle != Handle::NONE)
    }

    /// Calls `act` with a verified duplicate, or not at all where there is no such socket any more.
    pub fn with_socket<T>(&self, act: impl Fn(&Duplicate) -> T) -> Option<T> {
        let verified = |duplicate: &Duplicate| self.is(duplicate).then(|| act(duplicate));
        self.known_handles().find_map(|handle| handle.with_duplicate(verified).flatten())
    }

    /// Shuts it down, if its handles are known.
    pub fn hang_up(&self, how: HangUp) {
        let how = match how {
            HangUp::Receiving => Shutdown::Read,
            HangUp::Sending => Shutdown::Write,
            HangUp::Both => Shutdown::Both,
        };
        let shut = self.with_socket(|socket| socket.shutdown(how));
        if shut.is_some() && how != Shutdown::Write {
            self.known_handles().for_each(Handle::cancel_receive);
        }
    }
}

/// All connections.
pub struct Table {
    places: [Connection; MOST],
    /// The first connection of each hash, as its place plus 1.
    buckets: [u32; MOST],
    /// The places from here on were never used.
    used: u32,
    /// The first free place among those that were used, plus 1.
    free: u32,
    /// Connections that wait for a thread, linked by `next_ready`: the first and the last, plus 1.
    pub ready: (u32, u32),
    /// How many those are.
    pub ready_count: usize,
    /// Living connections.
    pub living: usize,
    /// Those that had no request yet.
    pub unasked: usize,
    /// Those for which a thread works.
    pub busy: usize,
    /// Bytes of all requests that wait.
    pub waiting_bytes: usize,
    /// Threads that wait for work, or are about to.
    pub idle_threads: usize,
    /// The number of the sweep that began last.
    pub sweep: u64,
    /// And of the one that ended last.
    pub swept: u64,
    /// A thread waits for a sweep.
    pub is_urgent: bool,
    last_born: u64,
    /// The number that was given last.
    pub last_number: u64,
    /// Requests that came when the table was full.
    pub unplaced: Waiting,
}

impl Table {
    const fn new() -> Self {
        Self {
            places: [const { Connection::FREE }; MOST],
            buckets: [0; MOST],
            used: 0,
            free: 0,
            ready: (0, 0),
            ready_count: 0,
            living: 0,
            unasked: 0,
            busy: 0,
            waiting_bytes: 0,
            idle_threads: 0,
            sweep: 0,
            swept: 0,
            last_born: 0,
            last_number: 0,
            unplaced: None,
            is_urgent: false,
        }
    }

    /// The number of the last connection that was entered.
    pub fn last_born(&self) -> u64 {
        self.last_born
    }

    /// All places that may have a connection.
    pub fn all(&self) -> std::ops::Range<u32> {
        0..self.used
    }

    /// What is in a place.
    pub fn at(&mut self, at: u32) -> &mut Connection {
        &mut self.places[at as usize]
    }

    /// The name of what is in a place.
    pub fn id(&self, at: u32) -> Id {
        Id { at, born: self.places[at as usize].born }
    }

    /// The connection, as long as it lives.
    pub fn get(&mut self, id: Id) -> Option<&mut Connection> {
        Some(self.at(id.at)).filter(|connection| connection.born == id.born)
    }

    /// Enters a connection; `None`: there is no room.
    pub fn add(&mut self, listener: u8, client: Address, local: Address) -> Option<u32> {
        let at = match self.free.checked_sub(1) {
            Some(at) => {
                self.free = self.at(at).next_in_bucket;
                at
            }
            None if (self.used as usize) < MOST => {
                self.used += 1;
                self.used - 1
            }
            None => return None,
        };
        let bucket = bucket_of(client);
        self.last_born += 1;
        self.living += 1;
        self.unasked += 1;
        self.places[at as usize] = Connection {
            born: self.last_born,
            listener,
            client,
            local,
            is_told_by_both: local != Address::default(),
            seen_in_sweep: self.sweep,
            state: State::InHead,
            since: now(),
            next_in_bucket: self.buckets[bucket],
            ..Connection::FREE
        };
        self.buckets[bucket] = at + 1;
        Some(at)
    }

    /// Takes a connection out, for which no thread works and which has no request.
    pub fn remove(&mut self, at: u32) {
        let bucket = bucket_of(self.at(at).client);
        let &mut Connection { next_in_bucket: next, number, .. } = self.at(at);
        let mut link = self.buckets[bucket];
        if link == at + 1 {
            self.buckets[bucket] = next;
        }
        while let Some(before) = link.checked_sub(1) {
            link = self.at(before).next_in_bucket;
            if link == at + 1 {
                self.at(before).next_in_bucket = next;
            }
        }
        self.places[at as usize] = Connection { next_in_bucket: self.free, ..Connection::FREE };
        self.free = at + 1;
        self.living -= 1;
        self.unasked -= usize::from(number == 0);
    }

    /// The first connection with this client's address that fits.
    pub fn find(&mut self, client: Address, fits: impl Fn(&Connection) -> bool) -> Option<u32> {
        let mut link = self.buckets[bucket_of(client)];
        while let Some(at) = link.checked_sub(1) {
            let connection = self.at(at);
            if connection.client == client && fits(connection) {
                return Some(at);
            }
            link = connection.next_in_bucket;
        }
        None
    }

    /// The sweep saw a handle that is of this connection.
    pub fn meet(&mut self, at: u32, handle: Handle, local: Address, identity: u64) {
        let sweep = self.sweep;
        let connection = self.at(at);
        connection.seen_in_sweep = sweep;
        connection.local = local;
        connection.identity = identity;
        let place = usize::from(connection.handles[0] != Handle::NONE);
        connection.handles[place] = handle;
    }

    /// Takes a connection out that has no request and for which no thread works; whether it was one.
    pub fn remove_if_unused(&mut self, at: u32) -> bool {
        let connection = self.at(at);
        let is_unused = !connection.is_busy() && !connection.is_queued && connection.waiting.is_none();
        let removes = is_unused && connection.state != State::Free;
        if removes {
            self.remove(at);
        }
        removes
    }

    /// Closes the handles of a connection whose streams were leaked, so that nobody else uses them; not where it is
    /// in doubt which connection of its client that is.
    pub fn close(&mut self, id: Id) {
        let Some(&mut Connection { client, listener, identity, .. }) = self.get(id) else { return };
        let is_other = |c: &Connection| c.listener == listener && c.identity != identity;
        if self.find(client, is_other).is_none() {
            let own = self.at(id.at).known_handles();
            own.filter(|handle| handle.identity() == identity).for_each(Handle::close);
        }
    }

    /// Closes the handles of a connection that is held by a thread which can never run on: it was shut down both
    /// ways long ago, its bytes were read, so that it has left tiny_http's pool, and no request of it is held.
    pub fn give_back(&mut self, at: u32) {
        let identity = self.at(at).identity;
        let mut all = self.places[..self.used as usize].iter();
        if all.any(|c| c.is_busy() && (!c.was_met() || c.identity == identity)) {
            return;
        }
        let connection = self.at(at);
        let is_lost = |socket: &Duplicate| socket.identity() == identity && socket.was_read();
        for handle in connection.known_handles() {
            if handle.with_duplicate(is_lost) == Some(true) {
                handle.close();
            }
        }
    }

    /// Shuts a connection down whose request asks for it. Where one client's address and port is connected to
    /// two addresses of this host, a request does not tell by which, so all of these are shut down.
    pub fn hang_up(&mut self, id: Id, how: HangUp) {
        let Some(&mut Connection { client, listener, .. }) = self.get(id) else { return };
        let mut link = self.buckets[bucket_of(client)];
        while let Some(at) = link.checked_sub(1) {
            let connection = self.at(at);
            link = connection.next_in_bucket;
            if connection.client == client && connection.listener == listener {
                connection.hang_up(how);
            }
        }
    }
}

fn bucket_of(client: Address) -> usize {
    /// Random, so that no client can choose addresses that share a bucket.
    static HASH: OnceLock<RandomState> = OnceLock::new();
    HASH.get_or_init(RandomState::new).hash_one(client) as usize % MOST
}
