//! Buffer: read the whole file into memory, then send what is wanted of it.
//!
//! As `fs.readFile(path, (err, data) => res.end(data))` does. One viewer costs the file's size, also when
//! only one byte of it is asked for, and nothing is sent before everything has been read.

use std::io::Read;

use crate::instrument::buffer::Buffer;
use crate::instrument::record::Outcome;

use super::Order;
use super::reply::Reply;

/// What one viewer costs.
pub fn buffer_bytes(order: &Order) -> u64 {
    order.file_bytes
}

/// Answers `order` through one `Vec` of exactly the file's size. The error is how the answer ends.
pub fn send(order: &mut Order, heap_limit_bytes: Option<u64>, reply: &mut Reply) -> Result<(), Outcome> {
    let mut whole = Buffer::try_new(buffer_bytes(order), heap_limit_bytes).ok_or(Outcome::Refused)?;

    // `take`: a file that grows meanwhile must not make the buffer grow.
    let file = &mut order.file;
    file.take(order.file_bytes).read_to_end(&mut whole).map_err(|_| Outcome::Short)?;

    let first = whole.len().min(order.first as usize);
    let end = whole.len().min((order.first + order.length) as usize);
    reply.send(&whole[first..end])?;

    // The file became shorter while it was read.
    if ((end - first) as u64) < order.length { Err(Outcome::Short) } else { Ok(()) }
}
