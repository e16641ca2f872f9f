//! The run: what a load costs, from the first answer that sends content of the file until none has been sent for a
//! second. These are plain data, as in [`record`](super::record). Times count from the start of the program, and sizes
//! are in bytes.

use std::time::Duration;

use super::outcome::Outcome;

/// The number of requests of a run, and of requests that are answered at once, of which the figures are kept one by
/// one.
pub const KEPT_FIGURES: usize = 4096;

/// How the requests of a run ended. Each field counts the requests with that [`Outcome`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    pub complete: u64,
    pub client_closed: u64,
    pub timed_out: u64,
    pub short: u64,
    pub stopped: u64,
    /// Any other.
    pub failed: u64,
    /// [`Outcome::Refused`], for lack of memory.
    pub refused: u64,
}

impl Outcomes {
    pub fn count(&mut self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Sent => &mut self.complete,
            Outcome::ClientClosed => &mut self.client_closed,
            Outcome::TimedOut => &mut self.timed_out,
            Outcome::Short => &mut self.short,
            Outcome::Stopped => &mut self.stopped,
            Outcome::Refused | Outcome::NoMemory(_) => &mut self.refused,
            Outcome::Missing | Outcome::Forbidden | Outcome::Unreadable | Outcome::Failed => &mut self.failed,
        };
        *counter += 1;
    }

    /// The number of answers that began and are not complete.
    pub fn cut_short(&self) -> u64 {
        self.client_closed + self.timed_out + self.short + self.stopped + self.failed
    }
}

/// What is known of a run. A request in it is a GET that is answered with content of the file (200 or 206), or that
/// would be if there were memory for it (503).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    pub number: u64,
    pub began: Duration,
    /// The time at which its last answer ended. `None` while the run goes on.
    pub ended: Option<Duration>,
    /// The number of requests, including those that are being answered.
    pub requests: u64,
    pub in_flight: u64,
    /// The maximum of requests that held their memory at the same time. Refused ones never do.
    pub at_once: u64,
    pub outcomes: Outcomes,
    /// The least and the most of the peaks of the requests that have ended and were not refused.
    pub request_peaks: Option<(u64, u64)>,
    /// The median of the same. `None` also if there are more than [`KEPT_FIGURES`] and they are not all the same.
    pub request_peak_median: Option<u64>,
    /// The least and the most of the peaks, so far, of the requests that are being answered.
    pub held: Option<(u64, u64)>,
    /// The live heap of the process when the first request began.
    pub heap_before: u64,
    pub heap_peak: u64,
    /// The maximum of the resident set in the run. It is exact if it is the maximum since the program started,
    /// otherwise it is the highest that was read.
    pub rss_peak: Option<u64>,
    /// The median of the times to the first byte. `None` also if there are more than [`KEPT_FIGURES`].
    pub first_byte_median: Option<Duration>,
    pub first_byte_max: Option<Duration>,
    /// The bytes of content that were sent.
    pub sent_bytes: u64,
    /// The size of the file, when the last request of the run began.
    pub file_bytes: u64,
}
