//! Weakness 5: connections that are stuck. tiny_http's pool gives a new connection to a thread that it
//! takes for idle; in a burst that thread has another one by then, and the connection waits until some
//! thread is free, which may be never. A connection that is opened and closed at once makes the pool start
//! or wake one more thread, which then takes a stuck one. So new connections are followed by such nudges.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// The supervisor's pace while connections arrive.
pub const BUSY_TICK: Duration = Duration::from_millis(5);
const NUDGES_A_TICK: u32 = 4;
/// How long nudges go on after the last new connection.
const BUSY_LASTS: Duration = Duration::from_millis(60);
/// Without new connections: one nudge this often (at least thrice in the timeout), for connections that
/// got stuck behind ones that ask nothing, and because the accept loop dies of an accept timeout.
const IDLE_EVERY: Duration = Duration::from_secs(1);
/// Each nudge leaves a port in TIME_WAIT, of which Windows has 16,384 and keeps each for minutes.
const NUDGES_IN_STORE: u32 = 400;
const STORE_REFILL: Duration = Duration::from_millis(20);
/// A backlog that is full must not hold the supervisor up.
const CONNECT_PATIENCE: Duration = Duration::from_millis(50);

/// Decides when to nudge.
pub struct Nudger {
    targets: Vec<SocketAddr>,
    idle_every: Duration,
    connections_seen: u64,
    busy_until: Instant,
    next_idle: Instant,
    in_store: u32,
    refilled: Instant,
}

impl Nudger {
    /// A nudger for what these listeners accept.
    pub fn new(listeners: &[TcpListener], timeout: Option<Duration>) -> io::Result<Self> {
        let now = Instant::now();
        Ok(Self {
            targets: listeners.iter().map(|l| l.local_addr().map(reachable)).collect::<io::Result<_>>()?,
            idle_every: timeout.map_or(IDLE_EVERY, |most| IDLE_EVERY.min(most / 3)),
            connections_seen: 0,
            busy_until: now,
            next_idle: now + IDLE_EVERY,
            in_store: NUDGES_IN_STORE,
            refilled: now,
        })
    }

    /// Nudges if it is time; says whether connections are arriving.
    pub fn tick(&mut self, connections_seen: u64) -> bool {
        let now = Instant::now();
        if connections_seen != self.connections_seen {
            self.connections_seen = connections_seen;
            self.busy_until = now + BUSY_LASTS;
        }
        let refill = (now - self.refilled).as_millis() / STORE_REFILL.as_millis();
        if refill > 0 {
            self.in_store = NUDGES_IN_STORE.min(self.in_store.saturating_add(refill as u32));
            self.refilled = now;
        }
        let busy = now < self.busy_until;
        let nudges = if busy { NUDGES_A_TICK } else { u32::from(now >= self.next_idle) };
        if nudges > 0 {
            self.next_idle = now + self.idle_every;
        }
        for _ in 0..nudges.min(self.in_store) {
            self.in_store -= 1;
            for &target in &self.targets {
                // Refused or out of descriptors: then there is nothing to nudge.
                drop(TcpStream::connect_timeout(&target, CONNECT_PATIENCE));
            }
        }
        busy
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
