//! The recorder: a thread that lets the [`ledger`](super::ledger) add samples of the figures to the
//! [`feed`](super::feed), so that a page can show what happened before it was opened. It also notices when a run is
//! over. It adds ten samples per second while a request runs, a run goes on or the figures change. Otherwise it adds one
//! per second if a page is open, and none if no page is open.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::feed::FEED;
use super::ledger::Ledger;

/// The interval between two looks at the figures.
const INTERVAL: Duration = Duration::from_millis(100);
/// The interval between two samples of figures that do not change, if a page is open. It ends up to [`INTERVAL`] later, so
/// that there is a sample at least once per second. The server notices that a page was closed when it fails to send one.
const IDLE_INTERVAL: Duration = Duration::from_millis(850);

/// Adds the first sample, and starts the thread.
pub fn start(ledger: Arc<Ledger>) -> io::Result<()> {
    ledger.add_sample(|_| true);
    thread::Builder::new().name("recorder".to_owned()).spawn(move || run(&ledger)).map(drop)
}

fn run(ledger: &Ledger) -> ! {
    let mut last = ledger.sample();
    loop {
        ledger.add_sample(|now| {
            let is_busy = now.in_flight > 0 || now.run.is_some() || now.has_changed_since(&last);
            let is_wanted = is_busy || FEED.has_readers() && now.at - last.at >= IDLE_INTERVAL;
            if is_wanted {
                last = *now;
            }
            is_wanted
        });
        thread::sleep(INTERVAL);
    }
}
