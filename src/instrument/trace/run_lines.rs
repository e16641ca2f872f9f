//! A run, as text and as JSON. Nothing here allocates.

use std::fmt::{self, Display, Write as _};
use std::time::Duration;

use crate::instrument::fixed_text::FixedText;
use crate::instrument::run::{Outcomes, Run};
use crate::instrument::units::{Short, ShortMillis};

use super::values::or_null;

/// The time to the first byte is left out if the line would have more columns with it.
const TEXT_COLUMNS: usize = 120;

/// A run that has ended as one line of text, without the line break. Figures that are unknown are left out, and the
/// time to the first byte also if the line would be too long.
pub fn text_run(r: &Run, mode: &'static str) -> impl Display {
    fmt::from_fn(move |f| {
        let mut line = FixedText::<256>::new();
        write!(line, "run {} {mode}: ", r.number)?;
        match r.outcomes.refused == r.requests {
            true => write!(line, "{} requests, all refused", r.requests)?,
            false if r.requests == r.at_once => write!(line, "{} viewers at once", r.requests)?,
            false => write!(line, "{} requests, {} at once", r.requests, r.at_once)?,
        }
        if let Some((least, most)) = r.request_peaks {
            line.write_str(", ")?;
            write_span(&mut line, least, most)?;
            line.write_str(" each")?;
        }
        write!(line, ", heap peak {}", Short(r.heap_peak))?;
        if let Some(rss_peak) = r.rss_peak {
            write!(line, ", RSS {}", Short(rss_peak))?;
        }
        write_ends(&mut line, r)?;
        if let Some(first_byte) = r.first_byte_median {
            let before = line.as_bytes().len();
            write!(line, "; first byte {} ms", ShortMillis(first_byte))?;
            if line.as_bytes().len() > TEXT_COLUMNS {
                line.truncate(before);
            }
        }
        f.write_str(line.as_str())
    })
}

/// How the requests ended. If they ended in several ways, the number of complete ones is left out: it is the rest.
fn write_ends(line: &mut impl fmt::Write, run: &Run) -> fmt::Result {
    let Outcomes { complete, refused, .. } = run.outcomes;
    if complete == run.requests {
        return write!(line, "; {complete} complete");
    }
    let others =
        [(run.outcomes.cut_short(), "cut short"), (refused, "refused"), (run.in_flight, "not ended")];
    let mut separator = "; ";
    for (requests, how) in others.into_iter().filter(|&(requests, _)| requests > 0 && refused < run.requests)
    {
        write!(line, "{separator}{requests} {how}")?;
        separator = ", ";
    }
    Ok(())
}

/// One size, or two if they do not look the same: `66.0K`, `66.0K to 81.2K`.
fn write_span(line: &mut impl fmt::Write, least: u64, most: u64) -> fmt::Result {
    let text = |bytes| {
        let mut text = FixedText::<8>::new();
        write!(text, "{}", Short(bytes)).map(|()| text)
    };
    let (least, most) = (text(least)?, text(most)?);
    line.write_str(least.as_str())?;
    if least.as_str() == most.as_str() { Ok(()) } else { write!(line, " to {}", most.as_str()) }
}

/// The fields of a run's JSON object, without its braces.
pub fn run_fields(r: &Run, mode: &'static str) -> impl Display {
    fmt::from_fn(move |f| {
        let Run { number, requests, at_once, heap_before, heap_peak, sent_bytes, file_bytes, .. } = r;
        let Outcomes { complete, client_closed, timed_out, short, stopped, failed, refused } = r.outcomes;
        let micros = |time: Option<Duration>| or_null(time.map(|time| time.as_micros()));
        write!(f, r#""number":{number},"mode":"{mode}","began_us":{},"#, r.began.as_micros())?;
        write!(f, r#""ended_us":{},"requests":{requests},"at_once":{at_once},"#, micros(r.ended))?;
        write!(f, r#""complete":{complete},"client_closed":{client_closed},"timed_out":{timed_out},"#)?;
        write!(f, r#""short":{short},"stopped":{stopped},"failed":{failed},"refused":{refused},"#)?;
        let (least, most) = r.request_peaks.unzip();
        write!(f, r#""request_peak_min":{},"#, or_null(least))?;
        write!(f, r#""request_peak_median":{},"#, or_null(r.request_peak_median))?;
        write!(f, r#""request_peak_max":{},"#, or_null(most))?;
        write!(f, r#""heap_before":{heap_before},"heap_peak":{heap_peak},"#)?;
        write!(
            f,
            r#""rss_peak":{},"first_byte_us_median":{},"#,
            or_null(r.rss_peak),
            micros(r.first_byte_median)
        )?;
        write!(f, r#""first_byte_us_max":{},"#, micros(r.first_byte_max))?;
        write!(f, r#""sent_bytes":{sent_bytes},"file_bytes":{file_bytes},"#)?;
        if r.ended.is_none() {
            let (least, most) = r.held.unzip();
            write!(f, r#""held_min":{},"held_max":{},"#, or_null(least), or_null(most))?;
        }
        write!(f, r#""in_flight":{}"#, r.in_flight)
    })
}
