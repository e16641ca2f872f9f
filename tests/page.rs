//! The live page, its files and its figures, which do not count as requests.
#![allow(missing_docs)]

mod support;

use support::{Folder, Server, eventually, number, text};

#[test]
fn the_page_is_three_kinds_of_files_and_needs_nothing_from_elsewhere() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.mp4", 1_000));
    let page = server.get("/heap?with=http://localhost:3001");
    assert!(page.text().starts_with("<!doctype html>"));
    for outside in ["src=\"http", "href=\"http", "<style", "<script>"] {
        assert!(!page.text().contains(outside), "{outside}");
    }
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
        for part in ["default-src 'none'; ", "script-src 'self'; ", "style-src 'self'; "] {
            assert!(policy.contains(part), "{part} in {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    let head = server.ask("HEAD /heap HTTP/1.1");
    assert_eq!(head.field("Content-Length"), page.field("Content-Length"));
    assert_eq!(server.ask("POST /heap HTTP/1.1").status, 405);
    assert_eq!(server.get("/heap/nothing.js").status, 404);
}

#[test]
fn a_sample_has_the_figures_by_the_names_of_the_trace() {
    let folder = Folder::new();
    let server = Server::start(&["--mode", "buffer", "-c", "4K"], &folder.file("a.mp4", 1_000));
    server.get("/");
    server.request(1);
    let answer = server.get("/heap.json");
    let sample = answer.text();
    assert_eq!((text(sample, "event"), text(sample, "mode")), ("sample".into(), "buffer".into()));
    assert_eq!(text(sample, "url"), format!("http://localhost:{}/", server.port));
    for (name, value) in
        [("requests", 1), ("in_flight", 0), ("sent_bytes", 1_000), ("file_bytes", 1_000), ("chunk_bytes", 4_096)]
    {
        assert_eq!(number(sample, name), value, "{name} in {sample}");
    }
    assert!(number(sample, "live") > 0 && number(sample, "live_peak") >= number(sample, "live"));
    assert!(number(sample, "allocations") > 0 && number(sample, "largest_request_peak") >= 1_000);
    #[cfg(target_os = "linux")]
    assert!(number(sample, "rss") > 1 << 20 && number(sample, "rss_peak") >= number(sample, "rss"));
}

#[test]
fn only_loopback_origins_may_read() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.mp4", 1_000));
    let allowed = |target: &str, origin: &str| {
        let answer = server.ask(&format!("GET {target} HTTP/1.1\nOrigin: {origin}"));
        assert_eq!(answer.field("Vary"), Some("Origin"));
        answer.field("Access-Control-Allow-Origin").map(str::to_owned)
    };
    for target in ["/heap.json", "/", "/nothing"] {
        let origin = "http://localhost:3001";
        assert_eq!(allowed(target, origin).as_deref(), Some(origin));
        assert_eq!(allowed(target, "http://localhost.example.org:3001"), None);
    }
}

#[test]
fn a_page_does_not_count_as_a_request_and_leaves_nothing_behind() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.mp4", 1_000));
    server.get("/heap");
    let mut figure = server.figures();
    let before = figure("live");
    let followers: Vec<_> = (0..10).map(|_| server.events()).collect();
    for mut follower in followers {
        follower.next().unwrap();
    }
    // The server notices that a follower has gone when it writes to it the next time, within two seconds.
    eventually("the heap of before", || (figure("live") < before + 16_384).then_some(()));
    assert_eq!((figure("requests"), figure("in_flight")), (0, 0));
    server.get("/");
    assert_eq!(number(&server.request(1), "request"), 1);
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
