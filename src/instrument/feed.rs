//! What the live pages are told: the last events, for readers that come for them ten times a second.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::record::Record;

/// Events that a reader may be behind; it is told how many it missed beyond that.
pub const KEPT_EVENTS: usize = 256;

/// What a reader learns next, once. The tag of the first kind is 0, so that an empty ring is all zeroes, and
/// takes no room in the program's file.
#[derive(Clone, Copy)]
#[repr(u8)]
#[allow(clippy::large_enum_variant, reason = "kept in one block with a fixed place, not moved about")]
pub enum Event {
    /// So many events before the next one are gone.
    Missed(u64),
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

/// The program's feed: outside the heap, so that opening the page does not move the figure that it shows.
pub static FEED: Feed<KEPT_EVENTS> = Feed::new();

/// A ring of the last `KEPT` events.
pub struct Feed<const KEPT: usize> {
    readers: AtomicUsize,
    ring: Mutex<Ring<KEPT>>,
}

struct Ring<const KEPT: usize> {
    events: [Event; KEPT],
    /// Events since the program's start that some reader was told of, or missed.
    told: u64,
}

/// One reader; its place ends with it.
pub struct Reader<'a, const KEPT: usize> {
    feed: &'a Feed<KEPT>,
    /// Events that it was told of, or missed; as `Ring::told` counts.
    read: u64,
}

impl<const KEPT: usize> Feed<KEPT> {
    /// Nobody reads yet.
    pub const fn new() -> Self {
        let events = [Event::Missed(0); KEPT];
        Self { readers: AtomicUsize::new(0), ring: Mutex::new(Ring { events, told: 0 }) }
    }

    /// Whether anybody reads.
    pub fn has_readers(&self) -> bool {
        self.readers.load(Relaxed) > 0
    }

    /// Takes a request's number, the next after `last`, and tells every reader that it began: in one step, so that
    /// they learn of the numbers in order.
    pub fn start(&self, last: &AtomicU64, at: Duration) -> u64 {
        let number = || last.fetch_add(1, Relaxed) + 1;
        if !self.has_readers() {
            return number();
        }
        let mut ring = self.lock();
        let request = number();
        ring.tell(Event::Started { request, at });
        request
    }

    /// Tells every reader that a request ended.
    pub fn end(&self, record: &Record) {
        if self.has_readers() {
            self.lock().tell(Event::Ended(*record));
        }
    }

    /// Reads from the next event on.
    pub fn reader(&self) -> Reader<'_, KEPT> {
        let ring = self.lock();
        self.readers.fetch_add(1, Relaxed);
        Reader { feed: self, read: ring.told }
    }

    fn lock(&self) -> MutexGuard<'_, Ring<KEPT>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<const KEPT: usize> Ring<KEPT> {
    fn tell(&mut self, event: Event) {
        self.events[place::<KEPT>(self.told)] = event;
        self.told += 1;
    }
}

fn place<const KEPT: usize>(number: u64) -> usize {
    (number % KEPT as u64) as usize
}

impl<const KEPT: usize> Reader<'_, KEPT> {
    /// What comes next, if anything has. What was missed and what was not are told apart under the same lock that
    /// takes the event, so none is told under another's number.
    pub fn next(&mut self) -> Option<Event> {
        let ring = self.feed.lock();
        let missed = (ring.told - self.read).saturating_sub(KEPT as u64);
        if missed > 0 {
            self.read += missed;
            return Some(Event::Missed(missed));
        }
        if self.read == ring.told {
            return None;
        }
        let event = ring.events[place::<KEPT>(self.read)];
        self.read += 1;
        Some(event)
    }
}

impl<const KEPT: usize> Drop for Reader<'_, KEPT> {
    fn drop(&mut self) {
        self.feed.readers.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// What a reader learns, at most so much: an event's number, or minus the number of missed ones.
    fn learns<const KEPT: usize>(reader: &mut Reader<'_, KEPT>, most: usize) -> Vec<i64> {
        let figure = |event| match event {
            Event::Started { request, .. } => request as i64,
            Event::Ended(record) => record.request as i64,
            Event::Missed(events) => -(events as i64),
        };
        std::iter::from_fn(|| reader.next()).take(most).map(figure).collect()
    }

    fn start<const KEPT: usize>(feed: &Feed<KEPT>, last: &AtomicU64, requests: u64) {
        for _ in 0..requests {
            feed.start(last, Duration::ZERO);
        }
    }

    #[test]
    fn a_reader_gets_what_happens_after_it_came_and_learns_what_it_missed() {
        let (feed, last) = (Feed::<4>::new(), AtomicU64::new(0));
        let starts = |requests| start(&feed, &last, requests);
        starts(1);
        let mut reader = feed.reader();
        starts(1);
        let mut late = feed.reader();
        starts(1);
        assert_eq!(learns(&mut reader, 9), [2, 3]);
        assert_eq!(learns(&mut late, 9), [3]);
        starts(6);
        assert_eq!(learns(&mut reader, 2), [-2, 6]);
        // Places that it has not read are taken again in the middle of its turn.
        starts(3);
        assert_eq!(learns(&mut reader, 9), [-2, 9, 10, 11, 12]);
        assert_eq!(learns(&mut late, 9), [-5, 9, 10, 11, 12]);
    }

    #[test]
    fn beside_many_that_tell_each_event_comes_once_and_in_order_or_is_counted_as_missed() {
        const TELLERS: u64 = 4;
        const EACH: u64 = 20_000;
        let (feed, last) = (Feed::<16>::new(), AtomicU64::new(0));
        let mut reader = feed.reader();
        let mut at = 0;
        let mut read_all = |reader: &mut Reader<'_, 16>| {
            for figure in learns(reader, usize::MAX) {
                match u64::try_from(figure) {
                    Ok(number) => {
                        assert_eq!(number, at + 1);
                        at = number;
                    }
                    Err(_) => at += figure.unsigned_abs(),
                }
            }
            at
        };
        thread::scope(|scope| {
            let tellers: Vec<_> = (0..TELLERS).map(|_| scope.spawn(|| start(&feed, &last, EACH))).collect();
            while !tellers.iter().all(|teller| teller.is_finished()) {
                read_all(&mut reader);
            }
        });
        assert_eq!(read_all(&mut reader), TELLERS * EACH);
    }

    #[test]
    fn without_readers_nothing_is_kept() {
        let (feed, last) = (Feed::<4>::new(), AtomicU64::new(0));
        drop(feed.reader());
        assert_eq!(feed.start(&last, Duration::ZERO), 1);
        assert_eq!(feed.lock().told, 0);
    }
}
