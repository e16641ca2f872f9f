//! Stream: move the file through one small chunk, bit by bit.
//!
//! As `fs.createReadStream(path).pipe(res)` does. One viewer costs the chunk, whatever the file's size,
//! and the first bytes are sent as soon as they are read.

use std::io::{Read, Seek, SeekFrom};

use crate::heap;
use crate::reply::{CutOff, Reply, whole_segments};

use super::Order;

/// Answers `order` through one `Vec` of `chunk_bytes`, or of the length wanted where that is less.
pub fn send(
    order: &mut Order,
    chunk_bytes: usize,
    heap_limit_bytes: Option<u64>,
    reply: &mut Reply,
) -> Result<(), CutOff> {
    let chunk_bytes = order.length.min(chunk_bytes as u64);
    let no_memory = CutOff::NoMemory { wanted_bytes: chunk_bytes };
    let mut chunk = heap::try_buffer(chunk_bytes, heap_limit_bytes).ok_or(no_memory)?;
    chunk.resize(whole_segments(chunk_bytes as usize), 0);

    let file = &mut order.file;
    file.seek(SeekFrom::Start(order.first)).map_err(|_| CutOff::Short)?;

    let mut left = order.length;
    while left > 0 {
        let wanted = left.min(chunk.len() as u64) as usize;
        let read = file.read(&mut chunk[..wanted]).map_err(|_| CutOff::Short)?;
        // The file became shorter while it was read.
        if read == 0 {
            return Err(CutOff::Short);
        }
        reply.send(&chunk[..read])?;
        left -= read as u64;
    }
    Ok(())
}
