//! The live page: `/heap` and the [`files`] that it is made of, the figures behind it as `/heap.json`, and as they come
//! as `/heap/events` (server-sent events, WHATWG HTML 9.2). None of these counts as a request, or is traced.

mod files;

use std::fmt::{self, Display, Write as _};
use std::iter;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::{Duration, Instant};

use tiny_http::Method;

use crate::engine::{End, Exchange};
use crate::http::head::{Head, Persistence};
use crate::http::origin;
use crate::instrument::feed::{Event, FEED, KEPT_EVENTS};
use crate::instrument::fixed_text::FixedText;
use crate::instrument::record::{Outcome, Sample};
use crate::instrument::trace::{JsonRecord, LINE_BYTES, Line, OrNull, Quoted};
use crate::modes::reply::Reply;
use crate::platform::{self, RESIDENT_SET_MEANING};
use crate::site::Site;

use files::File;

/// The page needs nothing but its own files, the media file of a server of this machine, pictures that it has drawn
/// itself, and the figures of servers that let themselves be read. (A policy cannot name the host `[::1]`.)
const PAGE_MAY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src data: blob:; \
                        media-src 'self' http://localhost:* http://*.localhost:* http://127.0.0.1:*; \
                        connect-src http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A sample this often while anything moves.
const MOVING_EVERY: Duration = Duration::from_millis(100);
/// And this often while nothing does, which also shows a page that has gone.
const IDLE_EVERY: Duration = Duration::from_secs(1);

/// What the page is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `/heap`, and what belongs to it.
    File(&'static File),
    /// `/heap.json`: one sample.
    Sample,
    /// `/heap/events`: samples and requests as they come.
    Events,
}

impl Part {
    /// The part with this path.
    pub fn at(path: &[u8]) -> Option<Self> {
        match path {
            b"/heap.json" => Some(Self::Sample),
            b"/heap/events" => Some(Self::Events),
            _ => File::at(path).map(Self::File),
        }
    }
}

/// Where a browser on this machine finds the page of the server with this URL, `http://HOST:PORT/`. An address that
/// stands for all of the machine's is none that can be typed.
pub fn url(of_server: &str) -> String {
    let typed = of_server.replacen("//0.0.0.0:", "//localhost:", 1).replacen("//[::]:", "//localhost:", 1);
    format!("{typed}heap")
}

/// Answers a GET or HEAD of one of them. Not inlined: its stack would be part of every viewer's.
#[inline(never)]
pub fn answer(site: &Site, mut exchange: Exchange, part: Part) -> End {
    let sent = match part {
        Part::Events => events(site, &mut exchange),
        Part::File(file) => whole(&mut exchange, file.media_type, file.text.as_bytes()),
        Part::Sample => {
            let mut figures = Line::new();
            let _ = writeln!(figures, "{}", JsonSample { site, sample: &site.ledger.sample() });
            whole(&mut exchange, "application/json", figures.as_bytes())
        }
    };
    exchange.finish(sent.err().unwrap_or(Outcome::Sent))
}

fn whole(exchange: &mut Exchange, media_type: &str, body: &[u8]) -> Result<(), Outcome> {
    let mut head = head(exchange, exchange.persistence, media_type);
    head.field("Content-Security-Policy", PAGE_MAY);
    head.field("Content-Length", body.len());
    let body = if exchange.method == Method::Head { &[] } else { body };
    reply(exchange, head, &AtomicU64::new(0)).send(body)
}

/// An answer whose bytes are not among those of the file: `uncounted` is thrown away.
fn reply<'a>(exchange: &'a mut Exchange, head: Head, uncounted: &'a AtomicU64) -> Reply<'a> {
    Reply::new(head.finish(), exchange.writer(), uncounted, Instant::now())
}

fn head(exchange: &Exchange, persistence: Persistence, media_type: &str) -> Head {
    let mut head = Head::new(200, persistence);
    head.field("Content-Type", media_type);
    head.field("X-Content-Type-Options", "nosniff");
    head.field("Cache-Control", "no-store");
    origin::allow_loopback_pages(&mut head, &exchange.fields);
    head
}

/// Tells what happens until the page has gone, or the server is to stop.
fn events(site: &Site, exchange: &mut Exchange) -> Result<(), Outcome> {
    exchange.closes_when_done();
    let is_head = exchange.method == Method::Head;
    let head = head(exchange, Persistence::Closes, "text/event-stream");
    let uncounted = AtomicU64::new(0);
    let mut to = reply(exchange, head, &uncounted);
    if is_head {
        return to.send(&[]);
    }
    // How soon a page that was cut off asks again, in milliseconds.
    to.send(b"retry: 1000\n\n")?;
    let mut reader = FEED.reader();
    let mut last: Option<Sample> = None;
    let mut next_idle = Instant::now();
    let mut next_turn = Instant::now();
    while platform::stop_signals() == 0 {
        // Bounded: requests can be answered faster than a page is told of them.
        let mut news = 0;
        for event in iter::from_fn(|| reader.next()).take(KEPT_EVENTS) {
            tell(&mut to, JsonEvent { site, event: &event })?;
            news += 1;
        }
        let sample = site.ledger.sample();
        let moved = last.is_none_or(|last| news > 0 || sample.in_flight > 0 || last.moved_to(&sample));
        if moved || Instant::now() >= next_idle {
            tell(&mut to, JsonSample { site, sample: &sample })?;
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
fn tell(to: &mut Reply, message: impl Display) -> Result<(), Outcome> {
    let mut text = FixedText::<{ LINE_BYTES + 16 }>::new();
    write!(text, "data: {message}\n\n").map_err(|_| Outcome::Failed)?;
    to.send(text.as_bytes())
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
        write!(f, r#""url":{},"mode":"{}","#, Quoted(&site.url), site.options.mode.name())?;
        write!(f, r#""file":{},"#, Quoted(&site.media.shown))?;
        write!(f, r#""file_bytes":{},"chunk_bytes":{},"#, site.media.size_bytes(), site.options.chunk_size)?;
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
            Event::Ended(record) => JsonRecord { record, mode: self.site.options.mode.name() }.fmt(f),
        }
    }
}
