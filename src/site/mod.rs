//! What the server serves, and how: the command line's options, the file ([`media`]), the listening sockets
//! ([`listen`]), and the program's counts and trace. Every request reads the [`Site`]; only its counts change.
//!
//! This module depends on [`options`](crate::options), and on what those depend on. It does not know the engine.

pub mod listen;
pub mod media;

use std::sync::Arc;

use crate::instrument::heap;
use crate::instrument::heap_limit::HeapLimit;
use crate::instrument::ledger::Ledger;
use crate::instrument::trace::Trace;
use crate::instrument::units::Size;
use crate::modes::Mode;
use crate::options::Options;

use media::Media;

/// Everything that is common to all requests.
pub struct Site {
    pub options: Options,
    pub media: Media,
    pub heap_limit: HeapLimit,
    /// The URL that a browser on this machine can open.
    pub url: String,
    pub ledger: Arc<Ledger>,
    pub trace: Trace,
}

impl Site {
    /// What the user should know if the heap limit leaves no room for one viewer of the whole file.
    pub fn memory_warning(&self) -> Option<String> {
        let (mode, file_bytes) = (self.options.mode, self.media.size_bytes());
        let (buffer_bytes, way_out) = match mode {
            Mode::Buffer if self.heap_limit.is_default => (file_bytes, "use --mode stream"),
            Mode::Buffer => (file_bytes, "use --mode stream, or raise --heap-limit"),
            Mode::Stream => {
                (file_bytes.min(self.options.chunk_size as u64), "raise --heap-limit, or use a smaller --chunk-size")
            }
        };
        let needed_bytes = heap::live_bytes().saturating_add(buffer_bytes);
        self.heap_limit.bytes.filter(|&limit| limit < needed_bytes)?;
        let (limit, mode, needed) = (self.heap_limit, mode.name(), Size(needed_bytes));
        Some(format!(
            "viewers of the whole file will get a 503: the heap limit is {limit}, and one viewer in {mode} mode takes \
             the heap to {needed}; {way_out}"
        ))
    }
}
