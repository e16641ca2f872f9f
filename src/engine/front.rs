//! A tiny_http `Server`, and the threads that take its requests and answer them.
//!
//! One thread at a time takes requests: it has the lead. When it has one to answer, it gives up the lead to another thread.
//! If two threads took requests at the same time, those of one connection could change their order, and the thread of the
//! second would wait for that of the first.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tiny_http::{Request, Server};

use crate::http::framing::Body;

use super::body;
use super::connections::{Connections, End, Key};
use super::exchange::Exchange;
use super::panics;

/// How long a thread waits for the lead before it exits.
const IDLE_FOR: Duration = Duration::from_secs(5);
/// Only the part of a stack that is used takes memory. This size keeps thousands of threads within a limit of addresses.
const STACK_BYTES: usize = 256 * 1024;

/// What all threads of the engine share.
pub struct Shared {
    pub connections: Connections,
    /// Answers one exchange, on the thread of its connection.
    pub answer: Box<dyn Fn(Exchange) -> End + Send + Sync>,
}

/// See the [module documentation](self).
pub struct Front {
    /// The number of this `Server` among those of its listening socket, from 1.
    pub generation: u32,
    bound: SocketAddr,
    shared: Arc<Shared>,
    /// Is `None` after the release.
    server: Mutex<Option<Arc<Server>>>,
    lead: Mutex<Lead>,
    /// Notified when the lead is given up.
    is_free: Condvar,
    is_released: AtomicBool,
    has_failed: AtomicBool,
    pings: AtomicU64,
    pongs: AtomicU64,
}

#[derive(Default)]
struct Lead {
    is_taken: bool,
    /// The number of threads that wait for the lead, or are about to.
    waiting: usize,
}

impl Front {
    /// Starts a `Server` on a clone of the listening socket, and the first thread.
    pub fn start(listener: &TcpListener, generation: u32, shared: &Arc<Shared>) -> io::Result<Arc<Self>> {
        let front = Arc::new(Self {
            generation,
            bound: listener.local_addr()?,
            shared: Arc::clone(shared),
            server: Mutex::new(None),
            lead: Mutex::default(),
            is_free: Condvar::new(),
            is_released: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            pings: AtomicU64::new(0),
            pongs: AtomicU64::new(0),
        });
        // The thread waits for this lock. If it were started later, and that failed, the server would have to be dropped
        // here, which may block.
        let mut server = front.server.lock().unwrap_or_else(PoisonError::into_inner);
        front.add_thread(&mut front.lock())?;
        let listener = listener.try_clone()?;
        let built = panics::contain(|| Server::from_listener(listener, None))
            .map_err(|_| io::Error::other("no thread for another accept loop"))?
            .map_err(io::Error::other)?;
        *server = Some(Arc::new(built));
        drop(server);
        Ok(front)
    }

