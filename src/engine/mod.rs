//! The engine: the connections, and what is done about the weaknesses of tiny_http. It turns the requests of a
//! tiny_http `Server` into [`Exchange`]s. The rest of the program answers these, and knows nothing of the weaknesses.
//!
//! tiny_http 0.12 accepts connections, reads request heads on a thread for each connection, and puts the requests into
//! a queue. For each `Server`, a thread takes them from that queue ([`accept`]) and adds them to the [`table`] of open
//! connections. There they wait ([`queue`]) for a thread that answers ([`workers`]). The [`supervisor`] never waits for
//! a client. It keeps the table up to date by looking at all sockets of the process ([`sweep`]).
//!
//! This module depends on [`platform`], on [`http`](crate::http) for the fields of a head, and on
//! [`instrument`](crate::instrument) for the figures of the heap and the outcome of an answer.
//!
//! These are the weaknesses, with their numbers in the names of the tests, and the part that deals with each of them:
//!
//! | # | Weakness of tiny_http | Part |
//! |---|---|---|
//! | 1 | does not disable Nagle's algorithm | [`accept`] |
//! | 2, 3, 4, 14 | `respond` uses chunks, copies, hides disconnects, cannot announce a close | [`Exchange::writer`] |
//! | 5 | connections get stuck behind busy threads | [`nudge`] |
//! | 6, 7 | the accept loop ends with an error or a panic | [`accept`] |
//! | 8 | a reset makes a thread panic, and prints a message | [`panics`] |
//! | 9 | has no timeouts | [`sweep`]; for sending, [`accept`] and [`response_writer`] |
//! | 10 | queues all pipelined requests at once | [`queue`] |
//! | 11 | allocates an unread body when it drops it | [`body`] |
//! | 12 | blocks a thread for ever at `HTTP/2.0`, and never answers | [`sweep`], which cannot free the thread |
//! | 13 | stores a request head of any length | [`alarm`], [`sweep`] |
//! | 15 | has a backlog of 128 | [`accept`] |
//!
//! Terms that are used here:
//!
//! * *Handle*: a file descriptor on Unix, a socket handle on Windows. tiny_http has two for each connection.
//! * *Alarm*: the state in which tiny_http takes too much memory. A client that causes this *floods* the server.
//! * *Parked*: held by a thread of tiny_http that is blocked for ever (12).
//! * *Dead*: a socket that is still open, but not connected any more.
//! * *Late*: a request that came after the end of its connection.

mod accept;
mod address;
mod alarm;
mod body;
mod connection;
mod exchange;
mod fault;
mod lifecycle;
mod nudge;
mod panics;
mod queue;
mod response_writer;
mod supervisor;
mod sweep;
mod table;
mod workers;

use std::io;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use crate::platform;

use accept::Acceptor;
use nudge::Nudger;
use supervisor::{IDLE_TICK, Supervisor, TICK};
use workers::Workers;

pub use exchange::{End, Exchange};
pub use panics::contain as contain_panic;

/// How long answers may still take after a stop signal.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// The time between two checks whether they have ended.
const STOP_TICK: Duration = Duration::from_millis(10);

/// Accepts connections, and has their requests answered. Each connection has one thread at a time.
pub struct Engine {
    supervisor: Supervisor,
}

impl Engine {
    /// Starts to accept connections on `listeners`.
    ///
    /// `timeout` is how long a client may take for a head or a body, and how long it may take nothing of an answer.
    /// `answer` is called on the thread of the connection. The thread that calls this must also call [`Engine::run`].
    pub fn start(
        listeners: Vec<TcpListener>,
        timeout: Option<Duration>,
        answer: impl Fn(Exchange) -> End + Send + Sync + 'static,
    ) -> io::Result<Self> {
        panics::install_hook();
        let _ = table::SUPERVISOR.set(thread::current());
        platform::reserve_duplicate()?;
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        let nudger = Nudger::start(addresses)?;
        let workers = Workers::new(timeout, Box::new(answer));
        let acceptors = (0..)
            .zip(listeners)
            .map(|(index, listener)| Acceptor::start(index, listener, timeout, &workers))
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Self { supervisor: Supervisor::new(acceptors, workers, nudger, timeout) })
    }

    /// Runs the supervisor until `stop_requests` is above 0. Then stops accepting, and waits until the running
    /// answers have ended, [`STOP_PATIENCE`] is over, or `stop_requests` is above 1.
    pub fn run(mut self, stop_requests: impl Fn() -> u32) {
        let supervisor = &mut self.supervisor;
        while stop_requests() == 0 {
            match panics::contain(|| supervisor.tick()) {
                Ok(tick) if tick <= TICK => thread::sleep(tick),
                Ok(tick) => thread::park_timeout(tick),
                Err(_) => thread::sleep(IDLE_TICK),
            }
        }
        supervisor.stop_accepting();
        let deadline = Instant::now() + STOP_PATIENCE;
        while table::lock().busy > 0 && stop_requests() < 2 && Instant::now() < deadline {
            let _ = panics::contain(|| supervisor.tick());
            thread::sleep(STOP_TICK);
        }
    }
}
