//! The room against tiny_http's weaknesses: between its `Server` and [`Exchange`]s, which the rest of the
//! program answers without knowing of any of this.
//!
//! tiny_http 0.12 accepts connections, has a thread for each that reads request heads, and queues the
//! requests. A thread for each `Server` takes them from there ([`accept`]) and enters them in the [`table`] of living
//! connections, where they wait ([`queue`]) for a thread that answers ([`workers`]). The [`supervisor`], which never
//! waits for anybody, keeps the table true by looking at the process's sockets ([`sweep`]).
//!
//! The weaknesses, by the number that they have in the names of the tests, and the piece against each:
//!
//! | # | Weakness | Piece |
//! |---|---|---|
//! | 1 | Nagle's algorithm stays on | [`accept`] |
//! | 2, 3, 4, 14 | its `respond` chunks, copies, swallows hang-ups, cannot announce a close | [`Exchange::writer`] is raw; heads are ours |
//! | 5 | connections stuck behind busy threads | [`nudge`] |
//! | 6, 7 | the accept loop ends with an error or a panic | [`accept`] |
//! | 8 | a reset panics a thread, with noise | [`panics`] |
//! | 9 | no timeouts | [`sweep`], and for sending [`accept`] and [`way_back`] |
//! | 10 | pipelined requests all at once | [`queue`] |
//! | 11 | an unread body is allocated when it is dropped | [`body`] |
//! | 12 | `HTTP/2.0` parks a thread, which is never answered | [`sweep`] hangs up; the thread stays |
//! | 13 | a head of any length is stored | [`alarm`], [`sweep`] |
//! | 15 | a backlog of 128 | [`accept`] |

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

/// How long running answers may take to finish once the engine is to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether they have.
const STOP_TICK: Duration = Duration::from_millis(10);

/// Accepts connections, and has the requests of each answered, one after the other, on a thread.
pub struct Engine {
    supervisor: Supervisor,
}

impl Engine {
    /// Starts to accept on `listeners`. `timeout`: how long a client may take for a head or a body, and may
    /// take nothing of an answer. `answer` is called on a thread of the connection. The calling thread is the one
    /// that calls [`Engine::run`].
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

    /// Keeps the accept loops alive and the connections moving until `stop_requests` is above 0; then
    /// stops accepting and waits for running answers, for a while or until it is above 1.
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
