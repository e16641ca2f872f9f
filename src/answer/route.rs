//! What a request's target names here. No path of a request ever becomes a path of the disk: it is compared with
//! the few names that there are.

use crate::http::host::Refusal;
use crate::http::target;
use crate::page;

/// What this server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The file: `/`, and `/` followed by its name.
    Media,
    /// Something of the live page.
    Page(page::Part),
    /// `*`: the server itself, for OPTIONS.
    Server,
    /// Debug builds only: a request whose answering panics, for the tests.
    #[cfg(debug_assertions)]
    Panic,
    /// Nothing.
    Unknown,
    /// Another server, or a host that cannot be told; see [`host`](crate::http::host).
    Refused(Refusal),
}

/// The route of a target, in origin, absolute or asterisk form.
pub fn route(target: &str, file_name: &[u8]) -> Route {
    let path = target::path(target);
    if let Some(part) = page::Part::at(&path) {
        return Route::Page(part);
    }
    match path.as_slice() {
        b"*" => Route::Server,
        b"/" => Route::Media,
        #[cfg(debug_assertions)]
        b"/panic-for-tests" => Route::Panic,
        [b'/', name @ ..] if name == file_name => Route::Media,
        _ => Route::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_names_one_of_few_things() {
        let part = |path: &str| Route::Page(page::Part::at(path.as_bytes()).unwrap());
        let table = [
            ("/", Route::Media),
            ("/?t=1", Route::Media),
            ("/powder-day.mp4", Route::Media),
            ("/powder-day.mp4?a=/b", Route::Media),
            ("/%70owder%2Dday%2emp4", Route::Media),
            ("http://localhost:3000/powder-day.mp4", Route::Media),
            ("http://localhost:3000", Route::Media),
            ("/heap", part("/heap")),
            ("/heap?with=http://localhost:3001", part("/heap")),
            ("/heap/page.css", part("/heap/page.css")),
            ("/heap/nothing.js", Route::Unknown),
            ("/heap.json", Route::Page(page::Part::Sample)),
            ("/heap/events", Route::Page(page::Part::Events)),
            ("*", Route::Server),
            ("", Route::Unknown),
            ("//", Route::Unknown),
            ("/powder-day.mp4/", Route::Unknown),
            ("/powder-day.mp", Route::Unknown),
            ("/POWDER-DAY.MP4", Route::Unknown),
            ("/../powder-day.mp4", Route::Unknown),
            ("/%2e%2e/etc/passwd", Route::Unknown),
            ("/%", Route::Unknown),
            ("/%zzowder-day.mp4", Route::Unknown),
            ("powder-day.mp4", Route::Unknown),
            ("ftp://localhost/", Route::Unknown),
        ];
        for (target, named) in table {
            assert_eq!(route(target, b"powder-day.mp4"), named, "{target:?}");
        }
    }
}
