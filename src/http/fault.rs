//! Errors in a request that do not depend on its target (RFC 9112 2.2, 3, 5 and 6). tiny_http accepts nearly any ASCII
//! text as a method, a field name or a field value, and treats an invalid `Content-Length` as 0.

use tiny_http::{Header, Request};

use super::{is_digits, values};

/// The maximum number of header lines. Clients send far fewer.
const HEADER_LINES_MOST: usize = 100;
/// The maximum length of the target and all header lines, in bytes.
pub const HEAD_MOST_BYTES: usize = 64 * 1024;

/// Why a request is refused: it has an error, or is for another server. The connection is closed after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub status: u16,
    /// The reason, as one line of text.
    pub why: &'static str,
}

impl Fault {
    pub const fn new(status: u16, why: &'static str) -> Self {
        Self { status, why }
    }

    /// The first error in the head of a request, if there is one.
    pub fn of(request: &Request) -> Option<Self> {
        let lines = request.headers();
        let (lengths, mut codings) = (values(lines, "Content-Length"), values(lines, "Transfer-Encoding"));
        let is_named = |line: &Header| is_token(line.field.as_str().as_str());
        let has_value = |line: &Header| is_field_value(line.value.as_str());
        let is_unknown = |coding: &str| !coding.eq_ignore_ascii_case("chunked");
        let has_both = lengths.clone().next().is_some() && codings.clone().next().is_some();
        let checks = [
            (*request.http_version() < (1, 0), 400, "HTTP/1.0 or HTTP/1.1 is spoken here"),
            (request.url().len() > HEAD_MOST_BYTES, 414, "the request's target is longer than 64 KiB"),
            (lines.len() > HEADER_LINES_MOST, 431, "the request has too many header lines"),
            (head_bytes(request) > HEAD_MOST_BYTES, 431, "the request's head is longer than 64 KiB"),
            (!is_token(request.method().as_str()), 400, "the request's method is no token"),
            (!lines.iter().all(is_named), 400, "the name of a header field is no token"),
            (!lines.iter().all(has_value), 400, "the value of a header field has a control character"),
            (!is_content_length(lengths), 400, "the request's Content-Length is malformed"),
            (has_both, 400, "the request has both Content-Length and Transfer-Encoding"),
            (codings.any(is_unknown), 501, "the only Transfer-Encoding that is known here is chunked"),
        ];
        checks.into_iter().find(|(is_wrong, ..)| *is_wrong).map(|(_, status, why)| Self { status, why })
    }
}

/// The length of a request's target and header lines, in bytes.
pub fn head_bytes(request: &Request) -> usize {
    let line = |line: &Header| line.field.as_str().len() + line.value.len();
    request.url().len() + request.headers().iter().map(line).sum::<usize>()
}

/// Whether `text` is a token (RFC 9110 5.6.2). Methods and field names are tokens.
fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

/// Whether `text` is a valid field value (RFC 9110 5.5). A CR, LF or NUL could end it for another program.
fn is_field_value(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'\t' || !byte.is_ascii_control())
}

/// Whether the values of all `Content-Length` fields are one length, or there are none (RFC 9110 8.6). Repeated fields
/// are an error even if they have the same value, which the RFC would allow a server to accept.
fn is_content_length<'a>(mut values: impl Iterator<Item = &'a str>) -> bool {
    // `parse` alone would accept a sign.
    let is_number = |value: &str| is_digits(value) && value.parse::<u64>().is_ok();
    values.next().is_none_or(|value| is_number(value) && values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_no_blanks_controls_or_delimiters() {
        for token in ["GET", "a", "X-Y_z.1", "!#$%&'*+-.^_`|~"] {
            assert!(is_token(token), "{token:?}");
        }
        let delimiters = "\"(),/:;<=>?@[\\]{}".chars();
        for other in delimiters.chain(['\0', '\t', '\n', '\r', ' ', '\u{7f}', 'ü']) {
            assert!(!is_token(&format!("a{other}b")), "{other:?}");
        }
        assert!(!is_token(""));
    }

    #[test]
    fn a_value_has_no_controls_but_the_tab() {
        for value in ["", "a b", "a\tb", "\"(),/:;<=>?@[\\]{}~", "ü"] {
            assert!(is_field_value(value), "{value:?}");
        }
        for control in ['\0', '\u{1}', '\u{8}', '\n', '\u{b}', '\r', '\u{1b}', '\u{1f}', '\u{7f}'] {
            assert!(!is_field_value(&format!("a{control}b")), "{control:?}");
        }
    }

    #[test]
    fn a_length_is_one_line_of_digits_that_fit_64_bits() {
        let table: [(&[&str], bool); 15] = [
            (&[], true),
            (&["0"], true),
            (&["5"], true),
            (&["0005"], true),
            (&["18446744073709551615"], true),
            (&["18446744073709551616"], false),
            (&[""], false),
            (&["+5"], false),
            (&["-5"], false),
            (&["5 5"], false),
            (&["5, 5"], false),
            (&["0x5"], false),
            (&["five"], false),
            (&["5", "5"], false),
            (&["5", "6"], false),
        ];
        for (values, is_length) in table {
            assert_eq!(is_content_length(values.iter().copied()), is_length, "{values:?}");
        }
    }
}
