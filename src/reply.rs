//! One answer on its way to the client: the last loop before the socket, and the only place that counts
//! what was sent.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::http::head::OPENING_BYTES;

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

/// Why an answer ended before its last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutOff {
    /// The client hung up.
    ClientClosed,
    /// The client took nothing for as long as the timeout.
    TimedOut,
    /// The file had fewer bytes than it had when it was opened.
    Short,
    /// There was no memory for the body's buffer, or the heap limit did not allow it. Nothing was sent.
    NoMemory {
        /// The buffer's size.
        wanted_bytes: u64,
    },
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
        Self { to, started, head: Some(head), sent_bytes: 0, total_sent_bytes, first_byte: None }
    }

    /// Sends bytes of the body; none where there is only a head.
    pub fn send(&mut self, mut body: &[u8]) -> Result<(), CutOff> {
        if let Some(mut opening) = self.head.take() {
            let head_bytes = opening.len();
            let (with_it, after) = body.split_at(body.len().min(OPENING_BYTES.saturating_sub(head_bytes)));
            opening.extend_from_slice(with_it);
            body = after;
            self.write(&opening, head_bytes)?;
        }
        if body.is_empty() { Ok(()) } else { self.write(body, 0) }
    }

    /// Writes all of `bytes`, of which the first `not_body_bytes` do not count as body.
    fn write(&mut self, bytes: &[u8], not_body_bytes: usize) -> Result<(), CutOff> {
        let mut written = 0;
        let mut write_all = || -> io::Result<()> {
            while written < bytes.len() {
                let slice = &bytes[written..bytes.len().min(written + WRITE_MOST_BYTES)];
                match self.to.write(slice) {
                    Ok(0) => return Err(ErrorKind::WriteZero.into()),
                    Ok(some) => {
                        let before = written.max(not_body_bytes);
                        written += some;
                        let body_bytes = written.saturating_sub(before) as u64;
                        self.sent_bytes += body_bytes;
                        self.total_sent_bytes.fetch_add(body_bytes, Relaxed);
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
                self.first_byte.get_or_insert_with(|| self.started.elapsed());
            }
            if bytes.len() < ENGINE_KEEPS_BACK_BYTES {
                self.to.flush()?;
            }
            Ok(())
        };
        write_all().map_err(|error| cut_off_by(&error))
    }
}

/// A write that reached the send timeout says WouldBlock on Unix and TimedOut on Windows; whatever else
/// a socket says to a write means that nobody is there any more.
fn cut_off_by(error: &io::Error) -> CutOff {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => CutOff::TimedOut,
        _ => CutOff::ClientClosed,
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
