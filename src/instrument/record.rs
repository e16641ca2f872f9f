//! What is known about a request that has ended, about a run, and about the process at one point in time. This is plain
//! data, without the heap. Sizes are in bytes, and times count from the start of the program.

use std::net::SocketAddr;
use std::time::Duration;

use crate::http::range::ByteRange;
use crate::platform::ResidentSet;

use super::buffer::NoMemory;
use super::fixed_text::FixedText;
use super::heap::ThreadUse;

/// The client, and what it requested.
#[derive(Clone, Copy)]
pub struct Asked {
    /// The number of the connection, from 1.
    pub connection: u64,
    pub peer: SocketAddr,
    /// The method and the target. Long ones are cut.
    pub method: FixedText<16>,
    pub target: FixedText<256>,
}

/// The answer.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    pub status: u16,
    /// The range of the file, if the status is 206.
    pub range: Option<ByteRange>,
    /// The size of the complete body.
    pub body_bytes: u64,
    pub outcome: Outcome,
}

/// How an answer ended. The error of what sends an answer is any but [`Outcome::Sent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Sent,
    /// The client disconnected. This is normal: browsers do it when the user seeks.
    ClientClosed,
    /// The client took nothing of the answer until the timeout was over.
    TimedOut,
    /// The file could not be read to its end. Usually it has become shorter.
    Short,
    /// The server was stopped while an answer with a limited rate was being sent.
    Stopped,
    /// The answer was a 503, because there was no memory or no file descriptor, or because of the heap limit.
    Refused,
    /// There is no memory for the buffer, and nothing has been sent yet. The request is then refused.
    NoMemory(NoMemory),
    Missing,
    Forbidden,
    /// The file could not be opened, or already its first read failed. The answer was a 500.
    Unreadable,
    /// The program has an error: answering panicked, or a message did not fit.
    Failed,
}

impl Outcome {
    /// The name in the trace.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::ClientClosed => "client_closed",
            Self::TimedOut => "timed_out",
            Self::Short => "short",
            Self::Stopped => "stopped",
            Self::Refused | Self::NoMemory(_) => "refused",
            Self::Missing => "missing",
            Self::Forbidden => "forbidden",
            Self::Unreadable => "unreadable",
            Self::Failed => "failed",
        }
    }
}

/// A request that has ended. `before` and `after` mean: when answering began, and after its memory was freed. The heap
/// and the resident set are those of the whole process, and peaks count from its start.
#[derive(Clone, Copy)]
pub struct Record {
    /// The number of the request, from 1, in the order in which answering began.
    pub request: u64,
    pub asked: Asked,
    pub answered: Answered,
    /// The number of bytes of the body that the kernel has taken.
    pub sent_bytes: u64,
    /// The time from the start of answering to the end of the first write. `None` if there was no write.
    pub first_byte: Option<Duration>,
    /// The time at which the request ended, since the program started.
    pub at: Duration,
    /// The time from the start of answering until the answer was sent and its memory was freed.
    pub duration: Duration,
    /// The number of requests that were being answered when this one ended, including this one.
    pub in_flight: u64,
    pub live_before: u64,
    pub live_after: u64,
    pub live_peak: u64,
    /// What the thread of this request did with the heap while it answered.
    pub used: ThreadUse,
    pub resident_before: ResidentSet,
    pub resident_after: ResidentSet,
}

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

/// What is known of a run. Its requests are GETs answered with content of the file, or a 503 for lack of memory.
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
    /// The median of the same. `None` also if there are too many to keep them all, and they are not all the same.
    pub request_peak_median: Option<u64>,
    /// The least and the most of the peaks, so far, of the requests that hold their memory now.
    pub held: Option<(u64, u64)>,
    /// The live heap of the process when the first request began.
    pub heap_before: u64,
    pub heap_peak: u64,
    /// The maximum of the resident set in the run: exact if it is the program's, otherwise the highest that was read.
    pub rss_peak: Option<u64>,
    /// The median of the times to the first byte. `None` also if there are too many to keep them all.
    pub first_byte_median: Option<Duration>,
    pub first_byte_max: Option<Duration>,
    /// The bytes of content that were sent.
    pub sent_bytes: u64,
    /// The size of the file, when the last request of the run began.
    pub file_bytes: u64,
}

/// The figures of the process at one point in time. `live` is the heap, and `requests` is the number of those that have
/// ended. Peaks, numbers and times count from the start of the process.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub at: Duration,
    pub in_flight: u64,
    pub requests: u64,
    /// The number of bytes of bodies that the kernel has taken, including answers that are not complete yet.
    pub sent_bytes: u64,
    pub live: u64,
    pub live_peak: u64,
    pub largest_request_peak: u64,
    pub resident: ResidentSet,
    pub allocations: u64,
    /// As the last request with content found it.
    pub file_bytes: u64,
    pub run: Option<Run>,
    pub last_run: Option<Run>,
}
