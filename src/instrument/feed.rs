//! What the live pages are told: the program's last minute, for readers that come late and for those that follow.
//!
//! Starts and ends of requests, and samples of the figures, have one order. Each kind is kept in a ring of its own, so
//! that no burst of the one displaces the others. All of it has a fixed place outside the heap: opening the page does
//! not move the figure that it shows. A reader copies one thing at a time under the lock, and tells its client after.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::record::{Record, Sample};
use super::ring::Ring;

/// Starts that are kept: of the requests that still run, when there are not more.
const KEPT_STARTS: usize = 1024;
/// Ends that are kept, with all that is known of these requests.
const KEPT_ENDS: usize = 256;
/// Samples that are kept: a minute of ten a second, and one for the curve's start.
const KEPT_SAMPLES: usize = 601;
/// Events between two samples that a reader is told of; it is told how many it missed beyond that. Requests can
/// be answered faster than a page is told of them.
const TURN_MOST: u64 = 255;

/// What a reader learns next, once.
#[derive(Clone, Copy)]
#[allow(clippy::large_enum_variant, reason = "it is moved once for each message to a page")]
pub enum Event {
    /// So many starts and ends are gone, of which it was not told; at most once a turn.
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
    /// The figures at one moment.
    Sampled(Sample),
}

/// The program's feed.
pub static FEED: Feed<KEPT_STARTS, KEPT_ENDS, KEPT_SAMPLES> = Feed::new();

/// The last events and samples.
pub struct Feed<const STARTS: usize, const ENDS: usize, const SAMPLES: usize> {
    readers: AtomicUsize,
    kept: Mutex<Kept<STARTS, ENDS, SAMPLES>>,
    /// There is another sample.
    sampled: Condvar,
    /// Something happens, after a pause.
    woken: Condvar,
}

struct Kept<const STARTS: usize, const ENDS: usize, const SAMPLES: usize> {
    starts: Ring<Duration, STARTS>,
    ends: Ring<Record, ENDS>,
    samples: Ring<Sample, SAMPLES>,
    /// The number of the last thing that was put into any of them.
    told: u64,
    /// The recorder waits to be woken.
    recorder_sleeps: bool,
}

/// One reader; its place ends with it. For each ring: how many things it has read, or cannot read any more.
pub struct Reader<'a, const STARTS: usize, const ENDS: usize, const SAMPLES: usize> {
    feed: &'a Feed<STARTS, ENDS, SAMPLES>,
    starts: u64,
    ends: u64,
    samples: u64,
    /// Events that are gone, and of which it was not told yet.
    missed: u64,
    /// It was told of missed ones in this turn.
    knows_of_missed: bool,
    /// The number of the last thing that it is to read in this turn.
    turn_ends: u64,
}

impl<const STARTS: usize, const ENDS: usize, const SAMPLES: usize> Feed<STARTS, ENDS, SAMPLES> {
    /// Nothing has happened.
    pub const fn new() -> Self {
        let kept = Kept {
            starts: Ring::new(),
            ends: Ring::new(),
            samples: Ring::new(),
            told: 0,
            recorder_sleeps: false,
        };
        Self {
            readers: AtomicUsize::new(0),
            kept: Mutex::new(kept),
            sampled: Condvar::new(),
            woken: Condvar::new(),
        }
    }

    /// Whether anybody reads.
    pub fn has_readers(&self) -> bool {
        self.readers.load(Relaxed) > 0
    }

    /// A request begins, after so much time; its number. In one step, so that readers learn of the numbers in order.
    pub fn start(&self, at: Duration) -> u64 {
        let mut kept = self.lock();
        kept.told += 1;
        let number = kept.told;
        kept.starts.put(number, at);
        let request = kept.starts.put_so_far();
        self.wake_recorder(kept);
        request
    }

    /// A request ended.
    pub fn end(&self, record: &Record) {
        let mut kept = self.lock();
        kept.told += 1;
        let number = kept.told;
        kept.ends.put(number, *record);
    }

