//! How answers end.

use super::buffer::NoMemory;

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
