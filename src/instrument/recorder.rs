//! The recorder: a thread that adds samples of the figures to the [`feed`](super::feed), so that a page can show what
//! happened before it was opened. It adds ten samples per second while a request runs or the figures change. Otherwise
//! it adds one per second if a page is open, and waits if no page is open.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::feed::FEED;
use super::record::Sample;

/// The interval between two samples while a request runs or the figures change.
const BUSY_INTERVAL: Duration = Duration::from_millis(100);
/// The interval otherwise, if a page is open. The server notices that a page was closed when it fails to send it a
/// sample.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);
/// How long the figures must not change before the recorder waits. The memory of a connection is freed shortly after
/// its last request.
const WAITS_AFTER: Duration = Duration::from_secs(1);

/// Adds the first sample, and starts the thread. `sample` returns the current figures.
pub fn start(sample: impl Fn() -> Sample + Send + 'static) -> io::Result<()> {
    FEED.add_sample(|| Some(sample()));
    thread::Builder::new().name("recorder".to_owned()).spawn(move || run(&sample)).map(drop)
}

fn run(sample: &impl Fn() -> Sample) -> ! {
    let mut last = sample();
    let mut changed_at = Instant::now();
    let mut kept_at = Instant::now();
    let mut next = Instant::now();
    loop {
        FEED.add_sample(|| {
            let now = sample();
            if now.in_flight > 0 || now.has_changed_since(&last) {
                changed_at = Instant::now();
            } else if !FEED.has_readers() || kept_at.elapsed() < IDLE_INTERVAL {
                return None;
            }
            kept_at = Instant::now();
            last = now;
            Some(now)
        });
        if changed_at.elapsed() >= WAITS_AFTER {
            FEED.wait_for_activity();
        }
        // The interval is kept by the clock, however long a sample takes. After a delay, the missed samples are not
        // made up for.
        next = (next + BUSY_INTERVAL).max(Instant::now());
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}
