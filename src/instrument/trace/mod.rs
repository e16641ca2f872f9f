//! The trace on stderr: one of the [`lines`] or one of the JSON [`objects`] for each request, each run and each
//! warning. Both forms have the same values and a limited length. The thread of the [`queue`] writes them.

mod lines;
mod objects;
mod queue;
#[cfg(test)]
pub mod tests;

use std::fmt::{self, Display};
use std::io::{self, IsTerminal, Write};

use clap::{ColorChoice, ValueEnum};

use crate::instrument::buffer::HeapLimit;
use crate::platform::{self, RESIDENT_SET_MEANING};

use queue::Message;

pub use lines::escaped;
pub(crate) use objects::{event, fields, json_record, json_string, or_null, run_fields, write_fields};
pub use queue::{Entry, LINE_BYTES, Writer};

/// The format of the trace. The documentation of the variants is also the text of `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TraceFormat {
    /// One line per request and per run
    Text,
    /// The same as JSON objects, sizes in bytes, times in microseconds
    Json,
    /// Only warnings, and the sum at the end
    Off,
}

/// What the program writes to stderr, and in which format.
#[derive(Clone, Copy)]
pub struct Trace {
    mode: &'static str,
    format: TraceFormat,
    is_coloured: bool,
}

/// The legend of a request's line. The meaning of the RSS on this system follows it.
const LEGEND: &str = "\
[pid] ms since start: #request mode method target status  peak, heap (RSS) before -> after, first / last byte, in flight
peak: the most memory that the request held; heap: what the program has in use; RSS: what the system holds for it,
";

impl Trace {
    pub fn new(mode: &'static str, format: TraceFormat, color: ColorChoice) -> Self {
        let is_coloured = match color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                !refused && io::stderr().is_terminal() && platform::stderr_shows_colors()
            }
        };
        Self { mode, format, is_coloured }
    }

    pub fn shows_requests(&self) -> bool {
        self.format != TraceFormat::Off
    }

    /// Starts the thread that writes: first a legend in text format, and `listening`, what is served, in JSON.
    pub fn start(self, url: &str, heap_limit: HeapLimit, listening: impl Display) -> io::Result<Writer> {
        let first = fmt::from_fn(|f| match self.format {
            TraceFormat::Json => listening.fmt(f),
            _ => {
                writeln!(f, "{LEGEND}{RESIDENT_SET_MEANING}; K, M, G: KiB, MiB, GiB")?;
                write!(f, "heap limit: {heap_limit}\nlive page: {url}heap")
            }
        });
        Writer::start(self, self.shows_requests().then_some(first))
    }

    /// Writes the line of a request, of a run, or of the program's end. With `--trace off`, only the last is written.
    pub fn tell(&self, entry: Entry) {
        if self.shows_requests() || matches!(entry, Entry::Stopped(_)) {
            queue::put(entry);
        }
    }

    /// Writes a warning to the user, once the writer is started.
    pub fn warning(&self, message: impl Display) {
        queue::put(Entry::Warning(Message::cut(&message.to_string())));
    }

    /// Writes why the program cannot start, while there is no writer.
    pub fn error(&self, message: &str) {
        let line = format!("{}\n", self.line(&Entry::Error(Message::cut(message))));
        // Nothing is left to report an error of stderr to.
        let _ = io::stderr().write_all(line.as_bytes());
    }

    /// An entry as one line, without the line break.
    fn line(&self, entry: &Entry) -> impl Display {
        fmt::from_fn(move |f| match self.format {
            TraceFormat::Json => objects::write(f, entry, self.mode),
            _ => lines::write(f, entry, self),
        })
    }
}
