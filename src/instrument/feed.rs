//! The feed of the live pages: it keeps the last events, and passes them on to each reader, followed by new ones.
//!
//! There are three kinds of events: starts of requests, ends of requests, and samples of the figures, which the
//! [`ledger`](super::ledger) adds. Samples have a ring of their own, so that many requests do not displace them. The
//! rings are static and not on the heap, so that they do not change the figures that the page shows. A reader holds the
//! lock only while it copies one event, not while it sends it.

use std::mem;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::lock;
use super::record::{Record, Sample};
use super::ring::Ring;

/// The number of starts and ends that are kept. They share a ring, so a start is lost before the end of its request:
/// told without its end, it would be the start of a request that still runs.
const KEPT_CHANGES: usize = 1024;
/// The number of samples that are kept: ten per second for one minute, and one before that, where the curve starts.
const KEPT_SAMPLES: usize = 601;
/// The maximum number of starts and ends in one turn. A reader misses older ones, and is given their number. Without a
/// maximum, a reader could fall behind, because requests can be answered faster than a page receives events.
const TURN_MOST_CHANGES: u64 = 255;

/// An event, as a reader receives it.
#[derive(Clone, Copy)]
#[allow(clippy::large_enum_variant, reason = "it is moved once for each message to a page")]
pub enum Event {
    /// The number of starts and ends that the reader has missed here.
    Missed(u64),
    /// `at` counts from the start of the program.
    Started {
        request: u64,
        at: Duration,
    },
    Ended(Record),
    Sampled(Sample),
}

pub static FEED: Feed = Feed::new();

pub struct Feed {
    readers: AtomicUsize,
    state: Mutex<State>,
    /// Notified when a sample was added, or the feed was closed.
    sampled: Condvar,
}

struct State {
    /// Starts and ends of requests.
    changes: Ring<Event, KEPT_CHANGES>,
    /// The samples, each with the number of starts and ends that came before it.
    samples: Ring<(u64, Sample), KEPT_SAMPLES>,
    is_closed: bool,
}

/// A reader of the feed. Its first turn is the recorded past. Each of the others ends with a new sample.
pub struct Reader<'a> {
    feed: &'a Feed,
    /// The indices of the starts and ends that are still to be read in this turn. Then the same of the samples.
    changes: Range<u64>,
    samples: Range<u64>,
    /// The number of starts and ends that it has missed and not reported yet.
    missed: u64,
}

impl Feed {
    pub const fn new() -> Self {
        let state = State { changes: Ring::new(), samples: Ring::new(), is_closed: false };
        Self { readers: AtomicUsize::new(0), state: Mutex::new(state), sampled: Condvar::new() }
    }

    pub fn has_readers(&self) -> bool {
        self.readers.load(Relaxed) > 0
    }

    /// Adds the start of a request. `at` is the time since the program started.
    pub fn add_start(&self, request: u64, at: Duration) {
        lock(&self.state).changes.push(Event::Started { request, at });
    }

    pub fn add_end(&self, record: &Record) {
        lock(&self.state).changes.push(Event::Ended(*record));
    }

    /// Adds a sample. [`Feed::wake_readers`] must follow.
    pub fn add_sample(&self, sample: &Sample) {
        let mut state = lock(&self.state);
        let changes = state.changes.kept().end;
        state.samples.push((changes, *sample));
    }

    /// Wakes the readers that wait for a sample. With many of them this takes time, so the caller should hold no lock.
    pub fn wake_readers(&self) {
        self.sampled.notify_all();
    }

    /// Ends all readers, because the server stops.
    pub fn close(&self) {
        lock(&self.state).is_closed = true;
        self.sampled.notify_all();
    }

    /// Creates a reader. Of the past, it reads the starts and ends that are kept, the samples from `since` on, and one
    /// sample before these. It misses only what is overwritten after this.
    pub fn reader(&self, since: Duration) -> Reader<'_> {
        let state = lock(&self.state);
        self.readers.fetch_add(1, Relaxed);
        let samples = state.samples.kept();
        let is_before = |&index: &u64| state.samples.get(index).is_some_and(|(_, sample)| sample.at < since);
        Reader {
            feed: self,
            changes: state.changes.kept(),
            samples: samples.clone().take_while(is_before).last().unwrap_or(samples.start)..samples.end,
            missed: 0,
        }
    }
}

impl Reader<'_> {
    /// Returns the next event of this turn, or `None` at its end. The lock that is held while missed events are counted
    /// is held while the event is copied, so it cannot be overwritten in between.
    pub fn next(&mut self) -> Option<Event> {
        let state = lock(&self.feed.state);
        self.skip_to(state.changes.kept().start);
        self.samples.start = self.samples.start.max(state.samples.kept().start);
        if self.missed > 0 {
            return Some(Event::Missed(mem::take(&mut self.missed)));
        }
        let sample = state.samples.get(self.samples.start).filter(|_| !self.samples.is_empty());
        if self.changes.start < sample.map_or(self.changes.end, |&(changes, _)| changes) {
            self.changes.start += 1;
            return state.changes.get(self.changes.start - 1).copied();
        }
        let &(_, sample) = sample?;
        self.samples.start += 1;
        Some(Event::Sampled(sample))
    }

    /// Misses the starts and ends before this index that have not been read.
    fn skip_to(&mut self, change: u64) {
        self.missed += change.saturating_sub(self.changes.start);
        self.changes.start = self.changes.start.max(change);
    }

    /// Waits for a new sample, and starts a turn that ends with the last one. Returns `false` if the feed is closed.
    pub fn wait_for_sample(&mut self) -> bool {
        let must_wait = |state: &mut State| !state.is_closed && state.samples.kept().end == self.samples.start;
        let waited = self.feed.sampled.wait_while(lock(&self.feed.state), must_wait);
        let state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return false;
        }
        self.samples.end = state.samples.kept().end;
        if let Some(&(changes, _)) = state.samples.get(self.samples.end - 1) {
            self.changes.end = changes;
        }
        self.skip_to(self.changes.end.saturating_sub(TURN_MOST_CHANGES));
        true
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.feed.readers.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
