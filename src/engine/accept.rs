//! Weaknesses 1, 6, 7, 9 and 15: the listening socket, and tiny_http's accept loop, which ends at the first error.
//!
//! The engine owns the listening socket, and gives clones of it to tiny_http. tiny_http's accept loop ends with an
//! error (6), or with a panic when descriptors or threads run out (7). In both cases it closes its clone, and this is
//! how its end is detected. A new `Server` is then built on another clone. Clients that connect in between wait in
//! the kernel's backlog. The old `Server` is kept until all connections that it accepted have ended, because their
//! requests arrive only through it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tiny_http::Server;

use crate::platform::{self, Handle};

use super::address::Address;
use super::connection::{Connection, State, now};
use super::panics;
use super::queue::Origin;
use super::response_writer::send_slice;
use super::sweep::{Listener, PARKED_AFTER};
use super::table::{self, Table};
use super::workers::Workers;

/// The maximum number of connections that wait to be accepted. std requests 128. With that, 500 clients that connect
/// at once wait for more than a second (15).
const BACKLOG: i32 = 4096;
/// The minimum time between two new accept loops. While descriptors or threads are short, a new loop soon ends, and
/// the threads that it started exit only after five seconds.
const RESTART_EVERY: Duration = Duration::from_millis(50);

/// The time after which all idle threads of tiny_http's pool have exited. Each exits after five seconds.
const POOL_EXIT_AFTER: Duration = Duration::from_secs(6);

/// Sets the backlog (15), and the options that accepted connections inherit: Nagle's algorithm is disabled (1), and
/// there is a send timeout (9).
fn prepare(listener: &TcpListener, timeout: Option<Duration>) -> io::Result<()> {
    platform::set_backlog(listener, BACKLOG);
    let options = platform::listener_options(listener)?;
    options.set_nodelay(true)?;
    options.set_write_timeout(timeout.map(send_slice))
}

/// A listening socket with its accept loop, and the accept loops before that one.
pub struct Acceptor {
    listener: TcpListener,
    index: u8,
    bound: SocketAddr,
    current: Generation,
    old: Vec<Generation>,
    next_restart: Instant,
}

impl Acceptor {
    /// Prepares the listening socket with this index, and starts to accept.
    pub fn start(
        index: u8,
        listener: TcpListener,
        timeout: Option<Duration>,
        workers: &Arc<Workers>,
    ) -> io::Result<Self> {
        prepare(&listener, timeout)?;
        let bound = listener.local_addr()?;
        let current = Generation::start(&listener, origin(index, 1, bound), workers)?;
        Ok(Self { listener, index, bound, current, old: Vec::new(), next_restart: Instant::now() })
    }

    /// Describes the socket for the sweep.
    pub fn listener(&self) -> Listener {
        Listener::new(Handle::of(&self.listener), self.bound)
    }

    /// Builds a new accept loop if the current one has ended and descriptors are available.
    ///
    /// Returns `false` if the current loop had ended, even if a new one was built.
    pub fn ensure_accepting(&mut self, has_descriptors: bool, workers: &Arc<Workers>) -> bool {
        if self.current.is_accepting(self.bound) {
            return true;
        }
        let now = Instant::now();
        self.current.ended_at.get_or_insert(now);
        if has_descriptors && now >= self.next_restart {
            self.next_restart = now + RESTART_EVERY;
            let next = origin(self.index, self.current.origin.generation + 1, self.bound);
            if let Ok(next) = Generation::start(&self.listener, next, workers) {
                self.old.push(std::mem::replace(&mut self.current, next));
            }
        }
        false
    }

    /// Drops the servers whose connections have all ended. Called after each sweep.
    ///
    /// If descriptors are short, this also closes the parked connections of servers whose accept loop has ended.
    pub fn retire(&mut self, are_descriptors_short: bool) {
        let mut table = table::lock();
        for generation in self.old.iter_mut().chain([&mut self.current]).filter(|one| one.ended_at.is_some())
        {
            generation.last_serial.get_or_insert(table.last_serial());
            if are_descriptors_short && generation.idle_threads_have_exited() {
                close_all_parked(&mut table, |connection| generation.may_own(connection));
            }
        }
        // If all loops have ended, every connection of this socket was accepted by a loop that has ended.
        if are_descriptors_short
            && self.old.iter().chain([&self.current]).all(Generation::idle_threads_have_exited)
        {
            close_all_parked(&mut table, |connection| {
                connection.serial > 0 && connection.listener == self.index
            });
        }
        self.old.retain(|old| table.slots().any(|slot| old.may_own(table.at(slot))));
    }

    /// All requests that its servers had read before this time have been taken from their queues.
    pub fn queues_empty_at(&self) -> Duration {
        let all = self.old.iter().chain([&self.current]);
        all.map(|generation| generation.shared.queue_empty_at()).min().unwrap_or_default()
    }
}

/// The origin of requests of one generation, without a client.
fn origin(listener: u8, generation: u32, bound: SocketAddr) -> Origin {
    let local = if bound.ip().is_unspecified() { Address::NONE } else { bound.into() };
    Origin { listener, generation, local, client: Address::NONE }
}

