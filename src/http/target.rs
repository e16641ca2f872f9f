//! What a request's target names (RFC 9112 3.2). No path of a request ever becomes a path of the disk:
//! it is compared with the few names that there are.

use super::host::Refusal;

/// What this server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The file: `/`, and `/` followed by its name.
    Media,
    /// `/heap`: the live page.
    Page,
    /// `/heap.json`: one sample.
    Sample,
    /// `/heap/events`: samples and requests as they come.
    Events,
    /// `*`: the server itself, for OPTIONS.
    Server,
    /// Debug builds only: a request whose answering panics, for the tests.
    #[cfg(debug_assertions)]
    Panic,
    /// Nothing.
    Unknown,
    /// Something of another server, or of nobody knows which; see [`super::host`].
    Refused(Refusal),
}

/// Reads a target in origin, absolute or asterisk form; a query is ignored, percent-encoding undone.
pub fn route(target: &str, file_name: &[u8]) -> Route {
    if target == "*" {
        return Route::Server;
    }
    let path = match absolute(target) {
        Some((_, path)) if path.starts_with('/') => path,
        Some(_) => "/",
        None => target,
    };
    let path = path.split('?').next().unwrap_or_default();
    match percent_decoded(path).as_slice() {
        b"/" => Route::Media,
        b"/heap" => Route::Page,
        b"/heap.json" => Route::Sample,
        b"/heap/events" => Route::Events,
        #[cfg(debug_assertions)]
        b"/panic-for-tests" => Route::Panic,
        [b'/', name @ ..] if name == file_name => Route::Media,
        _ => Route::Unknown,
    }
}

/// Authority and rest of an absolute form of HTTP (RFC 9112 3.2.2). The rest is empty, or starts with `/` or `?`.
pub fn absolute(target: &str) -> Option<(&str, &str)> {
    let after = ["http://", "https://"].into_iter().find_map(|scheme| {
        let (start, after) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(after)
    })?;
    Some(after.split_at(after.find(['/', '?']).unwrap_or(after.len())))
}

/// A `%` that no two hexadecimal digits follow stands for itself.
fn percent_decoded(path: &str) -> Vec<u8> {
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        match digits.and_then(|d| str::from_utf8(d).ok()).and_then(|d| u8::from_str_radix(d, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                decoded.push(byte);
                at += 3;
            }
            _ => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    decoded
}

/// Percent-encodes all but letters, digits and `-._~` (the unreserved characters of RFC 3986 2.3).
pub fn percent_encoded(name: &[u8]) -> String {
    let mut encoded = String::with_capacity(name.len());
    for &byte in name {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_names_one_of_few_things() {
        let table = [
            ("/", Route::Media),
            ("/?t=1", Route::Media),
            ("/powder-day.mp4", Route::Media),
            ("/powder-day.mp4?a=/b", Route::Media),
            ("/%70owder-day.mp4", Route::Media),
            ("/powder%2Dday%2emp4", Route::Media),
            ("http://localhost:3000/powder-day.mp4", Route::Media),
            ("HTTP://[::1]:3000/", Route::Media),
            ("http://localhost:3000", Route::Media),
            ("http://localhost:3000?x", Route::Media),
            ("/heap", Route::Page),
            ("/heap?with=http://localhost:3001", Route::Page),
            ("/heap.json", Route::Sample),
            ("/heap/events", Route::Events),
            ("*", Route::Server),
            ("", Route::Unknown),
            ("//", Route::Unknown),
            ("/powder-day.mp4/", Route::Unknown),
            ("/powder-day.mp", Route::Unknown),
            ("/POWDER-DAY.MP4", Route::Unknown),
            ("/../powder-day.mp4", Route::Unknown),
            ("/%2e%2e/etc/passwd", Route::Unknown),
            ("/%", Route::Unknown),
            ("/%7", Route::Unknown),
            ("/%zzowder-day.mp4", Route::Unknown),
            ("powder-day.mp4", Route::Unknown),
            ("ftp://localhost/", Route::Unknown),
        ];
        for (target, named) in table {
            assert_eq!(route(target, b"powder-day.mp4"), named, "{target:?}");
        }
    }

    #[test]
    fn a_name_with_any_bytes_can_be_asked_for() {
        let name = "Schnee \"&\" 100%?.mp4".as_bytes();
        let target = format!("/{}", percent_encoded(name));
        assert_eq!(target, "/Schnee%20%22%26%22%20100%25%3F.mp4");
        assert_eq!(route(&target, name), Route::Media);
    }
}
