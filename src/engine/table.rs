//! The table of living connections: the engine's one truth about who is connected, in which state, since
//! when, and with what waiting.
//!
//! tiny_http tells only the client's address of a request. Connections are told apart by both addresses: the
//! listening socket is known when a request comes, and the [`sweep`](super::sweep) adds the local address
//! and the handles. The table has a fixed place outside the heap, and every look-up goes through
//! a hash of the client's address, so that its cost does not grow with the number of connections.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::platform::Handle;

use super::address::{Address, Id};
use super::connection::{Connection, HangUp, State, Waiting, now};

/// Connections that the table has room for. Linux has 32,768 threads by default, and each takes at least one.
const CONNECTIONS_MOST: usize = 1 << 15;

/// How long a thread waits for the sweep to see a connection.
const HANDLE_WAIT_MOST: Duration = Duration::from_secs(1);

static TABLE: Mutex<Table> = Mutex::new(Table::new());

/// The table. Whoever has it must not block: every connection waits for it.
pub fn lock() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread that sweeps.
pub static SUPERVISOR: OnceLock<Thread> = OnceLock::new();

/// Has it look at what has happened now, if it rests.
pub fn wake_supervisor() {
    SUPERVISOR.get().inspect(|supervisor| supervisor.unpark());
}

/// Waits until the sweep has seen both handles of a connection, or at least one, so that it can be acted on; for
/// a while at most, since it never sees a client that has gone before. Whether it has.
pub fn wait_for_handles(id: Id, needs_both: bool) -> bool {
    let sweep_at_start = lock().sweep;
    let start = Instant::now();
    loop {
        {
            let mut table = lock();
            let sweep_ended = table.sweep_ended;
            let Some(connection) = table.get(id) else { return false };
            // A request does not tell which address of this host it came to: there may be a second connection.
            let others_are_known = connection.has_fixed_local || sweep_ended > sweep_at_start;
            let is_recorded =
                if needs_both { connection.has_both_handles() } else { connection.has_handle() };
            let is_recorded = is_recorded && !connection.is_stale();
            if is_recorded && others_are_known {
                let is_unambiguous = !table.is_ambiguous(id);
                table.at(id.slot).may_close_handles |= needs_both && is_unambiguous;
                return is_unambiguous || !needs_both;
            }
            // A whole sweep did not see it.
            if sweep_ended > sweep_at_start {
                return false;
            }
            table.is_urgent = true;
        }
        if start.elapsed() >= HANDLE_WAIT_MOST {
            return false;
        }
        wake_supervisor();
        thread::sleep(Duration::from_millis(1));
    }
}

/// All connections.
pub struct Table {
    connections: [Connection; CONNECTIONS_MOST],
    /// The first connection of each hash, as its place plus 1.
    buckets: [u32; CONNECTIONS_MOST],
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
    pub awaiting_first: usize,
    /// Those for which a thread works.
    pub busy: usize,
    /// Bytes of all requests that wait.
    pub waiting_bytes: usize,
    /// Threads that wait for work, or are about to.
    pub idle_threads: usize,
    /// The number of the sweep that began last.
    pub sweep: u64,
    /// And of the one that ended last.
    pub sweep_ended: u64,
    /// A thread waits for a sweep.
    pub is_urgent: bool,
    /// Addresses of this host with dead sockets, in the sweep that ended last: two stand for any number.
    pub dead_locals: [Option<Address>; 2],
    last_serial: u64,
    /// The number that was given last.
    pub last_number: u64,
    /// Requests that came when the table was full.
    pub rejected: Waiting,
}

impl Table {
    const fn new() -> Self {
        Self {
            connections: [const { Connection::FREE }; CONNECTIONS_MOST],
            buckets: [0; CONNECTIONS_MOST],
            used: 0,
            free: 0,
            ready: (0, 0),
            ready_count: 0,
            living: 0,
            awaiting_first: 0,
            busy: 0,
            waiting_bytes: 0,
            idle_threads: 0,
            sweep: 0,
            sweep_ended: 0,
            last_serial: 0,
            last_number: 0,
            rejected: None,
            is_urgent: false,
            dead_locals: [None; 2],
        }
    }

    /// The number of the last connection that was entered.
    pub fn last_serial(&self) -> u64 {
        self.last_serial
    }

    /// All places that may have a connection.
    pub fn slots(&self) -> std::ops::Range<u32> {
        0..self.used
    }

    /// What is in a place.
    pub fn at(&mut self, slot: u32) -> &mut Connection {
        &mut self.connections[slot as usize]
    }

    /// The name of what is in a place.
    pub fn id(&self, slot: u32) -> Id {
        Id { slot, serial: self.connections[slot as usize].serial }
    }

    /// The connection, as long as it lives.
    pub fn get(&mut self, id: Id) -> Option<&mut Connection> {
        Some(self.at(id.slot)).filter(|connection| connection.serial == id.serial)
    }

