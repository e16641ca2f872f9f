//! What clients get as answers (RFC 9110, 9112), over a socket. Most of it is the same in both modes.
#![allow(missing_docs)]

mod support;

use std::fs::File;
use std::net::Shutdown;
use std::path::Path;
use std::time::{Duration, SystemTime};

#[cfg(unix)]
use support::eventually;
use support::{Folder, LARGE_BYTES, MODES, Server, content, number, raw, text};

const SIZE: usize = 100_000;

fn both_modes(test: impl Fn(&Server)) {
    let folder = Folder::new();
    let file = folder.file("powder-day.mp4", SIZE);
    for mode in MODES {
        test(&Server::start(&["--mode", mode], &file));
    }
}

#[test]
fn a_200_and_a_head_have_the_same_fields() {
    both_modes(|server| {
        let got = server.get("/");
        let head = server.ask("HEAD /powder-day.mp4 HTTP/1.1\nRange: bytes=0-1");
        assert_eq!((got.status, head.status), (200, 200));
        assert_eq!((got.body, head.body), (content(SIZE), Vec::new()));
        for (name, value) in [
            ("Content-Length", "100000"),
            ("Content-Type", "video/mp4"),
            ("Accept-Ranges", "bytes"),
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Disposition", "inline; filename=\"powder-day.mp4\"; filename*=UTF-8''powder-day.mp4"),
        ] {
            assert!(got.head.contains(&format!("\r\n{name}: {value}\r\n")), "{name} in {}", got.head);
            assert!(head.head.contains(&format!("\r\n{name}: {value}\r\n")), "{name} in {}", head.head);
        }
        for name in ["ETag", "Last-Modified", "Date"] {
            let same = |line: &&str| line.starts_with(name);
            assert!(got.head.lines().any(|line| same(&line)), "{name} in {}", got.head);
        }
        assert!(!got.head.contains("Transfer-Encoding"));
        assert!(got.head.contains("\r\nETag: \"") && got.head.contains("GMT\r\n"));
    });
}

#[test]
fn a_range_brings_exactly_its_bytes() {
    both_modes(|server| {
        let whole = content(SIZE);
        // On one connection, trace lines come in the order of the requests.
        let mut client = server.client();
        for (range, first, last) in [
            ("bytes=0-1", 0, 1),
            ("bytes=0-", 0, SIZE - 1),
            ("bytes=99999-", SIZE - 1, SIZE - 1),
            ("bytes=-500", SIZE - 500, SIZE - 1),
            ("bytes=50000-999999999999999999999999999999", 50_000, SIZE - 1),
            ("BYTES= 70000-70009 ", 70_000, 70_009),
        ] {
            let answer = client.ask(&format!("GET / HTTP/1.1\nRange: {range}"));
            assert_eq!(answer.status, 206, "{range}");
            assert_eq!(answer.field("Content-Range"), Some(format!("bytes {first}-{last}/{SIZE}").as_str()));
            assert!(answer.body == whole[first..=last], "{range}");
        }
        let line = server.request(6);
        assert_eq!(raw(&line, "range"), "[70000,70009]");
        assert_eq!((number(&line, "status"), number(&line, "body_bytes")), (206, 10));
        assert_eq!(raw(&server.requests(6)[1], "range"), "[0,99999]");
        for range in ["bytes=abc", "bytes=5-4", "furlongs=0-1", "bytes=0-1,3-4"] {
            let answer = client.ask(&format!("GET / HTTP/1.1\nRange: {range}"));
            assert!(answer.status == 200 && answer.body == whole, "{range}");
        }
        for range in ["bytes=100000-", "bytes=-0"] {
            let answer = client.ask(&format!("GET / HTTP/1.1\nRange: {range}"));
            assert_eq!((answer.status, answer.field("Content-Range")), (416, Some("bytes */100000")), "{range}");
        }
    });
}

