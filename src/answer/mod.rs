//! One request, from its target to its record. [`route`] finds out what the target names. [`plan`] decides on the
//! status and the head of the answer. One of the two [`modes`](crate::modes) sends the file.

mod plan;
mod route;

use tiny_http::Method;

use crate::engine::{self, End, Exchange};
use crate::http::host;
use crate::instrument::buffer::NoMemory;
use crate::instrument::fixed_text::FixedText;
use crate::instrument::ledger::Entry;
use crate::instrument::record::{Answered, Asked, Outcome};
use crate::instrument::units::size;
use crate::modes::reply::Reply;
use crate::modes::{Mode, Order, buffer, stream};
use crate::options::Options;
use crate::page;
use crate::site::Site;

use plan::{Content, Plan};
use route::Route;

/// Answers one request. Unless it is for the live page, its record goes to the trace and to the feed.
pub fn answer(site: &Site, mut exchange: Exchange) -> End {
    let is_loopback = site.options.bind.is_loopback();
    if let Err(fault) = host::check(&exchange.target, &exchange.fields, &exchange.version, is_loopback) {
        exchange.closes_when_done();
        exchange.fault.get_or_insert(fault);
    }
    let route = Route::of(&exchange.target, &site.media.file_name);
    if let (Route::Page(part), Method::Get | Method::Head, None) = (route, &exchange.method, exchange.fault) {
        let outcome = contained(&mut exchange, |exchange| page::answer(site, exchange, part));
        return exchange.finish(outcome.unwrap_or(Outcome::Failed));
    }
    let entry = site.ledger.open();
    let answered = contained(&mut exchange, |exchange| respond(site, exchange, route, &entry)).unwrap_or(FAILED);
    let duration = entry.started.elapsed();
    let asked = Asked {
        connection: exchange.connection,
        peer: exchange.peer,
        method: FixedText::cut(exchange.method.as_str()),
        target: FixedText::cut(&exchange.target),
    };
    let end = exchange.finish(answered.outcome);
    entry.close(asked, answered, duration);
    end
}

/// Answers with `act`. `None` if it panics: the engine is then to close the connection.
fn contained<T>(exchange: &mut Exchange, act: impl FnOnce(&mut Exchange) -> T) -> Option<T> {
    engine::contain_panic(|| {
        #[cfg(debug_assertions)]
        assert!(!exchange.target.ends_with("panic-for-tests"), "as the tests asked");
        act(exchange)
    })
}

/// The result of a request whose answering panicked.
const FAILED: Answered = Answered { status: 500, range: None, body_bytes: 0, outcome: Outcome::Failed };

/// Plans an answer and sends it. When this returns, the memory of the answer has been freed.
fn respond(site: &Site, exchange: &mut Exchange, route: Route, entry: &Entry) -> Answered {
    let planned = plan::plan(&site.media, exchange, route);
    let answered = send(site, exchange, planned, entry);
    answered.unwrap_or_else(|no_memory| {
        let refusal = plan::refused(exchange, &why_no_memory(site, no_memory));
        send(site, exchange, refusal, entry).unwrap_or(FAILED)
    })
}

/// Sends an answer. If there is an error, nothing has been sent.
fn send(site: &Site, exchange: &mut Exchange, plan: Plan, entry: &Entry) -> Result<Answered, NoMemory> {
    let mut reply = Reply::new(plan.head, exchange.timeout(), exchange.writer(), Some(entry));
    let (sent, body_bytes, range) = match plan.content {
        Content::Text(text) => (reply.send(text.as_bytes()), text.len() as u64, None),
        Content::Media { mut order, range, bytes_per_second } => {
            bytes_per_second.inspect(|&rate| reply.keep_pace(rate));
            entry.begin_content(order.file_bytes);
            match send_media(&site.options, &mut order, entry, &mut reply) {
                Err(Outcome::NoMemory(no_memory)) => return Err(no_memory),
                // The client can still be told.
                Err(Outcome::Short) if !reply.has_begun() => {
                    return send(site, exchange, plan::unreadable(exchange), entry);
                }
                sent => (sent, order.length, range),
            }
        }
    };
    let outcome = sent.err().unwrap_or(plan.outcome);
    Ok(Answered { status: plan.status, range, body_bytes, outcome })
}

fn send_media(options: &Options, order: &mut Order, entry: &Entry, reply: &mut Reply) -> Result<(), Outcome> {
    match options.mode {
        _ if order.length == 0 => {
            entry.hold();
            reply.send(&[])
        }
        Mode::Buffer => buffer::send(order, entry, reply),
        Mode::Stream => stream::send(order, options.chunk_size, entry, reply),
    }
}

/// Says why a buffer could not be allocated, and what the user can do about it.
fn why_no_memory(site: &Site, no_memory: NoMemory) -> String {
    let NoMemory { wanted_bytes, is_above_limit } = no_memory;
    let (buffer, limit) = (size(wanted_bytes), &site.ledger.heap_limit);
    let cause = match is_above_limit {
        true => format!("a buffer of {buffer} would take the heap above its limit, {limit}"),
        false => format!("the system has no memory for a buffer of {buffer}"),
    };
    let can_fit = limit.bytes.is_none_or(|limit| wanted_bytes <= limit);
    let retry = if can_fit { "; try again when other requests are done" } else { "" };
    let way_out = match site.options.mode {
        Mode::Buffer => "--mode stream",
        Mode::Stream => "a smaller --chunk-size",
    };
    format!("{cause}{retry}. With {way_out}, it would need less memory.")
}
