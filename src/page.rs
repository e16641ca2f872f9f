//! The live page: `/heap`, the figures behind it as `/heap.json`, and as they come as `/heap/events`
//! (server-sent events, WHATWG HTML 9.2). None of these counts as a request, or is traced.

use std::fmt::{self, Display, Write as _};
use std::io::{self, Write};
use std::iter;
use std::thread;
use std::time::{Duration, Instant};

use tiny_http::Method;

use crate::answer::Site;
use crate::engine::{End, Exchange};
use crate::feed::{Event, FEED, KEPT_EVENTS};
use crate::fixed_text::FixedText;
use crate::http::head::{Head, Persistence};
use crate::http::origin;
use crate::http::target::Route;
use crate::ledger::Sample;
use crate::platform::{self, RESIDENT_SET_MEANING};
use crate::trace::{JsonRecord, Line, OrNull, Quoted};

const PAGE: &str = include_str!("page.html");
/// The page needs nothing but itself, the file, and the figures of servers that let themselves be read.
const PAGE_MAY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                        img-src data:; media-src 'self'; connect-src http: https:; base-uri 'none'; \
                        form-action 'none'; frame-ancestors 'none'";

/// A sample this often while anything moves.
const MOVING_EVERY: Duration = Duration::from_millis(100);
/// And this often while nothing does, which also shows a page that has gone.
const IDLE_EVERY: Duration = Duration::from_secs(1);

/// Answers a GET or HEAD of one of the three. Not inlined: its stack would be part of every viewer's.
#[inline(never)]
pub fn answer(site: &Site, mut exchange: Exchange, route: Route) -> End {
    let sent = match route {
        Route::Events if exchange.method == Method::Get => {
            exchange.closes_when_done();
            events(site, &mut exchange)
        }
        Route::Page => whole(&mut exchange, "text/html; charset=utf-8", PAGE.as_bytes()),
        _ => {
            let mut figures = Line::new();
            let _ = writeln!(figures, "{}", JsonSample { site, sample: &site.ledger.sample() });
            whole(&mut exchange, "application/json", figures.as_bytes())
        }
    };
    if sent.is_err() {
        exchange.broke_off(true);
    }
    exchange.finish()
}

fn whole(exchange: &mut Exchange, media_type: &str, body: &[u8]) -> io::Result<()> {
    let mut head = head(exchange, exchange.persistence, media_type);
    head.field("Content-Security-Policy", PAGE_MAY);
    head.field("Content-Length", body.len());
    let mut opening = head.finish();
    let body = if exchange.method == Method::Head { &[] } else { body };
    opening.extend_from_slice(body);
    exchange.writer().write_all(&opening)?;
    exchange.writer().flush()
}

fn head(exchange: &Exchange, persistence: Persistence, media_type: &str) -> Head {
    let mut head = Head::new(200, persistence);
    head.field("Content-Type", media_type);
    head.field("X-Content-Type-Options", "nosniff");
    head.field("Cache-Control", "no-store");
    origin::let_read(&mut head, &exchange.fields);
    head
}

/// Tells what happens until the page has gone, or the server is to stop.
fn events(site: &Site, exchange: &mut Exchange) -> io::Result<()> {
    let opening = head(exchange, Persistence::Closes, "text/event-stream").finish();
    let to = exchange.writer();
    to.write_all(&opening)?;
    // How soon a page that was cut off asks again, in milliseconds.
    to.write_all(b"retry: 1000\n\n")?;
    let mut reader = FEED.reader();
    let mut last: Option<Sample> = None;
    let mut next_idle = Instant::now();
    let mut next_turn = Instant::now();
    while platform::stop_signals() == 0 {
        // Bounded: requests can be answered faster than a page is told of them.
        let mut news = 0;
        for event in iter::from_fn(|| reader.next()).take(KEPT_EVENTS) {
            tell(to, JsonEvent { site, event: &event })?;
            news += 1;
        }
        let sample = site.ledger.sample();
        let moved = last.is_none_or(|last| news > 0 || sample.in_flight > 0 || last.moved_to(&sample));
        if moved || Instant::now() >= next_idle {
            tell(to, JsonSample { site, sample: &sample })?;
            to.flush()?;
            last = Some(sample);
            next_idle = Instant::now() + IDLE_EVERY;
        }
        // By the clock, not by what the turn took; a page that was late is not sent several at once.
        next_turn = (next_turn + MOVING_EVERY).max(Instant::now());
        thread::sleep(next_turn.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

/// One message, which is one line of JSON.
fn tell(to: &mut dyn Write, message: impl Display) -> io::Result<()> {
    let mut text = FixedText::<{ crate::trace::LINE_BYTES + 16 }>::new();
    write!(text, "data: {message}\n\n").map_err(io::Error::other)?;
    to.write_all(text.as_bytes())
}

/// The process's figures, and what they are of.
struct JsonSample<'a> {
    site: &'a Site,
    sample: &'a Sample,
}

impl Display for JsonSample<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { site, sample: s } = self;
        write!(f, r#"{{"event":"sample","at_us":{},"pid":{},"#, s.at.as_micros(), std::process::id())?;
        write!(f, r#""url":{},"mode":"{}","#, Quoted(&site.url), site.mode.name())?;
        write!(f, r#""file":{},"#, Quoted(&site.file_shown))?;
        write!(f, r#""file_bytes":{},"chunk_bytes":{},"#, site.media.size_bytes(), site.chunk_bytes)?;
        write!(f, r#""in_flight":{},"requests":{},"sent_bytes":{},"#, s.in_flight, s.requests, s.sent_bytes)?;
        write!(f, r#""live":{},"live_peak":{},"#, s.live, s.live_peak)?;
        write!(f, r#""largest_request_peak":{},"allocations":{},"#, s.largest_request_peak, s.allocations)?;
        let (now, peak) = (s.resident.now_bytes, s.resident.peak_bytes);
        write!(f, r#""rss":{},"rss_peak":{},"#, OrNull(now), OrNull(peak))?;
        write!(f, r#""rss_meaning":{}}}"#, Quoted(RESIDENT_SET_MEANING))
    }
}

/// Something that happened to a request, or how many such things were missed.
struct JsonEvent<'a> {
    site: &'a Site,
    event: &'a Event,
}

impl Display for JsonEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.event {
            Event::Missed(events) => write!(f, r#"{{"event":"missed","events":{events}}}"#),
            Event::Started { request, at } => {
                write!(f, r#"{{"event":"started","request":{request},"at_us":{}}}"#, at.as_micros())
            }
            Event::Ended(record) => JsonRecord { record, mode: self.site.mode }.fmt(f),
        }
    }
}
