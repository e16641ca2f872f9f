//! Weakness 10: tiny_http queues all the requests that a client pipelines at once. Here each connection
//! has one thread, which answers its requests one after the other: a hundred of them cost one
//! body, not a hundred. A thread whose connection has no request left serves the next connection that has.

use std::collections::{BTreeMap, VecDeque};
use std::net::Shutdown;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tiny_http::Request;

use crate::platform;

use super::Peer;
use super::exchange::{End, Exchange, Incoming};
use super::numbers::{Known, Numbers};
use super::panics;

/// How long a thread without a connection stays.
const IDLE_LASTS: Duration = Duration::from_secs(5);
/// Requests that one connection may have waiting, some 10 MB of them; a client that pipelines more is hung
/// up on, since tiny_http would go on to read them into memory.
const WAITING_MOST: usize = 10_000;
/// Stacks are touched only as deep as they are used; this keeps thousands of threads within any limit
/// of address space.
const STACK_BYTES: usize = 256 * 1024;

/// Answers one exchange, and finishes it.
pub type Answer = dyn Fn(Exchange) -> End + Send + Sync;

/// The threads that answer.
pub struct Crew {
    state: Mutex<State>,
    work: Condvar,
    numbers: Numbers,
    answer: Box<Answer>,
}

#[derive(Default)]
struct State {
    /// The connections that have a thread, each with its requests that wait.
    busy: BTreeMap<Peer, VecDeque<Incoming>>,
    /// First requests of connections that have none yet.
    ready: VecDeque<Job>,
    /// Threads that wait for work, or are about to.
    idle: usize,
}

struct Job {
    peer: Peer,
    known: Known,
    request: Incoming,
}

impl Crew {
    /// No threads yet; they come with the work.
    pub fn new(timeout: Option<Duration>, answer: Box<Answer>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            work: Condvar::new(),
            numbers: Numbers::new(timeout),
            answer,
        })
    }

    /// Gives a request to its connection's thread, and never waits for a client. Whether it is the first of
    /// its connection.
    pub fn dispatch(self: &Arc<Self>, request: Request) -> bool {
        let Some(&peer) = request.remote_addr() else { return false };
        let request = Incoming::new(request, peer);
        let mut state = self.lock();
        if let Some(waiting) = state.busy.get_mut(&peer) {
            waiting.push_back(request);
            if waiting.len() > WAITING_MOST {
                platform::with_socket_to(peer, |socket| socket.shutdown(Shutdown::Both));
            }
            return false;
        }
        let known = self.numbers.of(peer);
        state.busy.insert(peer, VecDeque::new());
        state.ready.push_back(Job { peer, known, request });
        // The others are started by this one: dispatching must keep up with the engine's queue, which keeps
        // the room of its longest moment for ever.
        let needs_first = state.idle == 0;
        state.idle += usize::from(needs_first);
        drop(state);
        if needs_first {
            self.add_thread();
        }
        self.work.notify_one();
        matches!(known, Known::New(_))
    }

    /// Connections that are being answered now.
    pub fn answering(&self) -> usize {
        self.lock().busy.len()
    }

    /// Starts a thread that `idle` already counts.
    fn add_thread(self: &Arc<Self>) {
        let crew = Arc::clone(self);
        let thread = thread::Builder::new().name(panics::THREAD_NAME.to_owned()).stack_size(STACK_BYTES);
        if thread.spawn(move || crew.work()).is_err() {
            // The system has no more; the request waits for one that there is.
            self.lock().idle -= 1;
        }
    }

    fn work(self: &Arc<Self>) {
        while let Some(Job { peer, known, request }) = self.next_job() {
            self.add_helpers();
            let mut next = Some((known, request));
            while let Some((known, request)) = next {
                let open = self.answer_one(peer, known, request);
                next = self.next_of(peer, open);
            }
        }
    }

    /// Starts threads for what waits: two, which start two each.
    fn add_helpers(self: &Arc<Self>) {
        for _ in 0..2 {
            let mut state = self.lock();
            if state.ready.len() <= state.idle {
                return;
            }
            state.idle += 1;
            drop(state);
            self.add_thread();
        }
    }

    fn next_job(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.ready.pop_front() {
                state.idle -= 1;
                if state.ready.is_empty() {
                    // A burst must not leave its room behind on the heap.
                    state.ready.shrink_to(4);
                }
                return Some(job);
            }
            let waited = self.work.wait_timeout(state, IDLE_LASTS);
            let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if timeout.timed_out() && state.ready.is_empty() {
                state.idle -= 1;
                return None;
            }
        }
    }

    /// The connection's next request that waits; none are answered after it has been closed.
    fn next_of(&self, peer: Peer, open: bool) -> Option<(Known, Incoming)> {
        let mut state = self.lock();
        let waiting = state.busy.get_mut(&peer)?;
        if open && let Some(request) = waiting.pop_front() {
            drop(state);
            return Some((self.numbers.of(peer), request));
        }
        let unanswered = state.busy.remove(&peer);
        state.idle += 1;
        drop(state);
        for request in unanswered.into_iter().flatten() {
            request.forget(peer);
        }
        None
    }

    /// Answers one request; whether the connection may have more.
    fn answer_one(&self, peer: Peer, known: Known, request: Incoming) -> bool {
        let (Known::New(number) | Known::Before(number)) = known else {
            request.forget(peer);
            return false;
        };
        let end = match request.settle(peer, number) {
            // Whatever panics in there, this thread goes on, and with it the place of its connection.
            Some(exchange) => panics::contain(|| (self.answer)(exchange)).unwrap_or(End::BrokenOff),
            None => End::BrokenOff,
        };
        self.numbers.answered(peer, end);
        end == End::Open
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
