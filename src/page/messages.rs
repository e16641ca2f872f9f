//! The messages to the page, as JSON.

use std::fmt::{self, Display};

use crate::instrument::feed::Event;
use crate::instrument::record::{Run, Sample};
use crate::instrument::trace::{event, fields, json_record, json_string, or_null, run_fields};
use crate::platform::RESIDENT_SET_MEANING;
use crate::site::Site;

/// A sample, with a description of the server that it is from.
pub fn json_sample(site: &Site, s: &Sample) -> impl Display {
    let (mode, limit) = (site.options.mode.name(), site.ledger.heap_limit);
    let json_run = move |run: Run| fmt::from_fn(move |f| write!(f, "{{{}}}", run_fields(&run, mode)));
    let fields = fields! {
        at_us: s.at.as_micros(), pid: std::process::id(), started_ms: site.ledger.started_ms,
        heap_limit: or_null(limit.bytes), heap_limit_is_default: limit.is_default,
        url: json_string(&site.url), mode: json_string(mode), file: json_string(&site.media.shown),
        file_bytes: s.file_bytes, chunk_bytes: site.options.chunk_size, in_flight: s.in_flight,
        requests: s.requests, sent_bytes: s.sent_bytes, live: s.live, live_peak: s.live_peak,
        largest_request_peak: s.largest_request_peak, allocations: s.allocations,
        rss: or_null(s.resident.now_bytes), rss_peak: or_null(s.resident.peak_bytes),
        rss_meaning: json_string(RESIDENT_SET_MEANING),
        run: or_null(s.run.map(json_run)), last_run: or_null(s.last_run.map(json_run)),
    };
    event("sample", fields)
}

/// An event, or the number of events that the reader missed.
pub fn json_event(site: &Site, happened: &Event) -> impl Display {
    fmt::from_fn(move |f| match happened {
        Event::Missed(events) => event("missed", fields! { events: events }).fmt(f),
        Event::Started { request, at } => event("started", fields! { request: request, at_us: at.as_micros() }).fmt(f),
        Event::Sampled(sample) => json_sample(site, sample).fmt(f),
        Event::Ended(record) => json_record(record, site.options.mode.name()).fmt(f),
    })
}
