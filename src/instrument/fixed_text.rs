//! Text of a bounded length on the stack: what is written while the heap is being measured, or in one
//! piece, or both.

use std::fmt;

/// At most `N` bytes of text, written with `write!`. What does not fit is an error and changes nothing.
#[derive(Clone, Copy)]
pub struct FixedText<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> FixedText<N> {
    /// Empty text.
    pub const fn new() -> Self {
        Self { bytes: [0; N], length: 0 }
    }

    /// The first `N` bytes of `text`, which ends in `…` if it was longer.
    pub fn cut(text: &str) -> Self {
        const MARK: &str = "…";
        let mut cut = Self::new();
        if cut.push(text.as_bytes()) == text.len() {
            return cut;
        }
        cut.length = text.floor_char_boundary(N - MARK.len());
        cut.push(MARK.as_bytes());
        cut
    }

    /// Appends as much of `bytes` as there is room for; says how many that were.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(N - self.length);
        self.bytes[self.length..self.length + taken].copy_from_slice(&bytes[..taken]);
        self.length += taken;
        taken
    }

    /// Takes back what was written after the first `length` bytes, which end a character.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// What was written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// What was written, as text; for content that only came in as text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Write for FixedText<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.len() > N - self.length {
            return Err(fmt::Error);
        }
        self.push(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_character_and_marked() {
        let table =
            [("short", "short"), ("12345678", "12345678"), ("123456789", "12345…"), ("1234ü6789", "1234…")];
        for (text, cut) in table {
            assert_eq!(FixedText::<8>::cut(text).as_str(), cut);
        }
    }
}