/// A `Server`, and the thread that takes its requests. The thread ends when this is dropped.
struct Generation {
    server: Arc<Server>,
    shared: Arc<Shared>,
    origin: Origin,
    /// The clone of the listening socket that the accept loop owns.
    handle: Handle,
    /// When the accept loop was found to have ended.
    ended_at: Option<Instant>,
    /// The serial number of the newest connection at the first sweep after that.
    last_serial: Option<u64>,
}

/// What a generation shares with its thread.
#[derive(Default)]
struct Shared {
    /// The thread is to end.
    is_retired: AtomicBool,
    /// The thread waits for a request, so the queue is empty.
    is_waiting: AtomicBool,
    /// When the thread last found the queue empty, in microseconds.
    empty_at_us: AtomicU64,
}

impl Shared {
    /// The last time at which the queue is known to have been empty.
    fn queue_empty_at(&self) -> Duration {
        if self.is_waiting.load(SeqCst) {
            return now();
        }
        Duration::from_micros(self.empty_at_us.load(SeqCst))
    }
}

impl Generation {
    fn start(listener: &TcpListener, origin: Origin, workers: &Arc<Workers>) -> io::Result<Self> {
        let listener = listener.try_clone()?;
        let handle = Handle::of(&listener);
        let shared = Arc::new(Shared::default());
        let (state, workers) = (Arc::clone(&shared), Arc::clone(workers));
        let (sender, receiver) = mpsc::channel::<Arc<Server>>();
        let take_requests = move || {
            let Ok(server) = receiver.recv() else { return };
            take_requests(&server, &state, origin, &workers);
            // The drop of a `Server` connects to the listening socket without a timeout, so it may block. This thread
            // must have the last reference, because the supervisor must not block.
            while Arc::strong_count(&server) > 1 {
                thread::yield_now();
            }
        };
        // The thread is started first. If it could not be started after the server, the server would have to be
        // dropped here, which may block.
        thread::Builder::new().name(panics::THREAD_NAME.to_owned()).spawn(take_requests)?;
        let server = panics::contain(|| Server::from_listener(listener, None))
            .map_err(|_| io::Error::other("no thread for another accept loop"))?
            .map_err(io::Error::other)?;
        let server = Arc::new(server);
        let _ = sender.send(Arc::clone(&server));
        Ok(Self { server, shared, origin, handle, ended_at: None, last_serial: None })
    }

    /// Whether this server, whose accept loop has ended, may have accepted the connection.
    ///
    /// The generation of a connection is 0 until its first request. Such a connection counts if it was in the table
    /// at the first sweep after the loop had ended.
    fn may_own(&self, connection: &Connection) -> bool {
        let Origin { listener, generation, .. } = self.origin;
        let was_known = self.last_serial.is_some_and(|last_serial| connection.serial <= last_serial);
        let may_be_its = connection.generation == 0 && was_known;
        connection.serial > 0
            && connection.listener == listener
            && (connection.generation == generation || may_be_its)
    }

    /// Whether the accept loop ended so long ago that the idle threads of its pool have exited.
    fn idle_threads_have_exited(&self) -> bool {
        self.ended_at.is_some_and(|at| at.elapsed() > POOL_EXIT_AFTER)
    }

    /// Whether the accept loop is running. It closes its clone of the listening socket when it ends.
    fn is_accepting(&self, bound: SocketAddr) -> bool {
        self.handle.is_listening(bound)
    }
}

/// Closes the connections of servers whose accept loop has ended and whose idle threads have exited. `belongs`
/// selects these connections.
///
/// Nothing is closed until all of them have been shut down. Then the threads that are left are parked for ever
/// (weakness 12), so that nobody uses these handles.
fn close_all_parked(table: &mut Table, belongs: impl Fn(&Connection) -> bool) {
    if table.slots().any(|slot| belongs(table.at(slot)) && table.at(slot).state != State::ShutDown) {
        return;
    }
    for slot in table.slots() {
        let connection = table.at(slot);
        let is_parked = now() > connection.since + PARKED_AFTER && !connection.has_requests();
        if is_parked && belongs(connection) {
            connection.close_handles();
        }
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        self.shared.is_retired.store(true, SeqCst);
        self.server.unblock();
    }
}

/// Dispatches requests until the generation is retired.
///
/// `try_recv` is called first because it tells whether the queue is empty. It may also consume the signal of
/// `unblock`. So `is_retired`, which is set before that signal, is checked again before the thread blocks.
fn take_requests(server: &Server, shared: &Shared, origin: Origin, workers: &Arc<Workers>) {
    while !shared.is_retired.load(SeqCst) {
        let request = match server.try_recv() {
            Ok(None) => {
                shared.empty_at_us.store(now().as_micros() as u64, SeqCst);
                if shared.is_retired.load(SeqCst) {
                    return;
                }
                shared.is_waiting.store(true, SeqCst);
                let request = server.recv();
                shared.is_waiting.store(false, SeqCst);
                request
            }
            Ok(Some(request)) => Ok(request),
            Err(error) => Err(error),
        };
        // An error tells that the accept loop has ended, or that `unblock` was called. Neither matters here.
        if let Ok(request) = request
            && let Some(&client) = request.remote_addr()
        {
            workers.dispatch(Origin { client: client.into(), ..origin }, request);
        }
    }
}
