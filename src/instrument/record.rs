//! What is known about a request that has ended, and about the process at one point in time. These are plain data: they
//! can be copied, and do not use the heap. Sizes are in bytes.

use std::net::SocketAddr;
use std::time::Duration;

use crate::http::range::ByteRange;
use crate::platform::ResidentSet;

use super::buffer::NoMemory;
use super::fixed_text::FixedText;
use super::heap::ThreadUse;
use super::run::Run;

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer was sent completely.
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
    /// The file does not exist.
    Missing,
    /// The file cannot be read.
    Forbidden,
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
            Self::Refused => "refused",
            Self::Missing => "missing",
            Self::Forbidden => "forbidden",
            Self::Failed => "failed",
        }
    }
}

/// Why an answer was not sent completely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// See [`Outcome::ClientClosed`].
    ClientClosed,
    /// See [`Outcome::TimedOut`].
    TimedOut,
    /// See [`Outcome::Short`].
    Short,
    /// See [`Outcome::Stopped`].
    Stopped,
    /// There is no memory for the buffer. Nothing has been sent.
    NoMemory(NoMemory),
    /// See [`Outcome::Failed`].
    Failed,
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::ClientClosed => Self::ClientClosed,
            Failure::TimedOut => Self::TimedOut,
            Failure::Short => Self::Short,
            Failure::Stopped => Self::Stopped,
            Failure::NoMemory(_) => Self::Refused,
            Failure::Failed => Self::Failed,
        }
    }
}

impl From<NoMemory> for Failure {
    fn from(no_memory: NoMemory) -> Self {
        Self::NoMemory(no_memory)
    }
}

/// The client, and what it requested.
#[derive(Clone, Copy)]
pub struct Asked {
    /// The number of the connection, from 1.
    pub connection: u64,
    /// The client's address.
    pub peer: SocketAddr,
    /// The method. An unknown one is cut if it is long.
    pub method: FixedText<16>,
    /// The target. A long one is cut.
    pub target: FixedText<256>,
}

/// The answer.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// The status code.
    pub status: u16,
    /// The range of the file, if the status is 206.
    pub range: Option<ByteRange>,
    /// The size of the complete body.
    pub body_bytes: u64,
    /// How the answer ended.
    pub outcome: Outcome,
}

/// A request that has ended.
#[derive(Clone, Copy)]
pub struct Record {
    /// The number of the request, from 1, in the order in which answering began.
    pub request: u64,
    /// The client, and what it requested.
    pub asked: Asked,
    /// The answer.
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
    /// The live heap of the process when answering began.
    pub live_before: u64,
    /// The live heap of the process after the memory of the request was freed.
    pub live_after: u64,
    /// The maximum of the live heap of the process since it started.
    pub live_peak: u64,
    /// What the thread of this request did with the heap while it answered.
    pub used: ThreadUse,
    /// The resident set of the process when answering began.
    pub resident_before: ResidentSet,
    /// The resident set of the process after the memory of the request was freed.
    pub resident_after: ResidentSet,
}

/// The figures of the process at one point in time.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The time since the program started.
    pub at: Duration,
    /// The number of requests that are being answered.
    pub in_flight: u64,
    /// The number of requests that have ended.
    pub requests: u64,
    /// The number of bytes of bodies that the kernel has taken, including answers that are not complete yet.
    pub sent_bytes: u64,
    /// The live heap.
    pub live: u64,
    /// The maximum of the live heap since the program started.
    pub live_peak: u64,
    /// The maximum of the memory that one request used.
    pub largest_request_peak: u64,
    /// The resident set.
    pub resident: ResidentSet,
    /// The number of allocations and reallocations since the program started.
    pub allocations: u64,
    /// The size of the file, as the last request found it.
    pub file_bytes: u64,
    /// The run that goes on.
    pub run: Option<Run>,
    /// The last run that has ended.
    pub last_run: Option<Run>,
}

impl Sample {
    /// Whether anything has happened since `earlier`.
    pub fn has_changed_since(&self, earlier: &Self) -> bool {
        let activity = |s: &Self| (s.in_flight, s.requests, s.sent_bytes, s.live, s.run.is_some());
        activity(self) != activity(earlier)
    }
}
