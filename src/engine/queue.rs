//! Weakness 10: tiny_http queues all pipelined requests of a client at once.
//!
//! Here the requests wait on their connection, which has one thread at a time. So a hundred requests need the memory
//! of one body, not of a hundred. When the connection ends, those that still wait are discarded together.

use super::address::{Address, Id};
use super::connection::{Connection, HangUp, State, Waiting};
use super::exchange::{End, Incoming};
use super::table::{self, Table};

/// The maximum number of bytes of the heap that the waiting requests of one connection may take. This is enough for
/// some 8,000 short ones. If a client pipelines more, its connection is hung up, because tiny_http would continue to
/// read requests into memory.
const WAITING_MOST_BYTES: usize = 8 << 20;
/// The same for all connections together. Above this, the connection with the most is hung up.
const ALL_WAITING_MOST_BYTES: usize = 32 << 20;

/// What a thread does next.
#[allow(clippy::large_enum_variant, reason = "it is moved from stack to stack, once for each request")]
pub enum Job {
    /// Answer a request of this connection, which has this number in the trace.
    Answer(Id, u64, Incoming),
    /// Discard requests that are not to be answered. This may have to read what the client sent.
    Discard(Option<Id>, Waiting),
}

impl Table {
    /// Adds a request to its connection. Returns whether another thread is needed for it.
    pub fn enqueue(&mut self, from: Origin, request: Incoming) -> bool {
        let Some(slot) = self.find_or_add(&from) else {
            // The table is full, so the connection could not be hung up later. Its request is not answered.
            self.rejected.get_or_insert_default().push_back(request);
            return true;
        };
        self.at(slot).generation = from.generation;
        self.push(slot, request);
        self.job_count() > self.idle_threads
    }

    fn push(&mut self, slot: u32, request: Incoming) {
        let bytes = request.heap_bytes();
        self.waiting_bytes += bytes;
        let id = self.id(slot);
        let connection = self.at(slot);
        connection.unread_checks = 0;
        connection.waiting_bytes += bytes;
        connection.waiting.get_or_insert_default().push_back(request);
        let is_too_much = connection.waiting_bytes > WAITING_MOST_BYTES;
        match connection.state {
            State::InHead | State::ReadClosed => {
                connection.enter(State::Ready);
                if connection.number == 0 {
                    self.last_number += 1;
                    self.awaiting_first -= 1;
                    self.at(slot).number = self.last_number;
                }
                self.busy += 1;
                self.make_ready(slot);
            }
            State::Closing | State::ShutDown => self.mark_late(slot),
            _ if is_too_much => self.hang_up(id, HangUp::Both),
            _ => {}
        }
    }

    /// Notes a late request: one that came after its connection's end. Either the client had already sent it, or it
    /// is of a new connection from the same client port. The next sweep finds out which.
    fn mark_late(&mut self, slot: u32) {
        self.at(slot).late_in_sweep = self.sweep;
        self.is_urgent = true;
        table::wake_supervisor();
    }

    /// The slot of the connection that a request came through. Adds the connection if it is not in the table. Returns
    /// `None` if the table is full.
    fn find_or_add(&mut self, from: &Origin) -> Option<u32> {
        let Origin { listener, client, local, .. } = *from;
        let is_in_head = |state| matches!(state, State::InHead | State::ReadClosed);
        let in_head = self.find(client, |c| c.listener == listener && is_in_head(c.state));
        let known = in_head.or_else(|| self.find(client, |c| c.listener == listener));
        match known {
            Some(slot) if !self.at(slot).has_ended() && self.at(slot).is_stale() => {
                self.remove_if_unused(slot);
                self.add(listener, client, local)
            }
            Some(slot) => Some(slot),
            None => self.add(listener, client, local),
        }
    }

