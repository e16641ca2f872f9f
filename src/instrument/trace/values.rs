//! Single values in the lines of the trace. Nothing here allocates.

use std::fmt::{self, Display, Write as _};

/// A string as JSON, with quotes.
pub fn json_string(text: &str) -> impl Display {
    fmt::from_fn(move |f| {
        f.write_char('"')?;
        for c in text.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    })
}

/// Text with its control characters escaped. Otherwise text from a client could end the line, or change the colour of
/// the terminal.
pub fn escaped(text: &str) -> impl Display {
    fmt::from_fn(move |f| {
        text.chars().try_for_each(|c| {
            if c.is_control() { write!(f, "{}", c.escape_default()) } else { f.write_char(c) }
        })
    })
}

/// A figure, or `null`, as JSON.
pub fn or_null(figure: Option<impl Display>) -> impl Display {
    or(figure, "null")
}

/// A figure, or `?`.
pub fn or_unknown(figure: Option<impl Display>) -> impl Display {
    or(figure, "?")
}

fn or(figure: Option<impl Display>, unknown: &'static str) -> impl Display {
    fmt::from_fn(move |f| match &figure {
        Some(figure) => figure.fmt(f),
        None => f.write_str(unknown),
    })
}
