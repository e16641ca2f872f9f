//! `/heap/events`: the past, and then what happens (server-sent events, WHATWG HTML 9.2).

use std::fmt::{Display, Write as _};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tiny_http::Method;

use crate::engine::Exchange;
use crate::http::head::Persistence;
use crate::instrument::feed::FEED;
use crate::instrument::fixed_text::FixedText;
use crate::instrument::record::Outcome;
use crate::instrument::trace::LINE_BYTES;
use crate::modes::reply::Reply;
use crate::platform;
use crate::site::Site;

use super::messages::JsonEvent;
use super::{head, reply};

/// How long a past the page is told, in samples; of requests, all that are kept.
const PAST: Duration = Duration::from_secs(60);
/// How soon a page is let go of when the server is to stop.
const STOP_LOOK: Duration = Duration::from_millis(250);

/// Tells what happens until the page has gone, or the server is to stop.
pub fn tell(site: &Site, exchange: &mut Exchange) -> Result<(), Outcome> {
    exchange.closes_when_done();
    let is_head = exchange.method == Method::Head;
    let head = head(exchange, Persistence::Closes, "text/event-stream");
    let uncounted = AtomicU64::new(0);
    let mut to = reply(exchange, head, &uncounted);
    if is_head {
        return to.send(&[]);
    }
    let mut messages = Messages { text: FixedText::new(), to: &mut to };
    // How soon a page that was cut off asks again, in milliseconds.
    messages.add("retry: 1000\n\n")?;
    let mut reader = FEED.reader(site.ledger.sample().at.saturating_sub(PAST));
    while let Some(event) = reader.next() {
        messages.tell(JsonEvent { site, event: &event })?;
    }
    messages.tell(r#"{"event":"now"}"#)?;
    messages.send()?;
    while platform::stop_signals() == 0 {
        if reader.wait(STOP_LOOK) {
            while let Some(event) = reader.next() {
                messages.tell(JsonEvent { site, event: &event })?;
            }
            messages.send()?;
        }
    }
    Ok(())
}

/// Messages that are sent together, each of them one line of JSON.
struct Messages<'a, 'b> {
    text: FixedText<{ LINE_BYTES + 16 }>,
    to: &'a mut Reply<'b>,
}

impl Messages<'_, '_> {
    fn tell(&mut self, message: impl Display) -> Result<(), Outcome> {
        self.add(format_args!("data: {message}\n\n"))
    }

    /// Adds text, for which room is made if there is none.
    fn add(&mut self, text: impl Display) -> Result<(), Outcome> {
        let before = self.text.as_bytes().len();
        if write!(self.text, "{text}").is_ok() {
            return Ok(());
        }
        self.text.truncate(before);
        self.send()?;
        write!(self.text, "{text}").map_err(|_| Outcome::Failed)
    }

    fn send(&mut self) -> Result<(), Outcome> {
        self.to.send(self.text.as_bytes())?;
        self.text.truncate(0);
        Ok(())
    }
}
