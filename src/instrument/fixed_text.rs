//! Text of a bounded length on the stack, for what is written without the heap, or by a single call.

use std::fmt::{self, Display, Write as _};

/// At most `N` bytes of text. `write!` fails when a piece does not fit, and then leaves out the whole piece.
#[derive(Clone, Copy)]
pub struct FixedText<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> FixedText<N> {
    pub const fn new() -> Self {
        Self { bytes: [0; N], length: 0 }
    }

    /// Creates a text from `text`. A longer text is cut, and then ends in `…`.
    pub fn cut(text: &str) -> Self {
        const MARK: &str = "…";
        let mut cut = Self::new();
        if cut.write_str(text).is_err() {
            let _ = cut.write_str(&text[..text.floor_char_boundary(N - MARK.len())]);
            let _ = cut.write_str(MARK);
        }
        cut
    }

    /// Appends a text. If it does not fit, this text stays as it was.
    pub fn append(&mut self, text: impl Display) -> fmt::Result {
        let before = self.length;
        write!(self, "{text}").inspect_err(|_| self.length = before)
    }

    /// Shortens the text to `length` bytes, which must end at a character boundary.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Write for FixedText<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_character_and_marked() {
        let table = [("short", "short"), ("12345678", "12345678"), ("123456789", "12345…"), ("1234ü6789", "1234…")];
        for (text, cut) in table {
            assert_eq!(FixedText::<8>::cut(text).as_str(), cut);
        }
    }
}
