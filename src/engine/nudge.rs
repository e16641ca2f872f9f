//! Weakness 5: connections that are stuck. tiny_http's pool gives a new connection to a thread that it
//! takes for idle; in a burst that thread has another one by then, and the connection waits until some
//! thread is free, which may be never. It can be seen: bytes came, and nobody receives them. A connection
//! that is opened and closed at once, a nudge, makes the pool start or wake one more thread, which then takes a stuck one.

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

/// Nudges given at one time, so that threads have time to start.
const AT_ONCE: u32 = 8;
/// A connection whose bytes nobody has received after so many nudges is not stuck: its thread does not read.
const UNREAD_CHECKS_MOST: u8 = 32;
/// A backlog that is full must not hold a nudge up.
const CONNECT_PATIENCE: Duration = Duration::from_millis(50);
/// Sockets that are asked about in one system call.
const BATCH: usize = 64;

/// A thread that nudges the listening sockets, since to connect may take a while.
pub struct Nudger {
    due: Arc<[AtomicU32]>,
    thread: Thread,
}

impl Nudger {
    /// A nudger for sockets that listen at these addresses.
    pub fn start(listening: Vec<SocketAddr>) -> std::io::Result<Self> {
        let due: Arc<[AtomicU32]> = listening.iter().map(|_| AtomicU32::new(0)).collect();
        let (counts, targets) = (Arc::clone(&due), listening);
        let nudge = move || {
            loop {
                for (count, &target) in counts.iter().zip(&targets) {
                    for _ in 0..count.swap(0, Relaxed) {
                        // Refused or out of descriptors: then there is nothing to nudge.
                        drop(TcpStream::connect_timeout(&reachable(target), CONNECT_PATIENCE));
                    }
                }
                thread::park();
            }
        };
        let thread = thread::Builder::new().name(panics::THREAD_NAME.to_owned()).spawn(nudge)?;
        Ok(Self { due, thread: thread.thread().clone() })
    }

    /// Looks for connections that are stuck, and nudges their sockets. Whether there are any that may be.
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
                // The first look may have come just before a thread received.
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

/// The next connections that had no request yet: each one that had is read by a thread of its own.
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

/// Where a listener can be reached from here: an unspecified address at the loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}
