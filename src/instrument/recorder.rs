//! The recorder: one thread that keeps samples of the figures in the [`feed`](super::feed), ten a second while
//! anything moves, so that a page which opens later sees what was. While nothing does, and nobody looks, it sleeps.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::feed::FEED;
use super::record::Sample;

/// A sample this often while anything moves.
const MOVING_EVERY: Duration = Duration::from_millis(100);
/// And this often while nothing does and somebody looks; a failed write then reveals that the page was closed.
const IDLE_EVERY: Duration = Duration::from_secs(1);
/// It sleeps when nothing has moved for this long: what a request leaves behind is freed soon after its end.
const SLEEPS_AFTER: Duration = Duration::from_secs(1);

/// Keeps the first sample, and starts the thread. `sample`: the figures now.
pub fn start(sample: impl Fn() -> Sample + Send + 'static) -> io::Result<()> {
    FEED.sample(|| Some(sample()));
    thread::Builder::new().name("recorder".to_owned()).spawn(move || record(&sample)).map(drop)
}

fn record(sample: &impl Fn() -> Sample) -> ! {
    let mut last = sample();
    let mut moved_at = Instant::now();
    let mut kept_at = Instant::now();
    let mut next = Instant::now();
    loop {
        FEED.sample(|| {
            let now = sample();
            if now.in_flight > 0 || last.moved_to(&now) {
                moved_at = Instant::now();
            } else if !FEED.has_readers() || kept_at.elapsed() < IDLE_EVERY {
                return None;
            }
            kept_at = Instant::now();
            last = now;
            Some(now)
        });
        if moved_at.elapsed() >= SLEEPS_AFTER {
            FEED.sleep();
        }
        // By the clock, not by what the turn took; and not several at once after a pause.
        next = (next + MOVING_EVERY).max(Instant::now());
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}
