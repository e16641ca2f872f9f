//! The lesson: two ways to bring a file's bytes into an answer. `diff -y src/modes/buffer.rs
//! src/modes/stream.rs` shows all that tells them apart; everything else in the program serves both. Both send
//! through a [`reply`], which may keep a [`pace`].

pub mod buffer;
mod pace;
pub mod reply;
pub mod stream;

use std::fs::File;

use clap::ValueEnum;

/// How the file is brought into an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Read it whole into memory, then send it
    Buffer,
    /// Send it bit by bit
    Stream,
}

impl Mode {
    /// Its name on the command line and in the trace.
    pub fn name(self) -> &'static str {
        match self {
            Self::Buffer => "buffer",
            Self::Stream => "stream",
        }
    }
}

/// The bytes of the file that one answer has to bring.
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
