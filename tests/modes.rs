//! The lesson itself: what each mode costs, by the program's own figures.
#![allow(missing_docs)]

mod support;

use std::fs::File;
use std::thread;
use std::time::Duration;

use support::{Client, Folder, Server, content, number, text};

const FILE_BYTES: usize = 40 << 20;
const KIB: u64 = 1 << 10;
const VIEWERS: usize = 20;

/// Twenty clients that all have their first bytes before any reads on, and so overlap.
fn overlap(server: &Server, whole: &[u8]) {
    let mut viewers: Vec<Client> = (0..VIEWERS).map(|_| server.client()).collect();
    for viewer in &mut viewers {
        viewer.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    for viewer in &mut viewers {
        assert_eq!(viewer.head().field("Content-Length"), Some(whole.len().to_string().as_str()));
    }
    thread::scope(|scope| {
        for viewer in &mut viewers {
            scope.spawn(|| assert!(viewer.read(whole.len()) == whole, "another body than the file"));
        }
    });
}

#[test]
fn twenty_buffers_cost_twenty_files() {
    let folder = Folder::new();
    let server = Server::start(&["--mode", "buffer"], &folder.file("a.mp4", FILE_BYTES));
    overlap(&server, &content(FILE_BYTES));
    let requests = server.requests(VIEWERS);
    let file_bytes = FILE_BYTES as u64;
    for line in &requests {
        let peak = number(line, "request_peak");
        assert!((file_bytes..=file_bytes + 64 * KIB).contains(&peak), "{line}");
        assert_eq!(
            (text(line, "outcome").as_str(), number(line, "sent_bytes")),
            ("sent", file_bytes),
            "{line}"
        );
    }
    let peak = number(&requests[VIEWERS - 1], "live_peak");
    assert!((20 * file_bytes..21 * file_bytes).contains(&peak), "{peak}");
    // Of two that end together, the line of the first may be printed after that of the last.
    let after = requests.iter().map(|line| number(line, "live_after")).min().unwrap();
    assert!(after < 1024 * KIB, "{after} live bytes after the last one");
}

#[test]
fn twenty_streams_cost_twenty_chunks() {
    let folder = Folder::new();
    let server = Server::start(&["--mode", "stream"], &folder.file("a.mp4", FILE_BYTES));
    overlap(&server, &content(FILE_BYTES));
    let requests = server.requests(VIEWERS);
    for line in &requests {
        assert!((64 * KIB..=80 * KIB).contains(&number(line, "request_peak")), "{line}");
    }
    assert!(number(&requests[VIEWERS - 1], "live_peak") < 4096 * KIB);
}

#[test]
fn a_sparse_file_of_10_gib_streams_through_the_same_chunk() {
    let folder = Folder::new();
    let path = folder.0.join("sparse.bin");
    let size: u64 = (10 << 30) + 7;
    File::create(&path).unwrap().set_len(size).unwrap();
    let server = Server::start(&["--mode", "stream"], &path);
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(client.head().field("Content-Length"), Some(size.to_string().as_str()));
    let mut left = size;
    while left > 0 {
        let piece = client.read(left.min(4 << 20) as usize);
        left -= piece.len() as u64;
    }
    assert!(client.is_closed());
    let line = server.request(1);
    assert_eq!(number(&line, "sent_bytes"), size);
    assert!(number(&line, "request_peak") <= 80 * KIB, "{line}");
    assert!(number(&line, "live_peak") < 4096 * KIB, "{line}");
}

#[test]
fn the_chunk_size_is_what_a_stream_costs() {
    let folder = Folder::new();
    let file = folder.file("a.bin", 4 << 20);
    for (option, chunk_bytes) in [("4K", 4 * KIB), ("100000", 100_000), ("1M", 1024 * KIB)] {
        let server = Server::start(&["--chunk-size", option], &file);
        assert!(server.get("/").body == content(4 << 20));
        let peak = number(&server.request(1), "request_peak");
        assert!((chunk_bytes..chunk_bytes + 16 * KIB).contains(&peak), "{option}: {peak}");
    }
}

/// `live_after` of a request that runs alone. The least of some: a connection that is just being closed has
/// 6 KB of the engine's, and is no part of it.
fn live_after_one_alone(server: &Server) -> u64 {
    let alone = |_| {
        thread::sleep(Duration::from_millis(50));
        let before = server.requests(0).len();
        assert_eq!(server.ask("GET / HTTP/1.1\r\nRange: bytes=0-9\r\nConnection: close").status, 206);
        number(&server.request(before + 1), "live_after")
    };
    (0..5).map(alone).min().unwrap()
}

fn drift(mode: &str) {
    let folder = Folder::new();
    let server = Server::start(&["--mode", mode], &folder.file("a.bin", 300_000));
    let some = |count: usize| {
        for n in 0..count {
            let mut client = server.client();
            client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
            if n % 4 == 0 {
                client.read(1_000);
                client.leave();
            } else {
                assert_eq!(client.answer(false).body.len(), 300_000);
            }
        }
        server.requests(count);
    };
    some(100);
    let after_100 = live_after_one_alone(&server);
    some(900);
    let after_1000 = live_after_one_alone(&server);
    assert!(after_1000.abs_diff(after_100) <= 4 * KIB, "{after_100} then {after_1000}");
}

#[test]
fn a_thousand_requests_leave_nothing_behind_in_buffer_mode() {
    drift("buffer");
}

#[test]
fn a_thousand_requests_leave_nothing_behind_in_stream_mode() {
    drift("stream");
}

#[test]
fn a_range_of_one_byte_costs_a_buffer_the_whole_file_and_a_stream_one_byte() {
    let folder = Folder::new();
    let file = folder.file("a.bin", 4 << 20);
    for (mode, least, most) in [("buffer", 4 << 20, (4 << 20) + 64 * KIB), ("stream", 1, 16 * KIB)] {
        let server = Server::start(&["--mode", mode], &file);
        let answer = server.ask("GET / HTTP/1.1\nRange: bytes=1000-1000");
        assert_eq!((answer.status, answer.body), (206, content(1001)[1000..].to_vec()));
        let peak = number(&server.request(1), "request_peak");
        assert!((least..=most).contains(&peak), "{mode}: {peak}");
    }
}

#[test]
fn what_needs_no_body_reads_nothing_in_either_mode() {
    let folder = Folder::new();
    let file = folder.file("a.bin", 4 << 20);
    for mode in ["buffer", "stream"] {
        let server = Server::start(&["--mode", mode], &file);
        let asked = [
            ("HEAD / HTTP/1.1", 200),
            ("GET / HTTP/1.1\nIf-None-Match: *", 304),
            ("GET / HTTP/1.1\nIf-Match: \"other\"", 412),
            ("GET / HTTP/1.1\nRange: bytes=9999999-", 416),
        ];
        for (nth, (lines, status)) in asked.iter().enumerate() {
            assert_eq!(server.ask(lines).status, *status, "{lines}");
            let line = server.request(nth + 1);
            assert!(number(&line, "request_peak") < 4 * KIB, "{line}");
        }
    }
}
