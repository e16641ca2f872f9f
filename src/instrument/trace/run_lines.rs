//! A run, as text and as JSON. Nothing here allocates.

use std::fmt::{self, Display, Write as _};
use std::time::Duration;

use crate::instrument::fixed_text::FixedText;
use crate::instrument::run::{Outcomes, Run};
use crate::instrument::units::{Short, ShortMillis};

use super::values::OrNull;

/// The time to the first byte is left out if the line would have more columns with it.
const TEXT_COLUMNS: usize = 120;

/// A run that has ended as one line of text, without the line break. Figures that are unknown are left out, and the
/// time to the first byte also if the line would be too long.
pub struct TextRun<'a> {
    /// The run.
    pub run: &'a Run,
    /// The name of the mode.
    pub mode: &'static str,
}

impl Display for TextRun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let r = self.run;
        let mut line = FixedText::<256>::new();
        write!(line, "run {} {}: ", r.number, self.mode)?;
        match r.outcomes.refused == r.requests {
            true => write!(line, "{} requests, all refused", r.requests)?,
            false if r.requests == r.at_once => write!(line, "{} viewers at once", r.requests)?,
            false => write!(line, "{} requests, {} at once", r.requests, r.at_once)?,
        }
        if let Some((least, most)) = r.request_peaks {
            write!(line, ", {} each", Span(least, most))?;
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
    }
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
struct Span(u64, u64);

impl Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(least, most) = *self;
        let text = |bytes| {
            let mut text = FixedText::<8>::new();
            write!(text, "{}", Short(bytes)).map(|()| text)
        };
        let (least, most) = (text(least)?, text(most)?);
        f.write_str(least.as_str())?;
        if least.as_str() == most.as_str() { Ok(()) } else { write!(f, " to {}", most.as_str()) }
    }
}

/// A run as a JSON object.
pub struct JsonRun<'a> {
    /// The run.
    pub run: &'a Run,
    /// The name of the mode.
    pub mode: &'static str,
}

impl Display for JsonRun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", RunFields { run: self.run, mode: self.mode })
    }
}

/// The fields of a run's JSON object, without its braces.
pub struct RunFields<'a> {
    /// The run.
    pub run: &'a Run,
    /// The name of the mode.
    pub mode: &'static str,
}

impl Display for RunFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let r = self.run;
        let micros = |time: Option<Duration>| OrNull(time.map(|time| time.as_micros() as u64));
        write!(f, r#""number":{},"mode":"{}","began_us":{},"#, r.number, self.mode, r.began.as_micros())?;
        write!(f, r#""ended_us":{},"requests":{},"at_once":{},"#, micros(r.ended), r.requests, r.at_once)?;
        let o = &r.outcomes;
        write!(f, r#""complete":{},"client_closed":{},"#, o.complete, o.client_closed)?;
        write!(f, r#""timed_out":{},"short":{},"stopped":{},"#, o.timed_out, o.short, o.stopped)?;
        write!(f, r#""failed":{},"refused":{},"#, o.failed, o.refused)?;
        let (least, most) = r.request_peaks.unzip();
        write!(f, r#""request_peak_min":{},"#, OrNull(least))?;
        write!(f, r#""request_peak_median":{},"#, OrNull(r.request_peak_median))?;
        write!(f, r#""request_peak_max":{},"#, OrNull(most))?;
        write!(f, r#""heap_before":{},"heap_peak":{},"#, r.heap_before, r.heap_peak)?;
        write!(f, r#""rss_peak":{},"#, OrNull(r.rss_peak))?;
        write!(f, r#""first_byte_us_median":{},"#, micros(r.first_byte_median))?;
        write!(f, r#""first_byte_us_max":{},"#, micros(r.first_byte_max))?;
        write!(f, r#""sent_bytes":{},"file_bytes":{},"#, r.sent_bytes, r.file_bytes)?;
        if r.ended.is_none() {
            let (least, most) = r.held.unzip();
            write!(f, r#""held_min":{},"held_max":{},"#, OrNull(least), OrNull(most))?;
        }
        write!(f, r#""in_flight":{}"#, r.in_flight)
    }
}
