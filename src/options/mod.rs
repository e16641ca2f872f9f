//! The command line: the options, their help, and the values that they take.
//!
//! clap wraps help to the width of the terminal only with one more crate. So the help texts are broken by hand: no
//! line of `-h` or `--help` has more than 100 columns, including what clap adds to it.

mod values;

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process;

use clap::{ColorChoice, Parser};

use crate::instrument::buffer::HeapLimit;
use crate::instrument::trace::{TraceFormat, escaped};
use crate::modes::Mode;

use values::{by, parse_bind, parse_chunk_size, parse_heap_limit, parse_port, parse_timeout};

pub use values::{Bind, Timeout};

/// The file that is served when the command line names none.
pub const DEFAULT_FILE: &str = "media/powder-day.mp4";

/// The chunk size when the command line gives none: 64K.
const DEFAULT_CHUNK_BYTES: usize = 64 << 10;

/// Serve a file whole from memory or bit by bit, and see what each request costs the heap
#[derive(Debug, Parser)]
#[command(version, allow_negative_numbers = true)]
pub struct Options {
    /// The file to serve, at / and at /NAME of the file
    #[arg(default_value = DEFAULT_FILE)]
    pub file: PathBuf,

    /// How to send the file
    ///
    /// `buffer` reads the whole file into memory, then sends it: the heap grows by the size of
    /// the file with each viewer. `stream` sends the file through one small buffer: the heap
    /// grows by the chunk size with each viewer.
    #[arg(short, long, value_enum, default_value_t = Mode::Stream, verbatim_doc_comment)]
    pub mode: Mode,

    /// The port to listen on; 0 takes any free port
    ///
    /// The first line of stdout names the port.
    #[arg(short, long, default_value = "3000", value_parser = by(parse_port), verbatim_doc_comment)]
    pub port: u16,

    /// The address to listen on
    ///
    /// `localhost` stands for 127.0.0.1 and ::1, which only this machine can reach. If other
    /// machines can reach the address, they can see the file and the figures of the heap.
    #[arg(short, long, default_value = "localhost", value_name = "ADDR", value_parser = by(parse_bind))]
    #[arg(aliases = ["host", "address", "addr", "listen"], verbatim_doc_comment)]
    pub bind: Bind,

    /// The size of the buffer in stream mode, one for each viewer
    ///
    /// A much smaller chunk takes more CPU for the same file, a larger one memory per viewer.
    /// A size is a number of bytes, or of K, M or G (powers of 1,024). Buffer mode has no chunks.
    #[arg(short, long, default_value = "64K", value_name = "SIZE", value_parser = by(parse_chunk_size))]
    #[arg(verbatim_doc_comment)]
    pub chunk_size: usize,

    /// Seconds until a stalled client is disconnected; 0: never
    ///
    /// The limit is for receiving a whole request head, for receiving a whole body, and for a
    /// client that stops reading. When a client is disconnected, its memory is freed, and the
    /// trace shows it.
    #[arg(long, default_value = "30", value_name = "SECONDS", value_parser = by(parse_timeout))]
    #[arg(verbatim_doc_comment)]
    pub timeout: Timeout,

    /// Answer 503 if a buffer would take the heap above this; none: never
    ///
    /// With 256M, buffer mode serves six viewers of a 40 MiB file at once, and stream mode serves
    /// thousands. The default is the memory that the system could give at the start (in a
    /// container: what its limit leaves), less one eighth.
    #[arg(long, value_name = "SIZE", value_parser = by(parse_heap_limit), verbatim_doc_comment)]
    pub heap_limit: Option<HeapLimit>,

    /// Format of the trace
    ///
    /// The trace goes to stderr, and says what each request did to the heap.
    #[arg(long, value_enum, default_value_t = TraceFormat::Text, value_name = "FORMAT", verbatim_doc_comment)]
    pub trace: TraceFormat,

    /// Colour the trace
    ///
    /// Only the text format has colours. With `auto`, it has them on a terminal that shows them,
    /// unless NO_COLOR is set.
    #[arg(long, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN", verbatim_doc_comment)]
    pub color: ColorChoice,
}

