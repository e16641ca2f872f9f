//! The syntax of a request's head (RFC 9110 5.5, 5.6.2, 8.6).
//!
//! These checks are needed because tiny_http accepts nearly any ASCII text as a method, a field name or a field
//! value, and treats an invalid `Content-Length` as 0.

/// Whether `text` is a token (RFC 9110 5.6.2). Methods and field names are tokens.
pub fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

/// Whether `text` is a valid field value (RFC 9110 5.5). The tab is the only control character that is allowed.
/// Another program could treat a CR, LF or NUL as the end of the line.
pub fn is_field_value(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'\t' || !byte.is_ascii_control())
}

/// Whether the values of all `Content-Length` fields are one length, or there are none (RFC 9110 8.6). Repeated fields
/// are an error even if they have the same value, which the RFC would allow a server to accept.
pub fn is_content_length<'a>(mut values: impl Iterator<Item = &'a str>) -> bool {
    // `parse` alone would accept a sign.
    let is_number = |value: &str| value.bytes().all(|b| b.is_ascii_digit()) && value.parse::<u64>().is_ok();
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
