//! What the live pages are told: the last events, for readers that come for them ten times a second.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::ledger::Record;

/// Events that a reader may be behind; it is told how many it missed beyond that.
const KEPT_EVENTS: usize = 256;

/// Something that happened to a request.
#[derive(Clone, Copy)]
#[allow(clippy::large_enum_variant, reason = "kept in one block that is taken once, not moved about")]
pub enum Event {
    /// Answering it began.
    Started {
        /// Its number.
        request: u64,
        /// Since the program's start.
        at: Duration,
    },
    /// It ended.
    Ended(Record),
}

/// A ring of the last events. It takes room on the heap only while somebody reads.
pub struct Feed {
    readers: AtomicUsize,
    ring: Mutex<Ring>,
}

struct Ring {
    events: Vec<Event>,
    told: u64,
}

/// One reader; its place ends with it.
pub struct Reader<'a> {
    feed: &'a Feed,
    read: u64,
}

impl Feed {
    /// Nobody reads yet.
    pub const fn new() -> Self {
        Self { readers: AtomicUsize::new(0), ring: Mutex::new(Ring { events: Vec::new(), told: 0 }) }
    }

    /// Whether anybody reads.
    pub fn has_readers(&self) -> bool {
        self.readers.load(Relaxed) > 0
    }

    /// Tells every reader of an event; without any, it is not even made.
    pub fn tell(&self, event: impl FnOnce() -> Event) {
        if !self.has_readers() {
            return;
        }
        let mut ring = self.lock();
        let place = (ring.told % KEPT_EVENTS as u64) as usize;
        ring.told += 1;
        if place < ring.events.len() {
            ring.events[place] = event();
        } else if ring.events.len() < ring.events.capacity() {
            ring.events.push(event());
        }
    }

    /// Reads from the next event on.
    pub fn reader(&self) -> Reader<'_> {
        let mut ring = self.lock();
        if self.readers.fetch_add(1, Relaxed) == 0 {
            ring.events.reserve_exact(KEPT_EVENTS);
            ring.told = 0;
        }
        Reader { feed: self, read: ring.told }
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader<'_> {
    /// How many events this reader has missed for good since it last asked.
    pub fn missed(&mut self) -> u64 {
        let oldest = self.feed.lock().told.saturating_sub(KEPT_EVENTS as u64);
        let missed = oldest.saturating_sub(self.read);
        self.read += missed;
        missed
    }

    /// The next event, if there is one.
    pub fn next(&mut self) -> Option<Event> {
        let ring = self.feed.lock();
        if self.read == ring.told {
            return None;
        }
        let place = (self.read % KEPT_EVENTS as u64) as usize;
        self.read += 1;
        ring.events.get(place).copied()
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut ring = self.feed.lock();
        if self.feed.readers.fetch_sub(1, Relaxed) == 1 {
            ring.events = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(request: u64) -> Event {
        Event::Started { request, at: Duration::ZERO }
    }

    fn drain(reader: &mut Reader<'_>) -> Vec<u64> {
        std::iter::from_fn(|| reader.next())
            .map(|event| match event {
                Event::Started { request, .. } => request,
                Event::Ended(record) => record.request,
            })
            .collect()
    }

    #[test]
    fn a_reader_gets_what_happens_after_it_came_and_learns_what_it_missed() {
        let feed = Feed::new();
        feed.tell(|| started(1));
        let mut reader = feed.reader();
        feed.tell(|| started(2));
        let mut late = feed.reader();
        feed.tell(|| started(3));
        assert_eq!((reader.missed(), drain(&mut reader)), (0, vec![2, 3]));
        assert_eq!((late.missed(), drain(&mut late)), (0, vec![3]));
        let many = KEPT_EVENTS as u64 + 10;
        (0..many).for_each(|n| feed.tell(|| started(n)));
        assert_eq!(reader.missed(), 10);
        assert_eq!(drain(&mut reader), (10..many).collect::<Vec<_>>());
    }

    #[test]
    fn without_readers_nothing_is_kept() {
        let feed = Feed::new();
        drop(feed.reader());
        feed.tell(|| unreachable!("nobody reads"));
        assert_eq!(feed.lock().events.capacity(), 0);
    }
}
