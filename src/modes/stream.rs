//! Stream: move the file through one small chunk, bit by bit.
//!
//! As `fs.createReadStream(path).pipe(res)` does. One viewer costs the chunk, whatever the file's size,
//! and the first bytes are sent as soon as they are read.

use std::io::{Read, Seek, SeekFrom};

use crate::instrument::buffer::Buffer;
use crate::instrument::record::Outcome;

use super::Order;
use super::reply::{Reply, whole_segments};

/// What one viewer costs.
pub fn buffer_bytes(order: &Order, chunk_bytes: usize) -> u64 {
    order.length.min(chunk_bytes as u64)
}

/// Answers `order` through one `Vec` of the chunk's size, or of the length wanted where that is less. The error is
/// how the answer ends.
pub fn send(
    order: &mut Order,
    chunk_bytes: usize,
    heap_limit_bytes: Option<u64>,
    reply: &mut Reply,
) -> Result<(), Outcome> {
    let chunk_bytes = buffer_bytes(order, chunk_bytes);
    let mut chunk = Buffer::try_new(chunk_bytes, heap_limit_bytes).ok_or(Outcome::Refused)?;
    chunk.resize(whole_segments(chunk_bytes as usize), 0);

    let file = &mut order.file;
    file.seek(SeekFrom::Start(order.first)).map_err(|_| Outcome::Short)?;

    let mut left = order.length;
    while left > 0 {
        let wanted = left.min(chunk.len() as u64) as usize;
        let read = file.read(&mut chunk[..wanted]).map_err(|_| Outcome::Short)?;
        // The file became shorter while it was read.
        if read == 0 {
            return Err(Outcome::Short);
        }
        reply.send(&chunk[..read])?;
        left -= read as u64;
    }
    Ok(())
}
