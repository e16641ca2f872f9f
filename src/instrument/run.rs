//! The run: what a load costs, from the first answer that sends content of the file until none has been sent for a
//! second. Times count from the start of the program, and sizes are in bytes.
//!
//! This is pure: the [`ledger`](super::ledger) tells [`Runs`] what happens, and when. Nothing here uses the heap.

use std::time::Duration;

use crate::platform::ResidentSet;

use super::record::{Outcome, Record, Run};
use super::ring::Slot;
use super::sorted::Sorted;

/// A run ends when no content has been sent for this long.
const RUN_GAP: Duration = Duration::from_secs(1);
/// The number of requests of a run, and of those at once, of which the figures are kept one by one.
const KEPT_FIGURES: usize = 4096;

/// The figures of the process that a run takes over while it goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub at: Duration,
    /// The maximum of the live heap since the run began.
    pub heap_peak: u64,
    /// The bytes of content that were sent since the program started.
    pub sent_bytes: u64,
    /// The resident set, if it was read.
    pub resident: ResidentSet,
}

/// The run that goes on, and the last one that has ended.
pub struct Runs {
    current: Slot<Run>,
    last: Slot<Run>,
    /// The time of the last figures while content was being sent.
    idle_since: Duration,
    /// The bytes of content that had been sent, and the peak of the resident set, when the current run began.
    sent_bytes_before: u64,
    rss_peak_before: Option<u64>,
    /// What the requests hold, each from when it has got its memory until it frees it.
    held: Sorted<KEPT_FIGURES>,
    request_peaks: Sorted<KEPT_FIGURES>,
    first_bytes_us: Sorted<KEPT_FIGURES>,
}

impl Runs {
    pub const fn new() -> Self {
        Self {
            current: Slot::Empty,
            last: Slot::Empty,
            idle_since: Duration::ZERO,
            sent_bytes_before: 0,
            rss_peak_before: None,
            held: Sorted::new(),
            request_peaks: Sorted::new(),
            first_bytes_us: Sorted::new(),
        }
    }

    pub fn current(&self) -> Option<Run> {
        let Slot::Filled(current) = self.current else { return None };
        let median = |sorted: &Sorted<KEPT_FIGURES>| sorted.spread().map(|[_, median, _]| median);
        let same_peak = current.request_peaks.filter(|(least, most)| least == most).map(|(peak, _)| peak);
        Some(Run {
            request_peak_median: same_peak.or(median(&self.request_peaks)),
            first_byte_median: median(&self.first_bytes_us).map(Duration::from_micros),
            held: self.held.spread().map(|[least, _, most]| (least, most)),
            ..current
        })
    }

    pub fn last(&self) -> Option<Run> {
        if let Slot::Filled(last) = self.last { Some(last) } else { None }
    }

    /// Adds a request to the run, and starts one with the figures of the moment, `now`, if none goes on. Answering it
    /// began at `at`, when the live heap was `heap_before`. It is answered with content of a file of this size.
    pub fn begin(&mut self, at: Duration, heap_before: u64, file_bytes: u64, now: impl FnOnce() -> Figures) {
        if let Slot::Empty = self.current {
            let figures = now();
            self.sent_bytes_before = figures.sent_bytes;
            self.rss_peak_before = figures.resident.peak_bytes;
            self.request_peaks.clear();
            self.first_bytes_us.clear();
            let number = self.last().map_or(1, |last| last.number + 1);
            let rss_peak = figures.resident.now_bytes;
            self.current = Slot::Filled(Run { number, began: at, heap_before, rss_peak, ..Run::default() });
        }
        if let Slot::Filled(run) = &mut self.current {
            // Of two requests that begin together, the second may have been the first to open its entry.
            run.began = run.began.min(at);
            run.requests += 1;
            run.in_flight += 1;
            run.file_bytes = file_bytes;
        }
    }

    /// Says that a request has got its memory, and how much it holds.
    pub fn hold(&mut self, held_bytes: u64) {
        self.held.insert(held_bytes);
        if let Slot::Filled(run) = &mut self.current {
            run.at_once = run.at_once.max(self.held.count());
        }
    }

    /// Says that a request frees its memory, which was given to [`Runs::hold`].
    pub fn let_go(&mut self, held_bytes: u64) {
        self.held.remove(held_bytes);
    }

    /// Removes a request from those that are being answered.
    pub fn end(&mut self, request: &Record, figures: &Figures) {
        let Slot::Filled(run) = &mut self.current else { return };
        run.in_flight -= 1;
        run.outcomes.count(request.answered.outcome);
        if request.answered.outcome != Outcome::Refused {
            let peak = request.used.peak_bytes;
            let (least, most) = run.request_peaks.unwrap_or((peak, peak));
            run.request_peaks = Some((least.min(peak), most.max(peak)));
            self.request_peaks.insert(peak);
            if let Some(first_byte) = request.first_byte {
                run.first_byte_max = run.first_byte_max.max(Some(first_byte));
                self.first_bytes_us.insert(first_byte.as_micros() as u64);
            }
        }
        self.take_over(figures);
    }

    fn take_over(&mut self, figures: &Figures) {
        let Slot::Filled(run) = &mut self.current else { return };
        run.heap_peak = figures.heap_peak;
        run.sent_bytes = figures.sent_bytes - self.sent_bytes_before;
        self.idle_since = figures.at;
        let resident = figures.resident;
        let is_new_peak = resident.peak_bytes > self.rss_peak_before;
        run.rss_peak = run.rss_peak.max(if is_new_peak { resident.peak_bytes } else { resident.now_bytes });
    }

    /// Takes over the figures if content is being sent. If none has been sent for [`RUN_GAP`], ends and returns it.
    pub fn update(&mut self, figures: &Figures) -> Option<Run> {
        if let Slot::Filled(Run { in_flight: 1.., .. }) = self.current {
            self.take_over(figures);
            return None;
        }
        if figures.at < self.idle_since + RUN_GAP { None } else { self.finish() }
    }

    /// Ends the run, also if content is being sent.
    pub fn finish(&mut self) -> Option<Run> {
        let run = Run { ended: Some(self.idle_since), held: None, ..self.current()? };
        self.current = Slot::Empty;
        self.last = Slot::Filled(run);
        Some(run)
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
