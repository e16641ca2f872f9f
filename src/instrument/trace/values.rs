//! Single values in the lines of the trace, and objects of them (JSON, RFC 8259). Nothing here allocates.

use std::fmt::{self, Display, Write as _};

/// Fields of a JSON object, without its braces: `fields! { status: 200, range: or_null(range) }`. Each value is anything
/// that is displayed as JSON.
macro_rules! fields {
    ($($name:ident: $value:expr),* $(,)?) => {
        std::fmt::from_fn(move |f| {
            let fields = [$((concat!(",\"", stringify!($name), "\":"), &$value as &dyn std::fmt::Display)),*];
            $crate::instrument::trace::write_fields(f, &fields)
        })
    };
}
pub(crate) use fields;

/// Writes fields, whose names are given as `,"name":`.
pub fn write_fields(f: &mut fmt::Formatter<'_>, fields: &[(&str, &dyn Display)]) -> fmt::Result {
    fields.iter().enumerate().try_for_each(|(index, (name, value))| {
        f.write_str(if index == 0 { &name[1..] } else { name })?;
        value.fmt(f)
    })
}

/// An object of the trace, or of the live page.
pub fn event(name: &'static str, fields: impl Display) -> impl Display {
    fmt::from_fn(move |f| write!(f, r#"{{"event":"{name}",{fields}}}"#))
}

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
