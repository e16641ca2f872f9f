//! The messages to the page, as JSON.

use std::fmt::{self, Display};

use crate::instrument::feed::Event;
use crate::instrument::record::Sample;
use crate::instrument::run::Run;
use crate::instrument::trace::{json_record, json_string, or_null, run_fields};
use crate::platform::RESIDENT_SET_MEANING;
use crate::site::Site;

/// A sample, with a description of the server that it is from.
pub fn json_sample(site: &Site, s: &Sample) -> impl Display {
    fmt::from_fn(move |f| {
        let (started_ms, is_default) = (site.ledger.started_ms(), site.heap_limit.is_default);
        let (mode, chunk_bytes) = (site.options.mode.name(), site.options.chunk_size);
        let [url, file, meaning] = [&*site.url, &*site.media.shown, RESIDENT_SET_MEANING].map(json_string);
        let Sample { in_flight, requests, sent_bytes, live, live_peak, allocations, file_bytes, .. } = s;
        write!(f, r#"{{"event":"sample","at_us":{},"pid":{},"#, s.at.as_micros(), std::process::id())?;
        write!(f, r#""started_ms":{started_ms},"heap_limit":{},"#, or_null(site.heap_limit.bytes))?;
        write!(f, r#""heap_limit_is_default":{is_default},"url":{url},"mode":"{mode}","#)?;
        write!(f, r#""file":{file},"file_bytes":{file_bytes},"chunk_bytes":{chunk_bytes},"#)?;
        write!(f, r#""in_flight":{in_flight},"requests":{requests},"sent_bytes":{sent_bytes},"#)?;
        write!(f, r#""live":{live},"live_peak":{live_peak},"#)?;
        write!(f, r#""largest_request_peak":{},"allocations":{allocations},"#, s.largest_request_peak)?;
        let (now, peak) = (s.resident.now_bytes, s.resident.peak_bytes);
        write!(f, r#""rss":{},"rss_peak":{},"rss_meaning":{meaning},"#, or_null(now), or_null(peak))?;
        let run = |run: Option<Run>| or_null(run.map(|run| json_run(run, mode)));
        write!(f, r#""run":{},"last_run":{}}}"#, run(s.run), run(s.last_run))
    })
}

fn json_run(run: Run, mode: &'static str) -> impl Display {
    fmt::from_fn(move |f| write!(f, "{{{}}}", run_fields(&run, mode)))
}

/// An event, or the number of events that the reader missed.
pub fn json_event(site: &Site, event: &Event) -> impl Display {
    fmt::from_fn(move |f| match event {
        Event::Missed(events) => write!(f, r#"{{"event":"missed","events":{events}}}"#),
        Event::Started { request, at } => {
            write!(f, r#"{{"event":"started","request":{request},"at_us":{}}}"#, at.as_micros())
        }
        Event::Sampled(sample) => json_sample(site, sample).fmt(f),
        Event::Ended(record) => json_record(record, site.options.mode.name()).fmt(f),
    })
}