#[test]
fn validators_are_compared_as_caches_need_it() {
    both_modes(|server| {
        let first = server.get("/");
        let (etag, date) = (first.field("ETag").unwrap(), first.field("Last-Modified").unwrap());
        let unchanged = server.ask(&format!("GET / HTTP/1.1\nIf-None-Match: {etag}"));
        assert_eq!((unchanged.status, unchanged.field("ETag")), (304, Some(etag)));
        assert_eq!(unchanged.field("Last-Modified"), Some(date));
        assert!(unchanged.field("Date").is_some() && unchanged.field("Content-Length").is_none());
        assert_eq!(server.ask(&format!("HEAD / HTTP/1.1\nIf-Modified-Since: {date}")).status, 304);
        assert_eq!(server.ask("GET / HTTP/1.1\nIf-Match: \"other\"").status, 412);
        let resumed = server.ask(&format!("GET / HTTP/1.1\nRange: bytes=5-9\nIf-Range: {etag}"));
        assert_eq!((resumed.status, resumed.body), (206, content(SIZE)[5..10].to_vec()));
        let changed = server.ask("GET / HTTP/1.1\nRange: bytes=5-9\nIf-Range: \"other\"");
        assert_eq!((changed.status, changed.body.len()), (200, SIZE));
    });
}

#[test]
fn other_methods_and_targets_are_told_what_is_available() {
    both_modes(|server| {
        for method in ["POST", "PUT", "DELETE", "TRACE", "BREW"] {
            let answer = server.ask(&format!("{method} / HTTP/1.1"));
            assert_eq!((answer.status, answer.field("Allow")), (405, Some("GET, HEAD, OPTIONS")), "{method}");
        }
        for target in ["/", "*", "/heap"] {
            let answer = server.ask(&format!("OPTIONS {target} HTTP/1.1"));
            assert_eq!((answer.status, answer.field("Allow")), (204, Some("GET, HEAD, OPTIONS")), "{target}");
        }
        let unknown = server.get("/../../etc/passwd");
        assert_eq!(unknown.status, 404);
        assert_eq!(unknown.text().lines().count(), 1);
        assert!(unknown.text().contains("/powder-day.mp4") && unknown.text().contains("/heap"));
        for target in ["/?t=30", "/%70owder-day.mp4?x", "http://localhost/powder-day.mp4"] {
            assert_eq!(server.get(target).body.len(), SIZE, "{target}");
        }
    });
}

#[test]
fn what_must_arrive_as_it_comes_is_not_collected_by_a_proxy() {
    both_modes(|server| {
        for (target, buffering) in [("/", None), ("/?rate=1", Some("no")), ("/heap/events", Some("no"))] {
            let answer = server.ask(&format!("HEAD {target} HTTP/1.1"));
            assert_eq!((answer.status, answer.field("X-Accel-Buffering")), (200, buffering), "{target}");
            assert!(answer.field("Cache-Control").unwrap().ends_with(", no-transform"), "{target}");
        }
    });
}

#[test]
fn requests_of_one_connection_are_answered_in_order() {
    both_modes(|server| {
        let mut client = server.client();
        assert_eq!(client.ask("GET / HTTP/1.1").body.len(), SIZE);
        assert_eq!(client.ask("GET /nothing HTTP/1.1").status, 404);
        assert_eq!(client.ask("HEAD / HTTP/1.1").status, 200);
        assert_eq!(client.ask("GET / HTTP/1.1\nIf-None-Match: *").status, 304);
        assert_eq!(client.ask("GET / HTTP/1.1\nRange: bytes=0-0").body, [1]);
        let lines = server.requests(5);
        assert!(lines.iter().all(|line| number(line, "connection") == 1), "{lines:#?}");
        server.get("/");
        assert_eq!(number(&server.request(6), "connection"), 2);
    });
}

#[test]
fn connections_stay_open_or_close_as_the_client_asks() {
    both_modes(|server| {
        let mut one_zero = server.client();
        let answer = one_zero.ask("GET / HTTP/1.0");
        assert_eq!((answer.field("Connection"), answer.body.len()), (Some("close"), SIZE));
        assert_eq!(one_zero.rest(), b"");

        let mut kept = server.client();
        for _ in 0..2 {
            let answer = kept.ask("GET / HTTP/1.0\nConnection: keep-alive");
            assert_eq!((answer.field("Connection"), answer.body.len()), (Some("keep-alive"), SIZE));
        }

        let mut closes = server.client();
        assert_eq!(closes.ask("GET / HTTP/1.1\nConnection: close").field("Connection"), Some("close"));
        assert_eq!(closes.rest(), b"");

        // tiny_http looks at the first Connection field only, and this client asks for the close in the second.
        let mut hidden = server.client();
        let answer = hidden.ask("GET / HTTP/1.1\nConnection: keep-alive\nConnection: close");
        assert_eq!((answer.field("Connection"), answer.body.len()), (Some("close"), SIZE));
        assert_eq!(hidden.rest(), b"");
    });
}

