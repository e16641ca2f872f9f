//! What the server serves, and how: the command line's options, the file ([`media`]), the listening sockets
//! ([`listen`]), and the program's counts and trace. Every request reads the [`Site`]; only its counts change.
//!
//! This module depends on [`options`](crate::options), and on what those depend on. It does not know the engine.

pub mod listen;
pub mod media;

use std::sync::Arc;

use crate::instrument::ledger::Ledger;
use crate::instrument::trace::Trace;
use crate::options::Options;

use media::Media;

/// Everything that is common to all requests.
pub struct Site {
    /// The command line.
    pub options: Options,
    /// The file.
    pub media: Media,
    /// The URL that a browser on this machine can open.
    pub url: String,
    /// Whether only this machine can connect.
    pub is_loopback: bool,
    /// The program's counts.
    pub ledger: Arc<Ledger>,
    /// The trace on stderr.
    pub trace: Trace,
}
