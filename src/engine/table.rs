//! The table of open connections, with the state of each one and the requests that wait on it.
//!
//! A request tells only the client's address and the listening socket, but one client port may be connected to
//! several local addresses. So the [`sweep`](super::sweep) adds the local address and the handles. The table is
//! static, so it takes nothing of the heap. A look-up uses a hash of the client's address, so its time does not
//! depend on the number of connections.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::platform::Handle;

use super::address::{Address, Id};
use super::connection::{Connection, HangUp, State, Waiting, now};

/// The maximum number of connections. By default, Linux allows 32,768 threads, and each connection has at least one.
const CONNECTIONS_MOST: usize = 1 << 15;
/// The timeout of [`wait_for_handles`].
const HANDLE_WAIT_MOST: Duration = Duration::from_secs(1);

static TABLE: Mutex<Table> = Mutex::new(Table::new());

/// Locks the table. The caller must not block meanwhile, because all connections need the table.
pub fn lock() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The supervisor's thread.
pub static SUPERVISOR: OnceLock<Thread> = OnceLock::new();

/// Ends the supervisor's pause, unless that is a short one.
pub fn wake_supervisor() {
    SUPERVISOR.get().inspect(|supervisor| supervisor.unpark());
}

/// Waits until the sweep has recorded a handle of the connection, or both of them. Returns whether it can be acted
/// on: `false` if no sweep sees it in time, or if both are needed and may be of another connection.
pub fn wait_for_handles(id: Id, needs_both: bool) -> bool {
    let sweep_at_start = lock().sweep;
    let start = Instant::now();
    loop {
        {
            let mut table = lock();
            let sweep_ended = table.sweep_ended;
            let Some(connection) = table.get(id) else { return false };
            // Only a whole sweep finds a second connection from the same client port, to another local address.
            let others_are_known = connection.has_fixed_local || sweep_ended > sweep_at_start;
            let is_recorded =
                if needs_both { connection.has_both_handles() } else { connection.has_handle() };
            let is_recorded = is_recorded && !connection.is_stale();
            if is_recorded && others_are_known {
                let is_unambiguous = !table.is_ambiguous(id);
                table.at(id.slot).may_close_handles |= needs_both && is_unambiguous;
                return is_unambiguous || !needs_both;
            }
            // A whole sweep has not seen the connection.
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
    /// The first connection in each hash bucket, as its slot plus 1.
    buckets: [u32; CONNECTIONS_MOST],
    /// The number of slots that were ever used.
    used: u32,
    /// The first of these slots that is free, plus 1.
    free: u32,
    /// The first and the last connection that wait for a thread, as their slots plus 1. They are linked by
    /// `next_ready`.
    pub ready: (u32, u32),
    /// The number of connections that wait for a thread.
    pub ready_count: usize,
    /// The number of connections.
    pub living: usize,
    /// The number of connections that have had no request.
    pub awaiting_first: usize,
    /// The number of connections for which [`Connection::is_busy`] is true.
    pub busy: usize,
    /// The number of bytes of the heap that all waiting requests take.
    pub waiting_bytes: usize,
    /// The number of threads that wait for a job, or are about to.
    pub idle_threads: usize,
    /// The number of the sweep that began last.
    pub sweep: u64,
    /// The number of the sweep that ended last.
    pub sweep_ended: u64,
    /// Whether the next sweep is urgent.
    pub is_urgent: bool,
    /// Local addresses of dead sockets in the last sweep. Two different ones are enough for `is_ambiguous`.
    pub dead_locals: [Option<Address>; 2],
    last_serial: u64,
    /// The number that the last connection got for the trace.
    pub last_number: u64,
    /// Requests that came when the table was full. They are discarded.
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

    /// The serial number of the newest connection.
    pub fn last_serial(&self) -> u64 {
        self.last_serial
    }

    /// All slots that may have a connection.
    pub fn slots(&self) -> std::ops::Range<u32> {
        0..self.used
    }

    /// The connection in a slot.
    pub fn at(&mut self, slot: u32) -> &mut Connection {
        &mut self.connections[slot as usize]
    }

    /// The `Id` of the connection in a slot.
    pub fn id(&self, slot: u32) -> Id {
        Id { slot, serial: self.connections[slot as usize].serial }
    }

    /// The connection, if it is still in the table.
    pub fn get(&mut self, id: Id) -> Option<&mut Connection> {
        Some(self.at(id.slot)).filter(|connection| connection.serial == id.serial)
    }

    /// Adds a connection. Returns its slot, or `None` if the table is full.
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

    /// Removes a connection. No thread may work for it, and it must have no requests.
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

    /// The first connection of this client for which `fits` is true.
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

    /// Records a handle of a connection.
    pub fn record_handle(&mut self, slot: u32, handle: Handle, local: Address, identity: u64) {
        let sweep = self.sweep;
        let connection = self.at(slot);
        connection.seen_in_sweep = sweep;
        connection.local = local;
        connection.identity = identity;
        let index = usize::from(connection.handles[0] != Handle::NONE);
        connection.handles[index] = handle;
    }

    /// Removes a connection if no thread works for it and it has no requests. Returns whether it was removed.
    pub fn remove_if_unused(&mut self, slot: u32) -> bool {
        let connection = self.at(slot);
        let removes = !connection.has_requests() && connection.state != State::Free;
        if removes {
            self.remove(slot);
        }
        removes
    }

    /// Closes the handles of a connection whose stream was leaked, if [`wait_for_handles`] has confirmed them.
    pub fn close_handles(&mut self, id: Id) {
        if let Some(connection) = self.get(id).filter(|connection| connection.may_close_handles) {
            connection.close_handles();
        }
    }

    /// Whether the current request may be of another connection: one from the same client port, or a dead socket with
    /// another local address, whose client is unknown.
    fn is_ambiguous(&mut self, id: Id) -> bool {
        let &mut Connection { client, listener, identity, local, has_fixed_local, .. } = self.at(id.slot);
        let mut dead = self.dead_locals.into_iter().flatten();
        // On Windows, all identities are 0.
        let is_other = |c: &Connection| c.identity != identity || (identity == 0 && c.serial != id.serial);
        (!has_fixed_local && dead.any(|dead| !dead.has_ip_of(local)))
            || self.find(client, |c| c.listener == listener && is_other(c)).is_some()
    }

    /// Closes the handles of a parked connection, unless a request may be of it. Only a handle whose bytes were read
    /// is closed, because the connection has then left tiny_http's pool.
    pub fn close_parked(&mut self, slot: u32) {
        let identity = self.at(slot).identity;
        let mut all = self.connections[..self.used as usize].iter();
        if all.any(|c| c.has_requests() && (!c.has_handle() || c.identity == identity)) {
            return;
        }
        self.at(slot).close_parked();
    }

    /// Shuts down a connection. If the same client port is connected to several local addresses, a request does not
    /// tell which connection it came through. Then all of them are shut down.
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
    /// The hash has a random key, so that clients cannot choose addresses that share a bucket.
    static HASH: OnceLock<RandomState> = OnceLock::new();
    HASH.get_or_init(RandomState::new).hash_one(client) as usize % CONNECTIONS_MOST
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