    /// Enters a connection; `None`: there is no room.
    pub fn add(&mut self, listener: u8, client: Address, local: Address) -> Option<u32> {
        let slot = match self.free.checked_sub(1) {
            Some(slot) => {
                self.free = self.at(slot).next_in_bucket;
                slot
            }
            None if (self.used as usize) < CONNECTIONS_MOST => {
                self.used += 1;
                self.used - 1
            }
            None => return None,
        };
        let bucket = bucket_of(client);
        self.last_serial += 1;
        self.living += 1;
        self.awaiting_first += 1;
        self.connections[slot as usize] = Connection {
            serial: self.last_serial,
            listener,
            client,
            local,
            has_fixed_local: local != Address::NONE,
            seen_in_sweep: self.sweep,
            state: State::InHead,
            since: now(),
            next_in_bucket: self.buckets[bucket],
            ..Connection::FREE
        };
        self.buckets[bucket] = slot + 1;
        Some(slot)
    }

    /// Takes a connection out, for which no thread works and which has no request.
    pub fn remove(&mut self, slot: u32) {
        let bucket = bucket_of(self.at(slot).client);
        let &mut Connection { next_in_bucket: next, number, .. } = self.at(slot);
        let mut link = self.buckets[bucket];
        if link == slot + 1 {
            self.buckets[bucket] = next;
        }
        while let Some(before) = link.checked_sub(1) {
            link = self.at(before).next_in_bucket;
            if link == slot + 1 {
                self.at(before).next_in_bucket = next;
            }
        }
        self.connections[slot as usize] = Connection { next_in_bucket: self.free, ..Connection::FREE };
        self.free = slot + 1;
        self.living -= 1;
        self.awaiting_first -= usize::from(number == 0);
    }

    /// The first connection with this client's address that fits.
    pub fn find(&mut self, client: Address, fits: impl Fn(&Connection) -> bool) -> Option<u32> {
        let mut link = self.buckets[bucket_of(client)];
        while let Some(slot) = link.checked_sub(1) {
            let connection = self.at(slot);
            if connection.client == client && fits(connection) {
                return Some(slot);
            }
            link = connection.next_in_bucket;
        }
        None
    }

    /// The sweep saw a handle that is of this connection.
    pub fn record_handle(&mut self, slot: u32, handle: Handle, local: Address, identity: u64) {
        let sweep = self.sweep;
        let connection = self.at(slot);
        connection.seen_in_sweep = sweep;
        connection.local = local;
        connection.identity = identity;
        let index = usize::from(connection.handles[0] != Handle::NONE);
        connection.handles[index] = handle;
    }

    /// Takes a connection out that has no request and for which no thread works; whether it was one.
    pub fn remove_if_unused(&mut self, slot: u32) -> bool {
        let connection = self.at(slot);
        let removes = !connection.has_requests() && connection.state != State::Free;
        if removes {
            self.remove(slot);
        }
        removes
    }

    /// Closes the handles of a connection whose streams were leaked, so that nobody else uses them; not where
    /// [`wait_until_met`] could not tell which connection of its client that is.
    pub fn close_handles(&mut self, id: Id) {
        if let Some(connection) = self.get(id).filter(|connection| connection.may_close_handles) {
            connection.close_handles();
        }
    }

    /// Whether the request may have come by another connection: its client has one from the same port, or there is
    /// a dead socket at another address of this host, which does not tell its client any more.
    fn is_ambiguous(&mut self, id: Id) -> bool {
        let &mut Connection { client, listener, identity, local, has_fixed_local, .. } = self.at(id.slot);
        let dead = self.dead_locals.into_iter().flatten();
        let has_other_dead = dead.filter(|dead| !dead.has_ip_of(local)).count() > 0;
        (has_other_dead && !has_fixed_local)
            || self.find(client, |c| c.listener == listener && c.identity != identity).is_some()
    }

    /// Closes the handles of a connection that is held by a thread which can never run on: it was shut down both
    /// ways long ago, its bytes were read, so that it has left tiny_http's pool, and no request of it is held.
    pub fn close_parked(&mut self, slot: u32) {
        let identity = self.at(slot).identity;
        let mut all = self.connections[..self.used as usize].iter();
        if all.any(|c| c.has_requests() && (!c.has_handle() || c.identity == identity)) {
            return;
        }
        self.at(slot).close_parked();
    }

    /// Shuts a connection down whose request asks for it. Where one client's address and port is connected to
    /// two addresses of this host, a request does not tell by which, so all of these are shut down.
    pub fn hang_up(&mut self, id: Id, how: HangUp) {
        let Some(&mut Connection { client, listener, .. }) = self.get(id) else { return };
        let mut link = self.buckets[bucket_of(client)];
        while let Some(slot) = link.checked_sub(1) {
            let connection = self.at(slot);
            link = connection.next_in_bucket;
            let may_be_it = connection.serial == id.serial || !connection.has_fixed_local;
            if connection.client == client && connection.listener == listener && may_be_it {
                connection.hang_up(how);
            }
        }
    }
}

fn bucket_of(client: Address) -> usize {
    /// Random, so that no client can choose addresses that share a bucket.
    static HASH: OnceLock<RandomState> = OnceLock::new();
    HASH.get_or_init(RandomState::new).hash_one(client) as usize % CONNECTIONS_MOST
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
