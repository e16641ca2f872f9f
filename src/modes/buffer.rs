//! Buffer mode: reads the whole file into memory, then sends the bytes that the client wants.
//!
//! It works like `fs.readFile(path, (err, data) => res.end(data))` in Node.js. Each viewer costs memory for the whole
//! file, even if the client wants only one byte. The first byte is sent after the whole file has been read.

use std::io::Read;

use crate::instrument::ledger::Entry;
use crate::instrument::record::Outcome;

use super::Order;
use super::reply::Reply;

/// Sends the bytes of `order` through one buffer, which holds the file. The error says why it could not.
pub fn send(order: &mut Order, entry: &Entry, reply: &mut Reply) -> Result<(), Outcome> {
    let mut whole = entry.buffer(order.file_bytes)?;

    // `take` ends at the size that the file had when it was opened. So the buffer does not grow if the file does.
    let file = &mut order.file;
    file.take(order.file_bytes).read_to_end(&mut whole).map_err(|_| Outcome::Short)?;

    // The bytes are missing if the file became shorter after it was opened.
    let wanted = order.first as usize..(order.first + order.length) as usize;
    reply.send(whole.get(wanted).ok_or(Outcome::Short)?)
}
