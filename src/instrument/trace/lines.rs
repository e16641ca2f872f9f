//! The lines of the trace, as text and as JSON. None of the functions here allocates.

use std::fmt::{self, Display};
use std::time::Duration;

use crate::instrument::record::{Outcome, Record, Sample};
use crate::instrument::units::{PartOf, Short, ShortMillis, Size};

use super::queue::Entry;
use super::run_lines::{RunFields, TextRun};
use super::values::{Escaped, JsonString, OrNull, OrUnknown};
use super::{Trace, TraceFormat};

/// Control sequences for terminals (ECMA-48, SGR).
const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";

/// The message about lines that are missing. Their number follows it.
const LOST: &str = "stderr was not read in time; lines missing here";

impl Trace {
    /// An entry as one line, without the line break.
    pub fn line<'a>(&'a self, entry: &'a Entry) -> impl Display + use<'a> {
        fmt::from_fn(move |f| match (entry, self.format) {
            (Entry::Request(record), TraceFormat::Json) => JsonRecord { record, mode: self.mode }.fmt(f),
            (Entry::Request(record), _) => TextRecord { record, trace: self }.fmt(f),
            (Entry::Run(run), TraceFormat::Json) => {
                write!(f, r#"{{"event":"run",{}}}"#, RunFields { run, mode: self.mode })
            }
            (Entry::Run(run), _) => TextRun { run, mode: self.mode }.fmt(f),
            (Entry::Warning(message), TraceFormat::Json) => {
                write!(f, r#"{{"event":"warning","message":{}}}"#, JsonString(message.as_str()))
            }
            (Entry::Warning(message), _) => write!(f, "heapserve: warning: {}", Escaped(message.as_str())),
            (Entry::Lost(lines), TraceFormat::Json) => {
                write!(f, r#"{{"event":"warning","lines":{lines},"message":"{LOST}: {lines}"}}"#)
            }
            (Entry::Lost(lines), _) => write!(f, "heapserve: warning: {LOST}: {lines}"),
            (Entry::Stopped(end), TraceFormat::Json) => self.stopped_object(f, end),
            (Entry::Stopped(end), _) => self.stopped_line(f, end),
        })
    }

    fn stopped_object(&self, f: &mut fmt::Formatter<'_>, end: &Sample) -> fmt::Result {
        write!(
            f,
            r#"{{"event":"stopped","mode":"{}","requests":{},"sent_bytes":{},"uptime_us":{},"live":{},"live_peak":{},"largest_request_peak":{},"rss_peak":{}}}"#,
            self.mode,
            end.requests,
            end.sent_bytes,
            end.at.as_micros(),
            end.live,
            end.live_peak,
            end.largest_request_peak,
            OrNull(end.resident.peak_bytes),
        )
    }

    fn stopped_line(&self, f: &mut fmt::Formatter<'_>, end: &Sample) -> fmt::Result {
        let requests = if end.requests == 1 { "request" } else { "requests" };
        write!(f, "heapserve: {}, {} {requests}, ", self.mode, end.requests)?;
        write!(f, "{} sent, ran for {:.1} s; ", Size(end.sent_bytes), end.at.as_secs_f64())?;
        write!(f, "heap peak {}, ", Size(end.live_peak))?;
        write!(f, "largest request {}, ", Size(end.largest_request_peak))?;
        write!(f, "RSS peak {}", OrUnknown(end.resident.peak_bytes.map(Size)))
    }
}

/// A record as one line of text, without the line break.
pub struct TextRecord<'a> {
    /// The record.
    pub record: &'a Record,
    /// The trace, for its mode, its process id and its colours.
    pub trace: &'a Trace,
}

impl Display for TextRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let r = self.record;
        let paint = |code: &'static str| if self.trace.is_coloured { code } else { "" };
        let status = match r.answered.status {
            200..=399 => GREEN,
            400..=499 => YELLOW,
            _ => RED,
        };
        let (pid, mode) = (self.trace.pid, self.trace.mode);
        write!(f, "[{pid}] {:>7} ms: #{} {mode} ", r.at.as_millis(), r.request)?;
        write!(f, "{} {} ", Escaped(r.asked.method.as_str()), Escaped(r.asked.target.as_str()))?;
        write!(f, "{}{}{}", paint(status), r.answered.status, paint(RESET))?;
        if let Some(range) = r.answered.range {
            write!(f, " {}-{}", range.first, range.last)?;
        }
        write!(f, "  peak {}{}{}, heap ", paint(BOLD), Short(r.used.peak_bytes), paint(RESET))?;
        let resident = |bytes: Option<u64>| OrUnknown(bytes.map(Short));
        write!(f, "{} ({}) -> ", Short(r.live_before), resident(r.resident_before.now_bytes))?;
        write!(f, "{} ({}), ", Short(r.live_after), resident(r.resident_after.now_bytes))?;
        let first_byte = OrUnknown(r.first_byte.map(ShortMillis));
        write!(f, "{first_byte} / {} ms, {} in flight", ShortMillis(r.duration), r.in_flight)?;
        if r.answered.outcome == Outcome::Sent {
            return Ok(());
        }
        let sent = PartOf(r.sent_bytes, r.answered.body_bytes);
        write!(f, ", {}{}: sent {sent}{}", paint(YELLOW), r.answered.outcome.name(), paint(RESET))
    }
}

/// A record as a JSON object.
pub struct JsonRecord<'a> {
    /// The record.
    pub record: &'a Record,
    /// The name of the mode.
    pub mode: &'static str,
}

impl Display for JsonRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let r = self.record;
        let micros = |span: Duration| span.as_micros() as u64;
        write!(f, r#"{{"event":"request","request":{},"connection":{},"#, r.request, r.asked.connection)?;
        write!(f, r#""peer":"{}","at_us":{},"#, r.asked.peer, micros(r.at))?;
        let (method, target) = (r.asked.method.as_str(), r.asked.target.as_str());
        write!(f, r#""method":{},"target":{},"#, JsonString(method), JsonString(target))?;
        write!(f, r#""mode":"{}","status":{},"range":"#, self.mode, r.answered.status)?;
        match r.answered.range {
            Some(range) => write!(f, "[{},{}]", range.first, range.last)?,
            None => f.write_str("null")?,
        }
        write!(f, r#","body_bytes":{},"sent_bytes":{},"#, r.answered.body_bytes, r.sent_bytes)?;
        write!(
            f,
            r#""outcome":"{}","first_byte_us":{},"#,
            r.answered.outcome.name(),
            OrNull(r.first_byte.map(micros))
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
