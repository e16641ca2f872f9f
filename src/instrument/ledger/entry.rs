//! The entry of one request in the ledger, from the start of answering to its end.

use std::cell::Cell;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::instrument::feed::FEED;
use crate::instrument::heap::{self, ThreadUse};
use crate::instrument::record::{Answered, Asked, Outcome, Record};
use crate::instrument::{buffer, lock, trace};
use crate::platform::ResidentSet;

use super::{Ledger, STATE};

/// A request that is being answered, on the thread that opened the entry.
pub struct Entry<'a> {
    ledger: &'a Ledger,
    request: u64,
    pub started: Instant,
    live_before: u64,
    resident_before: ResidentSet,
    sent_bytes: Cell<u64>,
    first_byte: Cell<Option<Duration>>,
    is_in_run: Cell<bool>,
    /// The memory that it has now for content of the file. What is sent meanwhile is that content.
    held_bytes: Cell<Option<u64>>,
}

/// A buffer for content of the file. Until it is dropped, its request is one of those that hold their memory.
pub struct Held<'a> {
    entry: &'a Entry<'a>,
    buffer: Vec<u8>,
}

impl Ledger {
    /// Opens an entry for a request that the calling thread begins to answer.
    pub fn open(&self) -> Entry<'_> {
        let started = Instant::now();
        let mut state = lock(&STATE);
        state.started += 1;
        let request = state.started;
        FEED.add_start(request, started.saturating_duration_since(self.start));
        drop(state);
        ThreadUse::begin();
        Entry {
            ledger: self,
            request,
            started,
            resident_before: self.resident_if_reported(),
            live_before: heap::live_bytes(),
            sent_bytes: Cell::new(0),
            first_byte: Cell::new(None),
            is_in_run: Cell::new(false),
            held_bytes: Cell::new(None),
        }
    }
}

impl Entry<'_> {
    /// Adds the request to the run. Its answer has content of a file of this size, if there is memory for it.
    pub fn begin_content(&self, file_bytes: u64) {
        let ledger = self.ledger;
        let mut state = lock(&STATE);
        ledger.tell_run(state.runs.update(&ledger.figures(ResidentSet::default())));
        let began = self.started.saturating_duration_since(ledger.start);
        state.runs.begin(began, self.live_before, file_bytes, || {
            heap::start_span();
            ledger.figures(ledger.resident())
        });
        self.is_in_run.set(true);
    }

    /// Allocates a buffer for content of the file, within the heap limit.
    pub fn buffer(&self, bytes: u64) -> Result<Held<'_>, Outcome> {
        let buffer = buffer::allocate(bytes, self.ledger.heap_limit.bytes).map_err(Outcome::NoMemory)?;
        self.hold();
        Ok(Held { entry: self, buffer })
    }

    /// Says that the request has the memory that its content needs.
    pub fn hold(&self) {
        let held_bytes = ThreadUse::so_far().peak_bytes;
        lock(&STATE).runs.hold(held_bytes);
        self.held_bytes.set(Some(held_bytes));
    }

    fn let_go(&self) {
        self.held_bytes.take().inspect(|&held_bytes| lock(&STATE).runs.let_go(held_bytes));
    }

    /// Counts bytes of the body that the kernel has taken. The first call, also of 0, gives the time to the first byte.
    pub fn sent(&self, bytes: u64) {
        let Ledger { content_bytes, other_bytes, .. } = self.ledger;
        let counter = if self.held_bytes.get().is_some() { content_bytes } else { other_bytes };
        counter.fetch_add(bytes, Relaxed);
        self.sent_bytes.set(self.sent_bytes.get() + bytes);
        if self.first_byte.get().is_none() {
            self.first_byte.set(Some(self.started.elapsed()));
        }
    }

    /// Closes the entry. It took `duration` to send the answer and to free its memory.
    pub fn close(self, asked: Asked, answered: Answered, duration: Duration) {
        // An empty file needs no buffer.
        self.let_go();
        let ledger = self.ledger;
        let used = ThreadUse::so_far();
        let resident_after = ledger.resident_if_reported();
        let mut state = lock(&STATE);
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
        if self.is_in_run.get() {
            state.runs.end(&record, &figures);
        }
        FEED.add_end(&record);
        ledger.trace.tell(trace::Entry::Request(record));
    }
}

impl Drop for Held<'_> {
    /// The request first lets go. Otherwise another one could get the memory while this one counts.
    fn drop(&mut self) {
        self.entry.let_go();
        buffer::free(mem::take(&mut self.buffer));
    }
}

impl Deref for Held<'_> {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.buffer
    }
}

/// For filling the buffer, which must not grow.
impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }
}
