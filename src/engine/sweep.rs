//! The sweep: weaknesses 9, 12 and 13, and what the [`table`] does not learn from requests.
//!
//! tiny_http does not tell when a connection begins or ends. It has no deadlines, and stores a head of any length. So
//! the sweep looks at all handles of the process. It adds new connections to the table, removes those that have
//! ended, and shuts down those whose deadline has passed. A deadline is for a whole step (a head, a body, a lingering
//! close), not for a single read.

use std::net::SocketAddr;
use std::time::Duration;

use crate::platform::{Handle, HandleStatus, REPORTS_RECEIVED_BYTES};

use super::address::Address;
use super::connection::{Connection, HangUp, State, now};
use super::lifecycle::LINGER_FOR;
use super::table::{self, Table};

/// The timeout for a head or a body in an alarm, on systems that do not tell how much a client has sent. An idle
/// connection may be closed at any time (RFC 9112 9.5).
const HEAD_IN_ALARM: Duration = Duration::from_millis(100);
/// The timeout for a head when descriptors are short, unless the usual one is shorter.
const HEAD_WHEN_SHORT: Duration = Duration::from_millis(250);
/// The time between shutting down the receiving side and both sides of a connection in its head. Meanwhile, a head
/// that was complete can still be answered.
const READ_CLOSED_FOR: Duration = Duration::from_millis(4);
/// If tiny_http has not closed a connection this long after it was shut down, and in this many sweeps, it is parked:
/// it is held by a thread that is blocked for ever.
pub const PARKED_AFTER: Duration = Duration::from_secs(1);
/// See [`PARKED_AFTER`].
const PARKED_AFTER_SWEEPS: u64 = 20;

/// What the sweep needs to know.
#[derive(Clone, Copy, Debug)]
pub struct SweepInput {
    /// How long a head or a body may take.
    pub timeout: Option<Duration>,
    /// Whether the alarm is raised: tiny_http holds more memory than it may.
    pub is_alarm: bool,
    /// Whether few descriptors are left.
    pub are_descriptors_short: bool,
    /// All requests that tiny_http had read before this time have been taken from its queues.
    pub queues_empty_at: Duration,
}

/// The result of a sweep.
#[derive(Clone, Copy, Debug, Default)]
pub struct SweepResult {
    /// The number of open handles.
    pub open_handles: u64,
    /// Whether the alarm is raised and a client was hung up for it.
    pub found_flood: bool,
    /// The earliest deadline.
    pub next_due: Option<Duration>,
    /// See [`Table::dead_locals`].
    dead_locals: [Option<Address>; 2],
}

impl SweepResult {
    /// Notes the local address of a handle, if it seems to be a dead socket: one that a listening socket accepted,
    /// and that is not connected any more. The client's address of such a socket is unknown.
    ///
    /// The listening socket itself is not meant. Its local address is unspecified.
    fn note_dead(&mut self, handle: Handle, listeners: &[Listener]) {
        let is_dead =
            |local: &SocketAddr| !local.ip().is_unspecified() && listener_of(*local, listeners).is_some();
        let Some(local) = handle.local().filter(is_dead).map(Address::from) else { return };
        match self.dead_locals {
            [None, _] => self.dead_locals[0] = Some(local),
            [Some(first), None] if !first.has_ip_of(local) => self.dead_locals[1] = Some(local),
            _ => {}
        }
    }
}

/// Looks at every handle and every connection. `listeners` are the listening sockets.
pub fn sweep(listeners: &[Listener], input: SweepInput) -> SweepResult {
    {
        let mut table = table::lock();
        table.sweep += 1;
        table.is_urgent = false;
    }
    let mut result = SweepResult::default();
    let has_unspecified = listeners.iter().any(|listener| listener.bound.ip().is_unspecified());
    for handle in Handle::all() {
        let status = handle.status();
        result.open_handles += u64::from(status != HandleStatus::Closed);
        match status {
            HandleStatus::Connected(peer) => record_connected(handle, peer.into(), listeners),
            HandleStatus::Open => {
                if has_unspecified {
                    result.note_dead(handle, listeners);
                }
                if input.are_descriptors_short {
                    record_dead(handle, listeners);
                }
            }
            HandleStatus::Closed => {}
        }
    }
    let slots = table::lock().slots();
    for slot in slots {
        let due = check_connection(&mut table::lock(), slot, &input);
        // Where floods are not known, whoever is hung up in an alarm counts as one.
        let is_flood = |due| if REPORTS_RECEIVED_BYTES { due == Duration::ZERO } else { due <= now() };
        result.found_flood |= input.is_alarm && due.is_some_and(is_flood);
        result.next_due = [result.next_due, due].into_iter().flatten().min();
    }
    let mut table = table::lock();
    table.limit_waiting();
    table.dead_locals = result.dead_locals;
    table.sweep_ended = table.sweep;
    result
}

/// What the sweep needs to know of a listening socket.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    bound: SocketAddr,
    identity: u64,
}

impl Listener {
    /// Describes the listening socket with this handle.
    pub fn new(handle: Handle, bound: SocketAddr) -> Self {
        Self { bound, identity: handle.identity() }
    }

    /// Whether a socket with this local address was accepted by it.
    fn accepted(&self, local: SocketAddr) -> bool {
        local.port() == self.bound.port()
            && (self.bound.ip().is_unspecified() || local.ip() == self.bound.ip())
    }
}

/// The index of the listening socket that accepted a socket with this local address.
fn listener_of(local: SocketAddr, listeners: &[Listener]) -> Option<u8> {
    listeners.iter().position(|listener| listener.accepted(local)).map(|nth| nth as u8)
}

