//! The engine: the connections, and what is done about the weaknesses of tiny_http. It turns the requests of a tiny_http
//! `Server` into [`Exchange`]s. The rest of the program answers these, and knows nothing of the weaknesses.
//!
//! tiny_http 0.12 accepts connections, reads request heads on a thread for each connection, and puts the requests into a
//! queue. The threads that answer take them from there ([`front`]). They note in [`connections`] which connection a thread
//! works for, so that each has one at a time. The [`watch`] is a thread that never waits for a client. It looks at the
//! sockets of the process, and shuts down those whose deadline has passed ([`deadlines`]).
//!
//! The engine closes nothing that it has not opened. tiny_http does not give out the socket of a connection. When a thread
//! needs it, the watch finds it by its addresses, and makes a duplicate, which the thread owns.
//!
//! This module depends on [`platform`](crate::platform), on [`http`](crate::http) for the fields of a head, and on
//! [`instrument`](crate::instrument) for the figures of the heap and the outcome of an answer.
//!
//! These are the weaknesses, with their numbers in the names of the tests, and the part that deals with each of them:
//!
//! | # | Weakness of tiny_http | Part |
//! |---|---|---|
//! | 1, 15 | does not disable Nagle's algorithm; has a backlog of 128 | [`accept`] |
//! | 2, 3, 4, 14 | `respond` uses chunks, copies, hides disconnects, cannot announce a close | [`Exchange::writer`] |
//! | 5 | connections get stuck behind busy threads | [`accept`], [`deadlines`] |
//! | 6, 7 | the accept loop ends with an error or a panic | [`accept`] |
//! | 8 | a reset makes a thread panic, and prints a message | [`panics`] |
//! | 9 | has no timeouts | [`deadlines`]; for sending, [`accept`] |
//! | 10 | queues all pipelined requests at once | [`connections`] |
//! | 11 | allocates an unread body when it drops it | [`body`] |
//! | 12 | blocks a thread for ever at `HTTP/2.0`, and never answers | [`watch`] reports the lost threads |
//! | 13 | stores a request head of any length | [`deadlines`] |

mod accept;
mod body;
mod connections;
mod deadlines;
mod exchange;
mod front;
mod panics;
mod watch;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use connections::Connections;
use front::Shared;
use watch::Watch;

pub use connections::End;
pub use exchange::Exchange;
pub use panics::contain as contain_panic;

/// How long answers may still take after a stop signal.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Accepts connections, and has their requests answered. Each connection has one thread at a time.
pub struct Engine(Watch);

impl Engine {
    /// Starts to accept connections on `listeners`: one, or one for IPv4 and one for IPv6.
    ///
    /// `timeout` is how long a client may take for a head or a body, and how long it may take nothing of an answer.
    /// `answer` is called on the thread of the connection. `warn` reports what the user should know. The thread that calls
    /// this must also call [`Engine::run`].
    pub fn start(
        listeners: Vec<TcpListener>,
        timeout: Option<Duration>,
        answer: impl Fn(Exchange) -> End + Send + Sync + 'static,
        warn: impl Fn(&str) + 'static,
    ) -> io::Result<Self> {
        panics::install_hook();
        let connections = Connections::new(timeout, thread::current());
        let shared = Arc::new(Shared { connections, answer: Box::new(answer) });
        Watch::start(listeners, shared, Box::new(warn)).map(Self)
    }

    /// Runs the watch until `stop_requests` is above 0. Then stops accepting, and waits until the running answers have
    /// ended, [`STOP_PATIENCE`] is over, or `stop_requests` is above 1.
    pub fn run(self, stop_requests: impl Fn() -> u32) {
        let Self(mut watch) = self;
        while stop_requests() == 0 {
            watch.tick_and_wait();
        }
        watch.stop_accepting();
        let deadline = Instant::now() + STOP_PATIENCE;
        while watch.is_busy() && stop_requests() < 2 && Instant::now() < deadline {
            watch.tick_and_wait();
        }
    }
}
