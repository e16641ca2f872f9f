//! A walk: one look of the watch at all sockets of the process.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What a walk depends on, and what it finds.
pub struct Walk {
    pub start: Instant,
    /// How long a client may take for a head or a body.
    pub timeout: Option<Duration>,
    /// When the program went on after it had been stopped.
    pub resumed: Option<Instant>,
    pub are_descriptors_short: bool,
    /// What tiny_http takes of the heap.
    pub held_bytes: u64,
    /// Whether all requests have been taken that waited in tiny_http's queues at the last ping.
    pub is_caught_up: bool,
    /// Whether a connection is to be shut down, unless a request of it waits in a queue of tiny_http.
    pub needs_ping: bool,
    /// Whether a connection may be stuck.
    pub is_urgent: bool,
}

impl Walk {
    /// One when nothing is short, and nothing waits in tiny_http's queues.
    pub fn new(start: Instant, timeout: Option<Duration>) -> Self {
        Self {
            start,
            timeout,
            resumed: None,
            are_descriptors_short: false,
            held_bytes: 0,
            is_caught_up: true,
            needs_ping: false,
            is_urgent: false,
        }
    }

    /// Whether tiny_http takes more than this, and is late with requests.
    pub fn is_behind(&self, most_bytes: u64) -> bool {
        self.held_bytes > most_bytes && !self.is_caught_up
    }
}

/// What a walk sees of a socket.
pub struct Sight {
    /// Its identity and its local address.
    pub socket: (u64, SocketAddr),
    pub unread_bytes: u64,
    /// How many bytes have come. `None` if the system does not tell.
    pub received_bytes: Option<u64>,
}