/// Records the handle of a connected socket. It is already recorded, or it is the second handle of a recorded
/// connection, or the connection is new.
fn record_connected(handle: Handle, client: Address, listeners: &[Listener]) {
    // The identity differs if the same client address has a new connection with the same handle.
    let identity = handle.identity();
    let mut table = table::lock();
    let sweep = table.sweep;
    if let Some(slot) = table.find(client, |c| c.handles.contains(&handle) && c.identity == identity) {
        table.at(slot).seen_in_sweep = sweep;
        return;
    }
    let Some(local) = handle.local() else { return };
    let Some(listener) = listener_of(local, listeners) else { return };
    let local = local.into();
    let fits = |c: &Connection| {
        let is_second_handle = c.has_handle() && c.identity == identity && c.handles[1] == Handle::NONE;
        let has_no_handle =
            !c.has_handle() && !c.has_ended() && (c.local == local || c.local == Address::NONE);
        c.listener == listener && (is_second_handle || has_no_handle)
    };
    let has_fixed_local = !listeners[usize::from(listener)].bound.ip().is_unspecified();
    match table.find(client, fits).or_else(|| table.add(listener, client, local)) {
        Some(slot) => {
            table.at(slot).has_fixed_local = has_fixed_local;
            table.record_handle(slot, handle, local, identity);
        }
        // The table is full, so the connection could not be hung up later. It is shut down now.
        None => {
            let client_is_same =
                |peer: std::io::Result<SocketAddr>| peer.is_ok_and(|peer| client == peer.into());
            handle.with_duplicate(|socket| {
                if client_is_same(socket.peer_addr()) {
                    let _ = socket.shutdown(std::net::Shutdown::Both);
                }
            });
        }
    }
}

/// Records the handle of a dead socket, so that it can be closed. The client's address is unknown, so the key of this
/// connection is made from the socket's identity.
fn record_dead(handle: Handle, listeners: &[Listener]) {
    let identity = handle.identity();
    let is_dead = |local: &SocketAddr| {
        identity > 0 && listeners.iter().all(|l| l.identity != identity) && {
            listener_of(*local, listeners).is_some()
        }
    };
    let Some(local) = handle.local().filter(is_dead) else { return };
    let mut table = table::lock();
    let name = Address::of_identity(identity);
    let sweep = table.sweep;
    match table.find(name, |_| true) {
        Some(slot) if table.at(slot).handles.contains(&handle) => table.at(slot).seen_in_sweep = sweep,
        Some(slot) if table.at(slot).handles[1] == Handle::NONE => {
            table.record_handle(slot, handle, local.into(), identity)
        }
        Some(_) => {}
        None => {
            let listener = listener_of(local, listeners).unwrap_or(u8::MAX);
            if let Some(slot) = table.add(listener, name, local.into()) {
                table.at(slot).enter(State::ShutDown);
                table.at(slot).shut_down_in_sweep = sweep;
                table.record_handle(slot, handle, local.into(), identity);
            }
        }
    }
}

/// How long a connection may stay in this state.
fn limit(state: State, input: &SweepInput) -> Option<Duration> {
    match state {
        State::InHead | State::InBody if input.is_alarm && !REPORTS_RECEIVED_BYTES => Some(HEAD_IN_ALARM),
        State::InHead if input.are_descriptors_short => {
            Some(input.timeout.unwrap_or(HEAD_WHEN_SHORT).min(HEAD_WHEN_SHORT))
        }
        State::InHead | State::InBody => input.timeout,
        State::ReadClosed => Some(READ_CLOSED_FOR),
        State::Lingering | State::Closing if input.are_descriptors_short => Some(Duration::ZERO),
        State::Lingering | State::Closing => Some(LINGER_FOR),
        State::ShutDown if input.are_descriptors_short => Some(PARKED_AFTER),
        State::Free | State::Ready | State::Answering | State::ShutDown => None,
    }
}

/// Removes a connection that has ended, and acts on one whose deadline has passed. Returns its deadline, if it has
/// one.
fn check_connection(table: &mut Table, slot: u32, input: &SweepInput) -> Option<Duration> {
    let sweep = table.sweep;
    table.resolve_late(slot);
    if table.at(slot).seen_in_sweep < sweep && table.remove_if_unused(slot) {
        return None;
    }
    let connection = table.at(slot);
    let is_flooding = input.is_alarm && connection.state != State::Free && connection.is_flooding();
    let due = if is_flooding { Duration::ZERO } else { connection.since + limit(connection.state, input)? };
    if now() < due {
        return Some(due);
    }
    // On other systems than Linux, bytes that were received are discarded when the receiving side is shut down.
    let may_close_read =
        cfg!(any(target_os = "linux", target_os = "android")) || input.queues_empty_at >= due;
    match connection.state {
        State::InHead if is_flooding || may_close_read => {
            connection.hang_up(HangUp::Receiving);
            connection.enter(State::ReadClosed);
        }
        State::InBody if is_flooding => connection.hang_up(HangUp::Both),
        State::InBody => connection.hang_up(HangUp::Receiving),
        State::Lingering | State::Ready | State::Answering => connection.hang_up(HangUp::Both),
        State::ShutDown if is_flooding => connection.hang_up(HangUp::Both),
        State::ReadClosed if input.queues_empty_at < due => {}
        State::ReadClosed | State::Closing => {
            connection.hang_up(HangUp::Both);
            connection.enter(State::ShutDown);
            connection.shut_down_in_sweep = sweep;
        }
        State::ShutDown if sweep - connection.shut_down_in_sweep > PARKED_AFTER_SWEEPS => {
            table.close_parked(slot)
        }
        _ => {}
    }
    Some(due)
}
