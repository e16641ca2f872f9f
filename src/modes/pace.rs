//! The pace of an answer whose target requests a rate, such as `/?rate=8M`: a slow viewer on a fast client.

use std::time::{Duration, Instant};

use crate::instrument::record::Outcome;
use crate::platform;

/// The number of steps in which the bytes of one second are sent, each at least one byte. Many steps make the flow
/// even, and reveal early that a client has disconnected: the first write after that succeeds, the next one fails.
const STEPS_PER_SECOND: u64 = 25;
/// How much delay is caught up. After a longer one, as of a client that stopped reading, not all is sent at once.
const CATCH_UP_LIMIT: Duration = Duration::from_millis(250);

/// The times at which the bytes of an answer are due.
pub struct Pace {
    bytes_per_second: u64,
    /// The time at which the last bytes were due. `None` before the first ones.
    last_due: Option<Instant>,
}

impl Pace {
    /// Creates a pace of `bytes_per_second`, which must be above 0. The first bytes are due at once.
    pub fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second, last_due: None }
    }

    pub fn step_bytes(&self) -> usize {
        (self.bytes_per_second / STEPS_PER_SECOND).max(1).try_into().unwrap_or(usize::MAX)
    }

    /// Waits until the next `bytes` are due. Returns an error if the server stops before that.
    pub fn wait_until_due(&mut self, bytes: usize) -> Result<(), Outcome> {
        let due = self.next_due(bytes, Instant::now());
        let remaining = due.saturating_duration_since(Instant::now());
        if platform::wait_for_stop(remaining) { Err(Outcome::Stopped) } else { Ok(()) }
    }

    fn next_due(&mut self, bytes: usize, now: Instant) -> Instant {
        let nanos = bytes as u128 * 1_000_000_000 / u128::from(self.bytes_per_second);
        let span = Duration::from_nanos(nanos.try_into().unwrap_or(u64::MAX));
        let earliest = now.checked_sub(CATCH_UP_LIMIT).unwrap_or(now);
        let due = self.last_due.map_or(now, |last_due| last_due.max(earliest) + span);
        self.last_due = Some(due);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_part_of_a_second_and_at_least_a_byte() {
        let table = [(1, 1), (24, 1), (25, 1), (49, 1), (50, 2), (8 << 20, 335_544)];
        for (bytes_per_second, step_bytes) in table {
            assert_eq!(Pace::new(bytes_per_second).step_bytes(), step_bytes, "{bytes_per_second}");
        }
    }

    #[test]
    fn a_short_delay_is_caught_up_and_a_long_one_is_not() {
        let mut pace = Pace::new(1_000);
        let start = Instant::now() + Duration::from_secs(60);
        let ms = |ms| start + Duration::from_millis(ms);
        assert_eq!(pace.next_due(40, start), start);
        assert_eq!(pace.next_due(40, start), ms(40));
        // A delay of 100 ms is caught up.
        assert_eq!(pace.next_due(40, ms(140)), ms(80));
        assert_eq!(pace.next_due(40, ms(140)), ms(120));
        // A delay of 10 s is not.
        assert_eq!(pace.next_due(40, ms(10_250)), ms(10_040));
    }
}
