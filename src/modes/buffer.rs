//! Buffer mode: reads the whole file into memory, then sends the bytes that the client wants.
//!
//! It works like `fs.readFile(path, (err, data) => res.end(data))` in Node.js. Each viewer costs memory for the whole
//! file, even if the client wants only one byte. The first byte is sent after the whole file has been read.

use std::io::Read;

use crate::instrument::buffer::Buffer;
use crate::instrument::record::Outcome;

use super::Order;
use super::reply::Reply;

/// The size of the buffer for one answer, in bytes: the size of the file.
pub fn buffer_bytes(order: &Order) -> u64 {
    order.file_bytes
}

/// Sends the bytes of `order` through one buffer, which holds the file. The error says how the answer ended.
pub fn send(order: &mut Order, heap_limit_bytes: Option<u64>, reply: &mut Reply) -> Result<(), Outcome> {
    let mut whole = Buffer::try_new(buffer_bytes(order), heap_limit_bytes).ok_or(Outcome::Refused)?;

    // `take` ends at the size that the file had when it was opened. So the buffer does not grow if the file does.
    let file = &mut order.file;
    file.take(order.file_bytes).read_to_end(&mut whole).map_err(|_| Outcome::Short)?;

    // The bytes are missing if the file became shorter after it was opened.
    let wanted = order.first as usize..(order.first + order.length) as usize;
    reply.send(whole.get(wanted).ok_or(Outcome::Short)?)
}
