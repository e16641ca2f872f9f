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
    Forget(Option<Id>, Waiting),
}

impl Table {
    /// A request came from `client` to a listening socket, through a `Server`. Whether it is for a thread to take,
    /// for which none is idle.
    pub fn enqueue(&mut self, from: Origin, request: Incoming) -> bool {
        let Some(at) = self.place_of(&from) else {
            // The table is full, so nobody could ever hang up: the request is let go of.
            self.unplaced.get_or_insert_default().push_back(request);
            return true;
        };
        self.at(at).generation = from.generation;
        self.push(at, request);
        self.jobs() > self.idle_threads
    }

    fn push(&mut self, at: u32, request: Incoming) {
        let bytes = request.heap_bytes();
        self.waiting_bytes += bytes;
        let id = self.id(at);
        let connection = self.at(at);
        connection.unread_looks = 0;
        connection.waiting_bytes += bytes;
        connection.waiting.get_or_insert_default().push_back(request);
        let is_too_much = connection.waiting_bytes > WAITING_MOST_BYTES;
        match connection.state {
            State::InHead | State::Cut => {
                connection.enter(State::Ready);
                if connection.number == 0 {
                    self.last_number += 1;
                    self.unasked -= 1;
                    self.at(at).number = self.last_number;
                }
                self.busy += 1;
                self.make_ready(at);
            }
            State::Ending | State::Lost => self.came_late(at),
            _ if is_too_much => self.hang_up(id, HangUp::Both),
            _ => {}
        }
    }

    /// A request that came after its connection's end is what the client had already sent, or is of a new connection
    /// of a client that uses its port again at once. The next sweep sees which.
    fn came_late(&mut self, at: u32) {
        self.at(at).late_in_sweep = self.sweep;
        self.is_urgent = true;
        table::wake_supervisor();
    }

    /// The place of the connection that a request came by.
    fn place_of(&mut self, from: &Origin) -> Option<u32> {
        let Origin { listener, client, local, .. } = *from;
        let waits = |state| matches!(state, State::InHead | State::Cut);
        let waiting = self.find(client, |c| c.listener == listener && waits(c.state));
        let known = waiting.or_else(|| self.find(client, |c| c.listener == listener));
        match known {
            Some(at) if !self.at(at).has_ended() && self.at(at).is_stale() => {
                self.remove_if_unused(at);
                self.add(listener, client, local)
            }
            Some(at) => Some(at),
            None => self.add(listener, client, local),
        }
    }

    /// After a sweep: requests that came when their connection had ended are those of its successor, if that was
    /// seen, and forgotten else.
    pub fn pass_on_waiting(&mut self, at: u32) {
        let sweep = self.sweep;
        let connection = self.at(at);
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
                let waiting = self.take_waiting(at);
                for request in waiting.into_iter().flat_map(|waiting| *waiting) {
                    self.push(successor, request);
                }
            }
            _ => {
                self.at(at).hang_up(HangUp::Both);
                self.make_ready(at);
            }
        }
    }

    /// What a thread that is idle has to do now.
    pub fn next_job(&mut self) -> Option<Job> {
        if self.unplaced.is_some() {
            return Some(Job::Forget(None, self.unplaced.take()));
        }
        let at = self.ready.0.checked_sub(1)?;
        self.ready_count -= 1;
        self.ready.0 = self.at(at).next_ready;
        self.at(at).is_queued = false;
        if self.at(at).has_ended() {
            self.at(at).is_forgetting = true;
            return Some(Job::Forget(Some(self.id(at)), self.take_waiting(at)));
        }
        self.next_request(at)
    }

    /// Notes the end of an answer, and says what the thread that gave it has to do next.
    pub fn answered(&mut self, id: Id, end: End) -> Option<Job> {
        let at = id.at;
        if end == End::Open && self.at(at).waiting.is_some() {
            return self.next_request(at);
        }
        self.busy -= 1;
        if end == End::Open {
            self.at(at).enter(State::InHead);
            return None;
        }
        self.at(at).enter(State::Ending);
        if self.at(at).waiting.is_some() {
            self.came_late(at);
        }
        None
    }

    /// Notes that a thread has let go of requests.
    pub fn forgot(&mut self, id: Option<Id>) {
        if let Some(connection) = id.and_then(|id| self.get(id)) {
            connection.is_forgetting = false;
        }
    }

    /// How many threads could work now.
    pub fn jobs(&self) -> usize {
        self.ready_count + usize::from(self.unplaced.is_some())
    }

    fn next_request(&mut self, at: u32) -> Option<Job> {
        let id = self.id(at);
        let connection = self.at(at);
        let waiting = connection.waiting.as_mut()?;
        let request = waiting.pop_front()?;
        if waiting.is_empty() {
            connection.waiting = None;
        }
        let bytes = request.heap_bytes();
        connection.waiting_bytes -= bytes;
        connection.received_bytes = 0;
        connection.is_certain = false;
        connection.enter(if request.has_body() { State::InBody } else { State::Answering });
        let number = connection.number;
        self.waiting_bytes -= bytes;
        Some(Job::Answer(id, number, request))
    }

    fn take_waiting(&mut self, at: u32) -> Waiting {
        let connection = self.at(at);
        let waiting = connection.waiting.take();
        let bytes = std::mem::take(&mut connection.waiting_bytes);
        self.waiting_bytes -= bytes;
        waiting
    }

    /// Hangs up the connections with the most waiting, as long as it is too much of all together.
    pub fn bound_waiting(&mut self) {
        if self.waiting_bytes > ALL_WAITING_MOST_BYTES
            && let Some(most) = self.all().max_by_key(|&at| self.at(at).waiting_bytes)
        {
            self.at(most).hang_up(HangUp::Both);
        }
    }

    fn make_ready(&mut self, at: u32) {
        self.at(at).is_queued = true;
        self.at(at).next_ready = 0;
        match self.ready {
            (0, _) => self.ready = (at + 1, at + 1),
            (_, last) => {
                self.at(last - 1).next_ready = at + 1;
                self.ready.1 = at + 1;
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
