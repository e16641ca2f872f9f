//! The counts of the program, and one open entry for each request that is being answered.
//!
//! Opening and closing an entry does not allocate, so that the instrument does not change what it measures.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::platform::{self, ResidentSet};

use super::feed::FEED;
use super::heap::{self, ThreadHeap};
use super::record::{Answered, Asked, Record, Sample};

/// How long a reading of the resident set is used again. Each reading takes 13 us.
const RESIDENT_SET_MAX_AGE: Duration = Duration::from_millis(1);

/// The counts of the program.
pub struct Ledger {
    start: Instant,
    start_time: SystemTime,
    in_flight: AtomicU64,
    /// The number of bytes of bodies that the kernel has taken.
    pub sent_bytes: AtomicU64,
    requests: AtomicU64,
    largest_request_peak: AtomicU64,
    resident: Mutex<Option<(Instant, ResidentSet)>>,
    is_traced: bool,
}

/// A request that is being answered. [`Ledger::close`] must be called on the thread that called [`Ledger::open`].
pub struct Entry {
    request: u64,
    /// The time at which answering began.
    pub started: Instant,
    heap: ThreadHeap,
    live_before: u64,
    resident_before: ResidentSet,
}

impl Ledger {
    /// Creates a ledger without requests. Times count from now. `is_traced` says whether the trace shows requests.
    pub fn new(is_traced: bool) -> Self {
        Self {
            start: Instant::now(),
            start_time: SystemTime::now(),
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
            request: FEED.add_start(started - self.start),
            started,
            resident_before: self.resident_if_reported(),
            live_before: heap::live_bytes(),
            heap: ThreadHeap::start(),
        }
    }

    /// Closes an entry. All of the answer has been sent then, and its memory has been freed.
    pub fn close(&self, entry: &Entry, asked: Asked, answered: Answered, duration: Duration) -> Record {
        let used = entry.heap.since();
        let live_after = heap::live_bytes();
        let resident_after = self.resident_if_reported();
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

    /// The time at which the program started, in milliseconds of Unix time. It differs between two runs even if their
    /// process ids are the same.
    pub fn started_ms(&self) -> u64 {
        let since_1970 = self.start_time.duration_since(SystemTime::UNIX_EPOCH);
        since_1970.unwrap_or_default().as_millis() as u64
    }

    /// The current figures.
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

    /// The resident set, or unknown if nobody would see it. Reading it costs more than the rest of a record.
    fn resident_if_reported(&self) -> ResidentSet {
        if self.is_traced || FEED.has_readers() { self.resident() } else { ResidentSet::default() }
    }

    fn resident(&self) -> ResidentSet {
        let mut last = self.resident.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((read_at, resident)) if read_at.elapsed() < RESIDENT_SET_MAX_AGE => resident,
            earlier => {
                let mut resident = platform::resident_set();
                // Linux updates its own peak late, so a reading can be above it.
                let earlier_peak = earlier.and_then(|(_, resident)| resident.peak_bytes);
                resident.peak_bytes = resident.peak_bytes.max(resident.now_bytes).max(earlier_peak);
                *last = Some((Instant::now(), resident));
                resident
            }
        }
    }
}
