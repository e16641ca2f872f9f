//! Sizes for people: MiB are 1,048,576 bytes, everywhere.

use std::fmt;
use std::time::Duration;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Bytes as a number of MiB, without the unit: one decimal, two where one would hide the figure.
#[derive(Clone, Copy, Debug)]
pub struct Mib(pub u64);

impl fmt::Display for Mib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = if self.0 < MIB / 5 { 2 } else { 1 };
        decimal(f, self.0, MIB, decimals)
    }
}

/// A part of a whole in the unit that suits the whole: `40.0 of 40.0 MiB`, `100 of 100 bytes`.
#[derive(Clone, Copy, Debug)]
pub struct PartOf(pub u64, pub u64);

impl fmt::Display for PartOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(part, whole) = *self;
        let (unit_bytes, unit) = unit_for(whole);
        if unit_bytes == 1 {
            return write!(f, "{part} of {whole} {unit}");
        }
        decimal(f, part, unit_bytes, 1)?;
        f.write_str(" of ")?;
        decimal(f, whole, unit_bytes, 1)?;
        write!(f, " {unit}")
    }
}

/// Bytes in the unit that suits them: `40.0 MiB`.
#[derive(Clone, Copy, Debug)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit_bytes, unit) = unit_for(self.0);
        if unit_bytes == 1 {
            return write!(f, "{} {unit}", self.0);
        }
        decimal(f, self.0, unit_bytes, 1)?;
        write!(f, " {unit}")
    }
}

/// A span in milliseconds, with one decimal.
#[derive(Clone, Copy, Debug)]
pub struct Millis(pub Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal(f, self.0.as_micros() as u64, 1_000, 1)
    }
}

/// `number / unit`, rounded. Whole numbers do it in a tenth of the time that floats take, and a trace line has
/// ten of these.
fn decimal(f: &mut fmt::Formatter<'_>, number: u64, unit: u64, decimals: u32) -> fmt::Result {
    let scale = 10_u128.pow(decimals);
    let scaled = (u128::from(number) * scale + u128::from(unit) / 2) / u128::from(unit);
    write!(f, "{}.{:0width$}", (scaled / scale) as u64, (scaled % scale) as u64, width = decimals as usize)
}

fn unit_for(bytes: u64) -> (u64, &'static str) {
    match bytes {
        0..KIB => (1, "bytes"),
        KIB..MIB => (KIB, "KiB"),
        MIB..GIB => (MIB, "MiB"),
        _ => (GIB, "GiB"),
    }
}

/// Reads a size in bytes, or with K, M or G (powers of 1,024, `B`, `iB` and case do not matter); not 0.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let way_out = "give bytes, or a number with K, M or G, such as 65536 or 64K";
    let upper = text.trim().to_ascii_uppercase();
    let bare = upper.strip_suffix("IB").or(upper.strip_suffix('B')).unwrap_or(&upper);
    let (digits, unit_bytes) = match bare.char_indices().last() {
        Some((at, 'K')) => (&bare[..at], KIB),
        Some((at, 'M')) => (&bare[..at], MIB),
        Some((at, 'G')) => (&bare[..at], GIB),
        _ => (bare, 1),
    };
    let number: u64 = digits.trim().parse().map_err(|_| format!("not a size; {way_out}"))?;
    match number.checked_mul(unit_bytes) {
        Some(0) => Err(format!("must be above 0; {way_out}")),
        Some(bytes) => Ok(bytes),
        None => Err(format!("too large; {way_out}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_for_people() {
        assert_eq!(Mib(41_943_040).to_string(), "40.0");
        assert_eq!(Mib(73_400).to_string(), "0.07");
        assert_eq!(Mib(314_573).to_string(), "0.3");
        assert_eq!(PartOf(10_485_760, 41_943_040).to_string(), "10.0 of 40.0 MiB");
        assert_eq!(PartOf(100, 100).to_string(), "100 of 100 bytes");
        assert_eq!(Mib(0).to_string(), "0.00");
        assert_eq!(Mib(u64::MAX).to_string(), "17592186044416.0");
        assert_eq!(Millis(Duration::from_micros(31_449)).to_string(), "31.4");
        assert_eq!(Size(0).to_string(), "0 bytes");
        assert_eq!(Size(13_099_650_252).to_string(), "12.2 GiB");
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
            assert_eq!(parse_size(text), Ok(bytes), "{text:?}");
        }
        for text in [
            "",
            "0",
            "0K",
            "K",
            "-1",
            "1.5M",
            "64Q",
            "64 000",
            "99999999999999999999",
            "18446744073709551615K",
        ] {
            assert!(parse_size(text).is_err(), "{text:?}");
        }
    }
}