#[test]
fn a_client_that_ends_its_half_of_the_connection_at_once_gets_its_answer() {
    let folder = Folder::new();
    let file = folder.file("a.bin", LARGE_BYTES);
    for mode in MODES {
        let server = Server::start(&["--mode", mode], &file);
        let mut client = server.client();
        client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.stream().shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.head().status, 200, "{mode}");
        client.expect(&content(LARGE_BYTES));
    }
}

#[test]
fn an_empty_file_and_one_of_a_single_byte_are_served() {
    let folder = Folder::new();
    for mode in MODES {
        for (name, size) in [("empty.txt", 0), ("one.txt", 1)] {
            let server = Server::start(&["--mode", mode], &folder.file(name, size));
            let answer = server.get("/");
            assert_eq!((answer.status, answer.body), (200, content(size)));
            assert!(answer.head.contains("Content-Type: text/plain; charset=utf-8"));
            let ranged = server.ask("GET / HTTP/1.1\nRange: bytes=0-");
            assert_eq!(ranged.status, if size == 0 { 416 } else { 206 });
            assert_eq!(text(&server.request(2), "outcome"), "sent");
        }
    }
}

#[test]
fn a_file_with_any_name_can_be_requested_and_saved() {
    let folder = Folder::new();
    let name = if cfg!(windows) { "Schnee weiß 100%.mp4" } else { "Schnee \"weiß\" 100%.mp4" };
    let server = Server::start(&[], &folder.file(name, 100));
    let target = name.replace('%', "%25").replace(' ', "%20").replace('"', "%22").replace('ß', "%C3%9F");
    let answer = server.get(&format!("/{target}"));
    assert_eq!(answer.status, 200);
    let disposition = answer.field("Content-Disposition").unwrap();
    assert!(disposition.ends_with(&format!("filename*=UTF-8''{target}")), "{disposition}");
    assert!(disposition.is_ascii(), "{disposition}");
}

#[test]
fn an_etag_changes_with_the_file() {
    let folder = Folder::new();
    let file = folder.file("a.bin", 100);
    let server = Server::start(&[], &file);
    let tag = || server.get("/").field("ETag").unwrap().to_owned();
    let before = tag();
    assert_eq!(tag(), before);
    // The same bytes with a later date, as if the file had been written again.
    let modified = file.metadata().unwrap().modified().unwrap();
    set_modified(&file, modified + Duration::from_secs(1));
    assert_ne!(tag(), before);
}

/// `cp -p` and `rsync -t` keep the time of modification, so a file of the same size differs in nothing else that a
/// program can set.
#[cfg(unix)]
#[test]
fn another_file_of_the_same_size_and_date_is_another_version() {
    let folder = Folder::new();
    let file = folder.file("a.bin", 100);
    let modified = file.metadata().unwrap().modified().unwrap() - Duration::from_secs(1_000);
    set_modified(&file, modified);
    let server = Server::start(&[], &file);
    let mut tags = vec![server.get("/").field("ETag").unwrap().to_owned()];
    for nth in 0..20 {
        // Within one tick of the file system's clock, a file may get the number of one that was removed.
        let now = || folder.file("clock", 1).metadata().unwrap().modified().unwrap();
        let before = now();
        eventually("a tick", || (now() != before).then_some(()));
        let new = folder.0.join("new.bin");
        std::fs::write(&new, [nth; 100]).unwrap();
        set_modified(&new, modified);
        std::fs::rename(&new, &file).unwrap();
        for old in &tags {
            let cached = server.ask(&format!("GET / HTTP/1.1\nIf-None-Match: {old}"));
            assert_eq!((cached.status, cached.body), (200, vec![nth; 100]));
            let resumed = server.ask(&format!("GET / HTTP/1.1\nRange: bytes=50-\nIf-Range: {old}"));
            assert_eq!((resumed.status, resumed.body), (200, vec![nth; 100]));
        }
        let answer = server.get("/");
        let (tag, date) = (answer.field("ETag").unwrap(), answer.field("Last-Modified").unwrap());
        let part = |validator| server.ask(&format!("GET / HTTP/1.1\nRange: bytes=50-\nIf-Range: {validator}")).status;
        assert_eq!((part(tag), part(date)), (206, 200));
        tags.push(tag.to_owned());
    }
}

fn set_modified(file: &Path, modified: SystemTime) {
    File::options().write(true).open(file).unwrap().set_modified(modified).unwrap();
}
