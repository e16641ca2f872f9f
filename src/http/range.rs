//! Range requests (RFC 9110 14): which bytes of a file the value of a `Range` field selects.

use std::cmp::Ordering;

/// The bytes from `first` to `last` of a file, both included, as in `Content-Range`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// The position of the first byte, counted from 0.
    pub first: u64,
    /// The position of the last byte.
    pub last: u64,
}

/// The part of a file that a `Range` value selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selected {
    /// The whole file, because the value cannot be used. RFC 9110 14.2 allows a server to ignore it.
    Whole,
    /// One range. It ends at the end of the file at the latest.
    Part(ByteRange),
    /// One range that contains no byte of the file, which leads to a 416.
    Nothing,
}

/// Parses the value of a `Range` field, for a file of `size_bytes`.
///
/// Another unit than bytes, a syntax error, and several ranges all select the whole file. Several ranges would need a
/// multipart answer, which no media client requests.
pub fn parse(value: &str, size_bytes: u64) -> Selected {
    let Some((unit, set)) = value.split_once('=') else {
        return Selected::Whole;
    };
    if !unit.trim_matches(OWS).eq_ignore_ascii_case("bytes") {
        return Selected::Whole;
    }
    // A list may have empty elements, which are ignored (RFC 9110 5.6.1).
    let elements = set.split(',').map(|element| element.trim_matches(OWS));
    let mut ranges = elements.filter(|element| !element.is_empty());
    let (Some(range), None) = (ranges.next(), ranges.next()) else {
        return Selected::Whole;
    };
    one(range, size_bytes).unwrap_or(Selected::Whole)
}

/// Optional whitespace (RFC 9110 5.6.3).
pub const OWS: [char; 2] = [' ', '\t'];

/// Parses one range: `a-b`, `a-` or `-n`. Returns `None` for a syntax error.
fn one(range: &str, size_bytes: u64) -> Option<Selected> {
    let (first, last) = range.split_once('-')?;
    if !(is_digits(first) && is_digits(last)) || (first.is_empty() && last.is_empty()) {
        return None;
    }
    if first.is_empty() {
        return Some(suffix(saturating(last), size_bytes));
    }
    if !last.is_empty() && compare(first, last) == Ordering::Greater {
        return None;
    }
    let first = saturating(first);
    if first >= size_bytes {
        return Some(Selected::Nothing);
    }
    let end = if last.is_empty() { u64::MAX } else { saturating(last) };
    let last = end.min(size_bytes - 1);
    Some(Selected::Part(ByteRange { first, last }))
}

/// The last `bytes` of a file. For an empty file this is the whole file, because `Content-Range` cannot describe an
/// empty range.
fn suffix(bytes: u64, size_bytes: u64) -> Selected {
    match (bytes, size_bytes) {
        (0, _) => Selected::Nothing,
        (_, 0) => Selected::Whole,
        _ => Selected::Part(ByteRange { first: size_bytes.saturating_sub(bytes), last: size_bytes - 1 }),
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Parses a position, which may have any number of digits. One that does not fit becomes `u64::MAX`, which is beyond
/// the end of every file.
fn saturating(digits: &str) -> u64 {
    digits.parse().unwrap_or(u64::MAX)
}

/// Compares two positions of any number of digits.
fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_value_asks_for_these_bytes() {
        use Selected::{Nothing, Whole};
        let part = |first, last| Selected::Part(ByteRange { first, last });
        let digits_30 = "9".repeat(30);
        let table: &[(&str, u64, Selected)] = &[
            ("bytes=0-1", 100, part(0, 1)),
            ("bytes=0-", 100, part(0, 99)),
            ("bytes=99-", 100, part(99, 99)),
            ("bytes=-5", 100, part(95, 99)),
            ("bytes=-500", 100, part(0, 99)),
            ("bytes=10-500", 100, part(10, 99)),
            ("bytes=10-10", 100, part(10, 10)),
            ("bytes=000-0001", 100, part(0, 1)),
            ("BYTES=0-1", 100, part(0, 1)),
            ("Bytes = 0-1", 100, part(0, 1)),
            ("bytes= \t0-1\t ", 100, part(0, 1)),
            ("bytes=0-1,", 100, part(0, 1)),
            ("bytes= , ,0-1 ,\t", 100, part(0, 1)),
            (&format!("bytes=0-{digits_30}"), 100, part(0, 99)),
            (&format!("bytes=-{digits_30}"), 100, part(0, 99)),
            (&format!("bytes=000{}5-7", "0".repeat(40)), 100, part(5, 7)),
            // The file has none of the bytes.
            ("bytes=100-", 100, Nothing),
            ("bytes=100-200", 100, Nothing),
            ("bytes=-0", 100, Nothing),
            (&format!("bytes={digits_30}-"), 100, Nothing),
            (&format!("bytes={digits_30}-{digits_30}"), 100, Nothing),
            // Ignored: another unit, a syntax error, several ranges.
            ("seconds=0-1", 100, Whole),
            ("bytes", 100, Whole),
            ("bytes=", 100, Whole),
            ("bytes=,", 100, Whole),
            ("bytes=abc", 100, Whole),
            ("bytes=5-4", 100, Whole),
            (&format!("bytes={digits_30}0-{digits_30}"), 100, Whole),
            ("bytes=-", 100, Whole),
            ("bytes=--5", 100, Whole),
            ("bytes=+0-5", 100, Whole),
            ("bytes=0 - 5", 100, Whole),
            ("bytes=0-5 6", 100, Whole),
            ("bytes=0x0-5", 100, Whole),
            ("bytes=0-1,5-6", 100, Whole),
            ("bytes=0-1, abc", 100, Whole),
            ("", 100, Whole),
            // An empty file, and a file of one byte.
            ("bytes=0-", 0, Nothing),
            ("bytes=0-0", 0, Nothing),
            ("bytes=-1", 0, Whole),
            ("bytes=-0", 0, Nothing),
            ("bytes=0-", 1, part(0, 0)),
            ("bytes=-1", 1, part(0, 0)),
            ("bytes=1-", 1, Nothing),
        ];
        for (value, size_bytes, asked) in table {
            assert_eq!(parse(value, *size_bytes), *asked, "{value:?} of {size_bytes}");
        }
    }
}