impl Options {
    /// Reads the command line. If that asks for help or is wrong, this prints the text and ends the process.
    pub fn read() -> Self {
        Self::try_parse().unwrap_or_else(|error| end_with(&error))
    }

    /// What the user should know about these options before the first request.
    pub fn warning(&self) -> Option<String> {
        let is_useless = self.mode == Mode::Buffer && self.chunk_size != DEFAULT_CHUNK_BYTES;
        is_useless.then(|| "--chunk-size has no effect with --mode buffer".to_owned())
    }
}

/// Prints help and version on stdout, and an error as one line on stderr.
fn end_with(error: &clap::Error) -> ! {
    let (sentence, code) = match error.use_stderr() {
        true => (format!("{}; see heapserve --help", escaped(&sentence(&error.to_string()))), error.exit_code()),
        false => match error.print() {
            // The reader has what it wanted, as in `heapserve --help | head -n 1`.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => (format!("cannot write to stdout: {error}"), 1),
            _ => process::exit(0),
        },
    };
    let _ = writeln!(io::stderr(), "heapserve: {sentence}");
    process::exit(code)
}

/// Joins the lines of clap's message, except the usage, the reference to the help, and a tip that is wrong for a file
/// such as `-dash.txt`, of which clap names only the first letter.
fn sentence(message: &str) -> String {
    let is_dropped = |line: &str| {
        line.is_empty() || ["Usage:", "For more information", "tip: to pass"].iter().any(|s| line.starts_with(s))
    };
    let lines: Vec<_> = message.lines().map(str::trim).filter(|line| !is_dropped(line)).collect();
    lines.join("; ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn an_option_without_effect_brings_a_warning() {
        let table = [("", false), ("-m buffer", false), ("-c 65K", false), ("-m buffer -c 65K", true)];
        for (line, is_useless) in table {
            let arguments = ["heapserve"].into_iter().chain(line.split_whitespace());
            let warning = Options::try_parse_from(arguments).unwrap().warning();
            assert_eq!(warning.is_some_and(|it| it.contains("--chunk-size has no effect")), is_useless, "{line}");
        }
    }

    #[test]
    fn help_fits_100_columns() {
        let mut command = Options::command();
        let short = command.render_help().to_string();
        let long = command.render_long_help().to_string();
        for line in short.lines().chain(long.lines()) {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }

    #[test]
    fn a_wrong_command_line_is_explained_in_one_sentence() {
        let table = [
            (
                "-m buffr",
                "invalid value 'buffr' for '--mode <MODE>'; [possible values: buffer, stream]; tip: a similar value \
                 exists: 'buffer'",
            ),
            ("-p 70000", "invalid value '70000' for '--port <PORT>': it must be a number from 0 to 65535"),
            ("--port", "a value is required for '--port <PORT>' but none was supplied"),
            ("--colour=no", "unexpected argument '--colour' found; tip: a similar argument exists: '--color'"),
            ("-dash.txt", "unexpected argument '-d' found"),
            ("a.mp4 b.mp4", "unexpected argument 'b.mp4' found"),
        ];
        for (line, wanted) in table {
            let arguments = ["heapserve"].into_iter().chain(line.split(' '));
            let error = Options::try_parse_from(arguments).unwrap_err();
            assert_eq!(sentence(&error.to_string()), wanted, "{line}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn an_option_is_named_if_its_value_is_no_text() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        for option in ["--port", "--bind", "--chunk-size", "--timeout", "--heap-limit", "--mode", "--trace", "--color"]
        {
            let arguments = ["heapserve".as_ref(), option.as_ref(), OsStr::from_bytes(b"\xFF")];
            let message = sentence(&Options::try_parse_from(arguments).unwrap_err().to_string());
            assert!(message.starts_with(&format!("invalid value '\u{fffd}' for '{option} <")), "{message}");
        }
    }

    #[test]
    fn other_names_of_bind_are_known() {
        for name in ["--bind", "--host", "--listen"] {
            let options = Options::try_parse_from(["heapserve", name, "::1"]).unwrap();
            assert_eq!(options.bind, Bind::Address("::1".parse().unwrap()));
        }
    }
}
