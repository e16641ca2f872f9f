//! Weaknesses 1, 6, 7, 10 and 15: a listening socket, and the tiny_http `Server`s that accept its connections.
//!
//! tiny_http's accept loop ends with an error (6), or with a panic when descriptors or threads run out (7). Another
//! `Server` is then built on a clone of the listening socket. Clients that connect meanwhile wait in the kernel's
//! backlog. The old `Server` stays until its connections have ended, because their requests come through it.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::platform::{IS_LINUX, sockets};

use super::connections::Connections;
use super::front::{Front, Shared};

/// The maximum number of connections that wait to be accepted. With std's 128, 500 at once wait for over a second (15).
const BACKLOG: i32 = 4096;
/// The maximum number of bytes that wait in the kernel before they are sent. A client that reads slowly, but steadily,
/// then takes some of them before the timeout, and needs little of the kernel's memory.
const UNSENT_MOST_BYTES: i32 = 128 << 10;
/// The least time between two new accept loops: while threads are short, each soon ends, and its threads stay longer.
const RESTART_EVERY: Duration = Duration::from_millis(50);
/// How many old `Server`s, which wait for the end of their connections, a flood may leave.
const OLD_MOST: usize = 4;
/// The timeout of a nudge, for a full backlog, and their maximum number in a walk, so that threads have time to start.
const NUDGE_PATIENCE: Duration = Duration::from_millis(1);
const NUDGES_MOST: usize = 32;

/// A listening socket.
pub struct Acceptor {
    /// Is `None` after the stop.
    listener: Option<TcpListener>,
    bound: SocketAddr,
    current: Arc<Front>,
    /// Those whose accept loop has ended, with the start of a later walk, which has seen all their connections.
    old: Vec<(Arc<Front>, Option<Instant>)>,
    next_restart: Instant,
    /// In this walk: the descriptors of the listening socket.
    pub descriptors: usize,
}

impl Acceptor {
    /// Starts to accept. Connections inherit the options of the socket: no Nagle's algorithm (1), a send timeout (9).
    pub fn start(listener: TcpListener, shared: &Arc<Shared>) -> io::Result<Self> {
        let options = sockets::prepare_listener(&listener, BACKLOG, UNSENT_MOST_BYTES)?;
        options.set_nodelay(true)?;
        let part = if cfg!(windows) { 1 } else { 8 };
        options.set_write_timeout(shared.connections.timeout.map(|timeout| timeout / part))?;
        let (bound, current) = (listener.local_addr()?, Front::start(&listener, 1, shared)?);
        let (listener, old, next_restart) = (Some(listener), Vec::new(), Instant::now());
        Ok(Self { listener, bound, current, old, next_restart, descriptors: 0 })
    }

    /// Whether it accepts connections to this local address. Not more than one listening socket is of its family.
    pub fn accepts(&self, local: SocketAddr) -> bool {
        (local.port(), local.is_ipv4()) == (self.bound.port(), self.bound.is_ipv4())
    }

    /// The `Server`s whose requests are taken.
    pub fn fronts(&self) -> impl Iterator<Item = &Arc<Front>> {
        self.old.iter().map(|(old, _)| old).chain([&self.current])
    }

    /// Whether the accept loop has ended, and closed its descriptor of the listening socket. We have another one.
    pub fn has_ended(&self) -> bool {
        self.descriptors < 2
    }

    /// Builds another `Server` if the accept loop has ended.
    pub fn ensure_accepting(&mut self, shared: &Arc<Shared>) {
        let now = Instant::now();
        let is_due = self.has_ended() && now >= self.next_restart;
        let Some(listener) = self.listener.as_ref().filter(|_| is_due) else { return };
        self.next_restart = now + RESTART_EVERY;
        if listener.set_nonblocking(false).is_ok()
            && let Ok(next) = Front::start(listener, self.current.generation + 1, shared)
        {
            self.old.push((mem::replace(&mut self.current, next), None));
        }
    }

    /// Weakness 10: the queue of tiny_http keeps the capacity that a flood of requests has given it. Makes the accept
    /// loop end when nobody waits to be accepted, so that another `Server` takes over. Returns how many nudges this needs.
    /// On other systems than Linux, this does nothing: what they accept would not block either.
    pub fn renew(&self) -> usize {
        let can_end = IS_LINUX && self.old.len() < OLD_MOST;
        usize::from(can_end && self.listener.as_ref().is_some_and(|listener| listener.set_nonblocking(true).is_ok()))
    }

    /// Drops the old `Server`s whose connections have all ended. Returns whether there were any.
    pub fn retire(&mut self, start: Instant, all: &Connections) -> bool {
        let before = self.old.len();
        let is_used = |generation, last: &mut Option<_>| all.lock().has_of(generation, *last.get_or_insert(start));
        self.old.retain_mut(|(front, last)| is_used(front.generation, last) || !front.release());
        self.old.len() < before
    }

    /// Closes the listening socket, and drops all `Server`s.
    pub fn stop(&mut self) {
        self.listener = None;
        for front in self.fronts() {
            front.release();
        }
    }

    /// Weakness 5: the thread pool of tiny_http may let a connection wait for a busy thread. A connection to ourselves,
    /// closed at once, makes it start or wake another thread. `ended` more may wait that their clients have ended.
    pub fn nudge(&self, ended: usize, all: &Connections) {
        let mut target = self.bound;
        if target.ip().is_unspecified() {
            target.set_ip(if target.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        let stuck = all.lock().by_peer.values().filter(|one| one.is_stuck(|local| self.accepts(local))).count();
        let nudges = (stuck + ended).min(NUDGES_MOST);
        let _ = (0..nudges).try_for_each(|_| TcpStream::connect_timeout(&target, NUDGE_PATIENCE).map(drop));
    }
}
