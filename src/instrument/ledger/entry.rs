//! The entry of one request in the ledger, from the start of answering to its end.

use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::instrument::buffer::Buffer;
use crate::instrument::feed::FEED;
use crate::instrument::heap::{self, ThreadHeap};
use crate::instrument::record::{Answered, Asked, Outcome, Record};
use crate::instrument::trace;
use crate::platform::ResidentSet;

use super::{Ledger, lock};

/// A request that is being answered, on the thread that opened the entry.
pub struct Entry<'a> {
    ledger: &'a Ledger,
    request: u64,
    pub started: Instant,
    heap: ThreadHeap,
    live_before: u64,
    resident_before: ResidentSet,
    sent_bytes: Cell<u64>,
    first_byte: Cell<Option<Duration>>,
    part: Cell<Part>,
}

/// The part that a request has in the run.
#[derive(Clone, Copy)]
enum Part {
    /// It is answered without content of the file.
    None,
    /// It is in the run, and has no memory yet.
    Begun,
    /// It has its memory, this many bytes.
    Holds(u64),
    /// The same, but it sends something other than content of the file.
    SendsNone(u64),
}

impl Ledger {
    /// Opens an entry for a request that the calling thread begins to answer.
    pub fn open(&self) -> Entry<'_> {
        let started = Instant::now();
        let mut state = lock();
        state.started += 1;
        let request = state.started;
        FEED.add_start(request, started.saturating_duration_since(self.start));
        drop(state);
        Entry {
            ledger: self,
            request,
            started,
            resident_before: self.resident_if_reported(),
            live_before: heap::live_bytes(),
            heap: ThreadHeap::start(),
            sent_bytes: Cell::new(0),
            first_byte: Cell::new(None),
            part: Cell::new(Part::None),
        }
    }
}

impl Entry<'_> {
    /// Adds the request to the run. Its answer has content of a file of this size, if there is memory for it.
    pub fn begin_content(&self, file_bytes: u64) {
        let ledger = self.ledger;
        let mut state = lock();
        ledger.tell_run(state.runs.end_if_over(ledger.start.elapsed()));
        if !state.runs.goes_on() {
            heap::start_span();
            state.runs.start(self.live_before, &ledger.figures(ledger.resident()));
        }
        state.runs.begin(self.started.saturating_duration_since(ledger.start), file_bytes);
        state.file_bytes = file_bytes;
        self.part.set(Part::Begun);
    }

    /// Allocates a buffer for content of the file, within the heap limit.
    pub fn buffer(&self, bytes: u64) -> Result<Buffer, Outcome> {
        let limit_bytes = self.ledger.heap_limit_bytes;
        let buffer = Buffer::try_new(bytes, limit_bytes).map_err(Outcome::NoMemory)?;
        self.hold();
        Ok(buffer)
    }

    /// Says that the request has the memory that its content needs.
    pub fn hold(&self) {
        let held_bytes = self.heap.since().peak_bytes;
        lock().runs.hold(held_bytes);
        self.part.set(Part::Holds(held_bytes));
    }

    /// Says that what is sent from now on is no content of the file, which cannot be read.
    pub fn give_up_content(&self) {
        if let Part::Holds(held_bytes) = self.part.get() {
            self.part.set(Part::SendsNone(held_bytes));
        }
    }

    /// Counts bytes of the body that the kernel has taken, possibly none. The first call gives the time to the first
    /// byte.
    pub fn sent(&self, bytes: u64) {
        let is_content = matches!(self.part.get(), Part::Holds(_));
        let counter = if is_content { &self.ledger.content_bytes } else { &self.ledger.other_bytes };
        counter.fetch_add(bytes, Relaxed);
        self.sent_bytes.set(self.sent_bytes.get() + bytes);
        if self.first_byte.get().is_none() {
            self.first_byte.set(Some(self.started.elapsed()));
        }
    }

    /// Closes the entry. All of the answer has been sent then, and its memory has been freed. `duration` is how long
    /// this took.
    pub fn close(self, asked: Asked, answered: Answered, duration: Duration) {
        let ledger = self.ledger;
        let used = self.heap.since();
        let resident_after = ledger.resident_if_reported();
        let mut state = lock();
        let figures = ledger.figures(resident_after);
        let in_flight = state.started - state.ended;
        state.ended += 1;
        state.ended_sent_bytes += self.sent_bytes.get();
        state.largest_request_peak = state.largest_request_peak.max(used.peak_bytes);
        let record = Record {
            request: self.request,
            asked,
            answered,
            sent_bytes: self.sent_bytes.get(),
            first_byte: self.first_byte.get(),
            at: figures.at,
            duration,
            in_flight,
            live_before: self.live_before,
            live_after: heap::live_bytes(),
            live_peak: heap::peak_bytes(),
            used,
            resident_before: self.resident_before,
            resident_after,
        };
        match self.part.get() {
            Part::None => {}
            Part::Begun => state.runs.end(&record, None, &figures),
            Part::Holds(bytes) | Part::SendsNone(bytes) => state.runs.end(&record, Some(bytes), &figures),
        }
        if !state.is_closed {
            FEED.add_end(&record);
            ledger.trace.tell(trace::Entry::Request(record));
        }
    }
}
