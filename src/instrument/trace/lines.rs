//! The lines of the trace, as text and as JSON. None of the functions here allocates.

use std::fmt::{self, Display};
use std::time::Duration;

use crate::instrument::heap::ThreadUse;
use crate::instrument::record::{Answered, Asked, Outcome, Record, Sample};
use crate::instrument::units::{PartOf, Short, ShortMillis, Size};

use super::queue::Entry;
use super::run_lines::{run_fields, text_run};
use super::values::{escaped, json_string, or_null, or_unknown};
use super::{Trace, TraceFormat};

/// Control sequences for terminals (ECMA-48, SGR).
const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";

/// The message about lines that are missing. Their number follows it.
const LOST: &str = "stderr was not read, or its disk was full; lines missing here";

impl Trace {
    /// An entry as one line, without the line break.
    pub fn line(&self, entry: &Entry) -> impl Display {
        fmt::from_fn(move |f| match (entry, self.format) {
            (Entry::Request(record), TraceFormat::Json) => json_record(record, self.mode).fmt(f),
            (Entry::Request(record), _) => text_record(record, self).fmt(f),
            (Entry::Run(run), TraceFormat::Json) => {
                write!(f, r#"{{"event":"run",{}}}"#, run_fields(run, self.mode))
            }
            (Entry::Run(run), _) => text_run(run, self.mode).fmt(f),
            (Entry::Warning(message), TraceFormat::Json) => {
                write!(f, r#"{{"event":"warning","message":{}}}"#, json_string(message.as_str()))
            }
            (Entry::Warning(message), _) => write!(f, "heapserve: warning: {}", escaped(message.as_str())),
            (Entry::Lost(lines), TraceFormat::Json) => {
                write!(f, r#"{{"event":"warning","lines":{lines},"message":"{LOST}: {lines}"}}"#)
            }
            (Entry::Lost(lines), _) => write!(f, "heapserve: warning: {LOST}: {lines}"),
            (Entry::Stopped(end), TraceFormat::Json) => self.stopped_object(f, end),
            (Entry::Stopped(end), _) => self.stopped_line(f, end),
        })
    }

    fn stopped_object(&self, f: &mut fmt::Formatter<'_>, end: &Sample) -> fmt::Result {
        let Sample { requests, sent_bytes, live, live_peak, largest_request_peak, .. } = end;
        write!(f, r#"{{"event":"stopped","mode":"{}","requests":{requests},"#, self.mode)?;
        write!(f, r#""sent_bytes":{sent_bytes},"uptime_us":{},"live":{live},"#, end.at.as_micros())?;
        write!(f, r#""live_peak":{live_peak},"largest_request_peak":{largest_request_peak},"#)?;
        write!(f, r#""rss_peak":{}}}"#, or_null(end.resident.peak_bytes))
    }

    fn stopped_line(&self, f: &mut fmt::Formatter<'_>, end: &Sample) -> fmt::Result {
        let requests = if end.requests == 1 { "request" } else { "requests" };
        write!(f, "heapserve: {}, {} {requests}, ", self.mode, end.requests)?;
        write!(f, "{} sent, ran for {:.1} s; ", Size(end.sent_bytes), end.at.as_secs_f64())?;
        write!(f, "heap peak {}, ", Size(end.live_peak))?;
        write!(f, "largest request {}, ", Size(end.largest_request_peak))?;
        write!(f, "RSS peak {}", or_unknown(end.resident.peak_bytes.map(Size)))
    }
}

/// A record as one line of text, without the line break.
pub fn text_record(r: &Record, trace: &Trace) -> impl Display {
    fmt::from_fn(move |f| {
        let paint = |code: &'static str| if trace.is_coloured { code } else { "" };
        let status = match r.answered.status {
            200..=399 => GREEN,
            400..=499 => YELLOW,
            _ => RED,
        };
        write!(f, "[{}] {:>7} ms: #{} {} ", trace.pid, r.at.as_millis(), r.request, trace.mode)?;
        write!(f, "{} {} ", escaped(r.asked.method.as_str()), escaped(r.asked.target.as_str()))?;
        write!(f, "{}{}{}", paint(status), r.answered.status, paint(RESET))?;
        if let Some(range) = r.answered.range {
            write!(f, " {}-{}", range.first, range.last)?;
        }
        write!(f, "  peak {}{}{}, heap ", paint(BOLD), Short(r.used.peak_bytes), paint(RESET))?;
        let resident = |bytes: Option<u64>| or_unknown(bytes.map(Short));
        write!(f, "{} ({}) -> ", Short(r.live_before), resident(r.resident_before.now_bytes))?;
        write!(f, "{} ({}), ", Short(r.live_after), resident(r.resident_after.now_bytes))?;
        let first_byte = or_unknown(r.first_byte.map(ShortMillis));
        write!(f, "{first_byte} / {} ms, {} in flight", ShortMillis(r.duration), r.in_flight)?;
        if r.answered.outcome == Outcome::Sent {
            return Ok(());
        }
        let sent = PartOf(r.sent_bytes, r.answered.body_bytes);
        write!(f, ", {}{}: sent {sent}{}", paint(YELLOW), r.answered.outcome.name(), paint(RESET))
    })
}

/// A record as a JSON object.
pub fn json_record(r: &Record, mode: &'static str) -> impl Display {
    fmt::from_fn(move |f| {
        let Record { request, sent_bytes, in_flight, live_before, live_after, live_peak, .. } = r;
        let Asked { connection, peer, .. } = r.asked;
        let Answered { status, body_bytes, .. } = r.answered;
        let ThreadUse { peak_bytes, allocations, allocated_bytes } = r.used;
        let (method, target) = (json_string(r.asked.method.as_str()), json_string(r.asked.target.as_str()));
        let micros = |span: Duration| span.as_micros();
        write!(f, r#"{{"event":"request","request":{request},"connection":{connection},"#)?;
        write!(f, r#""peer":"{peer}","at_us":{},"#, micros(r.at))?;
        write!(f, r#""method":{method},"target":{target},"mode":"{mode}","status":{status},"range":"#)?;
        match r.answered.range {
            Some(range) => write!(f, "[{},{}]", range.first, range.last)?,
            None => f.write_str("null")?,
        }
        write!(f, r#","body_bytes":{body_bytes},"sent_bytes":{sent_bytes},"#)?;
        write!(f, r#""outcome":"{}","#, r.answered.outcome.name())?;
        write!(f, r#""first_byte_us":{},"#, or_null(r.first_byte.map(micros)))?;
        write!(f, r#""duration_us":{},"in_flight":{in_flight},"#, micros(r.duration))?;
        write!(f, r#""live_before":{live_before},"live_after":{live_after},"live_peak":{live_peak},"#)?;
        write!(f, r#""request_peak":{peak_bytes},"request_allocations":{allocations},"#)?;
        write!(f, r#""request_allocated_bytes":{allocated_bytes},"#)?;
        let (before, after) = (r.resident_before, r.resident_after);
        write!(f, r#""rss_before":{},"rss_after":{},"#, or_null(before.now_bytes), or_null(after.now_bytes))?;
        write!(f, r#""rss_peak":{}}}"#, or_null(after.peak_bytes))
    })
}
