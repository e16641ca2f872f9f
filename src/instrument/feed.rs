//! The feed of the live pages: it keeps the last events, and passes them on to each reader, followed by new events as
//! they happen.
//!
//! There are three kinds of events: starts of requests, ends of requests, and samples of the figures, which the
//! [`ledger`](super::ledger) adds. All events are numbered in one order. Each kind has a ring of its own, so that many
//! events of one kind do not displace the others. The rings are static and not on the heap, so that they do not change
//! the figures that the page shows. A reader holds the lock only while it copies one event, not while it sends it.

use std::mem;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::lock;
use super::record::{Record, Sample};
use super::ring::Ring;

/// The number of starts that are kept. The start of a request that still runs is lost when this many requests have
/// started after it.
const KEPT_STARTS: usize = 1024;
/// The number of ends that are kept, each with its record.
const KEPT_ENDS: usize = 256;
/// The number of samples that are kept: ten per second for one minute, and one before that, where the curve starts.
const KEPT_SAMPLES: usize = 601;
/// The maximum number of events of one turn, in addition to the sample that ends it. A reader misses older ones, and is
/// given their number. Without a maximum, a reader could fall behind, because requests can be answered faster than a
/// page receives events.
const TURN_MOST_EVENTS: u64 = 255;

/// An event, as a reader receives it.
#[derive(Clone, Copy)]
#[allow(clippy::large_enum_variant, reason = "it is moved once for each message to a page")]
pub enum Event {
    /// The number of starts and ends that the reader has missed. It comes at most once in a turn.
    Missed(u64),
    /// `at` counts from the start of the program.
    Started {
        request: u64,
        at: Duration,
    },
    Ended(Record),
    Sampled(Sample),
}

/// The feed of the program.
pub static FEED: Feed = Feed::new();

/// The last events of each kind.
pub struct Feed {
    readers: AtomicUsize,
    state: Mutex<State>,
    /// Notified when a sample was added, or the feed was closed.
    sampled: Condvar,
}

struct State {
    /// The numbers of the requests, and the times at which they started. The index of a start is the number of its
    /// request minus one. When the end of a request is overwritten, its start becomes `None`: told without its end, it
    /// would be the start of a request that still runs.
    starts: Ring<Option<(u64, Duration)>, KEPT_STARTS>,
    ends: Ring<Record, KEPT_ENDS>,
    samples: Ring<Sample, KEPT_SAMPLES>,
    /// The number of the last event of any kind.
    last_number: u64,
    is_closed: bool,
}

/// A reader of the feed. It reads in turns. The first turn is the recorded past. Each of the others ends with a new
/// sample.
///
/// For each ring, it has the index of the next event to read.
pub struct Reader<'a> {
    feed: &'a Feed,
    next_start: u64,
    next_end: u64,
    next_sample: u64,
    /// The number of events that it has missed and not reported yet.
    missed: u64,
    has_reported_missed: bool,
    /// The numbers of the first start or end of this turn, and of its last event. The past begins with 0, the others with
    /// 1 or more.
    turn: RangeInclusive<u64>,
}

impl Feed {
    pub const fn new() -> Self {
        let state =
            State { starts: Ring::new(), ends: Ring::new(), samples: Ring::new(), last_number: 0, is_closed: false };
        Self { readers: AtomicUsize::new(0), state: Mutex::new(state), sampled: Condvar::new() }
    }

    pub fn has_readers(&self) -> bool {
        self.readers.load(Relaxed) > 0
    }

    /// Adds the start of a request. `at` is the time since the program started. Requests are numbered from 1, without a
    /// gap, in the order of these calls.
    pub fn add_start(&self, request: u64, at: Duration) {
        let state = &mut *lock(&self.state);
        state.starts.push(&mut state.last_number, Some((request, at)));
    }

    pub fn add_end(&self, record: &Record) {
        let state = &mut *lock(&self.state);
        let overwritten = state.ends.kept().end.checked_sub(KEPT_ENDS as u64);
        let overwritten = overwritten.and_then(|index| state.ends.get(index));
        if let Some(start) = overwritten.and_then(|(_, end)| state.starts.get_mut(end.request - 1)) {
            *start = None;
        }
        state.ends.push(&mut state.last_number, *record);
    }

    /// Adds a sample. [`Feed::wake_readers`] must follow.
    pub fn add_sample(&self, sample: &Sample) {
        let state = &mut *lock(&self.state);
        state.samples.push(&mut state.last_number, *sample);
    }

    /// Wakes the readers that wait for a sample. With a thousand of them this takes some time, so the caller should
    /// hold no lock.
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
        let is_before = |&index: &u64| state.samples.get(index).is_some_and(|(_, sample)| sample.at < since);
        let before = state.samples.kept().take_while(is_before).last();
        Reader {
            feed: self,
            next_start: state.starts.kept().start,
            next_end: state.ends.kept().start,
            next_sample: before.unwrap_or(state.samples.kept().start),
            missed: 0,
            has_reported_missed: false,
            turn: 0..=state.last_number,
        }
    }
}

impl Reader<'_> {
    /// Returns the next event of this turn. `None` means that the turn has ended.
    ///
    /// Missed events are counted under the same lock that is held while the event is copied. So no ring can overwrite
    /// an event in between.
    pub fn next(&mut self) -> Option<Event> {
        let state = lock(&self.feed.state);
        self.missed += state.starts.skip_to(&mut self.next_start, *self.turn.start())
            + state.ends.skip_to(&mut self.next_end, *self.turn.start());
        state.samples.skip_to(&mut self.next_sample, 0);
        while let Some((_, None)) = state.starts.get(self.next_start) {
            self.next_start += 1;
            // Its end was missed, too, unless both are of the past.
            self.missed += u64::from(*self.turn.start() > 0);
        }
        if self.missed > 0 && !self.has_reported_missed {
            self.has_reported_missed = true;
            return Some(Event::Missed(mem::take(&mut self.missed)));
        }
        let end_or_sample = state.ends.number(self.next_end).min(state.samples.number(self.next_sample));
        let next = state.starts.number(self.next_start).min(end_or_sample);
        if next > *self.turn.end() {
            return None;
        }
        if let Some(Some((request, at))) = state.starts.take(&mut self.next_start, next) {
            return Some(Event::Started { request, at });
        }
        let ended = state.ends.take(&mut self.next_end, next).map(Event::Ended);
        ended.or_else(|| state.samples.take(&mut self.next_sample, next).map(Event::Sampled))
    }

    /// Waits for a sample that has not been read, and starts a new turn that ends with the last sample. Returns `false`
    /// if the feed is closed.
    pub fn wait_for_sample(&mut self) -> bool {
        let must_wait = |state: &mut State| !state.is_closed && state.samples.kept().end == self.next_sample;
        let waited = self.feed.sampled.wait_while(lock(&self.feed.state), must_wait);
        let state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return false;
        }
        let last_number = state.samples.number(state.samples.kept().end - 1);
        self.turn = last_number.saturating_sub(TURN_MOST_EVENTS).max(1)..=last_number;
        self.has_reported_missed = false;
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
