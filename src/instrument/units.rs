//! Sizes and times as people read and write them. One MiB is 1,048,576 bytes.

use std::fmt::{self, Display};
use std::time::Duration;

/// The units: their sizes in bytes, their names, and the letters of the options. The last one suits everything.
const UNITS: [(u64, &str, char); 4] =
    [(1 << 30, "GiB", 'G'), (1 << 20, "MiB", 'M'), (1 << 10, "KiB", 'K'), (1, "bytes", 'B')];

/// The unit that suits a number of bytes.
fn unit_for(bytes: u64) -> (u64, &'static str, char) {
    UNITS.into_iter().find(|&(unit_bytes, ..)| bytes >= unit_bytes).unwrap_or(UNITS[3])
}

/// A part of a whole, both in the unit that suits the whole: `10.0 of 40.0 MiB`, `100 of 100 bytes`.
pub fn part_of(part: u64, whole: u64) -> impl Display {
    let (unit_bytes, ..) = unit_for(whole);
    let part = decimal(part, unit_bytes, usize::from(unit_bytes > 1));
    fmt::from_fn(move |f| write!(f, "{part} of {}", size(whole)))
}

/// A number of bytes in the unit that suits it: `40.0 MiB`.
pub fn size(bytes: u64) -> impl Display {
    let (unit_bytes, unit, _) = unit_for(bytes);
    let number = decimal(bytes, unit_bytes, usize::from(unit_bytes > 1));
    fmt::from_fn(move |f| write!(f, "{number} {unit}"))
}

/// A number of bytes in at most five characters, with the units of the options: `40.2M`, `805M`, `64.0K`, `816B`.
pub fn short(bytes: u64) -> impl Display {
    let (unit_bytes, _, letter) = unit_for(bytes);
    // From 99.95 on, a decimal would be the sixth character, as in `100.0M`.
    let has_decimal = unit_bytes > 1 && bytes < 100 * unit_bytes - unit_bytes / 20;
    let number = decimal(bytes, unit_bytes, usize::from(has_decimal));
    fmt::from_fn(move |f| write!(f, "{number}{letter}"))
}

/// A duration in milliseconds, with two decimals below 1 ms, one below 10 ms, and none above.
pub fn short_millis(duration: Duration) -> impl Display {
    let us = duration.as_micros() as u64;
    decimal(us, 1_000, if us < 995 { 2 } else { usize::from(us < 9_950) })
}

/// `number / unit`, rounded. Integer arithmetic takes a tenth of the time of floating point, and a line has several.
fn decimal(number: u64, unit: u64, decimals: usize) -> impl Display {
    let scale = 10_u128.pow(decimals as u32);
    let scaled = (u128::from(number) * scale + u128::from(unit) / 2) / u128::from(unit);
    let (whole, rest) = ((scaled / scale) as u64, (scaled % scale) as u64);
    fmt::from_fn(move |f| match decimals {
        0 => write!(f, "{whole}"),
        _ => write!(f, "{whole}.{rest:0decimals$}"),
    })
}

/// Parses a size above 0, in bytes or with one of the units K, M and G (powers of 1,024). Case does not matter, and
/// `KB` and `KiB` mean the same as `K`. Returns `None` for anything else.
pub fn parse_size(text: &str) -> Option<u64> {
    let upper = text.trim().to_ascii_uppercase();
    let bare = upper.strip_suffix("IB").or(upper.strip_suffix('B')).unwrap_or(&upper);
    let unit = UNITS[..3].iter().find(|(.., letter)| bare.ends_with(*letter));
    let (digits, unit_bytes) = unit.map_or((bare, 1), |unit| (&bare[..bare.len() - 1], unit.0));
    // `parse` alone would accept a sign.
    let number: u64 = Some(digits.trim()).filter(|digits| !digits.starts_with('+'))?.parse().ok()?;
    number.checked_mul(unit_bytes).filter(|&bytes| bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_for_people() {
        let shortened = [
            (0, "0B"),
            (1_023, "1023B"),
            (1_024, "1.0K"),
            (65_536, "64.0K"),
            (102_348, "99.9K"),
            (102_349, "100K"),
            (1_048_575, "1024K"),
            (42_160_128, "40.2M"),
            (843_711_817, "805M"),
            (13_099_650_252, "12.2G"),
        ];
        for (bytes, written) in shortened {
            assert_eq!(short(bytes).to_string(), written);
        }
        assert_eq!(part_of(10_485_760, 41_943_040).to_string(), "10.0 of 40.0 MiB");
        assert_eq!(part_of(100, 100).to_string(), "100 of 100 bytes");
        let spans = [
            (43, "0.04"),
            (994, "0.99"),
            (995, "1.0"),
            (9_949, "9.9"),
            (9_950, "10"),
            (31_449, "31"),
            (2_698_000, "2698"),
        ];
        for (us, written) in spans {
            assert_eq!(short_millis(Duration::from_micros(us)).to_string(), written);
        }
        assert_eq!(size(0).to_string(), "0 bytes");
        assert_eq!(size(13_099_650_252).to_string(), "12.2 GiB");
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let good = [
            ("1", 1),
            ("65536", 65_536),
            ("64K", 65_536),
            ("64k", 65_536),
            ("64KiB", 65_536),
            ("1M", 1 << 20),
            ("2G", 2 << 30),
        ];
        for (text, bytes) in good {
            assert_eq!(parse_size(text), Some(bytes), "{text:?}");
        }
        for text in
            ["", "0", "0K", "K", "-1", "+5", "1.5M", "64Q", "64 000", "99999999999999999999", "18446744073709551615K"]
        {
            assert_eq!(parse_size(text), None, "{text:?}");
        }
    }
}
