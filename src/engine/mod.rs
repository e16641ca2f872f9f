//! The room against tiny_http's weaknesses: between its `Server` and [`Exchange`]s, which the rest of the
//! program answers without knowing of any of this.
//!
//! tiny_http 0.12 accepts connections, has a thread for each that reads request heads, and queues the
//! requests. What bites, by the number it has in the tests' names, and the piece that stands against it:
//!
//! | # | Weakness | Piece |
//! |---|---|---|
//! | 1 | Nagle's algorithm stays on | [`accept::prepare`] |
//! | 2, 3, 4, 14 | its `respond` chunks, copies, swallows hang-ups, cannot announce a close | [`Exchange::writer`] is raw; heads are ours |
//! | 5 | connections stuck behind busy threads | [`nudge`] |
//! | 6, 7 | the accept loop dies of an error or a panic | [`accept`] |
//! | 8 | a reset panics a thread, with noise | [`panics`] (tested by scripts/stress.sh: std cannot reset) |
//! | 9 | no timeouts | [`accept::prepare`] |
//! | 10 | pipelined requests all at once | [`crew`] |
//! | 11 | an unread body is allocated when it is dropped | [`body`] |
//! | 15 | a backlog of 128 | [`accept::prepare`] |
//!
//! Not curable from outside: 12 (`HTTP/2.0` costs a thread for good) and 13 (an endless head is stored).

mod accept;
mod body;
mod crew;
mod exchange;
mod nudge;
mod numbers;
mod panics;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use accept::Acceptor;
use crew::Crew;

pub use exchange::{End, Exchange};
pub use panics::contain as contain_panic;

/// How often the supervisor looks for a stop signal and a dead accept loop while nothing happens.
const IDLE_TICK: Duration = Duration::from_millis(300);
/// How long running answers may take to finish once the engine is to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Accepts connections and has each one's requests answered, one after the other, on a thread.
pub struct Engine {
    acceptors: Vec<Acceptor>,
    crew: Arc<Crew>,
}

impl Engine {
    /// Starts to accept on `listeners`. `timeout`: after which a connection on which nothing moves is
    /// closed. `answer` is called on a thread of the connection.
    pub fn start(
        listeners: Vec<TcpListener>,
        timeout: Option<Duration>,
        answer: impl Fn(Exchange) -> End + Send + Sync + 'static,
    ) -> io::Result<Self> {
        panics::install_hook();
        let crew = Crew::new(timeout, Box::new(answer));
        let acceptors = listeners
            .into_iter()
            .map(|listener| Acceptor::start(listener, timeout, &crew))
            .collect::<io::Result<_>>()?;
        Ok(Self { acceptors, crew })
    }

    /// Keeps the accept loops alive and the connections moving until `stop_requests` is above 0; then
    /// stops accepting and waits for running answers, for a while or until it is above 1.
    pub fn run(mut self, stop_requests: impl Fn() -> u32) {
        while stop_requests() == 0 {
            let some_loop_panicked = panics::take_accept_panics() > 0;
            let mut at_rest = true;
            for acceptor in &mut self.acceptors {
                at_rest &= acceptor.revive(&self.crew, some_loop_panicked);
                at_rest &= !acceptor.tick();
            }
            // Woken early by the first request of a connection.
            if at_rest { thread::park_timeout(IDLE_TICK) } else { thread::sleep(nudge::BUSY_TICK) }
        }
        let signals = stop_requests();
        self.acceptors.clear();
        let deadline = Instant::now() + STOP_PATIENCE;
        while self.crew.answering() > 0 && stop_requests() == signals && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A client's address, which tells one living connection from another.
type Peer = SocketAddr;
