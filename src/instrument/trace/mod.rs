//! The trace on stderr: one line, or one JSON object, for each thing that happened. Both are made from the
//! same values, in text of a bounded length, and written by the thread of the [`queue`].

mod lines;
mod queue;
#[cfg(test)]
mod tests;

use std::fmt::{self, Display};
use std::io::{self, IsTerminal};

use clap::ValueEnum;

use crate::instrument::fixed_text::FixedText;
use crate::instrument::record::{Record, Sample};
use crate::platform::RESIDENT_SET_MEANING;

use queue::Entry;

pub use lines::{JsonRecord, OrNull, Plain, Quoted};
pub use queue::{LINE_BYTES, Line, Writer};

/// The form of the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TraceFormat {
    /// One line per request
    Text,
    /// One object per request, sizes in bytes, times in microseconds
    Json,
    /// No request lines
    Off,
}

/// When the text trace has colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What the program tells on stderr, and how.
#[derive(Clone, Copy)]
pub struct Trace {
    /// The mode's name.
    mode: &'static str,
    format: TraceFormat,
    coloured: bool,
    /// Asked once: it is a system call.
    pid: u32,
}

/// What a request's line means. What the RSS is on this system follows.
const LEGEND: &str = "\
[pid] ms since start: #request mode method target status  peak, heap (RSS) before -> after, first / last byte, in flight
peak: the most memory that the request held; heap: what the program has allocated; RSS: what the system holds for it,
";

/// What is served, as the first line says it.
pub struct Serving<'a> {
    /// Where.
    pub url: &'a str,
    /// Where the live page is.
    pub page: &'a str,
    /// The file's path.
    pub file: &'a str,
    /// Its size at the start.
    pub file_bytes: u64,
    /// The stream's buffer.
    pub chunk_bytes: u64,
}

impl Trace {
    /// A trace in this format.
    pub fn new(mode: &'static str, format: TraceFormat, color: Color) -> Self {
        let coloured = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                !refused && std::io::stderr().is_terminal()
            }
        };
        Self { mode, format, coloured, pid: std::process::id() }
    }

    /// Whether requests are told.
    pub fn tells_requests(&self) -> bool {
        self.format != TraceFormat::Off
    }

    /// Starts the thread that writes, with the first line: a legend for people, what is served for programs.
    pub fn start(self, serving: &Serving<'_>) -> io::Result<Writer> {
        let first = fmt::from_fn(|f| match self.format {
            TraceFormat::Json => write!(
                f,
                r#"{{"event":"listening","pid":{},"url":{},"page":{},"mode":"{}","file":{},"file_bytes":{},"chunk_bytes":{}}}"#,
                self.pid,
                Quoted(serving.url),
                Quoted(serving.page),
                self.mode,
                Quoted(serving.file),
                serving.file_bytes,
                serving.chunk_bytes,
            ),
            _ => {
                writeln!(f, "{LEGEND}{RESIDENT_SET_MEANING}; K, M, G: KiB, MiB, GiB")?;
                write!(f, "live page: {}", serving.page)
            }
        });
        Writer::start(self, self.tells_requests().then_some(first))
    }

    /// A request that ended.
    pub fn request(&self, record: &Record) {
        if self.tells_requests() {
            queue::put(Entry::Request(*record));
        }
    }

    /// Something that the user should know.
    pub fn warning(&self, message: impl Display) {
        let entry = Entry::Warning(FixedText::cut(&message.to_string()));
        if queue::has_writer() {
            queue::put(entry);
        } else {
            print(&self.line(&entry));
        }
    }

    /// The last line: all requests together.
    pub fn stopped(&self, end: Sample) {
        queue::put(Entry::Stopped(end));
    }

    /// Why the program cannot start; before the writer has been started.
    pub fn error(&self, message: &str) {
        match self.format {
            TraceFormat::Json => print(&format_args!(r#"{{"event":"error","message":{}}}"#, Quoted(message))),
            _ => print(&format_args!("heapserve: {}", Plain(message))),
        }
    }
}

/// Writes a line on the calling thread.
fn print(line: &impl Display) {
    let mut text = Line::new();
    queue::append(&mut text, line);
    queue::write_out(&mut text);
}
