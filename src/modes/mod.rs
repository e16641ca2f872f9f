//! The two modes: two ways to send the bytes of a file. This program exists to compare them.
//!
//! [`buffer`] and [`stream`] have the same shape (see `diff -y src/modes/buffer.rs src/modes/stream.rs`). The rest of
//! the program is the same for both. Both send through a [`reply`], which can limit the rate ([`pace`]).

pub mod buffer;
mod pace;
pub mod reply;
pub mod stream;

use std::fs::File;

use clap::ValueEnum;

/// How the file is sent. The documentation of the variants is also the text of `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Read it whole into memory, then send it
    Buffer,
    /// Send it bit by bit
    Stream,
}

impl Mode {
    /// The name on the command line and in the trace.
    pub fn name(self) -> &'static str {
        match self {
            Self::Buffer => "buffer",
            Self::Stream => "stream",
        }
    }
}

/// The bytes of the file that one answer sends.
#[derive(Debug)]
pub struct Order {
    /// The open file, positioned at its start.
    pub file: File,
    pub file_bytes: u64,
    pub first: u64,
    /// The number of bytes to send. `first + length` is at most `file_bytes`.
    pub length: u64,
}
