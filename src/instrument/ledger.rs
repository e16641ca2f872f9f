//! The counts of the whole program, and one open entry for each request that is being answered.
//!
//! Neither opening nor closing an entry allocates, so that the instrument stays out of its own reading.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::platform::{self, ResidentSet};

use super::feed::FEED;
use super::heap::{self, ThreadHeap};
use super::record::{Answered, Asked, Record, Sample};

/// Reading the resident set takes 13 us, so requests share one reading within this span.
const RESIDENT_SET_LASTS: Duration = Duration::from_millis(1);

/// The counts of the program.
pub struct Ledger {
    start: Instant,
    start_by_clock: SystemTime,
    in_flight: AtomicU64,
    /// Bytes of bodies that were handed to the system.
    pub sent_bytes: AtomicU64,
    requests: AtomicU64,
    largest_request_peak: AtomicU64,
    resident: Mutex<Option<(Instant, ResidentSet)>>,
    is_traced: bool,
}

/// A request under way: taken when answering begins, to be closed with [`Ledger::close`] on the same thread.
pub struct Entry {
    request: u64,
    /// When answering began.
    pub started: Instant,
    heap: ThreadHeap,
    live_before: u64,
    resident_before: ResidentSet,
}

impl Ledger {
    /// Nothing has happened yet; times count from now. `is_traced`: records go to the trace.
    pub fn new(is_traced: bool) -> Self {
        Self {
            start: Instant::now(),
            start_by_clock: SystemTime::now(),
            in_flight: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            largest_request_peak: AtomicU64::new(0),
            resident: Mutex::new(None),
            is_traced,
        }
    }

    /// Opens an entry for a request that the calling thread begins to answer.
    pub fn open(&self) -> Entry {
        self.in_flight.fetch_add(1, Relaxed);
        let started = Instant::now();
        Entry {
            request: FEED.start(started - self.start),
            started,
            resident_before: self.resident_if_told(),
            live_before: heap::live_bytes(),
            heap: ThreadHeap::start(),
        }
    }

    /// Closes it, after the last byte, and after what the request held has been freed.
    pub fn close(&self, entry: &Entry, asked: Asked, answered: Answered, duration: Duration) -> Record {
        let used = entry.heap.since();
        let live_after = heap::live_bytes();
        let resident_after = self.resident_if_told();
        self.requests.fetch_add(1, Relaxed);
        self.largest_request_peak.fetch_max(used.peak_bytes, Relaxed);
        Record {
            request: entry.request,
            asked,
            answered,
            at: self.start.elapsed(),
            duration,
            in_flight: self.in_flight.fetch_sub(1, Relaxed),
            live_before: entry.live_before,
            live_after,
            live_peak: heap::peak_bytes(),
            used,
            resident_before: entry.resident_before,
            resident_after,
        }
    }

    /// When the program started, in milliseconds of Unix time: another number for each run, where its pid may be the
    /// same.
    pub fn started_ms(&self) -> u64 {
        let since_1970 = self.start_by_clock.duration_since(SystemTime::UNIX_EPOCH);
        since_1970.unwrap_or_default().as_millis() as u64
    }

    /// The figures now.
    pub fn sample(&self) -> Sample {
        Sample {
            at: self.start.elapsed(),
            in_flight: self.in_flight.load(Relaxed),
            requests: self.requests.load(Relaxed),
            sent_bytes: self.sent_bytes.load(Relaxed),
            live: heap::live_bytes(),
            live_peak: heap::peak_bytes(),
            largest_request_peak: self.largest_request_peak.load(Relaxed),
            resident: self.resident(),
            allocations: heap::allocations(),
        }
    }

    /// Unknown where nobody is told, since this reading costs more than the rest of a record.
    fn resident_if_told(&self) -> ResidentSet {
        if self.is_traced || FEED.has_readers() { self.resident() } else { ResidentSet::default() }
    }

    fn resident(&self) -> ResidentSet {
        let mut last = self.resident.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((read_at, resident)) if read_at.elapsed() < RESIDENT_SET_LASTS => resident,
            _ => {
                let resident = platform::resident_set();
                *last = Some((Instant::now(), resident));
                resident
            }
        }
    }
}
