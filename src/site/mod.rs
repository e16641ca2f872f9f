//! What the server serves, and how: the command line's options, the file ([`media`]), the listening sockets
//! ([`listen`]), and the program's counts. Every request reads the [`Site`]; only its counts change.

pub mod listen;
pub mod media;

use std::fmt::Display;

use crate::instrument::heap;
use crate::instrument::ledger::Ledger;
use crate::instrument::trace::{event, fields, json_string, or_null};
use crate::instrument::units::size;
use crate::modes::Mode;
use crate::options::Options;

use media::Media;

pub struct Site {
    pub options: Options,
    pub media: Media,
    /// The URL that a browser on this machine can open.
    pub url: String,
    pub ledger: Ledger,
}

impl Site {
    /// What is served, for the first line of the trace.
    pub fn listening(&self) -> impl Display {
        let limit = self.ledger.heap_limit;
        let fields = fields! {
            pid: std::process::id(), url: json_string(&self.url), page: format_args!(r#""{}heap""#, self.url),
            mode: json_string(self.options.mode.name()), file: json_string(&self.media.shown),
            file_bytes: self.media.size_bytes(), chunk_bytes: self.options.chunk_size,
            heap_limit: or_null(limit.bytes), heap_limit_is_default: limit.is_default,
        };
        event("listening", fields)
    }

    /// What the user should know if the heap limit leaves no room for one viewer of the whole file.
    pub fn memory_warning(&self) -> Option<String> {
        let (mode, file_bytes, limit) = (self.options.mode, self.media.size_bytes(), self.ledger.heap_limit);
        let chunk_bytes = file_bytes.min(self.options.chunk_size as u64);
        let (buffer_bytes, who, way_out) = match mode {
            Mode::Buffer if limit.is_default => (file_bytes, "all downloads", "use --mode stream"),
            Mode::Buffer => (file_bytes, "all downloads", "use --mode stream, or raise --heap-limit"),
            Mode::Stream => (chunk_bytes, "whole downloads", "raise --heap-limit, or use a smaller --chunk-size"),
        };
        let needed_bytes = heap::live_bytes().saturating_add(buffer_bytes);
        limit.bytes.filter(|&limit| limit < needed_bytes)?;
        let (mode, needed) = (mode.name(), size(needed_bytes));
        Some(format!(
            "{who} will get a 503: the heap limit is {limit}, and one viewer in {mode} mode takes \
             the heap to {needed}; {way_out}"
        ))
    }
}
