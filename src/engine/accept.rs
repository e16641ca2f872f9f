//! Weaknesses 1, 6, 7, 9 and 15: the listening socket, and an accept loop that ends at the first error.
//!
//! The socket is ours; tiny_http gets clones of it. When its accept loop has died, of an error that `recv` tells
//! once (6) or of a panic when descriptors or threads run out (7), a new `Server` is built on another
//! clone, while the kernel's backlog keeps who arrives in between. Requests of connections that the old one
//! accepted come through the old one only, so it is kept until they can no longer exist.

use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use tiny_http::Server;

use crate::platform;

use super::crew::Crew;
use super::nudge::{Nudger, reachable};
use super::panics;

/// Connections that may wait to be accepted; std asks for 128, and 500 at once then wait a second (15).
const BACKLOG: i32 = 4096;
/// A new accept loop would die at once as long as descriptors are short: two a connection, and the file.
const SPARE_DESCRIPTORS: usize = 24;
/// And while more clients come than there are descriptors for, new loops die soon; each leaves threads that end after
/// five seconds.
const REVIVE_EVERY: Duration = Duration::from_millis(50);
/// How long a living accept loop may take to notice a connection that opens and ends.
const PROBE_PATIENCE: Duration = Duration::from_millis(100);
/// Added to the timeout before an old server's connections count as gone.
const RETIRE_MARGIN: Duration = Duration::from_secs(1);

/// Sets what accepted connections inherit: no Nagle (1), timeouts (9); and the backlog (15).
pub fn prepare(listener: &TcpListener, timeout: Option<Duration>) -> io::Result<()> {
    platform::widen_backlog(listener, BACKLOG);
    let options = platform::listener_options(listener)?;
    options.set_nodelay(true)?;
    options.set_write_timeout(timeout)?;
    options.set_read_timeout(timeout)
}

/// One listening socket with the accept loop that works on it, and those that did.
pub struct Acceptor {
    listener: TcpListener,
    address: SocketAddr,
    timeout: Option<Duration>,
    current: Generation,
    old: Vec<Generation>,
    /// Some accept loop panicked, and it may have been this one's.
    suspect: bool,
    next_revival: Instant,
    nudger: Nudger,
    /// New connections on this socket, since the start.
    connections: Arc<AtomicU64>,
}

impl Acceptor {
    /// Prepares the socket and starts to accept.
    pub fn start(listener: TcpListener, timeout: Option<Duration>, crew: &Arc<Crew>) -> io::Result<Self> {
        prepare(&listener, timeout)?;
        let address = reachable(listener.local_addr()?);
        let connections = Arc::default();
        Ok(Self {
            address,
            current: Generation::start(&listener, crew, &connections)?,
            nudger: Nudger::new(address, timeout),
            connections,
            listener,
            timeout,
            old: Vec::new(),
            suspect: false,
            next_revival: Instant::now(),
        })
    }

    /// Keeps the connections of this socket moving; whether new ones are arriving.
    pub fn tick(&mut self) -> bool {
        self.nudger.tick(self.connections.load(Relaxed))
    }

    /// Builds a new accept loop where the current one is dead, as soon as the system has what it takes, and
    /// lets go of old ones. Whether there is one that is alive.
    pub fn revive(&mut self, crew: &Arc<Crew>, some_loop_panicked: bool) -> bool {
        self.suspect |= some_loop_panicked;
        let dead = || self.current.shared.dead.load(Relaxed);
        let now = Instant::now();
        if (self.suspect || dead()) && now >= self.next_revival && self.has_descriptors() {
            let deaf = dead() || self.is_deaf().unwrap_or(true);
            self.suspect = false;
            if deaf && let Ok(next) = Generation::start(&self.listener, crew, &self.connections) {
                self.old.push(std::mem::replace(&mut self.current, next));
                self.next_revival = now + REVIVE_EVERY;
            }
        }
        if let Some(timeout) = self.timeout {
            self.old.retain(|generation| !generation.is_silent_for(timeout + RETIRE_MARGIN));
        }
        !self.suspect && !self.current.shared.dead.load(Relaxed)
    }

    fn has_descriptors(&self) -> bool {
        let spare: io::Result<Vec<TcpListener>> =
            (0..SPARE_DESCRIPTORS).map(|_| self.listener.try_clone()).collect();
        spare.is_ok()
    }

    /// Whether nobody accepts: a connection that ends at once is not answered with its end.
    fn is_deaf(&self) -> io::Result<bool> {
        let mut probe = TcpStream::connect_timeout(&self.address, PROBE_PATIENCE)?;
        probe.shutdown(Shutdown::Write)?;
        probe.set_read_timeout(Some(PROBE_PATIENCE))?;
        Ok(probe.read(&mut [0]).is_err())
    }
}

/// One `Server` and the thread that takes its requests. Ends when dropped.
struct Generation {
    server: Arc<Server>,
    shared: Arc<Shared>,
}

struct Shared {
    dead: AtomicBool,
    retired: AtomicBool,
    start: Instant,
    last_request_ms: AtomicU64,
}

impl Generation {
    /// The calling thread is woken when a connection has its first request.
    fn start(listener: &TcpListener, crew: &Arc<Crew>, connections: &Arc<AtomicU64>) -> io::Result<Self> {
        let listener = listener.try_clone()?;
        let server = panics::contain(|| Server::from_listener(listener, None))
            .map_err(|_| io::Error::other("no thread for another accept loop"))?
            .map_err(io::Error::other)?;
        let server = Arc::new(server);
        let shared = Arc::new(Shared {
            dead: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            start: Instant::now(),
            last_request_ms: AtomicU64::new(0),
        });
        let (taken, state, crew) = (Arc::clone(&server), Arc::clone(&shared), Arc::clone(crew));
        let (connections, supervisor) = (Arc::clone(connections), thread::current());
        let take_requests = move || {
            while !state.retired.load(Relaxed) {
                match taken.recv() {
                    Ok(request) => {
                        let now_ms = state.start.elapsed().as_millis() as u64;
                        state.last_request_ms.store(now_ms, Relaxed);
                        if crew.dispatch(request) {
                            connections.fetch_add(1, Relaxed);
                            supervisor.unpark();
                        }
                    }
                    // The accept loop's last word (6), or our own call when this is dropped.
                    Err(_) => state.dead.store(true, Relaxed),
                }
            }
        };
        thread::Builder::new().name(panics::THREAD_NAME.to_owned()).spawn(take_requests)?;
        Ok(Self { server, shared })
    }

    fn is_silent_for(&self, span: Duration) -> bool {
        let last = Duration::from_millis(self.shared.last_request_ms.load(Relaxed));
        self.shared.start.elapsed() > last + span
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        self.shared.retired.store(true, Relaxed);
        self.server.unblock();
    }
}
