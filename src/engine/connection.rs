//! A connection: what the engine knows of one, and what it can do to it.

use std::collections::VecDeque;
use std::net::{Shutdown, SocketAddr};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::platform::{Duplicate, Handle};

use super::address::Address;
use super::exchange::Incoming;

/// What a client may send in one state, in an alarm; a head may not be longer.
const FLOOD_BYTES: u64 = 64 << 10;

/// The requests that wait on a connection; `None` where there are none, since an empty queue keeps its capacity.
pub type Waiting = Option<Box<VecDeque<Incoming>>>;

/// Time since the engine's first look at the clock.
pub fn now() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is none in this place of the table.
    Free,
    /// tiny_http waits for a request head, or reads one, or the connection waits in its pool.
    InHead,
    /// As `InHead`, and the side that receives was shut down. A head that was complete by then is still answered.
    ReadClosed,
    /// Its first waiting request waits for a thread.
    Ready,
    /// A thread reads a request's body away.
    InBody,
    /// A thread answers.
    Answering,
    /// A thread reads, for a last time, what a refused client still sends.
    Lingering,
    /// It was answered for the last time, and nothing more is answered on it.
    Closing,
    /// It was shut down both ways.
    ShutDown,
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

/// One connection.
pub struct Connection {
    /// 1 for the first place that was ever taken, and so on; 0 in a free place.
    pub serial: u64,
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
    /// Its socket listens at one address, so that a request tells both.
    pub has_fixed_local: bool,
    /// The request that is being answered is known to have come by these handles, so that they may be closed with it.
    pub may_close_handles: bool,
    /// tiny_http's two handles, recorded while they were seen to be of this connection.
    pub handles: [Handle; 2],
    /// See [`Handle::identity`].
    pub identity: u64,
    /// The last sweep that saw it; for a new connection, the last one that began before it.
    pub seen_in_sweep: u64,
    /// The sweep in which it became `Lost`.
    pub shut_down_in_sweep: u64,
    /// What it does.
    pub state: State,
    /// Since when.
    pub since: Duration,
    /// In an alarm, what the client had sent when it was first looked at; 0 before.
    pub received_bytes: u64,
    /// The sweep that was the last when requests came after its end.
    pub late_in_sweep: u64,
    /// A thread lets go of its requests.
    pub is_discarding: bool,
    /// Whether it is among those that wait for a thread.
    pub(super) is_queued: bool,
    /// Its requests that wait, if there are any.
    pub waiting: Waiting,
    /// What these take of the heap.
    pub waiting_bytes: usize,
    /// How often it was seen with bytes that nobody received, while it had no request.
    pub unread_checks: u8,
    /// The next connection whose client's address has the same hash, as its place plus 1.
    pub next_in_bucket: u32,
    /// The next connection that waits for a thread.
    pub next_ready: u32,
}

impl Connection {
    /// A place of the table without a connection.
    pub const FREE: Self = Self {
        serial: 0,
        number: 0,
        listener: 0,
        generation: 0,
        client: Address::NONE,
        local: Address::NONE,
        has_fixed_local: false,
        may_close_handles: false,
        handles: [Handle::NONE; 2],
        identity: 0,
        seen_in_sweep: 0,
        shut_down_in_sweep: 0,
        state: State::Free,
        since: Duration::ZERO,
        received_bytes: 0,
        late_in_sweep: 0,
        is_discarding: false,
        is_queued: false,
        waiting: None,
        waiting_bytes: 0,
        unread_checks: 0,
        next_in_bucket: 0,
        next_ready: 0,
    };

    /// Whether some thread of ours works for it, or is about to.
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Ready | State::InBody | State::Answering | State::Lingering)
    }

    /// Whether requests of it are held, which own its handles.
    pub fn has_requests(&self) -> bool {
        self.is_busy() || self.is_queued || self.is_discarding || self.waiting.is_some()
    }

    /// Whether it was known and is gone, so that its numbers may be those of another.
    pub fn is_stale(&self) -> bool {
        self.has_handle() && self.valid_handle().is_none()
    }

    /// In an alarm: whether its client sends more than a head may have, which tiny_http stores. Unknown, hence false,
    /// but on Linux.
    pub fn is_flooding(&mut self) -> bool {
        let now_bytes = self.with_socket(|socket| socket.received_bytes()).unwrap_or(0);
        // All that came before its first request is one head.
        if self.received_bytes == 0 && self.number > 0 {
            self.received_bytes = now_bytes;
        }
        now_bytes > self.received_bytes + FLOOD_BYTES
    }

    /// Whether nothing more is answered on it.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Closing | State::ShutDown)
    }

    /// Whether its handles were ever known.
    pub fn has_handle(&self) -> bool {
        self.handles[0] != Handle::NONE
    }

    /// Whether both of its handles are known.
    pub fn has_both_handles(&self) -> bool {
        self.handles[1] != Handle::NONE
    }

    /// A handle that is still its own. It stays so for a connection whose streams are the caller's.
    pub fn valid_handle(&self) -> Option<Handle> {
        self.recorded_handles().find(|handle| handle.identity() == self.identity)
    }

    /// Changes its state, from now on.
    pub fn enter(&mut self, state: State) {
        self.state = state;
        self.since = now();
    }

    /// Whether `duplicate` is of this connection.
    fn matches(&self, duplicate: &Duplicate) -> bool {
        let same = |known: Address, is: std::io::Result<SocketAddr>| is.is_ok_and(|is| known == is.into());
        same(self.client, duplicate.peer_addr())
            && same(self.local, duplicate.local_addr())
            && self.identity == duplicate.identity()
    }

    fn recorded_handles(&self) -> impl Iterator<Item = Handle> {
        self.handles.into_iter().filter(|&handle| handle != Handle::NONE)
    }

    /// Calls `act` with a verified duplicate, or not at all where there is no such socket any more.
    pub fn with_socket<T>(&self, act: impl Fn(&Duplicate) -> T) -> Option<T> {
        let verified = |duplicate: &Duplicate| self.matches(duplicate).then(|| act(duplicate));
        self.recorded_handles().find_map(|handle| handle.with_duplicate(verified).flatten())
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
            self.recorded_handles().for_each(Handle::cancel_receive);
        }
    }
    /// Closes its handles. Their owner was leaked.
    pub fn close_handles(&self) {
        self.recorded_handles().filter(|handle| handle.identity() == self.identity).for_each(Handle::close);
    }

    /// Closes its handles, as far as it is certain that they are its own and that some thread has read from them.
    pub fn close_parked(&self) {
        let is_parked = |socket: &Duplicate| socket.identity() == self.identity && socket.was_read();
        let parked = self.recorded_handles().filter(|handle| handle.with_duplicate(is_parked) == Some(true));
        parked.for_each(Handle::close);
    }
}
