//! The values of the options, and their parsers. A parser's error stands after "invalid value 'X' for '--option': ".

use std::net::IpAddr;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::instrument::buffer::HeapLimit;
use crate::instrument::units::parse_size;

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bind {
    /// Both loopback addresses, on one port.
    Localhost,
    Address(IpAddr),
}

impl Bind {
    /// Whether only this machine can connect.
    pub fn is_loopback(self) -> bool {
        match self {
            Self::Localhost => true,
            Self::Address(address) => address.to_canonical().is_loopback(),
        }
    }
}

/// How long to wait for a client. `None` waits for ever. (clap would take an `Option` for an option without a default.)
pub type Timeout = Option<Duration>;

/// The parser of an option. A byte that is not UTF-8 becomes `\u{fffd}`: clap's own error does not name the option.
pub fn by<T: Clone + Send + Sync + 'static>(
    parse: fn(&str) -> Result<T, &'static str>,
) -> impl TypedValueParser<Value = T> {
    OsStringValueParser::new().try_map(move |value| parse(&value.to_string_lossy()))
}

pub fn parse_port(text: &str) -> Result<u16, &'static str> {
    // `parse` alone would accept a sign.
    let digits = Some(text).filter(|text| !text.starts_with('+'));
    digits.and_then(|digits| digits.parse().ok()).ok_or("it must be a number from 0 to 65535")
}

/// Parses the value of `--bind`: `localhost` in any case, or an address, which may be in brackets.
pub fn parse_bind(text: &str) -> Result<Bind, &'static str> {
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(Bind::Localhost);
    }
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    bare.parse().map(Bind::Address).map_err(|_| "it must be localhost or an IP address such as 127.0.0.1 or [::1]")
}

pub fn parse_chunk_size(text: &str) -> Result<usize, &'static str> {
    /// Larger chunks are not faster, and amount to buffer mode.
    const CHUNK_MOST_BYTES: u64 = 1 << 30;
    match parse_size(text) {
        Some(bytes) if bytes <= CHUNK_MOST_BYTES => Ok(bytes as usize),
        _ => Err("it must be a size above 0 and up to 1G, such as 65536 or 64K"),
    }
}

/// Parses the value of `--heap-limit`: a size, or `none` in any case.
pub fn parse_heap_limit(text: &str) -> Result<HeapLimit, &'static str> {
    let bytes = parse_size(text);
    if bytes.is_none() && !text.eq_ignore_ascii_case("none") {
        return Err("it must be a size above 0, such as 1048576 or 256M, or none");
    }
    Ok(HeapLimit { bytes, is_default: false })
}

/// Parses the value of `--timeout`. 0 means that there is no timeout.
pub fn parse_timeout(text: &str) -> Result<Timeout, &'static str> {
    /// Systems store the timeout of a socket as a 32-bit number of milliseconds.
    const MOST_SECONDS: f64 = 2_000_000.0;
    match text.parse() {
        Ok(0.0) => Ok(None),
        Ok(seconds) if (0.1..=MOST_SECONDS).contains(&seconds) => Ok(Some(Duration::from_secs_f64(seconds))),
        _ => Err("it must be a number of seconds from 0.1 to 2000000, or 0 for no timeout"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_brackets() {
        let address = |text: &str| Ok(Bind::Address(text.parse().unwrap()));
        assert_eq!(parse_bind("localhost"), Ok(Bind::Localhost));
        assert_eq!(parse_bind("0.0.0.0"), address("0.0.0.0"));
        assert_eq!(parse_bind("::1"), address("::1"));
        assert_eq!(parse_bind("[::1]"), address("::1"));
        assert!(parse_bind("example.org").is_err());
        assert!(parse_bind("[127.0.0.1").is_err());
    }

    #[test]
    fn a_port_is_digits() {
        assert_eq!((parse_port("0"), parse_port("65535")), (Ok(0), Ok(65_535)));
        for text in ["+5", "-5", "65536", "5 ", "http", ""] {
            assert!(parse_port(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_timeout_of_zero_is_none() {
        assert_eq!(parse_timeout("0"), Ok(None));
        assert_eq!(parse_timeout("0.5"), Ok(Some(Duration::from_millis(500))));
        for text in ["-1", "+0.01", "nan", "1e9", "soon", ""] {
            assert!(parse_timeout(text).is_err(), "{text:?}");
        }
    }
}
