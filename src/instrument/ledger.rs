//! The ledger: the one owner of the requests' numbers, of their starts and ends, and of the [`run`](super::run).
//!
//! It keeps the counts of the program, and one open entry for each request that is being answered. It tells the
//! [`feed`](super::feed) of each start and end, and the [`trace`] of each end. All of this happens under
//! one lock, so the order is the same everywhere, and a sample includes every request whose end came before it. Nothing
//! here allocates, so that the instrument does not change what it measures.

mod entry;

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::platform::{self, ResidentSet};

use super::buffer::HeapLimit;
use super::feed::FEED;
use super::record::{Run, Sample};
use super::run::{Figures, Runs};
use super::trace::{self, Trace};
use super::{heap, lock};

pub use entry::Entry;

/// How long a reading of the resident set is used again. Each reading takes 13 us.
const RESIDENT_SET_MAX_AGE: Duration = Duration::from_millis(1);

/// The interval between two samples while a request runs, a run goes on or the figures change.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);
/// The interval between two samples otherwise, if a page is open. It ends up to [`SAMPLE_INTERVAL`] later, so that
/// there is a sample at least once per second. The server notices that a page was closed when it fails to send one.
const IDLE_SAMPLE_INTERVAL: Duration = Duration::from_millis(850);

pub struct Ledger {
    start: Instant,
    /// When the program started, in milliseconds of Unix time. It tells two programs with the same process id apart.
    pub started_ms: u64,
    trace: Trace,
    /// A buffer that would take the live heap above this is not allocated.
    pub heap_limit: HeapLimit,
    /// The size of the file at the start.
    file_bytes: u64,
    /// The bytes of bodies that the kernel has taken: of content of the file, and others.
    content_bytes: AtomicU64,
    other_bytes: AtomicU64,
    /// The last reading of the resident set, and its time.
    resident: Mutex<(Option<Instant>, ResidentSet)>,
}

/// What the lock protects. It is static, because it is large, and would be part of the figures on the heap.
static STATE: Mutex<State> =
    Mutex::new(State { started: 0, ended: 0, ended_sent_bytes: 0, largest_request_peak: 0, runs: Runs::new() });

struct State {
    /// The number of requests whose answering has begun, and the number of those that have ended.
    started: u64,
    ended: u64,
    ended_sent_bytes: u64,
    largest_request_peak: u64,
    runs: Runs,
}

impl Ledger {
    /// Creates the ledger. Times count from now.
    pub fn new(trace: Trace, heap_limit: HeapLimit, file_bytes: u64) -> Self {
        Self {
            start: Instant::now(),
            started_ms: SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis() as u64,
            trace,
            heap_limit,
            file_bytes,
            content_bytes: AtomicU64::new(0),
            other_bytes: AtomicU64::new(0),
            resident: Mutex::default(),
        }
    }

    pub fn sample(&self) -> Sample {
        self.sample_under(&mut lock(&STATE))
    }

    /// Starts the thread that adds samples to the feed, for later pages, too. It also notices the end of a run.
    pub fn record_samples(&'static self) -> io::Result<()> {
        let mut last = None;
        self.add_sample(&mut last);
        let run = move || loop {
            thread::sleep(SAMPLE_INTERVAL);
            self.add_sample(&mut last);
        };
        thread::Builder::new().name("recorder".to_owned()).spawn(run).map(drop)
    }

    /// Adds a sample to the feed, unless it is like the `last` one and no page waits for it.
    fn add_sample(&self, last: &mut Option<Sample>) {
        let mut state = lock(&STATE);
        let now = self.sample_under(&mut state);
        let activity = |s: &Sample| (s.in_flight, s.requests, s.sent_bytes, s.live, s.run.is_some());
        let is_busy = now.in_flight > 0 || now.run.is_some();
        let is_old = |last: &Sample| FEED.has_readers() && now.at - last.at >= IDLE_SAMPLE_INTERVAL;
        if is_busy || last.as_ref().is_none_or(|last| activity(last) != activity(&now) || is_old(last)) {
            *last = Some(now);
            FEED.add_sample(&now);
            drop(state);
            FEED.wake_readers();
        }
    }

    /// Ends the trace: tells of the run that goes on, if any, and then sums up all requests that have ended until now.
    pub fn close(&self) {
        let mut state = lock(&STATE);
        let sample = self.sample_under(&mut state);
        self.tell_run(state.runs.finish());
        self.trace.tell(trace::Entry::Stopped(Sample { sent_bytes: state.ended_sent_bytes, ..sample }));
    }

    fn sample_under(&self, state: &mut State) -> Sample {
        let figures = self.figures(self.resident());
        self.tell_run(state.runs.update(&figures));
        let (run, last_run) = (state.runs.current(), state.runs.last());
        Sample {
            at: figures.at,
            in_flight: state.started - state.ended,
            requests: state.ended,
            sent_bytes: figures.sent_bytes + self.other_bytes.load(Relaxed),
            live: heap::live_bytes(),
            live_peak: heap::peak_bytes(),
            largest_request_peak: state.largest_request_peak,
            resident: figures.resident,
            allocations: heap::allocations(),
            file_bytes: run.or(last_run).map_or(self.file_bytes, |run| run.file_bytes),
            run,
            last_run,
        }
    }

    /// What a run takes over of the process. To be called under the lock, so that a run's times are in order.
    fn figures(&self, resident: ResidentSet) -> Figures {
        Figures {
            at: self.start.elapsed(),
            heap_peak: heap::span_peak_bytes(),
            sent_bytes: self.content_bytes.load(Relaxed),
            resident,
        }
    }

    /// Traces a run that has ended. One request is told of by its own line.
    fn tell_run(&self, ended: Option<Run>) {
        if let Some(run) = ended.filter(|run| run.requests > 1) {
            self.trace.tell(trace::Entry::Run(run));
        }
    }

    /// The resident set, or unknown if nobody would see it. Reading it costs more than the rest of a record.
    fn resident_if_reported(&self) -> ResidentSet {
        let is_reported = self.trace.shows_requests() || FEED.has_readers();
        if is_reported { self.resident() } else { ResidentSet::default() }
    }

    fn resident(&self) -> ResidentSet {
        let (read_at, last) = &mut *lock(&self.resident);
        if read_at.is_none_or(|read_at| read_at.elapsed() >= RESIDENT_SET_MAX_AGE) {
            let now = platform::resident_set();
            // Linux updates its own peak late, so a reading can be above it.
            let peak_bytes = now.peak_bytes.max(now.now_bytes).max(last.peak_bytes);
            *last = ResidentSet { peak_bytes, ..now };
            *read_at = Some(Instant::now());
        }
        *last
    }
}
