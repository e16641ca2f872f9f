//! What the server serves, and how: the command line's options, the file ([`media`]), where it listens
//! ([`listen`]), and the counts and the trace of the program. Every request reads it; nothing in it changes but the
//! counts.

pub mod listen;
pub mod media;

use crate::instrument::ledger::Ledger;
use crate::instrument::trace::Trace;
use crate::options::Options;

use media::Media;

/// What every request is answered from.
pub struct Site {
    /// The command line.
    pub options: Options,
    /// The file.
    pub media: Media,
    /// Where it is reached.
    pub url: String,
    /// Whether only this machine can connect.
    pub is_loopback: bool,
    /// The counts of the program.
    pub ledger: Ledger,
    /// What is told on stderr.
    pub trace: Trace,
}
