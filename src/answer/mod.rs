//! One request, from its target to its record. [`route`] finds out what the target names. [`plan`] decides on the
//! status and the head of the answer. One of the two [`modes`](crate::modes) sends the file.
//!
//! This module depends on all others, and only `main` depends on it.

mod plan;
mod route;

use std::time::Instant;

use tiny_http::Method;

use crate::engine::{self, End, Exchange};
use crate::http::host;
use crate::instrument::feed::FEED;
use crate::instrument::fixed_text::FixedText;
use crate::instrument::record::{Answered, Asked, Outcome};
use crate::instrument::units::Size;
use crate::modes::reply::Reply;
use crate::modes::{Mode, Order, buffer, stream};
use crate::options::Options;
use crate::page;
use crate::site::Site;

use plan::{Content, Plan};
use route::Route;

/// Answers one request. Unless it is for the live page, its record goes to the trace and to the feed.
pub fn answer(site: &Site, mut exchange: Exchange) -> End {
    let route = find_route(site, &mut exchange);
    let is_get_or_head = matches!(exchange.method, Method::Get | Method::Head);
    if let Route::Page(part) = route
        && is_get_or_head
        && exchange.fault.is_none()
    {
        return page::answer(site, exchange, part);
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
    let end = exchange.finish(answered.outcome);
    let record = site.ledger.close(&entry, asked, answered, duration);
    FEED.add_end(&record);
    site.trace.request(&record);
    end
}

/// Finds out what the request names. Refuses a request that is for another host.
fn find_route(site: &Site, exchange: &mut Exchange) -> Route {
    match host::check(&exchange.target, &exchange.fields, &exchange.version, site.is_loopback) {
        Ok(()) => Route::of(&exchange.target, &site.media.file_name),
        Err(refusal) => {
            exchange.closes_when_done();
            Route::Refused(refusal)
        }
    }
}

/// The result of a request whose answering panicked. It is not known how much was sent. The engine closes the
/// connection.
const FAILED: Answered = Answered {
    status: 500,
    range: None,
    body_bytes: 0,
    sent_bytes: 0,
    outcome: Outcome::Failed,
    first_byte: None,
};

/// Plans an answer and sends it. When this returns, the memory of the answer has been freed.
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

/// Sends an answer. The error is the size of the buffer that could not be allocated, in bytes; nothing has been sent
/// then.
fn send(site: &Site, exchange: &mut Exchange, plan: Plan, started: Instant) -> Result<Answered, u64> {
    let mut reply = Reply::new(plan.head, exchange.writer(), &site.ledger.sent_bytes, started);
    let mut content = plan.content;
    let (sent, body_bytes, range) = match &mut content {
        Content::None => (reply.send(&[]), 0, None),
        Content::Text(text) => (reply.send(text.as_bytes()), text.len() as u64, None),
        Content::Media { order, range, bytes_per_second } => {
            bytes_per_second.inspect(|&rate| reply.keep_pace(rate));
            match send_media(site, order, &mut reply) {
                Err(Outcome::Refused) => return Err(buffer_bytes(site, order)),
                // The client can still be told.
                Err(Outcome::Short) if reply.first_byte.is_none() => {
                    return send(site, exchange, plan::unreadable(exchange), started);
                }
                sent => (sent, order.length, *range),
            }
        }
    };
    Ok(Answered {
        status: plan.status,
        range,
        body_bytes,
        sent_bytes: reply.sent_bytes,
        outcome: sent.err().unwrap_or(plan.outcome),
        first_byte: reply.first_byte,
    })
}

fn send_media(site: &Site, order: &mut Order, reply: &mut Reply) -> Result<(), Outcome> {
    let options = &site.options;
    if order.length == 0 {
        return reply.send(&[]);
    }
    match options.mode {
        Mode::Buffer => buffer::send(order, options.heap_limit, reply),
        Mode::Stream => stream::send(order, options.chunk_size, options.heap_limit, reply),
    }
}

fn buffer_bytes(site: &Site, order: &Order) -> u64 {
    match site.options.mode {
        Mode::Buffer => buffer::buffer_bytes(order),
        Mode::Stream => stream::buffer_bytes(order, site.options.chunk_size),
    }
}

/// Says why a buffer of `wanted_bytes` could not be allocated, and what the user can do about it.
fn why_no_memory(site: &Site, wanted_bytes: u64) -> String {
    let Options { mode, chunk_size, heap_limit, .. } = &site.options;
    let buffer = Size(wanted_bytes);
    let cause = match heap_limit {
        Some(limit) => {
            let limit = Size(*limit);
            format!("a buffer of {buffer} would take the heap above its limit of {limit} (--heap-limit)")
        }
        None => format!("the system has no memory for a buffer of {buffer}"),
    };
    let can_fit = heap_limit.is_none_or(|limit| wanted_bytes <= limit);
    let retry = if can_fit { "; try again when other requests are done" } else { "" };
    match mode {
        Mode::Buffer => {
            let chunk = Size(*chunk_size as u64);
            format!("{cause}{retry}. With --mode stream, a buffer of {chunk} would be enough.")
        }
        Mode::Stream => format!("{cause}{retry}. A smaller --chunk-size needs less memory."),
    }
}
