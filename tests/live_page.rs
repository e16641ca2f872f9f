//! The files of the live page, and the address at which a user finds it.
#![allow(missing_docs)]

mod support;

use support::{Folder, Server, eventually, text};

#[test]
fn the_page_is_three_kinds_of_files_that_no_policy_must_be_loosened_for() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.mp4", 1_000));
    let page = server.get("/heap");
    let files: Vec<_> = page.text().split('"').filter(|part| part.starts_with("/heap/")).collect();
    assert!(files.contains(&"/heap/page.css") && files.contains(&"/heap/page.js"), "{files:?}");
    for file in files.into_iter().chain(["/heap"]) {
        let answer = server.get(file);
        let media_type = match file.rsplit_once('.') {
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "js")) => "text/javascript; charset=utf-8",
            _ => "text/html; charset=utf-8",
        };
        assert_eq!((answer.status, answer.field("Content-Type")), (200, Some(media_type)), "{file}");
        assert_eq!(answer.field("Cache-Control"), Some("no-store, no-transform"), "{file}");
        let policy = answer.field("Content-Security-Policy").unwrap();
        assert!(policy.contains("script-src 'self'; ") && policy.contains("style-src 'self'; "), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    assert!(!page.text().contains("<style") && !page.text().contains("<script>"), "inline");
    assert_eq!(server.get("/heap/nothing.js").status, 404);
}

#[test]
fn the_file_is_kept_by_caches_and_asked_for_each_time() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.mp4", 1_000));
    let whole = server.get("/");
    let tag = whole.field("ETag").unwrap();
    let part = server.ask("GET / HTTP/1.1\nRange: bytes=0-9");
    let unchanged = server.ask(&format!("GET / HTTP/1.1\nIf-None-Match: {tag}"));
    for (answer, status) in [(&whole, 200), (&part, 206), (&unchanged, 304)] {
        assert_eq!((answer.status, answer.field("Cache-Control")), (status, Some("no-cache, no-transform")));
    }
}

#[test]
fn the_trace_names_the_page_before_the_first_request() {
    let folder = Folder::new();
    let file = folder.file("a.mp4", 1_000);
    for (bind, host) in [("localhost", "localhost"), ("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "localhost")] {
        let server = Server::start_traced("text", &["--bind", bind], &file);
        let page = format!("live page: http://{host}:{}/heap", server.port);
        eventually(&page, || server.stderr().contains(&page).then_some(()));
        let server = Server::start(&["--bind", bind], &file);
        let first = eventually("the first line", || server.stderr().into_iter().next());
        assert_eq!(text(&first, "page"), format!("http://{host}:{}/heap", server.port), "{first}");
    }
}

/// In JSON, each character of this path takes six bytes instead of one. So the path is longer than a line of the trace.
#[cfg(unix)]
#[test]
fn a_long_path_does_not_cut_a_sample() {
    let folder = Folder::new();
    let deep = folder.0.join(["\u{1}".repeat(100).as_str(); 8].join("/"));
    std::fs::create_dir_all(&deep).unwrap();
    let file = deep.join("a.mp4");
    std::fs::write(&file, support::content(1_000)).unwrap();
    let server = Server::start(&[], &file);
    let answer = server.get("/heap.json");
    assert!(answer.text().ends_with("}\n"), "{}", answer.text());
    assert!(text(answer.text(), "file").ends_with("\\u0001/a.mp4"), "{}", answer.text());
    assert_eq!(server.get("/").status, 200);
    server.request(1);
}