    /// Makes the threads exit, and drops the `Server`.
    pub fn release(&self) {
        self.is_released.store(true, SeqCst);
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.is_free.notify_all();
        if let Some(server) = server {
            server.unblock();
            // The drop connects to the listening socket without a timeout, so it may block.
            let _ = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || drop(server));
        }
    }

    /// Whether tiny_http has reported that its accept loop has ended. It does not report a panic.
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(SeqCst)
    }

    /// Asks the leader to say when it has taken all requests that wait now.
    pub fn ping(&self) {
        if let Some(server) = self.server() {
            self.pings.fetch_add(1, SeqCst);
            server.unblock();
        }
    }

    /// Whether the leader has answered all pings.
    pub fn is_caught_up(&self) -> bool {
        self.pongs.load(SeqCst) >= self.pings.load(SeqCst)
    }

    /// Starts a thread if there is none: the system had no more threads before.
    pub fn ensure_thread(self: &Arc<Self>) {
        let mut lead = self.lock();
        if !lead.is_taken && lead.waiting == 0 && !self.is_released.load(SeqCst) {
            let _ = self.add_thread(&mut lead);
        }
    }

    fn add_thread(self: &Arc<Self>, lead: &mut Lead) -> io::Result<()> {
        let front = Arc::clone(self);
        thread::Builder::new().stack_size(STACK_BYTES).spawn(move || front.work())?;
        lead.waiting += 1;
        Ok(())
    }

    fn server(&self) -> Option<Arc<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock(&self) -> MutexGuard<'_, Lead> {
        self.lead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes requests and answers them until there is no need for this thread.
    fn work(self: &Arc<Self>) {
        while self.wait_for_lead() {
            let taken = panics::contain(|| self.take()).ok().flatten();
            self.give_up_lead();
            match taken {
                Some((key, request, Some(connection))) => self.serve(key, request, connection),
                Some((key, request, None)) => self.discard(key, [request]),
                None => {}
            }
            self.lock().waiting += 1;
        }
    }

    /// Returns `false` if this thread is not needed. It counts as waiting until this returns.
    fn wait_for_lead(&self) -> bool {
        let mut lead = self.lock();
        while lead.is_taken && !self.is_released.load(SeqCst) {
            let waited = self.is_free.wait_timeout(lead, IDLE_FOR).unwrap_or_else(PoisonError::into_inner);
            lead = waited.0;
            if waited.1.timed_out() {
                break;
            }
        }
        let gets_it = !lead.is_taken && !self.is_released.load(SeqCst);
        lead.is_taken |= gets_it;
        lead.waiting -= 1;
        gets_it
    }

    fn give_up_lead(self: &Arc<Self>) {
        let mut lead = self.lock();
        lead.is_taken = false;
        if lead.waiting == 0 && !self.is_released.load(SeqCst) {
            // If this fails, the watch tries again.
            let _ = self.add_thread(&mut lead);
        }
        // A thread that is woken while the lock is held would have to wait again.
        drop(lead);
        self.is_free.notify_one();
    }

    /// Takes requests until one is for this thread, with the number of its connection if it is to be answered. Never waits
    /// for a client. `None` after the release.
    fn take(&self) -> Option<(Key, Request, Option<u64>)> {
        let Some(server) = self.server() else {
            self.is_released.store(true, SeqCst);
            return None;
        };
        while !self.is_released.load(SeqCst) {
            let request = match server.recv() {
                Ok(request) => request,
                Err(error) if error.raw_os_error().is_some() => {
                    self.has_failed.store(true, SeqCst);
                    self.shared.connections.wake_watch();
                    continue;
                }
                // `unblock` was called.
                Err(_) => {
                    self.pongs.fetch_add(1, SeqCst);
                    continue;
                }
            };
            let Some(&peer) = request.remote_addr() else { continue };
            let key = Key { bound: self.bound, peer };
            if let Some((request, connection)) = self.shared.connections.take(key, self.generation, request) {
                return Some((key, request, connection));
            }
        }
        None
    }

    /// Answers a request, and those that come on the same connection meanwhile.
    fn serve(&self, key: Key, mut request: Request, connection: u64) {
        let Shared { connections, answer } = &*self.shared;
        loop {
            let begin = || Exchange::begin(request, key, connection, connections);
            // A panic must not end the thread, and the connection must leave its current state.
            let mut end = panics::contain(|| begin().map_or(End::Replaced, answer)).unwrap_or_else(|_| {
                connections.hang_up(key);
                End::Gone
            });
            request = loop {
                match connections.ended(key, end) {
                    Ok(Some(next)) => break next,
                    Ok(None) if connections.socket(key).is_some() => end = End::Replaced,
                    Ok(None) => end = End::Gone,
                    Err(waiting) => return self.discard(key, waiting),
                }
            };
        }
    }

    /// Drops requests that are not to be answered. To drop one with a body, the connection must be shut down.
    fn discard(&self, key: Key, requests: impl IntoIterator<Item = Request>) {
        for request in requests {
            if Body::of(&request) != Body::Read {
                self.shared.connections.hang_up(key);
            }
            let _ = panics::contain(|| body::discard(request, 0));
        }
    }
}
