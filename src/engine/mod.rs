//! The engine: the connections, and what is done about the weaknesses of tiny_http. It turns the requests of a
//! tiny_http `Server` into [`Exchange`]s. The rest of the program answers these, and knows nothing of the weaknesses.
//!
//! tiny_http 0.12 accepts connections, reads request heads on a thread for each connection, and puts the requests into
//! a queue. The threads that answer take them from there ([`front`]). They note in [`connections`] which connection a
//! thread works for, so that each has one at a time. The [`watch`] is a thread that never waits for a client. It looks
//! at the sockets of the process, and shuts down those whose deadline has passed ([`connection`]).
//!
//! The engine closes nothing that it has not opened. tiny_http does not give out the socket of a connection. When a
//! thread needs it, the watch finds it by its addresses, and makes a duplicate, which the thread owns. This module
//! depends on [`platform`](crate::platform), on [`http`](crate::http) for the fields of a head, and on
//! [`instrument`](crate::instrument) for the figures of the heap and the outcome of an answer.
//!
//! These are the weaknesses, with their numbers in the names of the tests, and the part that deals with each of them:
//!
//! | # | Weakness of tiny_http | Part |
//! |---|---|---|
//! | 1, 15 | does not disable Nagle's algorithm; has a backlog of 128 | [`accept`] |
//! | 2, 3, 4, 14 | `respond` uses chunks, copies, hides disconnects, cannot announce a close | [`Exchange::writer`] |
//! | 5 | connections get stuck behind busy threads | [`accept`], [`connection`] |
//! | 6, 7 | the accept loop ends with an error or a panic | [`accept`] |
//! | 8 | a reset makes a thread panic, and prints a message | [`panics`] |
//! | 9 | has no timeouts | [`connection`]; for sending, [`accept`] |
//! | 10 | queues all pipelined requests at once, and keeps the size of its queue | [`connections`], [`accept`] |
//! | 11 | allocates an unread body when it drops it | [`body`] |
//! | 12 | blocks a thread for ever at `HTTP/2.0`, and never answers | [`watch`] reports the lost threads |
//! | 13 | stores a request head of any length | [`connection`] |

mod accept;
mod body;
mod connection;
mod connections;
mod exchange;
mod front;
mod panics;
mod walk;
mod watch;

pub use connections::End;
pub use exchange::Exchange;
pub use panics::contain as contain_panic;
pub use watch::Engine;
