//! The lesson: what each mode costs, by the program's own figures.
#![allow(missing_docs)]

mod support;

use support::{Client, Folder, LARGE_BYTES, MODES, Server, content, eventually, number, text};

const FILE_BYTES: u64 = LARGE_BYTES as u64;
const KIB: u64 = 1 << 10;
const VIEWERS: usize = 20;

/// Starts twenty downloads, waits until all of them are being answered, and reads them to their ends.
fn overlap(server: &Server) {
    let mut viewers: Vec<Client> = (0..VIEWERS).map(|_| server.client()).collect();
    viewers.iter_mut().for_each(Client::start_download);
    eventually("twenty requests in flight", || (server.figure("in_flight") == VIEWERS as u64).then_some(()));
    let whole = content(LARGE_BYTES);
    std::thread::scope(|scope| {
        for viewer in &mut viewers {
            scope.spawn(|| viewer.expect(&whole));
        }
    });
}

#[test]
fn twenty_buffers_cost_twenty_files() {
    let folder = Folder::new();
    let server = Server::start(&["--mode", "buffer"], &folder.file("a.mp4", LARGE_BYTES));
    overlap(&server);
    let requests = server.requests(VIEWERS);
    for line in &requests {
        let peak = number(line, "request_peak");
        assert!((FILE_BYTES..=FILE_BYTES + 64 * KIB).contains(&peak), "{line}");
        assert_eq!(text(line, "outcome"), "sent", "{line}");
        assert_eq!(number(line, "sent_bytes"), FILE_BYTES, "{line}");
    }
    let peak = number(&requests[VIEWERS - 1], "live_peak");
    assert!((20 * FILE_BYTES..21 * FILE_BYTES).contains(&peak), "{peak}");
    // When two requests end together, the line of the first may be printed second.
    let after = requests.iter().map(|line| number(line, "live_after")).min().unwrap();
    assert!(after < 1024 * KIB, "{after} live bytes after the last request");
}

#[test]
fn twenty_streams_cost_twenty_chunks() {
    let folder = Folder::new();
    let server = Server::start(&["--mode", "stream"], &folder.file("a.mp4", LARGE_BYTES));
    overlap(&server);
    let requests = server.requests(VIEWERS);
    for line in &requests {
        assert!((64 * KIB..=80 * KIB).contains(&number(line, "request_peak")), "{line}");
    }
    assert!(number(&requests[VIEWERS - 1], "live_peak") < 4096 * KIB);
}

/// Reads only what is near the border of 32 bits.
#[cfg(unix)]
#[test]
fn a_file_above_4_gib_streams_through_the_same_chunk() {
    use std::os::unix::fs::FileExt;
    const BORDER: u64 = 1 << 32;
    const SIZE: u64 = BORDER + 7;
    const FIRST: u64 = BORDER - (16 << 20);
    let folder = Folder::new();
    let path = folder.sparse_file("sparse.bin", SIZE);
    std::fs::File::options().write(true).open(&path).unwrap().write_all_at(b"border", BORDER - 3).unwrap();
    let server = Server::start(&["--mode", "stream"], &path);
    let whole = server.ask("HEAD / HTTP/1.1");
    assert_eq!(whole.field("Content-Length"), Some(SIZE.to_string().as_str()));
    let mut expected = vec![0; (SIZE - FIRST) as usize];
    let border = (BORDER - FIRST) as usize;
    expected[border - 3..border + 3].copy_from_slice(b"border");
    for (nth, first) in [(2, FIRST), (3, BORDER)] {
        let part = server.ask(&format!("GET / HTTP/1.1\nRange: bytes={first}-"));
        assert_eq!(part.field("Content-Range"), Some(format!("bytes {first}-{}/{SIZE}", SIZE - 1).as_str()));
        assert!(part.body == expected[(first - FIRST) as usize..], "other bytes than those from {first}");
        let line = server.request(nth);
        assert_eq!(number(&line, "sent_bytes"), SIZE - first);
        assert!(number(&line, "request_peak") <= 80 * KIB, "{line}");
        assert!(number(&line, "live_peak") < 4096 * KIB, "{line}");
    }
}

#[test]
fn a_stream_costs_its_chunk_size() {
    let folder = Folder::new();
    let file = folder.file("a.bin", 4 << 20);
    for (option, chunk_bytes) in [("4K", 4 * KIB), ("100000", 100_000), ("1M", 1024 * KIB)] {
        let server = Server::start(&["--chunk-size", option], &file);
        assert!(server.get("/").body == content(4 << 20));
        let peak = number(&server.request(1), "request_peak");
        assert!((chunk_bytes..chunk_bytes + 16 * KIB).contains(&peak), "{option}: {peak}");
    }
}

/// What a thousand requests, of which every fourth is broken off, leave on the heap of a server with this mode.
fn a_thousand_requests_leave_nothing_behind(mode: &str) {
    /// Less than 8 bytes for each request: no allocation that each of them makes fits in there.
    const LEFT_MOST_BYTES: u64 = 7_500;
    const BODY_BYTES: usize = 300_000;
    let folder = Folder::new();
    let file = folder.file("a.bin", BODY_BYTES);
    let server = Server::start(&["--mode", mode, "--timeout", "0"], &file);
    let mut figure = server.figures();
    figure("live");
    let before = figure("live");
    for nth in 0..1_000 {
        let mut client = server.client();
        client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        if nth % 4 == 0 {
            client.read(1_000);
        } else {
            assert_eq!(client.answer(false).body.len(), BODY_BYTES);
        }
    }
    server.requests(1_000);
    // A connection that is being closed takes 6 KB, and a thread without work ends after five seconds.
    eventually("the heap of before", || (figure("live") <= before + LEFT_MOST_BYTES).then_some(()));
}

#[test]
fn a_thousand_requests_leave_nothing_behind_in_buffer_mode() {
    a_thousand_requests_leave_nothing_behind("buffer");
}

#[test]
fn a_thousand_requests_leave_nothing_behind_in_stream_mode() {
    a_thousand_requests_leave_nothing_behind("stream");
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
fn an_answer_without_a_body_reads_nothing_in_either_mode() {
    let folder = Folder::new();
    let file = folder.file("a.bin", 4 << 20);
    for mode in MODES {
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
