//! Weakness 5: connections that are stuck in tiny_http's thread pool.
//!
//! The pool gives a new connection to a thread that it counts as idle. In a burst of connections, that thread may
//! already have another one. The new connection then waits until some thread is free, which may never happen. Such a
//! connection can be detected: bytes have arrived, and nobody receives them.
//!
//! A nudge is a connection to our own listening socket that is closed at once. It makes the pool start or wake one
//! more thread, which takes the stuck connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread::{self, Thread};
use std::time::Duration;

use crate::platform::{self, Handle};

use super::connection::State;
use super::panics;
use super::table::{self, Table};

/// The maximum number of nudges that are due for a socket at one time, so that threads have time to start.
const AT_ONCE: u32 = 8;
/// A connection is not stuck if nobody has received its bytes after this many checks. It has a thread, which does not
/// read.
const UNREAD_CHECKS_MOST: u8 = 32;
/// The timeout of a nudge. It matters when the backlog is full.
const CONNECT_PATIENCE: Duration = Duration::from_millis(50);
/// The number of sockets that are checked in one system call.
const BATCH: usize = 64;

/// A thread that makes the nudges, because connecting may take a while.
pub struct Nudger {
    due: Arc<[AtomicU32]>,
    thread: Thread,
}

impl Nudger {
    /// Starts the thread. `listening` are the addresses of the listening sockets.
    pub fn start(listening: Vec<SocketAddr>) -> std::io::Result<Self> {
        let due: Arc<[AtomicU32]> = listening.iter().map(|_| AtomicU32::new(0)).collect();
        let (counts, targets) = (Arc::clone(&due), listening);
        let nudge = move || {
            loop {
                for (count, &target) in counts.iter().zip(&targets) {
                    for _ in 0..count.swap(0, Relaxed) {
                        // A nudge that fails is not repeated here. If a connection is still stuck, the next check
                        // causes another one.
                        drop(TcpStream::connect_timeout(&reachable(target), CONNECT_PATIENCE));
                    }
                }
                thread::park();
            }
        };
        let thread = thread::Builder::new().name(panics::THREAD_NAME.to_owned()).spawn(nudge)?;
        Ok(Self { due, thread: thread.thread().clone() })
    }

    /// Finds connections that are stuck, and nudges their sockets. Returns whether any connection may be stuck.
    pub fn nudge_stuck(&self) -> bool {
        let mut may_be_stuck = false;
        let mut slots = {
            let table = table::lock();
            if table.awaiting_first > 0 { table.slots() } else { 0..0 }
        };
        while !slots.is_empty() {
            let batch = next_batch(&mut table::lock(), &mut slots);
            let unread = platform::have_unread(batch.map(|(_, handle)| handle));
            let mut table = table::lock();
            let checked = batch.into_iter().zip(unread).filter(|((_, handle), _)| *handle != Handle::NONE);
            for ((slot, _), is_unread) in checked {
                let connection = table.at(slot);
                let checks = if is_unread { connection.unread_checks.saturating_add(1) } else { 0 };
                connection.unread_checks = checks;
                may_be_stuck |= (1..UNREAD_CHECKS_MOST).contains(&checks);
                // One check is not enough: a thread may be just about to receive the bytes.
                if (2..UNREAD_CHECKS_MOST).contains(&checks) {
                    self.nudge(connection.listener);
                }
            }
        }
        may_be_stuck
    }

    fn nudge(&self, listener: u8) {
        if let Some(due) = self.due.get(usize::from(listener)) {
            due.fetch_max(due.load(Relaxed).min(AT_ONCE - 1) + 1, Relaxed);
            self.thread.unpark();
        }
    }
}

/// The next connections that have had no request. All others already have a thread that reads them.
fn next_batch(table: &mut Table, slots: &mut Range<u32>) -> [(u32, Handle); BATCH] {
    let mut batch = [(0, Handle::NONE); BATCH];
    let mut count = 0;
    for slot in slots {
        let connection = table.at(slot);
        if connection.state == State::InHead && connection.number == 0 {
            batch[count] = (slot, connection.handles[0]);
            count += 1;
            if count == BATCH {
                break;
            }
        }
    }
    batch
}

/// The address at which this host can reach a listening socket. For an unspecified address, this is the loopback
/// address.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}
