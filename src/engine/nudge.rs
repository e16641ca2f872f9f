//! Weakness 5: connections that are stuck. tiny_http's pool gives a new connection to a thread that it
//! takes for idle; in a burst that thread has another one by then, and the connection waits until some
//! thread is free, which may be never. A connection that is opened and closed at once makes the pool start
//! or wake one more thread, which then takes a stuck one. So new connections are followed by such nudges.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The supervisor's pace while there are nudges to give.
pub const BUSY_TICK: Duration = Duration::from_millis(5);
/// Each new connection may stand for a stuck one, and a nudge may be stuck itself.
const NUDGES_A_CONNECTION: u64 = 2;
/// They are spread, since a thread takes a while to start: an eighth of those that are due in one tick, and
/// never more than this.
const NUDGES_A_TICK: u64 = 8;
/// Without new connections: one nudge this often (at least thrice in the timeout), for connections that
/// got stuck behind ones that ask nothing, and because the accept loop dies of an accept timeout.
const IDLE_EVERY: Duration = Duration::from_secs(3);
/// Each nudge leaves a port in TIME_WAIT, of which Windows has 16,384 and keeps each for a minute or two: so
/// there is a store of nudges, and it fills slowly.
const STORE: u64 = 4_000;
const STORE_REFILL_A_SECOND: u64 = 100;
/// A backlog that is full must not hold the supervisor up.
const CONNECT_PATIENCE: Duration = Duration::from_millis(50);

/// Nudges one listening socket.
pub struct Nudger {
    target: SocketAddr,
    idle_every: Duration,
    connections_seen: u64,
    due: u64,
    spent: u64,
    started: Instant,
    next_idle: Instant,
}

impl Nudger {
    /// A nudger for the socket that is reached at `target`.
    pub fn new(target: SocketAddr, timeout: Option<Duration>) -> Self {
        let idle_every = timeout.map_or(IDLE_EVERY, |most| IDLE_EVERY.min(most / 3));
        let started = Instant::now();
        let next_idle = started + idle_every;
        Self { target, idle_every, connections_seen: 0, due: 0, spent: 0, started, next_idle }
    }

    /// Nudges if it is time; says whether more nudges are due. `connections_seen`: on this socket, since the
    /// start.
    pub fn tick(&mut self, connections_seen: u64) -> bool {
        let now = Instant::now();
        self.due += NUDGES_A_CONNECTION * (connections_seen - self.connections_seen);
        self.connections_seen = connections_seen;
        let refilled = (now - self.started).as_millis() as u64 * STORE_REFILL_A_SECOND / 1_000;
        self.spent = self.spent.max(refilled);
        self.due = self.due.min((refilled + STORE).saturating_sub(self.spent));
        let nudges = self.due.div_ceil(8).min(NUDGES_A_TICK).max(u64::from(now >= self.next_idle));
        for _ in 0..nudges {
            // Refused or out of descriptors: then there is nothing to nudge.
            drop(TcpStream::connect_timeout(&self.target, CONNECT_PATIENCE));
        }
        if nudges > 0 {
            self.next_idle = now + self.idle_every;
        }
        self.spent += nudges;
        self.due = self.due.saturating_sub(nudges);
        self.due > 0
    }
}

/// Where a listener can be reached from here: an unspecified address at the loopback.
pub fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}
