//! The recorder: a thread that adds samples of the figures to the [`feed`](crate::instrument::feed), so that a page can
//! show what happened before it was opened. It also notices when a run is over.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::instrument::feed::FEED;
use crate::instrument::lock;
use crate::instrument::record::Sample;

use super::{Ledger, STATE};

/// The interval between two samples while a request runs, a run goes on or the figures change.
const INTERVAL: Duration = Duration::from_millis(100);
/// The interval between two samples otherwise, if a page is open. It ends up to [`INTERVAL`] later, so that there is a
/// sample at least once per second. The server notices that a page was closed when it fails to send one.
const IDLE_INTERVAL: Duration = Duration::from_millis(850);

/// Adds the first sample, and starts the thread.
pub fn start(ledger: Arc<Ledger>) -> io::Result<()> {
    let mut last = None;
    ledger.add_sample(&mut last);
    let run = move || loop {
        thread::sleep(INTERVAL);
        ledger.add_sample(&mut last);
    };
    thread::Builder::new().name("recorder".to_owned()).spawn(run).map(drop)
}

impl Ledger {
    /// Adds the current figures to the feed, unless they are like the `last` ones and nobody waits for them.
    fn add_sample(&self, last: &mut Option<Sample>) {
        let mut state = lock(&STATE);
        let now = self.sample_under(&mut state, self.resident());
        let activity = |s: &Sample| (s.in_flight, s.requests, s.sent_bytes, s.live, s.run.is_some());
        let is_busy = now.in_flight > 0 || now.run.is_some();
        let is_old = |last: &Sample| FEED.has_readers() && now.at - last.at >= IDLE_INTERVAL;
        if is_busy || last.as_ref().is_none_or(|last| activity(last) != activity(&now) || is_old(last)) {
            *last = Some(now);
            FEED.add_sample(&now);
            drop(state);
            FEED.wake_readers();
        }
    }
}
