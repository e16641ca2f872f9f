//! The explanation of a wrong command line: clap's, as one line.

use std::error::Error as _;

use clap::error::{ContextKind, ErrorKind};

/// What other programs call `--bind`. clap finds only names that are spelled similarly.
const OTHER_NAMES_OF_BIND: [&str; 4] = ["--host", "--address", "--addr", "--listen"];

/// Explains `error` in one sentence without its full stop.
pub fn sentence(error: &clap::Error) -> String {
    let context = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let argument = context(ContextKind::InvalidArg);
    let option = argument.split(' ').next().unwrap_or_default();
    match (error.kind(), error.source()) {
        (ErrorKind::ValueValidation, Some(wanted)) => {
            format!("{option} wants {wanted}, not '{}'", context(ContextKind::InvalidValue))
        }
        (ErrorKind::UnknownArgument, _) if OTHER_NAMES_OF_BIND.contains(&option) => {
            format!(
                "unexpected argument '{option}' found; tip: the address to listen on is given with '--bind'"
            )
        }
        _ => flattened(&error.to_string()),
    }
}

/// Joins the lines of clap's message, except the usage, the reference to the help, and a tip that is wrong for a file
/// such as `-dash.txt`, of which clap names only the first letter.
fn flattened(message: &str) -> String {
    let is_dropped = |line: &str| {
        line.is_empty()
            || ["Usage:", "For more information", "tip: to pass"].iter().any(|s| line.starts_with(s))
    };
    let lines: Vec<_> = message.lines().map(str::trim).filter(|line| !is_dropped(line)).collect();
    lines.join("; ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use clap::Parser;

    #[test]
    fn a_wrong_command_line_is_explained_in_one_sentence() {
        let table = [
            (
                "-m buffr",
                "invalid value 'buffr' for '--mode <MODE>'; [possible values: buffer, stream]; tip: a similar value \
                 exists: 'buffer'",
            ),
            ("-p 70000", "--port wants a number from 0 to 65535, not '70000'"),
            ("--port", "a value is required for '--port <PORT>' but none was supplied"),
            (
                "--colour=no",
                "unexpected argument '--colour' found; tip: a similar argument exists: '--color'",
            ),
            (
                "--host ::",
                "unexpected argument '--host' found; tip: the address to listen on is given with '--bind'",
            ),
            ("-dash.txt", "unexpected argument '-d' found"),
            ("a.mp4 b.mp4", "unexpected argument 'b.mp4' found"),
        ];
        for (line, wanted) in table {
            let arguments = ["heapserve"].into_iter().chain(line.split(' '));
            let error = Options::try_parse_from(arguments).unwrap_err();
            assert_eq!(sentence(&error), wanted, "{line}");
        }
    }
}
