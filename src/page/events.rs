//! `/heap/events`: the recorded past, followed by new events as they happen (server-sent events, WHATWG HTML 9.2).

use std::fmt::Display;
use std::time::Duration;

use tiny_http::Method;

use crate::engine::Exchange;
use crate::instrument::feed::FEED;
use crate::instrument::fixed_text::FixedText;
use crate::instrument::record::Outcome;
use crate::modes::reply::Reply;
use crate::site::Site;

use super::messages::json_event;
use super::{SAMPLE_MOST_BYTES, head};

/// The age of the oldest samples that are sent. Of the requests, all that the feed keeps are sent.
const PAST_SPAN: Duration = Duration::from_secs(60);

/// Sends events until the client disconnects or the server stops.
pub fn send(site: &Site, exchange: &mut Exchange) -> Result<(), Outcome> {
    exchange.closes_when_done();
    let is_head = exchange.method == Method::Head;
    let mut head = head(exchange, "text/event-stream");
    head.forbid_buffering();
    let mut reply = Reply::new(head, exchange.timeout(), exchange.writer(), None);
    if is_head {
        return reply.send(&[]);
    }
    let mut messages = MessageBuffer { text: FixedText::new(), reply: &mut reply };
    // The time after which a disconnected page connects again, in milliseconds.
    messages.add_text("retry: 1000\n\n")?;
    let mut reader = FEED.reader(site.ledger.sample().at.saturating_sub(PAST_SPAN));
    while let Some(event) = reader.next() {
        messages.add_event(json_event(site, &event))?;
    }
    messages.add_event(r#"{"event":"now"}"#)?;
    messages.send()?;
    while reader.wait_for_sample() {
        while let Some(event) = reader.next() {
            messages.add_event(json_event(site, &event))?;
        }
        messages.send()?;
    }
    Ok(())
}

/// Messages that are sent in one write. Each of them is one line of JSON.
struct MessageBuffer<'a, 'b> {
    text: FixedText<{ SAMPLE_MOST_BYTES + 16 }>,
    reply: &'a mut Reply<'b>,
}

impl MessageBuffer<'_, '_> {
    fn add_event(&mut self, message: impl Display) -> Result<(), Outcome> {
        self.add_text(format_args!("data: {message}\n\n"))
    }

    /// Appends text. If it does not fit, the text before it is sent first.
    fn add_text(&mut self, text: impl Display) -> Result<(), Outcome> {
        if self.text.append(&text).is_ok() {
            return Ok(());
        }
        self.send()?;
        self.text.append(text).map_err(|_| Outcome::Failed)
    }

    fn send(&mut self) -> Result<(), Outcome> {
        self.reply.send(self.text.as_bytes())?;
        self.text.truncate(0);
        Ok(())
    }
}
