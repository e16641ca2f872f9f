//! Weakness 10: tiny_http queues all the requests that a client pipelines at once. Here they wait on their
//! connection, which has one thread at a time: a hundred of them cost one body, not a hundred. When the
//! connection ends, those that still wait are forgotten together.

use super::address::{Address, Id};
use super::connection::{Connection, HangUp, State, Waiting};
use super::exchange::{End, Incoming};
use super::table::{self, Table};

/// Requests that wait on one connection may take so much of the heap, some 8,000 short ones. The connection of a
/// client that pipelines more is hung up, since tiny_http would go on to read them into memory.
const WAITING_MOST_BYTES: usize = 8 << 20;
/// And on all connections together; then those with the most are hung up.
const ALL_WAITING_MOST_BYTES: usize = 32 << 20;

/// What a thread has to do next.
#[allow(clippy::large_enum_variant, reason = "it is moved from stack to stack, once for each request")]
pub enum Job {
    /// Answer a request of this connection, which has this number.
    Answer(Id, u64, Incoming),
    /// Let go of requests that nobody is to answer, which may wait for what the client sent.
    Discard(Option<Id>, Waiting),
}

impl Table {
    /// A request came from `client` to a listening socket, through a `Server`. Whether it is for a thread to take,
    /// for which none is idle.
    pub fn enqueue(&mut self, from: Origin, request: Incoming) -> bool {
        let Some(slot) = self.find_or_add(&from) else {
            // The table is full, so nobody could ever hang up: the request is let go of.
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

    /// A request that came after its connection's end is what the client had already sent, or is of a new connection
    /// of a client that uses its port again at once. The next sweep sees which.
    fn mark_late(&mut self, slot: u32) {
        self.at(slot).late_in_sweep = self.sweep;
        self.is_urgent = true;
        table::wake_supervisor();
    }

    /// The place of the connection that a request came by.
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

    /// After a sweep: requests that came when their connection had ended are those of its successor, if that was
    /// seen, and forgotten else.
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

    /// What a thread that is idle has to do now.
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

    /// Notes the end of an answer, and says what the thread that gave it has to do next.
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

    /// Notes that a thread has let go of requests.
    pub fn discarded(&mut self, id: Option<Id>) {
        if let Some(connection) = id.and_then(|id| self.get(id)) {
            connection.is_discarding = false;
        }
    }

    /// How many threads could work now.
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

    /// Hangs up the connections with the most waiting, as long as it is too much of all together.
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

/// By which way a request came.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// Which of the listening sockets.
    pub listener: u8,
    /// Which `Server` on it.
    pub generation: u32,
    /// The listening socket's address; unknown where that is every address of the host.
    pub local: Address,
    /// The client's address.
    pub client: Address,
}
