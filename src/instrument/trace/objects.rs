//! What programs are told: JSON objects (RFC 8259), sizes in bytes, times in microseconds. Nothing here allocates.

use std::fmt::{self, Display, Write as _};
use std::time::Duration;

use crate::http::range::ByteRange;
use crate::instrument::record::{Record, Run};

use super::queue::{Entry, LOST};

/// Fields of a JSON object, without its braces. Each value is anything that is displayed as JSON.
macro_rules! fields {
    ($($name:ident: $value:expr),* $(,)?) => {
        std::fmt::from_fn(move |f| {
            let fields = [$((concat!(",\"", stringify!($name), "\":"), &$value as &dyn std::fmt::Display)),*];
            $crate::instrument::trace::write_fields(f, &fields)
        })
    };
}
pub(crate) use fields;

/// Writes fields, whose names are given as `,"name":`.
pub fn write_fields(f: &mut fmt::Formatter<'_>, fields: &[(&str, &dyn Display)]) -> fmt::Result {
    fields.iter().enumerate().try_for_each(|(index, (name, value))| {
        f.write_str(if index == 0 { &name[1..] } else { name })?;
        value.fmt(f)
    })
}

/// An object of the trace, or of the live page.
pub fn event(name: &'static str, fields: impl Display) -> impl Display {
    fmt::from_fn(move |f| write!(f, r#"{{"event":"{name}",{fields}}}"#))
}

/// A string as JSON, with quotes.
pub fn json_string(text: &str) -> impl Display {
    fmt::from_fn(move |f| {
        f.write_char('"')?;
        for c in text.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    })
}

pub fn write(f: &mut fmt::Formatter<'_>, entry: &Entry, mode: &'static str) -> fmt::Result {
    match entry {
        Entry::Request(record) => json_record(record, mode).fmt(f),
        Entry::Run(run) => event("run", run_fields(run, mode)).fmt(f),
        Entry::Lost(lines) => {
            event("warning", fields! { lines: lines, message: format_args!(r#""{LOST}: {lines}""#) }).fmt(f)
        }
        Entry::Warning(message) => event("warning", fields! { message: json_string(message.as_str()) }).fmt(f),
        Entry::Error(message) => event("error", fields! { message: json_string(message.as_str()) }).fmt(f),
        Entry::Stopped(end) => {
            let fields = fields! {
                mode: json_string(mode), requests: end.requests, sent_bytes: end.sent_bytes,
                uptime_us: end.at.as_micros(), live: end.live, live_peak: end.live_peak,
                largest_request_peak: end.largest_request_peak, rss_peak: or_null(end.resident.peak_bytes),
            };
            event("stopped", fields).fmt(f)
        }
    }
}

pub fn json_record(r: &Record, mode: &'static str) -> impl Display {
    let range = |r: ByteRange| fmt::from_fn(move |f| write!(f, "[{},{}]", r.first, r.last));
    let fields = fields! {
        request: r.request, connection: r.asked.connection, peer: format_args!(r#""{}""#, r.asked.peer),
        at_us: r.at.as_micros(), method: json_string(r.asked.method.as_str()),
        target: json_string(r.asked.target.as_str()), mode: json_string(mode),
        status: r.answered.status, range: or_null(r.answered.range.map(range)),
        body_bytes: r.answered.body_bytes, sent_bytes: r.sent_bytes,
        outcome: json_string(r.answered.outcome.name()), first_byte_us: micros(r.first_byte),
        duration_us: r.duration.as_micros(), in_flight: r.in_flight,
        live_before: r.live_before, live_after: r.live_after, live_peak: r.live_peak,
        request_peak: r.used.peak_bytes, request_allocations: r.used.allocations,
        request_allocated_bytes: r.used.allocated_bytes, rss_before: or_null(r.resident_before.now_bytes),
        rss_after: or_null(r.resident_after.now_bytes), rss_peak: or_null(r.resident_after.peak_bytes),
    };
    event("request", fields)
}

/// The fields of a run's object, without its braces.
pub fn run_fields(r: &Run, mode: &'static str) -> impl Display {
    let (peak_min, peak_max) = r.request_peaks.unzip();
    let fields = fields! {
        number: r.number, mode: json_string(mode), began_us: r.began.as_micros(), ended_us: micros(r.ended),
        requests: r.requests, at_once: r.at_once, complete: r.outcomes.complete,
        client_closed: r.outcomes.client_closed, timed_out: r.outcomes.timed_out, short: r.outcomes.short,
        stopped: r.outcomes.stopped, failed: r.outcomes.failed, refused: r.outcomes.refused,
        request_peak_min: or_null(peak_min), request_peak_median: or_null(r.request_peak_median),
        request_peak_max: or_null(peak_max), heap_before: r.heap_before, heap_peak: r.heap_peak,
        rss_peak: or_null(r.rss_peak), first_byte_us_median: micros(r.first_byte_median),
        first_byte_us_max: micros(r.first_byte_max), sent_bytes: r.sent_bytes, file_bytes: r.file_bytes,
        in_flight: r.in_flight,
    };
    fmt::from_fn(move |f| {
        fields.fmt(f)?;
        let (held_min, held_max) = r.held.unzip();
        match r.ended {
            Some(_) => Ok(()),
            None => write!(f, ",{}", fields! { held_min: or_null(held_min), held_max: or_null(held_max) }),
        }
    })
}

fn micros(time: Option<Duration>) -> impl Display {
    or_null(time.map(|time| time.as_micros()))
}

/// A figure, or `null`.
pub fn or_null(figure: Option<impl Display>) -> impl Display {
    or(figure, "null")
}

/// A figure, or what is said if it is unknown.
pub fn or(figure: Option<impl Display>, unknown: &'static str) -> impl Display {
    fmt::from_fn(move |f| match &figure {
        Some(figure) => figure.fmt(f),
        None => f.write_str(unknown),
    })
}
