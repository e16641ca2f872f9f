//! What the engine knows of a connection, and what it can do to its socket.

use std::collections::VecDeque;
use std::net::{Shutdown, SocketAddr};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::platform::{Duplicate, Handle};

use super::address::Address;
use super::exchange::Incoming;

/// In an alarm, a client that sends more than this floods the server. A request head may not be longer.
const FLOOD_BYTES: u64 = 64 << 10;

/// The requests that wait on a connection. It is `None` when there are none, because an empty queue keeps its
/// capacity.
pub type Waiting = Option<Box<VecDeque<Incoming>>>;

/// The time since the first call of this function.
pub fn now() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The slot has no connection.
    Free,
    /// tiny_http waits for a request head or reads one, or the connection still waits in tiny_http's pool.
    InHead,
    /// As `InHead`, but the receiving side is shut down. A head that was complete before that is still answered.
    ReadClosed,
    /// A request waits for a thread.
    Ready,
    /// A thread reads and discards the body of a request.
    InBody,
    /// A thread sends an answer.
    Answering,
    /// The last answer has ended, and a thread reads and discards what the client still sends (a lingering close).
    Lingering,
    /// The last answer has ended. No further request is answered.
    Closing,
    /// Both sides are shut down.
    ShutDown,
}

/// Which side of a connection to shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangUp {
    /// The receiving side.
    Receiving,
    /// The sending side, after the answer.
    Sending,
    /// Both sides.
    Both,
}

/// One connection, as the table knows it.
pub struct Connection {
    /// The serial number, from 1. It is 0 in a free slot.
    pub serial: u64,
    /// The connection's number in the trace. It is 0 before the first request.
    pub number: u64,
    /// The index of the listening socket that the client connected to.
    pub listener: u8,
    /// The generation of the `Server` that its requests come from. It is 0 before the first request.
    pub generation: u32,
    /// The client's address. The address of a dead socket's client is unknown, so this is a key made from the
    /// socket's identity.
    pub client: Address,
    /// The local address. If the listening socket is bound to an unspecified address, this is unknown until the sweep
    /// sees the connection.
    pub local: Address,
    /// Whether the listening socket is bound to one address. The local address of a request is then known.
    pub has_fixed_local: bool,
    /// Whether the current request is known to have come through these handles. They may then be closed if its stream
    /// is leaked.
    pub may_close_handles: bool,
    /// tiny_http's two handles of the socket. The sweep recorded them while they were of this connection.
    pub handles: [Handle; 2],
    /// See [`Handle::identity`].
    pub identity: u64,
    /// The last sweep that saw it. For a new connection, it is the last sweep that began before it was added.
    pub seen_in_sweep: u64,
    /// The sweep that changed its state to `ShutDown`.
    pub shut_down_in_sweep: u64,
    /// The state.
    pub state: State,
    /// When it entered this state.
    pub since: Duration,
    /// In an alarm, the number of bytes that the client had sent when the current request was first checked. It is 0
    /// before that.
    pub received_bytes: u64,
    /// When the last late request came, the sweep that had begun last. A late request comes after the end of its
    /// connection.
    pub late_in_sweep: u64,
    /// Whether a thread is discarding its requests.
    pub is_discarding: bool,
    /// Whether it is in the list of connections that wait for a thread.
    pub(super) is_queued: bool,
    /// Its requests that wait.
    pub waiting: Waiting,
    /// The number of bytes of the heap that these take.
    pub waiting_bytes: usize,
    /// Before the first request, the number of checks in a row that found bytes which nobody had received.
    pub unread_checks: u8,
    /// The next connection in the same hash bucket, as its slot plus 1. In a free slot, it is the next free slot.
    pub next_in_bucket: u32,
    /// The next connection that waits for a thread, as its slot plus 1.
    pub next_ready: u32,
}

impl Connection {
    /// A free slot.
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

    /// Whether a thread of the engine works for it, or is about to.
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Ready | State::InBody | State::Answering | State::Lingering)
    }

    /// Whether requests of it exist. They own its handles.
    pub fn has_requests(&self) -> bool {
        self.is_busy() || self.is_queued || self.is_discarding || self.waiting.is_some()
    }

    /// Whether its handles were recorded, and none of them is its own any more. The numbers may belong to another
    /// connection by now.
    pub fn is_stale(&self) -> bool {
        self.has_handle() && self.valid_handle().is_none()
    }

    /// In an alarm, whether the client sends more than a request head may have. tiny_http might store all of it.
    ///
    /// Always `false` on systems other than Linux, which do not tell how much a client sends.
    pub fn is_flooding(&mut self) -> bool {
        let now_bytes = self.with_socket(|socket| socket.received_bytes()).unwrap_or(0);
        // Before the first request, everything that the client sent is one head.
        if self.received_bytes == 0 && self.number > 0 {
            self.received_bytes = now_bytes;
        }
        now_bytes > self.received_bytes + FLOOD_BYTES
    }

    /// Whether no further request is answered on it.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Closing | State::ShutDown)
    }

    /// Whether at least one of its handles is recorded.
    pub fn has_handle(&self) -> bool {
        self.handles[0] != Handle::NONE
    }

    /// Whether both of its handles are recorded.
    pub fn has_both_handles(&self) -> bool {
        self.handles[1] != Handle::NONE
    }

    /// A recorded handle that is still its own. The number may be reused at any time, unless the caller owns the
    /// connection's streams.
    pub fn valid_handle(&self) -> Option<Handle> {
        self.recorded_handles().find(|handle| handle.identity() == self.identity)
    }

    /// Changes the state, from now on.
    pub fn enter(&mut self, state: State) {
        self.state = state;
        self.since = now();
    }

    /// Whether `duplicate` is of this connection's socket.
    fn matches(&self, duplicate: &Duplicate) -> bool {
        let same = |known: Address, is: std::io::Result<SocketAddr>| is.is_ok_and(|is| known == is.into());
        same(self.client, duplicate.peer_addr())
            && same(self.local, duplicate.local_addr())
            && self.identity == duplicate.identity()
    }

    fn recorded_handles(&self) -> impl Iterator<Item = Handle> {
        self.handles.into_iter().filter(|&handle| handle != Handle::NONE)
    }

    /// Calls `act` with a verified duplicate of the socket. Returns `None` if the socket does not exist any more, or
    /// is not recorded.
    pub fn with_socket<T>(&self, act: impl Fn(&Duplicate) -> T) -> Option<T> {
        let verified = |duplicate: &Duplicate| self.matches(duplicate).then(|| act(duplicate));
        self.recorded_handles().find_map(|handle| handle.with_duplicate(verified).flatten())
    }

    /// Shuts the connection down, if it has a handle that is still its own.
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

    /// Closes its handles. Nobody else may use them: the stream that owned them was leaked, or is held by a thread
    /// that is parked for ever.
    pub fn close_handles(&self) {
        self.recorded_handles().filter(|handle| handle.identity() == self.identity).for_each(Handle::close);
    }

    /// Closes those handles that are still its own, if a thread has read from the socket. The connection is then no
    /// longer in tiny_http's pool.
    pub fn close_parked(&self) {
        let is_parked = |socket: &Duplicate| socket.identity() == self.identity && socket.was_read();
        let parked = self.recorded_handles().filter(|handle| handle.with_duplicate(is_parked) == Some(true));
        parked.for_each(Handle::close);
    }
}
