//! Stream mode: reads one chunk of the file, sends it, and repeats this until the client has the bytes that it wants.
//!
//! It works like `fs.createReadStream(path).pipe(res)` in Node.js. Each viewer costs memory for one chunk, even if the
//! file is large. The first byte is sent after the first chunk has been read.

use std::io::{Read, Seek, SeekFrom};

use crate::instrument::ledger::Entry;
use crate::instrument::record::Outcome;

use super::Order;
use super::reply::{Reply, whole_segments};

/// Sends the bytes of `order` through one buffer, which holds a chunk. The error says why it could not.
pub fn send(order: &mut Order, chunk_bytes: usize, entry: &Entry, reply: &mut Reply) -> Result<(), Outcome> {
    let chunk_bytes = order.length.min(chunk_bytes as u64);
    let mut chunk = entry.buffer(chunk_bytes)?;
    chunk.resize(whole_segments(chunk_bytes as usize), 0);

    let file = &mut order.file;
    file.seek(SeekFrom::Start(order.first)).map_err(|_| Outcome::Short)?;

    let mut left = order.length;
    while left > 0 {
        let wanted = left.min(chunk.len() as u64) as usize;
        let read = file.read(&mut chunk[..wanted]).map_err(|_| Outcome::Short)?;
        // The file became shorter after it was opened.
        if read == 0 {
            return Err(Outcome::Short);
        }
        reply.send(&chunk[..read])?;
        left -= read as u64;
    }
    Ok(())
}
