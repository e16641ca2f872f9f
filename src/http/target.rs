//! The parts of a request's target (RFC 9112 3.2).

/// The path of a target in origin or absolute form, percent-decoded and without the query. That of `*` is `*`.
pub fn path(target: &str) -> Vec<u8> {
    let path = match absolute(target) {
        Some((_, path)) if path.starts_with('/') => path,
        Some(_) => "/",
        None => target,
    };
    percent_decoded(path.split('?').next().unwrap_or_default())
}

/// The values that the query of a target gives to `name` (`name=value&name=value`), not decoded; empty without a `=`.
pub fn query<'a>(target: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter_map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })
}

/// Splits a target in absolute form (RFC 9112 3.2.2) into its authority and the rest: nothing, or from `/` or `?` on.
pub fn absolute(target: &str) -> Option<(&str, &str)> {
    let after = ["http://", "https://"].into_iter().find_map(|scheme| {
        let (start, after) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(after)
    })?;
    Some(after.split_at(after.find(['/', '?']).unwrap_or(after.len())))
}

/// Percent-decodes `path`. A `%` without two hexadecimal digits after it is kept.
fn percent_decoded(path: &str) -> Vec<u8> {
    let mut rest = path.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let [byte, after @ ..] = rest {
        // `from_str_radix` alone would accept a sign.
        let digits = after.get(..2).filter(|d| *byte == b'%' && d.iter().all(u8::is_ascii_hexdigit));
        let escaped = digits.and_then(|d| u8::from_str_radix(str::from_utf8(d).ok()?, 16).ok());
        decoded.push(escaped.unwrap_or(*byte));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    decoded
}

/// Percent-encodes all bytes except letters, digits and `-._~` (the unreserved characters of RFC 3986 2.3).
pub fn percent_encoded(name: &[u8]) -> String {
    let mut encoded = String::with_capacity(name.len());
    for &byte in name {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_decoded_and_has_no_query() {
        let table = [
            ("/", "/"),
            ("/?t=1", "/"),
            ("/a.mp4?a=/b", "/a.mp4"),
            ("/%70owder%2Dday%2emp4", "/powder-day.mp4"),
            ("http://localhost:3000/a.mp4", "/a.mp4"),
            ("HTTP://[::1]:3000/", "/"),
            ("http://localhost:3000", "/"),
            ("http://localhost:3000?x", "/"),
            ("*", "*"),
            ("", ""),
            ("//", "//"),
            ("/%2e%2e/etc/passwd", "/../etc/passwd"),
            ("/%", "/%"),
            ("/%7", "/%7"),
            ("/%zza", "/%zza"),
            ("a.mp4", "a.mp4"),
            ("ftp://localhost/", "ftp://localhost/"),
        ];
        for (target, wanted) in table {
            assert_eq!(path(target), wanted.as_bytes(), "{target:?}");
        }
    }

    #[test]
    fn a_query_gives_values_to_names() {
        let table: [(&str, &[&str]); 8] = [
            ("/", &[]),
            ("/rate=1", &[]),
            ("/?rate=8M", &["8M"]),
            ("http://localhost?t=1&rate=8M", &["8M"]),
            ("/a.mp4?rate=1&viewer=2&rate=3", &["1", "3"]),
            ("/?rate", &[""]),
            ("/?rate=&Rate=2&xrate=3&ratex=4", &[""]),
            ("/?rate=a=b?c", &["a=b?c"]),
        ];
        for (target, values) in table {
            assert_eq!(query(target, "rate").collect::<Vec<_>>(), values, "{target:?}");
        }
    }

    #[test]
    fn what_is_percent_encoded_is_decoded_to_the_same_bytes() {
        let name = "Schnee \"&\" 100%?.mp4".as_bytes();
        assert_eq!(percent_encoded(name), "Schnee%20%22%26%22%20100%25%3F.mp4");
        assert_eq!(path(&percent_encoded(name)), name);
    }
}
