//! The lines of the trace for people. None of the functions here allocates.

use std::fmt::{self, Display, Write as _};

use crate::instrument::fixed_text::FixedText;
use crate::instrument::record::{Outcome, Record, Run, Sample};
use crate::instrument::units::{part_of, short, short_millis, size};

use super::Trace;
use super::objects::or;
use super::queue::{Entry, LOST};

/// Control sequences for terminals (ECMA-48, SGR).
const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";

/// The time to the first byte is left out of a run's line if the line would have more columns with it.
const RUN_COLUMNS: usize = 120;

pub fn write(f: &mut fmt::Formatter<'_>, entry: &Entry, trace: &Trace) -> fmt::Result {
    match entry {
        Entry::Request(record) => write_record(f, record, trace),
        Entry::Run(run) => write_run(f, run, trace.mode),
        Entry::Lost(lines) => write!(f, "heapserve: warning: {LOST}: {lines}"),
        Entry::Warning(message) => write!(f, "heapserve: warning: {}", escaped(message.as_str())),
        Entry::Error(message) => write!(f, "heapserve: {}", escaped(message.as_str())),
        Entry::Stopped(end) => write_stopped(f, end, trace.mode),
    }
}

fn write_record(f: &mut fmt::Formatter<'_>, r: &Record, trace: &Trace) -> fmt::Result {
    let paint = |code: &'static str| if trace.is_coloured { code } else { "" };
    let status = match r.answered.status {
        200..=399 => GREEN,
        400..=499 => YELLOW,
        _ => RED,
    };
    write!(f, "[{}] {:>7} ms: #{} {} ", std::process::id(), r.at.as_millis(), r.request, trace.mode)?;
    write!(f, "{} {} ", escaped(r.asked.method.as_str()), escaped(r.asked.target.as_str()))?;
    write!(f, "{}{}{}", paint(status), r.answered.status, paint(RESET))?;
    if let Some(range) = r.answered.range {
        write!(f, " {}-{}", range.first, range.last)?;
    }
    write!(f, "  peak {}{}{}, heap ", paint(BOLD), short(r.used.peak_bytes), paint(RESET))?;
    let resident = |bytes: Option<u64>| or(bytes.map(short), "?");
    write!(f, "{} ({}) -> ", short(r.live_before), resident(r.resident_before.now_bytes))?;
    write!(f, "{} ({}), ", short(r.live_after), resident(r.resident_after.now_bytes))?;
    let first_byte = or(r.first_byte.map(short_millis), "?");
    write!(f, "{first_byte} / {} ms, {} in flight", short_millis(r.duration), r.in_flight)?;
    if r.answered.outcome == Outcome::Sent {
        return Ok(());
    }
    let sent = part_of(r.sent_bytes, r.answered.body_bytes);
    write!(f, ", {}{}: sent {sent}{}", paint(YELLOW), r.answered.outcome.name(), paint(RESET))
}

/// The line of a run that has ended. Figures that are unknown are left out.
fn write_run(f: &mut fmt::Formatter<'_>, r: &Run, mode: &str) -> fmt::Result {
    let mut line = FixedText::<256>::new();
    write!(line, "run {} {mode}: ", r.number)?;
    match r.outcomes.refused == r.requests {
        true => write!(line, "{} requests, all refused", r.requests)?,
        false if r.requests == r.at_once => write!(line, "{} viewers at once", r.requests)?,
        false => write!(line, "{} requests, {} at once", r.requests, r.at_once)?,
    }
    if let Some((least, most)) = r.request_peaks {
        write_span(&mut line, least, most)?;
    }
    write!(line, ", heap peak {}", short(r.heap_peak))?;
    if let Some(rss_peak) = r.rss_peak {
        write!(line, ", RSS {}", short(rss_peak))?;
    }
    write_ends(&mut line, r)?;
    if let Some(first_byte) = r.first_byte_median {
        let before = line.as_bytes().len();
        write!(line, "; first byte {} ms", short_millis(first_byte))?;
        if line.as_bytes().len() > RUN_COLUMNS {
            line.truncate(before);
        }
    }
    f.write_str(line.as_str())
}

/// One size, or two if they do not look the same: `, 66.0K each`, `, 66.0K to 81.2K each`.
fn write_span(line: &mut impl fmt::Write, least: u64, most: u64) -> fmt::Result {
    let mut texts = [FixedText::<8>::new(); 2];
    write!(texts[0], "{}", short(least))?;
    write!(texts[1], "{}", short(most))?;
    match texts.each_ref().map(FixedText::as_str) {
        [least, most] if least == most => write!(line, ", {least} each"),
        [least, most] => write!(line, ", {least} to {most} each"),
    }
}

/// How the requests ended. If they ended in several ways, the number of complete ones is left out: it is the rest.
fn write_ends(line: &mut impl fmt::Write, run: &Run) -> fmt::Result {
    let ends = match (run.outcomes.complete, run.outcomes.refused) {
        (complete, _) if complete == run.requests => [(complete, "complete"), (0, ""), (0, "")],
        (_, refused) if refused == run.requests => return Ok(()),
        (_, refused) => [(run.outcomes.cut_short(), "cut short"), (refused, "refused"), (run.in_flight, "not ended")],
    };
    let mut separator = "; ";
    for (requests, how) in ends.into_iter().filter(|&(requests, _)| requests > 0) {
        write!(line, "{separator}{requests} {how}")?;
        separator = ", ";
    }
    Ok(())
}

fn write_stopped(f: &mut fmt::Formatter<'_>, end: &Sample, mode: &str) -> fmt::Result {
    let requests = if end.requests == 1 { "request" } else { "requests" };
    write!(f, "heapserve: {mode}, {} {requests}, {} sent, ", end.requests, size(end.sent_bytes))?;
    write!(f, "ran for {:.1} s; heap peak {}, ", end.at.as_secs_f64(), size(end.live_peak))?;
    write!(f, "largest request {}, ", size(end.largest_request_peak))?;
    write!(f, "RSS peak {}", or(end.resident.peak_bytes.map(size), "?"))
}

/// Text with its control characters escaped. A client could otherwise end the line, or change the terminal's colour.
pub fn escaped(text: &str) -> impl Display {
    fmt::from_fn(move |f| {
        text.chars().try_for_each(|c| match c.is_control() {
            true => write!(f, "{}", c.escape_default()),
            false => f.write_char(c),
        })
    })
}
