//! Range requests (RFC 9110 14): which bytes of a file the value of a `Range` field selects.

use super::{OWS, is_digits};

/// The bytes from `first` to `last` of a file, counted from 0, both included, as in `Content-Range`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    pub first: u64,
    pub last: u64,
}

/// The file has none of the bytes of a range, which leads to a 416.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotSatisfiable;

/// Parses the value of a `Range` field, for a file of `size_bytes`. `None` if it is to be ignored: it has another unit
/// than bytes, a syntax error, or several ranges, which would need a multipart answer. No media client wants one.
pub fn parse(value: &str, size_bytes: u64) -> Option<Result<ByteRange, NotSatisfiable>> {
    let (unit, list) = value.split_once('=')?;
    if !unit.trim_matches(OWS).eq_ignore_ascii_case("bytes") {
        return None;
    }
    // A list may have empty elements, which are ignored (RFC 9110 5.6.1).
    let mut ranges = list.split(',').map(|range| range.trim_matches(OWS)).filter(|range| !range.is_empty());
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return None };
    let (first, last) = range.split_once('-')?;
    let (first, last) = match (position(first)?, position(last)?) {
        (None, None) => return None,
        // `Content-Range` cannot describe the last bytes of an empty file.
        (None, Some(1..)) if size_bytes == 0 => return None,
        (None, Some(bytes)) => (size_bytes.saturating_sub(bytes), u64::MAX),
        (Some(first), Some(last)) if first > last => return None,
        (Some(first), last) => (first, last.unwrap_or(u64::MAX)),
    };
    if first >= size_bytes {
        return Some(Err(NotSatisfiable));
    }
    Some(Ok(ByteRange { first, last: last.min(size_bytes - 1) }))
}

/// Parses a position, which may have any number of digits: one that does not fit is beyond the end of every file.
/// `None` for a syntax error, and `Some(None)` if there are no digits.
fn position(digits: &str) -> Option<Option<u64>> {
    match digits {
        "" => Some(None),
        _ if is_digits(digits) => Some(Some(digits.parse().unwrap_or(u64::MAX))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_value_asks_for_these_bytes() {
        let part = |first, last| Some(Ok(ByteRange { first, last }));
        let nothing = Some(Err(NotSatisfiable));
        let digits_30 = "9".repeat(30);
        let table: &[(&str, u64, Option<_>)] = &[
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
            ("bytes=100-", 100, nothing),
            ("bytes=100-200", 100, nothing),
            ("bytes=-0", 100, nothing),
            (&format!("bytes={digits_30}-"), 100, nothing),
            (&format!("bytes={digits_30}-{digits_30}"), 100, nothing),
            // Ignored: another unit, a syntax error, several ranges.
            ("seconds=0-1", 100, None),
            ("bytes", 100, None),
            ("bytes=", 100, None),
            ("bytes=,", 100, None),
            ("bytes=abc", 100, None),
            ("bytes=5-4", 100, None),
            ("bytes=-", 100, None),
            ("bytes=--5", 100, None),
            ("bytes=+0-5", 100, None),
            ("bytes=0 - 5", 100, None),
            ("bytes=0-5 6", 100, None),
            ("bytes=0x0-5", 100, None),
            ("bytes=0-1,5-6", 100, None),
            ("bytes=0-1, abc", 100, None),
            ("", 100, None),
            // An empty file, and a file of one byte.
            ("bytes=0-", 0, nothing),
            ("bytes=0-0", 0, nothing),
            ("bytes=-1", 0, None),
            ("bytes=-0", 0, nothing),
            ("bytes=0-", 1, part(0, 0)),
            ("bytes=-1", 1, part(0, 0)),
            ("bytes=1-", 1, nothing),
        ];
        for (value, size_bytes, asked) in table {
            assert_eq!(parse(value, *size_bytes), *asked, "{value:?} of {size_bytes}");
        }
    }
}
