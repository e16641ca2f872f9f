//! How answers end.

use super::buffer::NoMemory;

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
