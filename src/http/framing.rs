//! Where a request ends, and whether its connection stays open (RFC 9112 6, 9.3): tiny_http reads a field's first line.

use tiny_http::{HTTPVersion, Request};

use super::values;

/// tiny_http reads a body up to this size before it hands over the request.
const READ_BEFORE_BYTES: usize = 1024;

/// What is unread of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing: there is no body, or tiny_http has read it.
    Read,
    /// Nothing, but it is not certain where the next request begins.
    Unclear,
    /// This many bytes, which tiny_http's reader still has to read. A chunked body has 0.
    Unread(u64),
}

impl Body {
    /// Looks at the head of a request from whose body nothing has been read.
    pub fn of(request: &Request) -> Self {
        // For an upgrade, tiny_http ignores the length. Its reader is that of the whole connection.
        if first(request, "Connection").is_some_and(|value| mentions(value, "upgrade")) {
            return Self::Unclear;
        }
        let is_taken = |bytes| bytes <= READ_BEFORE_BYTES && !expects_continue(request);
        match request.body_length() {
            Some(bytes @ 1..) if !is_taken(bytes) => Self::Unread(bytes as u64),
            _ if first(request, "Transfer-Encoding").is_some() => Self::Unread(0),
            _ => Self::Read,
        }
    }
}

/// Whether the client waits for `100 Continue` before it sends the body. A read from the body sends that.
pub fn expects_continue(request: &Request) -> bool {
    first(request, "Expect").is_some()
}

/// Whether tiny_http closes the connection by itself after this request.
pub fn is_closed_by_tiny_http(request: &Request) -> bool {
    let is_1_0 = *request.http_version() == HTTPVersion(1, 0);
    first(request, "Connection").map_or(is_1_0, |value| {
        mentions(value, "close") || mentions(value, "upgrade") || is_1_0 && !mentions(value, "keep-alive")
    })
}

/// Whether the client asks that the connection is closed after the answer.
pub fn asks_to_close(request: &Request) -> bool {
    let mut options = values(request.headers(), "Connection").flat_map(|value| value.split(','));
    options.any(|option| option.trim().eq_ignore_ascii_case("close"))
}

fn first<'a>(request: &'a Request, name: &'static str) -> Option<&'a str> {
    values(request.headers(), name).next()
}

/// Whether the value contains `word`, which must be in lower case. tiny_http decides in the same way.
fn mentions(value: &str, word: &str) -> bool {
    value.to_ascii_lowercase().contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiny_http::TestRequest;

    fn request(minor: u8, lines: &[&str]) -> Request {
        let version = TestRequest::new().with_http_version(HTTPVersion(1, minor));
        lines.iter().fold(version, |request, line| request.with_header(line.parse().unwrap())).into()
    }

    #[test]
    fn a_body_is_unread_if_tiny_http_has_not_taken_it_before() {
        let table: [(&[&str], _); 8] = [
            (&[], Body::Read),
            (&["Content-Length: 0"], Body::Read),
            (&["Content-Length: 1025"], Body::Unread(1025)),
            (&["Content-Length: 9000000"], Body::Unread(9_000_000)),
            (&["Content-Length: 5", "Expect: 100-continue"], Body::Unread(5)),
            (&["Transfer-Encoding: chunked"], Body::Unread(0)),
            (&["Content-Length: 1025", "Connection: Upgrade", "Upgrade: x"], Body::Unclear),
            (&["Content-Length: five"], Body::Read),
        ];
        for (lines, body) in table {
            assert_eq!(Body::of(&request(1, lines)), body, "{lines:?}");
        }
    }

    #[test]
    fn the_first_line_decides_for_tiny_http_and_any_line_for_the_client() {
        // The minor version, the lines, whether tiny_http closes, and whether the client asks for it.
        let table: [(u8, &[&str], bool, bool); 9] = [
            (1, &[], false, false),
            (0, &[], true, false),
            (0, &["Connection: Keep-Alive"], false, false),
            (0, &["Connection: te"], true, false),
            (1, &["Connection: te, CLOSE"], true, true),
            (1, &["Connection: te", "Connection: close"], false, true),
            (1, &["Connection: not-closed"], true, false),
            (1, &["Connection: upgrade"], true, false),
            (0, &["Connection: keep-alive, close"], true, true),
        ];
        for (minor, lines, closes, asks) in table {
            let request = request(minor, lines);
            assert_eq!(is_closed_by_tiny_http(&request), closes, "{minor} {lines:?}");
            assert_eq!(asks_to_close(&request), asks, "{minor} {lines:?}");
        }
    }
}
