//! Weaknesses 1, 6, 7, 9 and 15: the listening socket, and an accept loop that ends at the first error.
//!
//! The socket is ours; tiny_http gets clones of it. When its accept loop ends, of an error (6) or of a panic
//! because descriptors or threads have run out (7), it closes its clone, which is the proof. Then a new `Server` is
//! built on another clone, while the kernel's backlog keeps who arrives in between. Requests of connections that
//! the old one accepted come through the old one only, so it is kept until those have ended.

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

/// Connections that may wait to be accepted; std asks for 128, and 500 at once then wait a second (15).
const BACKLOG: i32 = 4096;
/// While more clients come than there are descriptors or threads for, new loops end soon; each leaves threads that
/// end after five seconds.
const RESTART_EVERY: Duration = Duration::from_millis(50);

/// How long a thread of tiny_http's pool stays idle, and a second.
const POOL_EXIT_AFTER: Duration = Duration::from_secs(6);

/// Sets what accepted connections inherit: no Nagle (1), and a send timeout (9); and the backlog (15).
fn prepare(listener: &TcpListener, timeout: Option<Duration>) -> io::Result<()> {
    platform::set_backlog(listener, BACKLOG);
    let options = platform::listener_options(listener)?;
    options.set_nodelay(true)?;
    options.set_write_timeout(timeout.map(send_slice))
}

/// One listening socket with the accept loop that works on it, and those that did.
pub struct Acceptor {
    listener: TcpListener,
    index: u8,
    bound: SocketAddr,
    current: Generation,
    old: Vec<Generation>,
    next_restart: Instant,
}

impl Acceptor {
    /// Prepares the `nth` socket and starts to accept.
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

    /// What the sweep has to know of the socket.
    pub fn listener(&self) -> Listener {
        Listener::new(Handle::of(&self.listener), self.bound)
    }

    /// Builds a new accept loop where the current one has ended, as soon as there are descriptors for it. Whether
    /// there is one.
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

    /// After a sweep: lets go of the servers whose connections have all ended; and of what is left of those whose
    /// accept loop has ended, if descriptors are short.
    pub fn retire(&mut self, are_descriptors_short: bool) {
        let mut table = table::lock();
        for generation in self.old.iter_mut().chain([&mut self.current]).filter(|one| one.ended_at.is_some())
        {
            generation.last_serial.get_or_insert(table.last_serial());
            if are_descriptors_short && generation.idle_threads_have_exited() {
                close_all_parked(&mut table, |connection| generation.may_own(connection));
            }
        }
        // Where nobody accepts, all that is left of this socket was accepted by loops that have ended.
        if are_descriptors_short
            && self.old.iter().chain([&self.current]).all(Generation::idle_threads_have_exited)
        {
            close_all_parked(&mut table, |connection| {
                connection.serial > 0 && connection.listener == self.index
            });
        }
        self.old.retain(|old| table.slots().any(|slot| old.may_own(table.at(slot))));
    }

    /// When all requests that its servers had read were last known to have been taken from them.
    pub fn queues_empty_at(&self) -> Duration {
        let all = self.old.iter().chain([&self.current]);
        all.map(|generation| generation.shared.queue_empty_at()).min().unwrap_or_default()
    }
}

fn origin(listener: u8, generation: u32, bound: SocketAddr) -> Origin {
    let local = if bound.ip().is_unspecified() { Address::NONE } else { bound.into() };
    Origin { listener, generation, local, client: Address::NONE }
}

/// One `Server` and the thread that takes its requests. Ends when dropped.
struct Generation {
    server: Arc<Server>,
    shared: Arc<Shared>,
    origin: Origin,
    /// The clone of the listening socket that the accept loop has.
    handle: Handle,
    /// When its accept loop was seen to have ended.
    ended_at: Option<Instant>,
    /// The last connection that the sweep after that knew.
    last_serial: Option<u64>,
}

#[derive(Default)]
struct Shared {
    is_retired: AtomicBool,
    /// The thread waits for a request.
    is_waiting: AtomicBool,
    /// When it last found none, in microseconds.
    empty_at_us: AtomicU64,
}

impl Shared {
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
            // Dropping a server connects to it, without a timeout: so it is dropped here, where nobody waits.
            while Arc::strong_count(&server) > 1 {
                thread::yield_now();
            }
        };
        // First the thread: a server without one would have to be dropped here.
        thread::Builder::new().name(panics::THREAD_NAME.to_owned()).spawn(take_requests)?;
        let server = panics::contain(|| Server::from_listener(listener, None))
            .map_err(|_| io::Error::other("no thread for another accept loop"))?
            .map_err(io::Error::other)?;
        let server = Arc::new(server);
        let _ = sender.send(Arc::clone(&server));
        Ok(Self { server, shared, origin, handle, ended_at: None, last_serial: None })
    }

    /// Whether it may have accepted this connection, when its accept loop has ended.
    fn may_own(&self, connection: &Connection) -> bool {
        let Origin { listener, generation, .. } = self.origin;
        let was_known = self.last_serial.is_some_and(|last_serial| connection.serial <= last_serial);
        let may_be_its = connection.generation == 0 && was_known;
        connection.serial > 0
            && connection.listener == listener
            && (connection.generation == generation || may_be_its)
    }

    /// Whether its accept loop has ended, and its idle threads have left after five seconds.
    fn idle_threads_have_exited(&self) -> bool {
        self.ended_at.is_some_and(|at| at.elapsed() > POOL_EXIT_AFTER)
    }

    /// Whether its accept loop has not ended.
    fn is_accepting(&self, bound: SocketAddr) -> bool {
        self.handle.is_listening(bound)
    }
}

/// Closes what nobody can take from the pool of a server any more: its accept loop has ended, its idle threads have
/// left, and those that are left are parked with connections that were lost (weakness 12).
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

/// Hands over requests until the generation is retired. `try_recv` comes first: it tells that there is none. It
/// also swallows `unblock`, which comes after the mark.
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
        // An error is the accept loop's last word, or our own call when this is dropped.
        if let Ok(request) = request
            && let Some(&client) = request.remote_addr()
        {
            workers.dispatch(Origin { client: client.into(), ..origin }, request);
        }
    }
}
