//! The messages to the page, as JSON.

use std::fmt::{self, Display};

use crate::instrument::feed::Event;
use crate::instrument::record::Sample;
use crate::instrument::run::Run;
use crate::instrument::trace::{JsonRecord, JsonRun, JsonString, OrNull};
use crate::platform::RESIDENT_SET_MEANING;
use crate::site::Site;

/// A sample, with a description of the server that it is from.
pub struct JsonSample<'a> {
    /// The server.
    pub site: &'a Site,
    /// The sample.
    pub sample: &'a Sample,
}

impl Display for JsonSample<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { site, sample: s } = self;
        write!(f, r#"{{"event":"sample","at_us":{},"pid":{},"#, s.at.as_micros(), std::process::id())?;
        write!(
            f,
            r#""started_ms":{},"heap_limit":{},"heap_limit_is_default":{},"#,
            site.ledger.started_ms(),
            OrNull(site.heap_limit.bytes),
            site.heap_limit.is_default
        )?;
        write!(f, r#""url":{},"mode":"{}","#, JsonString(&site.url), site.options.mode.name())?;
        write!(f, r#""file":{},"#, JsonString(&site.media.shown))?;
        write!(f, r#""file_bytes":{},"chunk_bytes":{},"#, s.file_bytes, site.options.chunk_size)?;
        write!(f, r#""in_flight":{},"requests":{},"sent_bytes":{},"#, s.in_flight, s.requests, s.sent_bytes)?;
        write!(f, r#""live":{},"live_peak":{},"#, s.live, s.live_peak)?;
        write!(f, r#""largest_request_peak":{},"allocations":{},"#, s.largest_request_peak, s.allocations)?;
        let (now, peak) = (s.resident.now_bytes, s.resident.peak_bytes);
        write!(f, r#""rss":{},"rss_peak":{},"#, OrNull(now), OrNull(peak))?;
        write!(f, r#""rss_meaning":{},"#, JsonString(RESIDENT_SET_MEANING))?;
        let run = |run| RunOrNull { run, mode: site.options.mode.name() };
        write!(f, r#""run":{},"last_run":{}}}"#, run(s.run.as_ref()), run(s.last_run.as_ref()))
    }
}

struct RunOrNull<'a> {
    run: Option<&'a Run>,
    mode: &'static str,
}

impl Display for RunOrNull<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.run {
            Some(run) => JsonRun { run, mode: self.mode }.fmt(f),
            None => f.write_str("null"),
        }
    }
}

/// An event, or the number of events that the reader missed.
pub struct JsonEvent<'a> {
    /// The server.
    pub site: &'a Site,
    /// The event.
    pub event: &'a Event,
}

impl Display for JsonEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.event {
            Event::Missed(events) => write!(f, r#"{{"event":"missed","events":{events}}}"#),
            Event::Started { request, at } => {
                write!(f, r#"{{"event":"started","request":{request},"at_us":{}}}"#, at.as_micros())
            }
            Event::Sampled(sample) => JsonSample { site: self.site, sample }.fmt(f),
            Event::Ended(record) => JsonRecord { record, mode: self.site.options.mode.name() }.fmt(f),
        }
    }
}