    /// Decides on late requests, in the first sweep that began after they came.
    ///
    /// If the old connection is gone and there is a new one from the same client port, the requests are moved to that
    /// one. Otherwise they are discarded.
    pub fn resolve_late(&mut self, slot: u32) {
        let sweep = self.sweep;
        let connection = self.at(slot);
        let is_late = connection.has_ended() && connection.waiting.is_some() && !connection.is_queued;
        if !is_late || connection.late_in_sweep >= sweep {
            return;
        }
        let &mut Connection { client, listener, generation, .. } = connection;
        let is_gone = connection.seen_in_sweep < sweep;
        let is_new = |c: &Connection| c.listener == listener && c.number == 0 && c.state == State::InHead;
        match self.find(client, is_new) {
            Some(successor) if is_gone => {
                self.at(successor).generation = generation;
                let waiting = self.take_waiting(slot);
                for request in waiting.into_iter().flat_map(|waiting| *waiting) {
                    self.push(successor, request);
                }
            }
            _ => {
                self.at(slot).hang_up(HangUp::Both);
                self.make_ready(slot);
            }
        }
    }

    /// The next job for an idle thread.
    pub fn next_job(&mut self) -> Option<Job> {
        if self.rejected.is_some() {
            return Some(Job::Discard(None, self.rejected.take()));
        }
        let slot = self.ready.0.checked_sub(1)?;
        self.ready_count -= 1;
        self.ready.0 = self.at(slot).next_ready;
        self.at(slot).is_queued = false;
        if self.at(slot).has_ended() {
            self.at(slot).is_discarding = true;
            return Some(Job::Discard(Some(self.id(slot)), self.take_waiting(slot)));
        }
        self.next_request(slot)
    }

    /// Notes the end of an answer. Returns what the thread does next for the same connection.
    pub fn answered(&mut self, id: Id, end: End) -> Option<Job> {
        let slot = id.slot;
        if end == End::Open && self.at(slot).waiting.is_some() {
            return self.next_request(slot);
        }
        self.busy -= 1;
        if end == End::Open {
            self.at(slot).enter(State::InHead);
            return None;
        }
        self.at(slot).enter(State::Closing);
        if self.at(slot).waiting.is_some() {
            self.mark_late(slot);
        }
        None
    }

    /// Notes that a thread has discarded requests.
    pub fn discarded(&mut self, id: Option<Id>) {
        if let Some(connection) = id.and_then(|id| self.get(id)) {
            connection.is_discarding = false;
        }
    }

    /// The number of jobs that wait for a thread.
    pub fn job_count(&self) -> usize {
        self.ready_count + usize::from(self.rejected.is_some())
    }

    fn next_request(&mut self, slot: u32) -> Option<Job> {
        let id = self.id(slot);
        let connection = self.at(slot);
        let waiting = connection.waiting.as_mut()?;
        let request = waiting.pop_front()?;
        if waiting.is_empty() {
            connection.waiting = None;
        }
        let bytes = request.heap_bytes();
        connection.waiting_bytes -= bytes;
        connection.received_bytes = 0;
        connection.may_close_handles = false;
        connection.enter(if request.has_body() { State::InBody } else { State::Answering });
        let number = connection.number;
        self.waiting_bytes -= bytes;
        Some(Job::Answer(id, number, request))
    }

    fn take_waiting(&mut self, slot: u32) -> Waiting {
        let connection = self.at(slot);
        let waiting = connection.waiting.take();
        let bytes = std::mem::take(&mut connection.waiting_bytes);
        self.waiting_bytes -= bytes;
        waiting
    }

    /// Hangs up the connection with the most waiting requests, if all of them together take too much memory. Each
    /// sweep calls this once.
    pub fn limit_waiting(&mut self) {
        if self.waiting_bytes > ALL_WAITING_MOST_BYTES
            && let Some(most) = self.slots().max_by_key(|&slot| self.at(slot).waiting_bytes)
        {
            self.at(most).hang_up(HangUp::Both);
        }
    }

    fn make_ready(&mut self, slot: u32) {
        self.at(slot).is_queued = true;
        self.at(slot).next_ready = 0;
        match self.ready {
            (0, _) => self.ready = (slot + 1, slot + 1),
            (_, last) => {
                self.at(last - 1).next_ready = slot + 1;
                self.ready.1 = slot + 1;
            }
        }
        self.ready_count += 1;
    }
}

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The index of the listening socket.
    pub listener: u8,
    /// The generation of the `Server`.
    pub generation: u32,
    /// The local address. It is unknown if the listening socket is bound to an unspecified address.
    pub local: Address,
    /// The client's address.
    pub client: Address,
}
