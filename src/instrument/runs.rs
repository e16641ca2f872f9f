//! The runs of the program: the one that goes on, and the last one.
//!
//! This is pure: the [`ledger`](super::ledger) tells it what happens, with the time and the figures of that moment.
//! Nothing here uses the heap.

use std::time::Duration;

use crate::platform::ResidentSet;

use super::outcome::Outcome;
use super::run::{KEPT_FIGURES, Run};
use super::sorted::Sorted;

/// A run ends when no content has been sent for this long.
pub const RUN_GAP: Duration = Duration::from_secs(1);
/// The figures of the process that a run takes over while it goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// The time.
    pub at: Duration,
    /// The maximum of the live heap since the run began.
    pub heap_peak: u64,
    /// The bytes of content that were sent since the program started.
    pub sent_bytes: u64,
    /// The resident set, if it was read.
    pub resident: ResidentSet,
}

/// A request that begins to be answered with content of the file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beginning {
    /// The time at which answering began.
    pub at: Duration,
    /// The live heap of the process at that time.
    pub heap_before: u64,
    /// The size of the file.
    pub file_bytes: u64,
}

/// How a request of a run ended.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// How its answer ended.
    pub outcome: Outcome,
    /// The figure that was given to [`Runs::hold`], if it was called.
    pub held_bytes: Option<u64>,
    /// The maximum that it held.
    pub peak_bytes: u64,
    /// The time to its first byte.
    pub first_byte: Option<Duration>,
}

/// A run, or none. The tag of `Empty` is 0, unlike that of an `Option`: so a store without runs consists of zeros, and
/// its lists take no space in the program's file.
#[repr(u8)]
#[allow(clippy::large_enum_variant, reason = "there are two of them")]
enum Slot {
    Empty,
    Filled(Run),
}

impl Slot {
    fn get(&self) -> Option<&Run> {
        match self {
            Self::Empty => None,
            Self::Filled(run) => Some(run),
        }
    }

    fn get_mut(&mut self) -> Option<&mut Run> {
        match self {
            Self::Empty => None,
            Self::Filled(run) => Some(run),
        }
    }
}

/// The run that goes on, and the last one that has ended.
pub struct Runs {
    last_number: u64,
    current: Slot,
    last: Slot,
    /// The number of requests that hold their memory.
    holding: u64,
    /// When the last request of the current run ended.
    idle_since: Duration,
    /// The bytes of content that had been sent, and the peak of the resident set, when the current run began.
    sent_bytes_before: u64,
    rss_peak_before: Option<u64>,
    held: Sorted<KEPT_FIGURES>,
    request_peaks: Sorted<KEPT_FIGURES>,
    first_bytes_us: Sorted<KEPT_FIGURES>,
}

impl Runs {
    /// Creates a store without runs.
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

    /// The run that goes on.
    pub fn current(&self) -> Option<Run> {
        let current = *self.current.get()?;
        Some(Run {
            request_peak_median: self.median_of_peaks(&current),
            first_byte_median: self.first_bytes_us.median().map(Duration::from_micros),
            held: self.held.range(),
            ..current
        })
    }

    /// The last run that has ended.
    pub fn last(&self) -> Option<Run> {
        self.last.get().copied()
    }

    /// Starts a run. There must be none that goes on. `figures` are those of the moment.
    pub fn start(&mut self, first: Beginning, figures: &Figures) {
        self.last_number += 1;
        self.sent_bytes_before = figures.sent_bytes;
        self.rss_peak_before = figures.resident.peak_bytes;
        self.held.clear();
        self.request_peaks.clear();
        self.first_bytes_us.clear();
        self.current = Slot::Filled(Run {
            number: self.last_number,
            began: first.at,
            heap_before: first.heap_before,
            rss_peak: figures.resident.now_bytes,
            ..Run::default()
        });
    }

    /// Adds a request to the run that goes on.
    pub fn begin(&mut self, request: Beginning) {
        if let Some(run) = self.current.get_mut() {
            // Of two requests that begin together, the second may have been the first to open its entry.
            run.began = run.began.min(request.at);
            run.requests += 1;
            run.in_flight += 1;
            run.file_bytes = request.file_bytes;
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

    /// Removes a request from those that are being answered.
    pub fn end(&mut self, request: &Ending, figures: &Figures) {
        if let Some(held_bytes) = request.held_bytes {
            self.holding -= 1;
            self.held.remove(held_bytes);
        }
        let Some(run) = self.current.get_mut() else { return };
        run.in_flight -= 1;
        run.outcomes.count(request.outcome);
        if request.outcome != Outcome::Refused {
            let peak = request.peak_bytes;
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

    /// Whether there is a run that goes on.
    pub fn goes_on(&self) -> bool {
        self.current.get().is_some()
    }

    /// Whether content is being sent.
    pub fn is_busy(&self) -> bool {
        self.current.get().is_some_and(|run| run.in_flight > 0)
    }

    /// Ends the run if no content has been sent for [`RUN_GAP`] before `now`. Returns it then.
    pub fn end_if_over(&mut self, now: Duration) -> Option<Run> {
        let is_over = self.goes_on() && !self.is_busy() && now >= self.idle_since + RUN_GAP;
        is_over.then(|| self.finish(self.idle_since))?
    }

    /// Ends the run, also if content is being sent. For the end of the program.
    pub fn stop(&mut self, figures: &Figures) -> Option<Run> {
        let ended = if self.is_busy() { figures.at } else { self.idle_since };
        if self.is_busy() {
            self.update(figures);
        }
        self.finish(ended)
    }

    fn finish(&mut self, ended: Duration) -> Option<Run> {
        let run = self.current()?;
        self.current = Slot::Empty;
        self.last = Slot::Filled(Run { ended: Some(ended), held: None, ..run });
        self.last()
    }

    fn median_of_peaks(&self, run: &Run) -> Option<u64> {
        match run.request_peaks {
            Some((least, most)) if least == most => Some(least),
            _ => self.request_peaks.median(),
        }
    }
}

#[cfg(test)]
#[path = "runs_tests.rs"]
mod tests;
