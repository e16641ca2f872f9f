//! What is known of a request when it has ended, and of the process at one moment: plain data, which allocates
//! nothing and can be copied. Sizes are in bytes.

use std::net::SocketAddr;
use std::time::Duration;

use crate::http::range::ByteRange;
use crate::platform::ResidentSet;

use super::fixed_text::FixedText;
use super::heap::ThreadUse;

/// How an answer ended: the one word for it, from the write that failed to the trace.
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
    /// The server was told to stop before the end of an answer that keeps a pace.
    Stopped,
    /// There was no memory, or no descriptor, or the heap limit did not allow it; answered with 503.
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
            Self::Stopped => "stopped",
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
