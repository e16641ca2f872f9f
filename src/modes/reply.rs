//! The writer of one answer. It contains the only loop that writes to the client.

use std::io::{self, ErrorKind, Write};
use std::time::{Duration, Instant};

use crate::http::head::{Head, OPENING_BYTES};
use crate::instrument::ledger::Entry;
use crate::instrument::record::Outcome;

use super::pace::Pace;

/// The maximum payload of a TCP segment, on the loopback interface or before the network card splits it: 65,536 bytes
/// minus the headers of IPv6 and of TCP with timestamps.
const SEGMENT_BYTES: usize = 65_464;

/// The maximum size of one write. It limits how late the count of sent bytes is while a large buffer is sent.
const WRITE_MOST_BYTES: usize = 16 * SEGMENT_BYTES;

/// How many bytes of a buffer to fill before each write, so that whole segments are sent.
///
/// A write of 64 KiB would leave 72 bytes over. Nagle's algorithm is off, so they would be sent as a packet of their
/// own, and a single client would get half the throughput.
pub fn whole_segments(buffer_bytes: usize) -> usize {
    match buffer_bytes / SEGMENT_BYTES {
        0 => buffer_bytes,
        segments => segments * SEGMENT_BYTES,
    }
}

/// An answer that is being sent.
pub struct Reply<'a> {
    writer: &'a mut dyn Write,
    /// How long the client may take nothing.
    timeout: Option<Duration>,
    /// Where the bytes of the body are counted. `None` for the live page, whose bytes are not.
    entry: Option<&'a Entry<'a>>,
    /// The head, until it is sent.
    head: Option<Vec<u8>>,
    pace: Option<Pace>,
}

impl<'a> Reply<'a> {
    /// Creates an answer that starts with `head`. The first write has bytes of the body, too, which saves a packet.
    pub fn new(head: Head, timeout: Option<Duration>, writer: &'a mut dyn Write, entry: Option<&'a Entry<'a>>) -> Self {
        Self { writer, timeout, entry, head: Some(head.finish()), pace: None }
    }

    /// Whether some of it may have been sent.
    pub fn has_begun(&self) -> bool {
        self.head.is_none()
    }

    /// Limits the rate of the body. The first bytes are sent at once.
    pub fn keep_pace(&mut self, bytes_per_second: u64) {
        self.pace = Some(Pace::new(bytes_per_second));
    }

    /// Sends bytes of the body, and the head if it has not been sent yet. An answer without a body needs one call with
    /// no bytes. The error says how the answer ended.
    pub fn send(&mut self, mut body: &[u8]) -> Result<(), Outcome> {
        if let Some(mut opening) = self.head.take() {
            let head_bytes = opening.len();
            let room = OPENING_BYTES.saturating_sub(head_bytes).min(self.step_bytes());
            let (beginning, rest) = body.split_at(body.len().min(room));
            opening.extend_from_slice(beginning);
            body = rest;
            self.write(&opening, head_bytes)?;
        }
        self.write(body, 0)
    }

    /// Writes all of `bytes`. The first `head_bytes` of them do not count as body.
    fn write(&mut self, bytes: &[u8], head_bytes: usize) -> Result<(), Outcome> {
        let mut written = 0;
        while written < bytes.len() {
            let body_start = written.max(head_bytes);
            let end = bytes.len().min(body_start + self.step_bytes());
            let slice = &bytes[written..end];
            if let Some(pace) = &mut self.pace {
                pace.wait_until_due(end - body_start)?;
            }
            written += write_some(self.writer, slice, self.timeout)?;
            if let Some(entry) = self.entry {
                entry.sent(written.saturating_sub(body_start) as u64);
            }
        }
        Ok(())
    }

    /// The maximum number of bytes of the body in one write.
    fn step_bytes(&self) -> usize {
        self.pace.as_ref().map_or(WRITE_MOST_BYTES, |pace| pace.step_bytes().min(WRITE_MOST_BYTES))
    }
}

/// Writes some of `bytes`, and returns their number.
///
/// A write that has sent nothing fails after a part of the timeout, and is repeated until all of it is over. On
/// Windows, the error (TimedOut) comes after the whole timeout, and the socket must not be used after it.
fn write_some(writer: &mut dyn Write, bytes: &[u8], timeout: Option<Duration>) -> Result<usize, Outcome> {
    let start = Instant::now();
    let has_time = || !cfg!(windows) && timeout.is_none_or(|timeout| start.elapsed() < timeout);
    let repeat = |act: &mut dyn FnMut() -> io::Result<usize>| loop {
        match act().map_err(|error| error.kind()) {
            Ok(some) => return Ok(some),
            Err(ErrorKind::Interrupted) => {}
            Err(ErrorKind::WouldBlock) if has_time() => {}
            Err(ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Err(Outcome::TimedOut),
            Err(_) => return Err(Outcome::ClientClosed),
        }
    };
    match repeat(&mut || writer.write(bytes))? {
        0 => Err(Outcome::ClientClosed),
        // tiny_http keeps a short write in its buffer.
        some => repeat(&mut || writer.flush().map(|()| some)),
    }
}

#[cfg(test)]
mod tests {
    use super::whole_segments;

    #[test]
    fn a_buffer_is_filled_with_whole_segments_if_it_holds_one() {
        let table = [(1, 1), (16 << 10, 16 << 10), (64 << 10, 65_464), (128 << 10, 130_928), (1 << 20, 1_047_424)];
        for (buffer_bytes, fill_bytes) in table {
            assert_eq!(whole_segments(buffer_bytes), fill_bytes);
        }
    }
}
