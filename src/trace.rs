//! The trace on stderr: one line, or one JSON object, for each thing that happened. Both are made from the
//! same values, in text of a bounded length, and written in one piece.

use std::fmt::{self, Display, Write as _};
use std::io::{IsTerminal, Write as _};
use std::time::Duration;

use crate::fixed_text::FixedText;
use crate::ledger::{Outcome, Record, Sample};
use crate::options::{Color, Mode, TraceFormat};
use crate::platform::RESIDENT_SET_MEANING;
use crate::units::{Mib, Millis, PartOf, Size};

/// The longest line: a request's object with a target of 256 control characters.
pub const LINE_BYTES: usize = 4096;

/// A line under construction.
pub type Line = FixedText<LINE_BYTES>;

/// The stderr of the program.
pub struct Trace {
    mode: Mode,
    format: TraceFormat,
    coloured: bool,
    /// Asked once: it is a system call.
    pid: u32,
}

/// What is served, as the first line says it.
pub struct Serving<'a> {
    /// Where.
    pub url: &'a str,
    /// The file's path.
    pub file: &'a str,
    /// Its size at the start.
    pub file_bytes: u64,
    /// The stream's buffer.
    pub chunk_bytes: u64,
}

impl Trace {
    /// A trace in this format.
    pub fn new(mode: Mode, format: TraceFormat, color: Color) -> Self {
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

    /// The first line: a legend for people, what is served for programs.
    pub fn listening(&self, serving: &Serving<'_>) {
        let pid = self.pid;
        match self.format {
            TraceFormat::Off => {}
            TraceFormat::Text => print(format_args!(
                "[pid] ms since start: #request mode method target status  heap: what the program has \
                 allocated before -> after (RSS: what the system holds for it, {RESIDENT_SET_MEANING}), \
                 peak: the most that this request and that the process held; all in MiB of 1,048,576 bytes"
            )),
            TraceFormat::Json => print(format_args!(
                r#"{{"event":"listening","pid":{pid},"url":{},"mode":"{}","file":{},"file_bytes":{},"chunk_bytes":{}}}"#,
                Quoted(serving.url),
                self.mode.name(),
                Quoted(serving.file),
                serving.file_bytes,
                serving.chunk_bytes,
            )),
        }
    }

    /// A request that ended.
    pub fn request(&self, record: &Record) {
        match self.format {
            TraceFormat::Off => {}
            TraceFormat::Text => print(TextRecord { record, trace: self }),
            TraceFormat::Json => print(JsonRecord { record, mode: self.mode }),
        }
    }

    /// Something that the user should know.
    pub fn warning(&self, message: &str) {
        match self.format {
            TraceFormat::Json => {
                print(format_args!(r#"{{"event":"warning","message":{}}}"#, Quoted(message)))
            }
            _ => print(format_args!("heapserve: warning: {}", Plain(message))),
        }
    }

    /// Why the program cannot start.
    pub fn error(&self, message: &str) {
        match self.format {
            TraceFormat::Json => print(format_args!(r#"{{"event":"error","message":{}}}"#, Quoted(message))),
            _ => print(format_args!("heapserve: {}", Plain(message))),
        }
    }

    /// The last line: all requests together.
    pub fn stopped(&self, end: &Sample) {
        let mode = self.mode.name();
        let resident_peak = end.resident.peak_bytes;
        if self.format == TraceFormat::Json {
            return print(format_args!(
                r#"{{"event":"stopped","mode":"{mode}","requests":{},"sent_bytes":{},"uptime_us":{},"live":{},"live_peak":{},"largest_request_peak":{},"rss_peak":{}}}"#,
                end.requests,
                end.sent_bytes,
                end.at.as_micros(),
                end.live,
                end.live_peak,
                end.largest_request_peak,
                OrNull(resident_peak),
            ));
        }
        print(format_args!(
            "heapserve: {mode}, {} requests, {} sent in {:.1} s; heap peak {} MiB (largest request {}), RSS peak {} MiB",
            end.requests,
            Size(end.sent_bytes),
            end.at.as_secs_f64(),
            Mib(end.live_peak),
            Mib(end.largest_request_peak),
            OrUnknown(resident_peak.map(Mib)),
        ));
    }
}

/// One write for one line, so that lines of parallel requests never mix. A stderr that is gone must not
/// end the server. Not inlined: its four KiB of stack would be part of every viewer's.
#[inline(never)]
fn print(line: impl Display) {
    let mut text = Line::new();
    if writeln!(text, "{line}").is_err() {
        text.push(b"\n");
    }
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// A record as one line, without its end.
struct TextRecord<'a> {
    record: &'a Record,
    trace: &'a Trace,
}

impl Display for TextRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let r = self.record;
        let paint = |code: &'static str| if self.trace.coloured { code } else { "" };
        let status = match r.answered.status {
            200..=399 => "\x1b[32m",
            400..=499 => "\x1b[33m",
            _ => "\x1b[31m",
        };
        write!(
            f,
            "[{}] {:>8} ms: #{} {} ",
            self.trace.pid,
            r.at.as_millis(),
            r.request,
            self.trace.mode.name()
        )?;
        write!(f, "{} {} ", Plain(r.asked.method.as_str()), Plain(r.asked.target.as_str()))?;
        write!(f, "{}{}{}", paint(status), r.answered.status, paint("\x1b[0m"))?;
        if let Some(range) = r.answered.range {
            write!(f, " bytes {}-{}", range.first, range.last)?;
        }
        write!(f, "  heap {} -> {} MiB ", Mib(r.live_before), Mib(r.live_after))?;
        let resident = |bytes: Option<u64>| OrUnknown(bytes.map(Mib));
        let (before, after) = (r.resident_before.now_bytes, r.resident_after.now_bytes);
        write!(f, "(RSS {} -> {}), ", resident(before), resident(after))?;
        write!(f, "peak {}{}{} this request, ", paint("\x1b[1m"), Mib(r.used.peak_bytes), paint("\x1b[0m"))?;
        write!(
            f,
            "{} process; sent {} ",
            Mib(r.live_peak),
            PartOf(r.answered.sent_bytes, r.answered.body_bytes)
        )?;
        write!(f, "in {} ms, first byte ", Millis(r.duration))?;
        write!(f, "{} ms, {} in flight", OrUnknown(r.answered.first_byte.map(Millis)), r.in_flight)?;
        match r.answered.outcome {
            Outcome::Sent => Ok(()),
            other => write!(f, ", {}{}{}", paint("\x1b[33m"), other.name(), paint("\x1b[0m")),
        }
    }
}

/// A record as a JSON object.
pub struct JsonRecord<'a> {
    /// The record.
    pub record: &'a Record,
    /// The server's mode.
    pub mode: Mode,
}

impl Display for JsonRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let r = self.record;
        let micros = |span: Duration| span.as_micros() as u64;
        write!(f, r#"{{"event":"request","request":{},"connection":{},"#, r.request, r.asked.connection)?;
        write!(f, r#""peer":"{}","at_us":{},"#, r.asked.peer, micros(r.at))?;
        let (method, target) = (r.asked.method.as_str(), r.asked.target.as_str());
        write!(f, r#""method":{},"target":{},"#, Quoted(method), Quoted(target))?;
        write!(f, r#""mode":"{}","status":{},"range":"#, self.mode.name(), r.answered.status)?;
        match r.answered.range {
            Some(range) => write!(f, "[{},{}]", range.first, range.last)?,
            None => f.write_str("null")?,
        }
        write!(f, r#","body_bytes":{},"sent_bytes":{},"#, r.answered.body_bytes, r.answered.sent_bytes)?;
        write!(
            f,
            r#""outcome":"{}","first_byte_us":{},"#,
            r.answered.outcome.name(),
            OrNull(r.answered.first_byte.map(micros))
        )?;
        write!(f, r#""duration_us":{},"in_flight":{},"#, micros(r.duration), r.in_flight)?;
        write!(f, r#""live_before":{},"live_after":{},"#, r.live_before, r.live_after)?;
        write!(f, r#""live_peak":{},"request_peak":{},"#, r.live_peak, r.used.peak_bytes)?;
        write!(f, r#""request_allocations":{},"#, r.used.allocations)?;
        write!(f, r#""request_allocated_bytes":{},"#, r.used.allocated_bytes)?;
        let (before, after) = (r.resident_before, r.resident_after);
        write!(f, r#""rss_before":{},"rss_after":{},"#, OrNull(before.now_bytes), OrNull(after.now_bytes))?;
        write!(f, r#""rss_peak":{}}}"#, OrNull(after.peak_bytes))
    }
}

/// A JSON string.
pub struct Quoted<'a>(pub &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// Text of a client, in a line of text: control characters cannot end the line or colour it.
pub struct Plain<'a>(pub &'a str);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() { write!(f, "{}", c.escape_default())? } else { f.write_char(c)? }
        }
        Ok(())
    }
}

/// A number, or `null`.
pub struct OrNull(pub Option<u64>);

impl Display for OrNull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => write!(f, "{number}"),
            None => f.write_str("null"),
        }
    }
}

struct OrUnknown<T>(Option<T>);

impl<T: Display> Display for OrUnknown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(figure) => write!(f, "{figure}"),
            None => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