    /// Keeps a sample, if `take` gives one. It is taken under the lock: it counts every request whose end was told
    /// before it.
    pub fn sample(&self, take: impl FnOnce() -> Option<Sample>) {
        let mut kept = self.lock();
        if let Some(sample) = take() {
            kept.told += 1;
            let number = kept.told;
            kept.samples.put(number, sample);
            drop(kept);
            self.sampled.notify_all();
        }
    }

    /// For the recorder: waits until a request begins or a reader comes, if neither has since the last sample.
    pub fn sleep(&self) {
        let mut kept = self.lock();
        if kept.told == kept.samples.number(kept.samples.put_so_far().saturating_sub(1))
            && !self.has_readers()
        {
            kept.recorder_sleeps = true;
            drop(self.woken.wait_while(kept, |kept| kept.recorder_sleeps));
        }
    }

    /// Reads the past, with the samples from `since` on and the one before, and then what happens.
    pub fn reader(&self, since: Duration) -> Reader<'_, STARTS, ENDS, SAMPLES> {
        let kept = self.lock();
        self.readers.fetch_add(1, Relaxed);
        let is_before = |&nth: &u64| kept.samples.get(nth).is_some_and(|sample| sample.at < since);
        let before = kept.samples.kept().take_while(is_before).last();
        let reader = Reader {
            feed: self,
            starts: 0,
            ends: 0,
            samples: before.unwrap_or(kept.samples.kept().start),
            missed: 0,
            knows_of_missed: false,
            turn_ends: kept.told,
        };
        self.wake_recorder(kept);
        reader
    }

    fn wake_recorder(&self, mut kept: MutexGuard<'_, Kept<STARTS, ENDS, SAMPLES>>) {
        if std::mem::take(&mut kept.recorder_sleeps) {
            drop(kept);
            self.woken.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept<STARTS, ENDS, SAMPLES>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<const STARTS: usize, const ENDS: usize, const SAMPLES: usize> Reader<'_, STARTS, ENDS, SAMPLES> {
    /// What comes next in this turn, if anything does. The first turn is the past. What was missed and what was not
    /// are told apart under the same lock that takes the event, so none is told under another's number.
    pub fn next(&mut self) -> Option<Event> {
        let kept = self.feed.lock();
        self.missed += kept.starts.skip_gone(&mut self.starts) + kept.ends.skip_gone(&mut self.ends);
        kept.samples.skip_gone(&mut self.samples);
        if self.missed > 0 && !self.knows_of_missed {
            self.knows_of_missed = true;
            return Some(Event::Missed(std::mem::take(&mut self.missed)));
        }
        let start = kept.starts.number(self.starts);
        let end = kept.ends.number(self.ends);
        let sample = kept.samples.number(self.samples);
        let next = start.min(end).min(sample);
        if next > self.turn_ends {
            return None;
        }
        let take = |nth: &mut u64| {
            *nth += 1;
            *nth - 1
        };
        match next {
            _ if next == start => {
                let nth = take(&mut self.starts);
                kept.starts.get(nth).map(|&at| Event::Started { request: nth + 1, at })
            }
            _ if next == end => kept.ends.get(take(&mut self.ends)).copied().map(Event::Ended),
            _ => kept.samples.get(take(&mut self.samples)).copied().map(Event::Sampled),
        }
    }

    /// Waits for the next sample, for so long at most; whether there is one. The next turn ends with it.
    pub fn wait(&mut self, most: Duration) -> bool {
        let is_unchanged = |kept: &mut Kept<STARTS, ENDS, SAMPLES>| kept.samples.put_so_far() == self.samples;
        let waited = self.feed.sampled.wait_timeout_while(self.feed.lock(), most, is_unchanged);
        let (kept, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            return false;
        }
        self.knows_of_missed = false;
        self.turn_ends = kept.samples.number(kept.samples.put_so_far() - 1);
        let told_from = self.turn_ends.saturating_sub(TURN_MOST);
        self.missed += kept.starts.skip_to(&mut self.starts, told_from);
        self.missed += kept.ends.skip_to(&mut self.ends, told_from);
        true
    }
}

impl<const STARTS: usize, const ENDS: usize, const SAMPLES: usize> Drop
    for Reader<'_, STARTS, ENDS, SAMPLES>
{
    fn drop(&mut self) {
        self.feed.readers.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
