//! The live page: `/heap` and its [`files`], one sample of the figures as `/heap.json`, and all figures as they change
//! as `/heap/events`. Requests for these are neither counted nor traced.

mod events;
mod files;
mod messages;

use std::fmt::Write as _;

use tiny_http::Method;

use crate::engine::Exchange;
use crate::http::head::Head;
use crate::instrument::fixed_text::FixedText;
use crate::instrument::record::Outcome;
use crate::instrument::trace::LINE_BYTES;
use crate::modes::reply::Reply;
use crate::site::Site;

use files::File;
use messages::json_sample;

/// What the page may load: its own files, the media file of a server on this machine, images that it has made itself,
/// and the figures of any server that allows it to read them. A policy cannot name the host `[::1]`.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
    img-src data: blob:; media-src 'self' http://localhost:* http://*.localhost:* http://127.0.0.1:*; \
    connect-src http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The maximum size of a sample: a path takes up to 2,400 bytes, and each of the two runs up to 900.
const SAMPLE_MOST_BYTES: usize = LINE_BYTES + 2048;

/// A resource of the live page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `/heap`, or a file that it uses.
    File(&'static File),
    /// `/heap.json`: one sample.
    Sample,
    /// `/heap/events`: samples and requests as they happen.
    Events,
}

impl Part {
    pub fn at(path: &[u8]) -> Option<Self> {
        match path {
            b"/heap.json" => Some(Self::Sample),
            b"/heap/events" => Some(Self::Events),
            _ => File::at(path).map(Self::File),
        }
    }
}

/// Answers a GET or HEAD request for a part of the page.
///
/// This is not inlined, because its stack frame would then be part of the frame that every viewer's thread needs.
#[inline(never)]
pub fn answer(site: &Site, exchange: &mut Exchange, part: Part) -> Outcome {
    let sent = match part {
        Part::Events => events::send(site, exchange),
        Part::File(file) => send_body(exchange, file.media_type, file.text.as_bytes()),
        Part::Sample => {
            let mut figures = FixedText::<SAMPLE_MOST_BYTES>::new();
            let _ = writeln!(figures, "{}", json_sample(site, &site.ledger.sample()));
            send_body(exchange, "application/json", figures.as_bytes())
        }
    };
    sent.err().unwrap_or(Outcome::Sent)
}

fn send_body(exchange: &mut Exchange, media_type: &str, body: &[u8]) -> Result<(), Outcome> {
    let mut head = head(exchange, media_type);
    head.field("Content-Security-Policy", CONTENT_SECURITY_POLICY);
    head.field("Content-Length", body.len());
    let body = if exchange.method == Method::Head { &[] } else { body };
    Reply::new(head, exchange.timeout(), exchange.writer(), None).send(body)
}

fn head(exchange: &Exchange, media_type: &str) -> Head {
    let mut head = exchange.head(200);
    head.field("Content-Type", media_type);
    head.field("X-Content-Type-Options", "nosniff");
    head.field("Cache-Control", "no-store, no-transform");
    head
}
