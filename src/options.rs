//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::instrument::trace::{Color, TraceFormat};
use crate::instrument::units::parse_size;
use crate::modes::Mode;

/// Serve a file whole from memory or bit by bit, and see on every request what that costs the heap.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Options {
    /// The file to serve, at / and at /ITS-NAME
    #[arg(default_value = "media/powder-day.mp4", value_name = "FILE")]
    pub file: PathBuf,

    /// How the file is brought into the answer. `buffer` reads it whole into memory, then sends it: the
    /// heap grows by the file's size with every viewer. `stream` moves it through one small chunk: the heap
    /// stays flat
    #[arg(short, long, value_enum, default_value_t = Mode::Stream, value_name = "MODE")]
    pub mode: Mode,

    /// The port to listen on; 0 takes any free one, which the first line then names
    #[arg(short, long, default_value_t = 3000, value_name = "PORT")]
    pub port: u16,

    /// The address to listen on. `localhost` is both loopback addresses, so only this machine can see
    /// the server; any other address shows the file to whoever can reach it
    #[arg(short, long, default_value = "localhost", value_name = "ADDR", value_parser = parse_bind)]
    pub bind: Bind,

    /// The stream's buffer: what one viewer costs. Smaller, and it takes more CPU to send the same file;
    /// larger, and a thousand viewers are felt. 64K costs some tenths more CPU than 256K, and a quarter
    /// of the memory
    #[arg(short, long, default_value = "64K", value_name = "SIZE", value_parser = parse_chunk)]
    pub chunk_size: usize,

    /// How many seconds a client may take to send a request, or read nothing of an answer, before it is hung up;
    /// 0 is for ever. Memory held for a stalled client is then freed, and the trace shows it
    #[arg(long, default_value = "30", value_name = "SECONDS", value_parser = parse_timeout, allow_negative_numbers = true)]
    pub timeout: Timeout,

    /// Refuse (503) a request whose buffer would take the heap above this size. With 256M, buffer mode
    /// serves six viewers of a 40 MiB file at once, and stream mode thousands
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub heap_limit: Option<u64>,

    /// What is printed on stderr after each request: a line for people, an object for programs, nothing
    #[arg(long, value_enum, default_value_t = TraceFormat::Text, value_name = "FORMAT")]
    pub trace: TraceFormat,

    /// Colour in the text trace; `auto` colours a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
}

/// As clap's own: the command line is wrong.
const USAGE_ERROR: u8 = 2;

impl Options {
    /// Reads the command line. The error: help or a message was printed, and the program ends with this code.
    pub fn read() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| end_with(&error))
    }
}

/// Prints help and version on stdout, and an error as one line on stderr.
fn end_with(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    // The error, its values and its tip, without the usage and the hint at the end.
    let said = text.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let words = said.flat_map(str::split_whitespace).skip_while(|&word| word == "error:");
    let line = words.collect::<Vec<_>>().join(" ");
    eprintln!("heapserve: {line}; see heapserve --help");
    ExitCode::from(USAGE_ERROR)
}

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bind {
    /// Both loopback addresses, on one port.
    Localhost,
    /// One address.
    Address(IpAddr),
}

/// A span, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(pub Option<Duration>);

fn parse_bind(text: &str) -> Result<Bind, String> {
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(Bind::Localhost);
    }
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let way_out = "give localhost, or an IP address such as 127.0.0.1 or [::1]";
    bare.parse().map(Bind::Address).map_err(|_| format!("not an address; {way_out}"))
}

fn parse_chunk(text: &str) -> Result<usize, String> {
    /// Read and write calls do not get faster beyond, and it would be the buffer mode by another name.
    const CHUNK_MOST_BYTES: u64 = 1 << 30;
    match parse_size(text)? {
        bytes if bytes <= CHUNK_MOST_BYTES => Ok(bytes as usize),
        _ => Err("too large; give at most 1G".to_owned()),
    }
}

fn parse_timeout(text: &str) -> Result<Timeout, String> {
    /// Systems count a socket's timeout in 32 bits of milliseconds.
    const MOST_SECONDS: f64 = 2_000_000.0;
    match text.parse::<f64>() {
        Ok(0.0) => Ok(Timeout(None)),
        Ok(seconds) if (0.1..=MOST_SECONDS).contains(&seconds) => {
            Ok(Timeout(Some(Duration::from_secs_f64(seconds))))
        }
        _ => Err("give seconds from 0.1 to 2000000, or 0 for no timeout".to_owned()),
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
    fn a_timeout_of_zero_is_none() {
        assert_eq!(parse_timeout("0"), Ok(Timeout(None)));
        assert_eq!(parse_timeout("0.5"), Ok(Timeout(Some(Duration::from_millis(500)))));
        for text in ["-1", "nan", "1e9", "soon", ""] {
            assert!(parse_timeout(text).is_err(), "{text:?}");
        }
    }
}
