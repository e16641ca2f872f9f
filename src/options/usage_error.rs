//! The sentence that explains a wrong command line.
//!
//! It is built from the context that clap attaches to an error. clap's own text has several lines, and for a file
//! named `-dash.txt` gives advice that does not work.

use std::error::Error as _;
use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Explains `error`, which these `arguments` caused, in one sentence without its full stop.
pub fn sentence(error: &clap::Error, arguments: &[OsString], command: Command) -> String {
    let option = string(error, ContextKind::InvalidArg).unwrap_or_default();
    // Without the name of the value, as in `--port <PORT>`, and without the brackets of `[FILE]`.
    let option = option.split(' ').next().unwrap_or_default().trim_matches(['[', ']']);
    let value = string(error, ContextKind::InvalidValue).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument => unknown(error, arguments, &command),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation if value.is_empty() => {
            format!("{option} wants {}, but nothing was given", wanted(error))
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let hint = value_hint(error, value, arguments, &command);
            format!("{option} wants {}, not '{value}'{hint}", wanted(error))
        }
        ErrorKind::ArgumentConflict => format!("{option} can be given only once"),
        ErrorKind::TooManyValues => format!("{option} takes no value, but '{value}' was given"),
        other => other.as_str().unwrap_or("the command line is wrong").to_owned(),
    }
}

/// An option that does not exist, or a second file.
fn unknown(error: &clap::Error, arguments: &[OsString], command: &Command) -> String {
    let argument = string(error, ContextKind::InvalidArg).unwrap_or_default();
    if !argument.starts_with('-') {
        return format!("only one FILE can be served, but '{argument}' is a second one");
    }
    if let Some(similar) = string(error, ContextKind::SuggestedArg) {
        return format!("there is no option {argument} (did you mean {similar}?)");
    }
    // clap names only the first letter of `-dash.txt`.
    let mut texts = arguments.iter().map(|text| text.to_string_lossy());
    let whole = texts.find(|text| text.starts_with(argument));
    let hint = option_or_file_hint(whole.as_deref().unwrap_or(argument), command);
    format!("there is no option {argument}{hint}")
}

/// What the option wants: one of its values, or what its parser says.
fn wanted(error: &clap::Error) -> String {
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) if !values.is_empty() => alternatives(values),
        _ => error.source().map_or("a value".to_owned(), ToString::to_string),
    }
}

/// `text, json or off`.
fn alternatives(values: &[String]) -> String {
    match values {
        [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => values.concat(),
    }
}

/// What may have been meant by a value that cannot be used.
fn value_hint(error: &clap::Error, value: &str, arguments: &[OsString], command: &Command) -> String {
    if let Some(similar) = string(error, ContextKind::SuggestedValue) {
        return format!(" (did you mean '{similar}'?)");
    }
    // clap reads `-port` as `-p ort`, and `-movie.mp4` as `-m ovie.mp4`.
    let is_joined = |text: &str| text.starts_with('-') && text.get(2..) == Some(value);
    let mut texts = arguments.iter().map(|text| text.to_string_lossy());
    texts.find(|text| is_joined(text)).map_or(String::new(), |whole| option_or_file_hint(&whole, command))
}

/// What may have been meant by an argument that starts with `-`: a long option, or a file.
fn option_or_file_hint(argument: &str, command: &Command) -> String {
    let name = argument.trim_start_matches('-');
    if command.get_arguments().any(|known| known.get_long() == Some(name)) {
        return format!(" (did you mean --{name}?)");
    }
    format!("; if '{argument}' is a file, write './{argument}'")
}

fn string(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use clap::CommandFactory;

    #[test]
    fn a_wrong_command_line_is_explained_in_one_sentence() {
        let table: &[(&[&str], &str)] = &[
            (&["-m", "buffr"], "--mode wants buffer or stream, not 'buffr' (did you mean 'buffer'?)"),
            (&["--mode", "x"], "--mode wants buffer or stream, not 'x'"),
            (&["--mode"], "--mode wants buffer or stream, but nothing was given"),
            (&["--mode="], "--mode wants buffer or stream, but nothing was given"),
            (&["-m", "buffer", "--mode", "stream"], "--mode can be given only once"),
            (&["--trace", "xml"], "--trace wants text, json or off, not 'xml'"),
            (&["-p", "70000"], "--port wants a number from 0 to 65535, not '70000'"),
            (&["--port", "-1"], "--port wants a number from 0 to 65535, not '-1'"),
            (&["--port", "http"], "--port wants a number from 0 to 65535, not 'http'"),
            (&["--port"], "--port wants a value, but nothing was given"),
            (&["--port="], "--port wants a number from 0 to 65535, but nothing was given"),
            (&["-port", "80"], "--port wants a number from 0 to 65535, not 'ort' (did you mean --port?)"),
            (
                &["-b", "example.org"],
                "--bind wants localhost or an IP address such as 127.0.0.1 or [::1], not 'example.org'",
            ),
            (
                &["-c", "-64K"],
                "--chunk-size wants a size above 0 and up to 1G, such as 65536 or 64K, not '-64K'",
            ),
            (
                &["--chunk-size=2G"],
                "--chunk-size wants a size above 0 and up to 1G, such as 65536 or 64K, not '2G'",
            ),
            (
                &["--heap-limit", "half"],
                "--heap-limit wants a size above 0, such as 1048576 or 256M, or none, not 'half'",
            ),
            (
                &["--timeout", "soon"],
                "--timeout wants a number of seconds from 0.1 to 2000000, or 0 for no timeout, not 'soon'",
            ),
            (&["--colour=always"], "there is no option --colour (did you mean --color?)"),
            (&["--quiet"], "there is no option --quiet; if '--quiet' is a file, write './--quiet'"),
            (&["-x"], "there is no option -x; if '-x' is a file, write './-x'"),
            (&["-dash.txt"], "there is no option -d; if '-dash.txt' is a file, write './-dash.txt'"),
            (
                &["-movie.mp4"],
                "--mode wants buffer or stream, not 'ovie.mp4'; if '-movie.mp4' is a file, write './-movie.mp4'",
            ),
            (&["a.mp4", "b.mp4"], "only one FILE can be served, but 'b.mp4' is a second one"),
            (&[""], "FILE wants a value, but nothing was given"),
            (&["--version=2"], "--version takes no value, but '2' was given"),
        ];
        for (arguments, wanted) in table {
            let arguments: Vec<OsString> =
                ["heapserve"].iter().chain(*arguments).map(OsString::from).collect();
            let error = Options::command().try_get_matches_from(&arguments).unwrap_err();
            assert_eq!(sentence(&error, &arguments, Options::command()), *wanted, "{arguments:?}");
        }
    }
}
