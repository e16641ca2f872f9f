//! The books: one [`Record`] per request, and the process's figures beside it.
//!
//! First the snapshot, then the formatting: a record holds no memory of the heap, and neither taking
//! nor writing one allocates, so that the instrument stays out of its own reading.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::feed::FEED;
use crate::fixed_text::FixedText;
use crate::heap::{self, ThreadHeap, ThreadUse};
use crate::http::range::ByteRange;
use crate::platform::{self, ResidentSet};
use crate::trace::Trace;

/// Reading the resident set takes 13 us, which a thousand requests in a row would feel; within this span
/// they share one reading.
const RESIDENT_SET_LASTS: Duration = Duration::from_millis(1);

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it was sent.
    Sent,
    /// The client hung up: ordinary, and the usual end of a seek.
    ClientClosed,
    /// The client took nothing for as long as the timeout.
    TimedOut,
    /// The file became shorter while it was sent.
    Short,
    /// There was no memory, or no descriptor, or the heap limit did not allow it.
    Refused,
    /// The file is not there.
    Missing,
    /// The file cannot be read.
    Forbidden,
    /// The answering panicked: a fault of this program.
    Failed,
}

impl Outcome {
    /// Its name in the trace.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::ClientClosed => "client_closed",
            Self::TimedOut => "timed_out",
            Self::Short => "short",
            Self::Refused => "refused",
            Self::Missing => "missing",
            Self::Forbidden => "forbidden",
            Self::Failed => "failed",
        }
    }
}

/// Who asked for what.
#[derive(Clone, Copy)]
pub struct Asked {
    /// Running number of the connection, from 1.
    pub connection: u64,
    /// The client.
    pub peer: SocketAddr,
    /// The method, cut if it is longer than any known.
    pub method: FixedText<16>,
    /// The target, cut if it is long.
    pub target: FixedText<256>,
}

/// What answering it came to.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// Status code of the answer.
    pub status: u16,
    /// The part of the file that a 206 brings.
    pub range: Option<ByteRange>,
    /// What the answer's body should have.
    pub body_bytes: u64,
    /// What of it was handed to the system.
    pub sent_bytes: u64,
    /// How the answer ended.
    pub outcome: Outcome,
    /// From the start of answering to the end of the first write; `None`: there was none.
    pub first_byte: Option<Duration>,
}

/// What one request was, and what it did. Sizes in bytes.
#[derive(Clone, Copy)]
pub struct Record {
    /// Running number of the request, from 1, in the order in which answering began.
    pub request: u64,
    /// Who asked for what.
    pub asked: Asked,
    /// What it came to.
    pub answered: Answered,
    /// When it ended, since the program's start.
    pub at: Duration,
    /// From the start of answering to the end of the last write.
    pub duration: Duration,
    /// Requests that were being answered when this one ended, itself included.
    pub in_flight: u64,
    /// The process's live heap when answering began.
    pub live_before: u64,
    /// The process's live heap after this request's memory was freed.
    pub live_after: u64,
    /// The most that the process's live heap was since its start.
    pub live_peak: u64,
    /// What this request's thread did with the heap while answering.
    pub used: ThreadUse,
    /// What the system held for the process when answering began.
    pub resident_before: ResidentSet,
    /// And after this request's memory was freed.
    pub resident_after: ResidentSet,
}

/// The process's figures at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Since the program's start.
    pub at: Duration,
    /// Requests being answered.
    pub in_flight: u64,
    /// Requests that ended.
    pub requests: u64,
    /// Bytes of bodies sent, those of running answers included.
    pub sent_bytes: u64,
    /// Live heap.
    pub live: u64,
    /// Its peak.
    pub live_peak: u64,
    /// The most that one request's thread held.
    pub largest_request_peak: u64,
    /// Resident set.
    pub resident: ResidentSet,
    /// Allocations made.
    pub allocations: u64,
}

impl Sample {
    /// Whether anything has happened between the two.
    pub fn moved_to(&self, later: &Self) -> bool {
        let moving = |s: &Self| (s.in_flight, s.requests, s.sent_bytes, s.live);
        moving(self) != moving(later)
    }
}

/// The program's books.
pub struct Ledger {
    start: Instant,
    begun: AtomicU64,
    in_flight: AtomicU64,
    /// Bytes of bodies that were handed to the system.
    pub sent_bytes: AtomicU64,
    requests: AtomicU64,
    largest_request_peak: AtomicU64,
    resident: Mutex<Option<(Instant, ResidentSet)>>,
    /// What stderr is told.
    pub trace: Trace,
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
    /// Empty books; times count from now.
    pub fn new(trace: Trace) -> Self {
        Self {
            start: Instant::now(),
            begun: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            largest_request_peak: AtomicU64::new(0),
            resident: Mutex::new(None),
            trace,
        }
    }

    /// Opens an entry for a request that the calling thread begins to answer.
    pub fn open(&self) -> Entry {
        self.in_flight.fetch_add(1, Relaxed);
        let started = Instant::now();
        Entry {
            request: FEED.start(&self.begun, started - self.start),
            started,
            resident_before: self.resident_if_told(),
            live_before: heap::live_bytes(),
            heap: ThreadHeap::start(),
        }
    }

    /// Closes it: after the last byte, and after what the request held has been freed.
    pub fn close(&self, entry: &Entry, asked: &Asked, answered: &Answered, duration: Duration) {
        let used = entry.heap.since();
        let live_after = heap::live_bytes();
        let resident_after = self.resident_if_told();
        self.requests.fetch_add(1, Relaxed);
        self.largest_request_peak.fetch_max(used.peak_bytes, Relaxed);
        let record = Record {
            request: entry.request,
            asked: *asked,
            answered: *answered,
            at: self.start.elapsed(),
            duration,
            in_flight: self.in_flight.fetch_sub(1, Relaxed),
            live_before: entry.live_before,
            live_after,
            live_peak: heap::peak_bytes(),
            used,
            resident_before: entry.resident_before,
            resident_after,
        };
        self.trace.request(&record);
        FEED.end(&record);
    }

    /// Tells the end.
    pub fn stop(&self) {
        self.trace.stopped(self.sample());
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

    /// Unknown where nobody is told, since the reading is the dearest part of a record.
    fn resident_if_told(&self) -> ResidentSet {
        if self.trace.tells_requests() || FEED.has_readers() {
            self.resident()
        } else {
            ResidentSet::default()
        }
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
