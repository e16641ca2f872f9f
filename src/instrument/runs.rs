//! The runs of the program: the one that goes on, and the last one.
//!
//! This is pure: the [`ledger`](super::ledger) tells it what happens, with the time and the figures of that moment.
//! Nothing here uses the heap.

use std::time::Duration;

use crate::platform::ResidentSet;

use super::record::{Outcome, Record};
use super::ring::Slot;
use super::run::{KEPT_FIGURES, Run};
use super::sorted::Sorted;

/// A run ends when no content has been sent for this long.
const RUN_GAP: Duration = Duration::from_secs(1);

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
    last_number: u64,
    current: Slot<Run>,
    last: Slot<Run>,
    /// The number of requests that hold their memory.
    holding: u64,
    idle_since: Duration,
    /// The bytes of content that had been sent, and the peak of the resident set, when the current run began.
    sent_bytes_before: u64,
    rss_peak_before: Option<u64>,
    held: Sorted<KEPT_FIGURES>,
    request_peaks: Sorted<KEPT_FIGURES>,
    first_bytes_us: Sorted<KEPT_FIGURES>,
}

impl Runs {
    pub const fn new() -> Self {
        Self {
            last_number: 0,
            current: Slot::Empty,
            last: Slot::Empty,
            holding: 0,
            idle_since: Duration::ZERO,
            sent_bytes_before: 0,
            rss_peak_before: None,
            held: Sorted::new(),
            request_peaks: Sorted::new(),
            first_bytes_us: Sorted::new(),
        }
    }

    pub fn current(&self) -> Option<Run> {
        let current = *self.current.get()?;
        Some(Run {
            request_peak_median: match current.request_peaks {
                Some((least, most)) if least == most => Some(least),
                _ => self.request_peaks.median(),
            },
            first_byte_median: self.first_bytes_us.median().map(Duration::from_micros),
            held: self.held.range(),
            ..current
        })
    }

    pub fn last(&self) -> Option<Run> {
        self.last.get().copied()
    }

    /// Starts a run. There must be none that goes on. `heap_before` is the live heap when its first request began, and
    /// `figures` are those of the moment.
    pub fn start(&mut self, heap_before: u64, figures: &Figures) {
        self.last_number += 1;
        self.sent_bytes_before = figures.sent_bytes;
        self.rss_peak_before = figures.resident.peak_bytes;
        self.held.clear();
        self.request_peaks.clear();
        self.first_bytes_us.clear();
        self.current = Slot::Filled(Run {
            number: self.last_number,
            began: figures.at,
            heap_before,
            rss_peak: figures.resident.now_bytes,
            ..Run::default()
        });
    }

    /// Adds a request to the run that goes on. Answering it began at `at`, with content of a file of this size.
    pub fn begin(&mut self, at: Duration, file_bytes: u64) {
        if let Some(run) = self.current.get_mut() {
            // Of two requests that begin together, the second may have been the first to open its entry.
            run.began = run.began.min(at);
            run.requests += 1;
            run.in_flight += 1;
            run.file_bytes = file_bytes;
        }
    }

    /// Says that a request has got its memory, and how much it holds.
    pub fn hold(&mut self, held_bytes: u64) {
        self.holding += 1;
        self.held.insert(held_bytes);
        if let Some(run) = self.current.get_mut() {
            run.at_once = run.at_once.max(self.holding);
        }
    }

    /// Removes a request from those that are being answered. `held_bytes` was given to [`Runs::hold`], if it was called.
    pub fn end(&mut self, request: &Record, held_bytes: Option<u64>, figures: &Figures) {
        if let Some(held_bytes) = held_bytes {
            self.holding -= 1;
            self.held.remove(held_bytes);
        }
        let Some(run) = self.current.get_mut() else { return };
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
        self.idle_since = figures.at;
        self.update(figures);
    }

    /// Takes over the figures of the moment.
    pub fn update(&mut self, figures: &Figures) {
        let Some(run) = self.current.get_mut() else { return };
        run.heap_peak = figures.heap_peak;
        run.sent_bytes = figures.sent_bytes - self.sent_bytes_before;
        let resident = figures.resident;
        let is_new_peak = resident.peak_bytes > self.rss_peak_before;
        run.rss_peak = run.rss_peak.max(if is_new_peak { resident.peak_bytes } else { resident.now_bytes });
    }

    pub fn goes_on(&self) -> bool {
        self.current.get().is_some()
    }

    /// Whether content is being sent.
    pub fn is_busy(&self) -> bool {
        self.current.get().is_some_and(|run| run.in_flight > 0)
    }

    /// Ends the run if no content has been sent for [`RUN_GAP`] before `now`. Returns it then.
    pub fn end_if_over(&mut self, now: Duration) -> Option<Run> {
        if self.is_busy() || now < self.idle_since + RUN_GAP { None } else { self.finish(self.idle_since) }
    }

    /// Ends the run, also if content is being sent. For the end of the program.
    pub fn stop(&mut self, figures: &Figures) -> Option<Run> {
        if !self.is_busy() {
            return self.finish(self.idle_since);
        }
        self.update(figures);
        self.finish(figures.at)
    }

    fn finish(&mut self, ended: Duration) -> Option<Run> {
        let run = self.current()?;
        self.current = Slot::Empty;
        self.last = Slot::Filled(Run { ended: Some(ended), held: None, ..run });
        self.last()
    }
}

#[cfg(test)]
#[path = "runs_tests.rs"]
mod tests;
