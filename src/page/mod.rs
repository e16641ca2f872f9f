//! The live page: `/heap` and the [`files`] that it is made of, the figures behind it as `/heap.json`, and as they come
//! as `/heap/events`. None of these counts as a request, or is traced.

mod events;
mod files;
mod messages;

use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use tiny_http::Method;

use crate::engine::{End, Exchange};
use crate::http::head::{Head, Persistence};
use crate::http::origin;
use crate::instrument::record::Outcome;
use crate::instrument::trace::Line;
use crate::modes::reply::Reply;
use crate::site::Site;

use files::File;
use messages::JsonSample;

/// The page needs nothing but its own files, the media file of a server of this machine, pictures that it has drawn
/// itself, and the figures of servers that let themselves be read. (A policy cannot name the host `[::1]`.)
const PAGE_MAY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src data: blob:; \
                        media-src 'self' http://localhost:* http://*.localhost:* http://127.0.0.1:*; \
                        connect-src http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

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
        Part::Events => events::tell(site, &mut exchange),
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
