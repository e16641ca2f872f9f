//! The lesson: two ways to bring a file's bytes into an answer. `diff -y src/modes/buffer.rs
//! src/modes/stream.rs` is all that tells them apart; everything else of the program serves both.

pub mod buffer;
pub mod stream;

use std::fs::File;

/// What one answer has to bring.
#[derive(Debug)]
pub struct Order {
    /// The file, positioned at its start.
    pub file: File,
    /// Its size when it was opened.
    pub file_bytes: u64,
    /// Position of the first byte that is wanted.
    pub first: u64,
    /// How many bytes are wanted, `first + length <= file_bytes`.
    pub length: u64,
}
