//! One request, from its target to its line in the trace.

use std::time::Instant;

use tiny_http::Method;

use crate::engine::{self, End, Exchange};
use crate::fixed_text::FixedText;
use crate::http::host;
use crate::http::target::{self, Route};
use crate::ledger::{Answered, Asked, Ledger, Outcome};
use crate::media::Media;
use crate::modes::{Order, buffer, stream};
use crate::options::Mode;
use crate::page;
use crate::plan::{self, Body, Plan};
use crate::reply::{CutOff, Reply};
use crate::units::Size;

/// What the server serves, and how.
pub struct Site {
    /// The file.
    pub media: Media,
    /// How it is brought into an answer.
    pub mode: Mode,
    /// The stream's buffer.
    pub chunk_bytes: usize,
    /// What no body's buffer may take the live heap above.
    pub heap_limit_bytes: Option<u64>,
    /// The file's path, for people.
    pub file_shown: String,
    /// Where it is reached.
    pub url: String,
    /// Whether only this machine can connect.
    pub is_loopback: bool,
    /// The books.
    pub ledger: Ledger,
}

/// Answers one request, whatever it is, and enters it into the books.
pub fn answer(site: &Site, mut exchange: Exchange) -> End {
    let route = route(site, &mut exchange);
    let is_page = matches!(route, Route::Page | Route::Sample | Route::Events);
    let reads = matches!(exchange.method, Method::Get | Method::Head);
    if is_page && reads && exchange.fault.is_none() {
        return page::answer(site, exchange, route);
    }
    let asked = Asked {
        connection: exchange.connection,
        peer: exchange.peer,
        method: FixedText::cut(exchange.method.as_str()),
        target: FixedText::cut(&exchange.target),
    };
    let entry = site.ledger.open();
    let answered = engine::contain_panic(|| respond(site, &mut exchange, route, entry.started));
    let duration = entry.started.elapsed();
    let answered = answered.unwrap_or(FAILED);
    match answered.outcome {
        Outcome::ClientClosed => exchange.broke_off(true),
        Outcome::TimedOut | Outcome::Short | Outcome::Failed => exchange.broke_off(false),
        _ => {}
    }
    let end = exchange.finish();
    site.ledger.close(&entry, &asked, &answered, duration);
    end
}

/// What the request names; nothing that another server has.
fn route(site: &Site, exchange: &mut Exchange) -> Route {
    match host::check(&exchange.target, &exchange.fields, &exchange.version, site.is_loopback) {
        Ok(()) => target::route(&exchange.target, &site.media.file_name),
        Err(refusal) => {
            exchange.closes_when_done();
            Route::Refused(refusal)
        }
    }
}

/// A panic on the way: nobody knows what was sent, so the connection ends.
const FAILED: Answered = Answered {
    status: 500,
    range: None,
    body_bytes: 0,
    sent_bytes: 0,
    outcome: Outcome::Failed,
    first_byte: None,
};

/// Plans an answer and sends it. What it takes on the heap is freed when it returns.
fn respond(site: &Site, exchange: &mut Exchange, route: Route, started: Instant) -> Answered {
    #[cfg(debug_assertions)]
    assert!(route != Route::Panic, "as the tests asked");
    let planned = plan::plan(&site.media, exchange, route);
    let answered = send(site, exchange, planned, started);
    answered.unwrap_or_else(|wanted_bytes| {
        let refusal = plan::refused(exchange, &why_no_memory(site, wanted_bytes));
        send(site, exchange, refusal, started).unwrap_or(FAILED)
    })
}

/// Sends an answer. The error: nothing was sent, for want of a buffer of so many bytes.
fn send(site: &Site, exchange: &mut Exchange, plan: Plan, started: Instant) -> Result<Answered, u64> {
    let mut reply = Reply::new(plan.head, exchange.writer(), &site.ledger.sent_bytes, started);
    let mut body = plan.body;
    let (sent, body_bytes, range) = match &mut body {
        Body::None => (reply.send(&[]), 0, None),
        Body::Text(text) => (reply.send(text.as_bytes()), text.len() as u64, None),
        Body::Media(order, range) => (send_media(site, order, &mut reply), order.length, *range),
    };
    let outcome = match sent {
        Ok(()) => plan.outcome,
        Err(CutOff::ClientClosed) => Outcome::ClientClosed,
        Err(CutOff::TimedOut) => Outcome::TimedOut,
        Err(CutOff::Short) => Outcome::Short,
        Err(CutOff::NoMemory { wanted_bytes }) => return Err(wanted_bytes),
    };
    let (sent_bytes, first_byte) = (reply.sent_bytes, reply.first_byte);
    Ok(Answered { status: plan.status, range, body_bytes, sent_bytes, outcome, first_byte })
}

fn send_media(site: &Site, order: &mut Order, reply: &mut Reply) -> Result<(), CutOff> {
    if order.length == 0 {
        return reply.send(&[]);
    }
    match site.mode {
        Mode::Buffer => buffer::send(order, site.heap_limit_bytes, reply),
        Mode::Stream => stream::send(order, site.chunk_bytes, site.heap_limit_bytes, reply),
    }
}

fn why_no_memory(site: &Site, wanted_bytes: u64) -> String {
    let buffer = Size(wanted_bytes);
    match site.heap_limit_bytes {
        Some(limit) => format!(
            "a buffer of {buffer} would take the heap above its limit of {} (--heap-limit); try again \
             when others are done",
            Size(limit)
        ),
        None => format!("the system has no memory for a buffer of {buffer}; try again when others are done"),
    }
}
