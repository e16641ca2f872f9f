//! One answer on its way to the client: the last loop before the socket, and the only place that counts
//! which bytes were sent.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::http::head::OPENING_BYTES;
use crate::instrument::record::Outcome;

use super::pace::Pace;

/// The engine keeps writes of fewer bytes than this back (tiny_http's `BufWriter`), so they are flushed.
const ENGINE_KEEPS_BACK_BYTES: usize = 1024;

/// What one TCP segment carries at most, on the loopback or up to the network card that cuts it: 65,536 bytes
/// less the headers of IPv6 and of TCP with time stamps.
const SEGMENT_BYTES: usize = 65_464;

/// The most that one call hands over, so that what was sent is known while a whole buffer is on its way.
const WRITE_MOST_BYTES: usize = 16 * SEGMENT_BYTES;

/// How much of a buffer to fill for each write, so that it leaves in whole segments: with Nagle's algorithm off,
/// the 72 bytes that 64 KiB have beyond one travel alone, and a single client then gets half the throughput
/// (README, "Speed").
pub fn whole_segments(buffer_bytes: usize) -> usize {
    match buffer_bytes / SEGMENT_BYTES {
        0 => buffer_bytes,
        segments => segments * SEGMENT_BYTES,
    }
}

/// An answer under way.
pub struct Reply<'a> {
    to: &'a mut dyn Write,
    started: Instant,
    /// The head, until it has gone out.
    head: Option<Vec<u8>>,
    /// Bytes of the body that were handed to the system.
    pub sent_bytes: u64,
    /// The same of all answers.
    total_sent_bytes: &'a AtomicU64,
    pace: Option<Pace>,
    /// From the start to the return of the first write.
    pub first_byte: Option<Duration>,
}

impl<'a> Reply<'a> {
    /// An answer that starts with `head`, whose first write will be the head and the first bytes of
    /// the body together: apart, they would cost a second packet.
    pub fn new(
        head: Vec<u8>,
        to: &'a mut dyn Write,
        total_sent_bytes: &'a AtomicU64,
        started: Instant,
    ) -> Self {
        Self { to, started, head: Some(head), sent_bytes: 0, total_sent_bytes, pace: None, first_byte: None }
    }

    /// Sends no more than so many bytes a second of the body, the first ones at once.
    pub fn keep_pace(&mut self, bytes_a_second: u64) {
        self.pace = Some(Pace::new(bytes_a_second));
    }

    /// Sends bytes of the body; none where there is only a head. The error is how the answer ends.
    pub fn send(&mut self, mut body: &[u8]) -> Result<(), Outcome> {
        if let Some(mut opening) = self.head.take() {
            let head_bytes = opening.len();
            let room = OPENING_BYTES.saturating_sub(head_bytes).min(self.step_bytes());
            let (with_it, after) = body.split_at(body.len().min(room));
            opening.extend_from_slice(with_it);
            body = after;
            self.write(&opening, head_bytes)?;
        }
        self.write(body, 0)
    }

    /// Writes all of `bytes`, of which the first `not_body_bytes` do not count as body.
    fn write(&mut self, bytes: &[u8], not_body_bytes: usize) -> Result<(), Outcome> {
        let mut written = 0;
        while written < bytes.len() {
            let before = written.max(not_body_bytes);
            let end = bytes.len().min(before + self.step_bytes());
            let slice = &bytes[written..end];
            if let Some(pace) = &mut self.pace {
                pace.wait_for(end - before)?;
            }
            written += hand_over(self.to, slice).map_err(|error| outcome_of(&error))?;
            let body_bytes = written.saturating_sub(before) as u64;
            self.sent_bytes += body_bytes;
            self.total_sent_bytes.fetch_add(body_bytes, Relaxed);
            self.first_byte.get_or_insert_with(|| self.started.elapsed());
        }
        Ok(())
    }

    /// The most of a body that one write takes.
    fn step_bytes(&self) -> usize {
        self.pace.as_ref().map_or(WRITE_MOST_BYTES, |pace| pace.step_bytes().min(WRITE_MOST_BYTES))
    }
}

/// Hands some of `bytes` to the system; how many.
fn hand_over(to: &mut dyn Write, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match to.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(some) => {
                if bytes.len() < ENGINE_KEEPS_BACK_BYTES {
                    to.flush()?;
                }
                return Ok(some);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A write that reached the send timeout fails with WouldBlock on Unix and with TimedOut on Windows. Any other error
/// means that the client is no longer there.
fn outcome_of(error: &io::Error) -> Outcome {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Outcome::TimedOut,
        _ => Outcome::ClientClosed,
    }
}

#[cfg(test)]
mod tests {
    use super::whole_segments;

    #[test]
    fn a_buffer_is_filled_with_whole_segments_if_it_holds_one() {
        let table =
            [(1, 1), (16 << 10, 16 << 10), (64 << 10, 65_464), (128 << 10, 130_928), (1 << 20, 1_047_424)];
        for (buffer_bytes, fill_bytes) in table {
            assert_eq!(whole_segments(buffer_bytes), fill_bytes);
        }
    }
}
