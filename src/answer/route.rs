//! What the target of a request names. It is only compared with fixed names, and never used as a path of the disk.

use crate::http::target;
use crate::page;

/// The resources of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The file, at `/` and at `/` followed by its name.
    Media,
    Page(page::Part),
    /// The server itself, at `*`, for OPTIONS.
    Server,
    Unknown,
}

impl Route {
    /// The route of a target in origin, absolute or asterisk form (RFC 9112 3.2).
    pub fn of(target: &str, file_name: &[u8]) -> Self {
        let path = target::path(target);
        if let Some(part) = page::Part::at(&path) {
            return Self::Page(part);
        }
        match path.as_slice() {
            b"*" => Self::Server,
            b"/" => Self::Media,
            [b'/', name @ ..] if name == file_name => Self::Media,
            _ => Self::Unknown,
        }
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
            assert_eq!(Route::of(target, b"powder-day.mp4"), named, "{target:?}");
        }
    }
}
