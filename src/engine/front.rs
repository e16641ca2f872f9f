//! A tiny_http `Server`, and the threads that take its requests and answer them.
//!
//! One thread at a time takes requests: it has the lead. When it has one to answer, it gives up the lead to another
//! thread. If two threads took requests at the same time, those of one connection could change their order.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tiny_http::{Request, Server};

use crate::http::framing::Body;

use super::body::{self, Rest};
use super::connections::{Connections, End};
use super::exchange::Exchange;
use super::panics;

/// How long a thread waits for the lead before it exits.
const IDLE_FOR: Duration = Duration::from_secs(5);
/// Only the used part of a stack takes memory. This size keeps thousands of threads within a limit of addresses.
const STACK_BYTES: usize = 256 * 1024;

/// What all threads of the engine share.
pub struct Shared {
    pub connections: Connections,
    /// Answers one exchange, on the thread of its connection.
    pub answer: Box<dyn Fn(Exchange) -> End + Send + Sync>,
}

/// A `Server`, and who takes its requests.
pub struct Front {
    /// The number of this `Server` among those of its listening socket, from 1.
    pub generation: u32,
    shared: Arc<Shared>,
    lead: Mutex<Lead>,
    /// Notified when the lead is given up.
    is_free: Condvar,
    /// The number of pings that the leader has not answered.
    pings: AtomicUsize,
}

struct Lead {
    /// Is `None` after the release.
    server: Option<Arc<Server>>,
    is_taken: bool,
    /// The number of threads that wait for the lead, or are about to.
    waiting: usize,
}

impl Front {
    /// Starts a `Server` on a clone of the listening socket. The watch starts the threads.
    pub fn start(listener: &TcpListener, generation: u32, shared: &Arc<Shared>) -> io::Result<Arc<Self>> {
        let own = listener.try_clone()?;
        let server = panics::contain(|| Server::from_listener(own, None))
            .ok_or_else(|| io::Error::other("no thread for another accept loop"))?
            .map_err(io::Error::other)?;
        Ok(Arc::new(Self {
            generation,
            shared: Arc::clone(shared),
            lead: Mutex::new(Lead { server: Some(Arc::new(server)), is_taken: false, waiting: 0 }),
            is_free: Condvar::new(),
            pings: AtomicUsize::new(0),
        }))
    }

    /// Makes the threads exit, and drops the `Server`. Returns whether the system has a thread for that: the drop
    /// connects to the listening socket without a timeout, so it may block.
    pub fn release(self: &Arc<Self>) -> bool {
        let front = Arc::clone(self);
        let release = move || {
            let server = front.lock().server.take();
            front.is_free.notify_all();
            server.inspect(|server| front.unblock(server));
        };
        thread::Builder::new().stack_size(STACK_BYTES).spawn(release).is_ok()
    }

    /// Asks the leader to say when it has taken all requests that wait now.
    pub fn ping(&self) {
        self.lock().server.iter().for_each(|server| self.unblock(server));
    }

    fn unblock(&self, server: &Server) {
        self.pings.fetch_add(1, SeqCst);
        server.unblock();
    }

    /// Whether the leader has answered all pings.
    pub fn is_caught_up(&self) -> bool {
        self.pings.load(SeqCst) == 0
    }

    /// Starts a thread if there is none to take requests. If the system has no more threads, the watch tries again.
    pub fn ensure_thread(self: &Arc<Self>) {
        let mut lead = self.lock();
        if !lead.is_taken && lead.waiting == 0 && lead.server.is_some() {
            let front = Arc::clone(self);
            let started = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || front.work());
            lead.waiting += usize::from(started.is_ok());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lead> {
        self.lead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes requests and answers them until there is no need for this thread.
    fn work(self: &Arc<Self>) {
        while let Some(server) = self.wait_for_lead() {
            let taken = panics::contain(|| self.take(server)).flatten();
            self.lock().is_taken = false;
            self.ensure_thread();
            self.is_free.notify_one();
            match taken {
                Some((peer, request, Some(connection))) => self.serve(peer, request, connection),
                Some((peer, request, None)) => self.discard(peer, [request]),
                None => {}
            }
            self.lock().waiting += 1;
        }
    }

    /// Waits for the lead, to take requests from the result. `None` if this thread is not needed.
    fn wait_for_lead(&self) -> Option<Arc<Server>> {
        let must_wait = |lead: &mut Lead| lead.is_taken && lead.server.is_some();
        let waited = self.is_free.wait_timeout_while(self.lock(), IDLE_FOR, must_wait);
        let (mut lead, _) = waited.unwrap_or_else(PoisonError::into_inner);
        lead.waiting -= 1;
        let server = lead.server.clone().filter(|_| !lead.is_taken);
        lead.is_taken |= server.is_some();
        server
    }

    /// Takes requests until one is for this thread, and never waits for a client. `None` after the release.
    fn take(&self, server: Arc<Server>) -> Option<(SocketAddr, Request, Option<u64>)> {
        while self.lock().server.is_some() {
            let request = match server.recv() {
                Ok(request) => request,
                Err(error) => {
                    // The error is the system's if the accept loop has ended. Otherwise, `unblock` was called.
                    self.pings.fetch_sub(usize::from(error.raw_os_error().is_none()), SeqCst);
                    continue;
                }
            };
            let Some(&peer) = request.remote_addr() else { continue };
            match self.shared.connections.take(peer, self.generation, request) {
                // To drop one without a body takes no time.
                Some((request, None)) if Body::of(&request) == Body::Read => drop(request.into_writer()),
                Some((request, connection)) => return Some((peer, request, connection)),
                None => {}
            }
        }
        None
    }

    /// Answers a request, and those that come on the same connection meanwhile.
    fn serve(&self, peer: SocketAddr, mut request: Request, connection: u64) {
        let Shared { connections, answer } = &*self.shared;
        loop {
            let begin = || Exchange::begin(request, peer, connection, connections);
            // A panic must not end the thread, and the connection must leave its current state.
            let end = panics::contain(|| begin().map_or(End::Replaced, answer)).unwrap_or_else(|| {
                connections.hang_up(peer);
                End::Gone
            });
            request = match connections.ended(peer, end) {
                Ok(next) => next,
                Err(waiting) => return self.discard(peer, waiting),
            };
        }
    }

    /// Drops requests that are not to be answered. To drop one with a body, the connection must be shut down.
    fn discard(&self, peer: SocketAddr, requests: impl IntoIterator<Item = Request>) {
        for request in requests {
            if Body::of(&request) != Body::Read {
                self.shared.connections.hang_up(peer);
            }
            let rest = Rest::of(&request);
            panics::contain(|| body::discard(request, rest));
        }
    }
}
