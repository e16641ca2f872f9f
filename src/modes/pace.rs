//! The pace of an answer whose target asks for one, as `/?rate=8M` does: a slow viewer without a slow client.

use std::thread;
use std::time::{Duration, Instant};

use crate::instrument::record::Outcome;
use crate::platform;

/// Steps a second; fewer only where a step would be less than a byte. Even to the eye, and often enough for a client
/// that has left to be noticed soon: the first write after that finds it out, and the second one is told.
const STEPS_A_SECOND: u64 = 25;
/// How soon an answer ends when the server is to stop, however far away the next step is.
const STOP_LOOK: Duration = Duration::from_millis(50);
/// What a thread that came late still makes up for. A client that has stopped to read does not get all that it left.
const MAKES_UP_FOR: Duration = Duration::from_millis(250);

/// When which bytes of an answer are due.
pub struct Pace {
    bytes_a_second: u64,
    /// When those that were sent last were due.
    due: Option<Instant>,
}

impl Pace {
    /// So many bytes a second, more than 0. The first bytes are due at once.
    pub fn new(bytes_a_second: u64) -> Self {
        Self { bytes_a_second, due: None }
    }

    /// The most bytes to send at once.
    pub fn step_bytes(&self) -> usize {
        (self.bytes_a_second / STEPS_A_SECOND).max(1).try_into().unwrap_or(usize::MAX)
    }

    /// Waits until the next `bytes` are due. The error: the server is to stop.
    pub fn wait_for(&mut self, bytes: usize) -> Result<(), Outcome> {
        let due = self.next_due(bytes, Instant::now());
        loop {
            if platform::stop_signals() > 0 {
                return Err(Outcome::Stopped);
            }
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(STOP_LOOK));
        }
    }

    fn next_due(&mut self, bytes: usize, now: Instant) -> Instant {
        let due = match self.due {
            Some(due) => due.max(now.checked_sub(MAKES_UP_FOR).unwrap_or(now)) + self.span(bytes as u64),
            None => now,
        };
        self.due = Some(due);
        due
    }

    fn span(&self, bytes: u64) -> Duration {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_a_second);
        Duration::from_nanos(nanos.try_into().unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_part_of_a_second_and_at_least_a_byte() {
        let table = [(1, 1), (24, 1), (25, 1), (49, 1), (50, 2), (8 << 20, 335_544)];
        for (bytes_a_second, step_bytes) in table {
            assert_eq!(Pace::new(bytes_a_second).step_bytes(), step_bytes, "{bytes_a_second}");
        }
    }

    #[test]
    fn bytes_are_due_by_the_clock_and_a_stall_is_not_made_up_for() {
        let mut pace = Pace::new(1_000);
        let start = Instant::now() + Duration::from_secs(60);
        let ms = |ms| start + Duration::from_millis(ms);
        assert_eq!(pace.next_due(40, start), start);
        assert_eq!(pace.next_due(40, start), ms(40));
        // 100 ms late: it gets back to the clock.
        assert_eq!(pace.next_due(40, ms(140)), ms(80));
        assert_eq!(pace.next_due(40, ms(140)), ms(120));
        // 10 s late.
        assert_eq!(pace.next_due(40, ms(10_250)), ms(10_040));
    }
}
