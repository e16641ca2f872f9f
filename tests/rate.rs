//! `/?rate=SIZE` limits the rate of an answer.
#![allow(missing_docs)]

mod support;

use std::time::{Duration, Instant};

use support::{Answer, Client, Folder, MODES, Server, content, eventually, in_parallel, number, raw, text};

/// Asks for the file at a rate, and reads the head of the answer.
fn start_at_rate(server: &Server, rate: &str) -> (Client, Answer) {
    let mut client = server.client();
    client.send(format!("GET /?rate={rate} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    let head = client.head();
    (client, head)
}

#[test]
fn an_answer_at_a_rate_comes_whole_and_no_faster() {
    const BYTES: usize = 3 << 20;
    let folder = Folder::new();
    let file = folder.file("a.mp4", BYTES);
    in_parallel(MODES, |mode| {
        let server = Server::start(&["--mode", mode], &file);
        let start = Instant::now();
        let answer = server.get("/a.mp4?viewer=1&rate=2M");
        assert!(start.elapsed() >= Duration::from_secs(1), "{mode}: {:?}", start.elapsed());
        assert_eq!((answer.status, answer.body == content(BYTES)), (200, true), "{mode}");
        let line = server.request(1);
        assert_eq!(text(&line, "target"), "/a.mp4?viewer=1&rate=2M");
        assert_eq!((text(&line, "outcome").as_str(), number(&line, "sent_bytes")), ("sent", BYTES as u64));
        // The first bytes are sent at once, and the others take as long as ever.
        assert!(number(&line, "first_byte_us") + 1_000_000 <= number(&line, "duration_us"), "{line}");
    });
}

#[test]
fn the_first_bytes_come_at_once_and_the_others_in_their_time() {
    let folder = Folder::new();
    let file = folder.file("a.mp4", 10_000);
    in_parallel(MODES, |mode| {
        let server = Server::start(&["--mode", mode], &file);
        let (mut client, head) = start_at_rate(&server, "1");
        assert_eq!(head.field("Content-Length"), Some("10000"));
        assert_eq!(client.read(2), content(2));
        // The rest would take two hours and three quarters. The server answers other requests meanwhile.
        assert_eq!(server.get("/").body, content(10_000));
        // The body has arrived before the request has ended.
        server.requests(1);
        assert_eq!(server.figure("in_flight"), 1);
        assert!(server.figure("sent_bytes") < 10_000 + 1_000);
    });
}

#[test]
fn what_is_no_rate_is_refused_in_one_line() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.mp4", 1_000));
    for query in ["rate", "rate=", "rate=0", "rate=fast", "rate=-1", "rate=+5", "rate=1.5M", "t=1&rate=8M&rate=8M"] {
        let answer = server.get(&format!("/?{query}"));
        assert_eq!((answer.status, answer.text().lines().count()), (400, 1), "{query}");
        let wanted = ["bytes per second", "8M", "64K"].map(|word| answer.text().contains(word));
        assert!(wanted[0] && (wanted[1] || wanted[2]), "{}", answer.text());
        assert_eq!(server.ask(&format!("HEAD /a.mp4?{query} HTTP/1.1")).status, 400, "{query}");
    }
    for query in ["rate=8M", "rate=1g", "rates=fast", "Rate=0", "t=1", ""] {
        let answer = server.get(&format!("/?{query}"));
        assert_eq!((answer.status, answer.body == content(1_000)), (200, true), "{query}");
    }
    // Only the file has a rate.
    for (target, status) in [("/heap?rate=fast", 200), ("/heap.json?rate=fast", 200), ("/none?rate=fast", 404)] {
        assert_eq!(server.get(target).status, status, "{target}");
    }
    assert_eq!(server.ask("POST /?rate=fast HTTP/1.1").status, 405);
}

#[test]
fn ranges_conditions_and_head_are_as_without_a_rate() {
    let folder = Folder::new();
    let file = folder.file("a.mp4", 100_000);
    in_parallel(MODES, |mode| {
        let server = Server::start(&["--mode", mode], &file);
        let mut client = server.client();
        let head = client.ask("HEAD /?rate=1 HTTP/1.1");
        assert_eq!((head.status, head.field("Content-Length")), (200, Some("100000")));
        let tag = head.field("ETag").unwrap();
        assert_eq!(client.ask(&format!("GET /?rate=1 HTTP/1.1\nIf-None-Match: {tag}")).status, 304);
        assert_eq!(client.ask("GET /?rate=1 HTTP/1.1\nIf-Match: \"other\"").status, 412);
        assert_eq!(client.ask("GET /?rate=1 HTTP/1.1\nRange: bytes=100000-").status, 416);
        let part = client.ask("GET /?rate=100K HTTP/1.1\nRange: bytes=50000-89999");
        assert_eq!((part.status, part.field("Content-Range")), (206, Some("bytes 50000-89999/100000")));
        assert_eq!(part.body, content(100_000)[50_000..90_000]);
        // The connection stays open.
        assert_eq!(client.ask("GET / HTTP/1.1").body.len(), 100_000);
    });
}

#[test]
fn a_pause_between_two_steps_is_no_stalled_client() {
    let folder = Folder::new();
    let file = folder.file("a.mp4", 3);
    in_parallel(MODES, |mode| {
        let server = Server::start(&["--mode", mode, "--timeout", "0.4"], &file);
        let mut clients = server.clients_with(["GET /?rate=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"]);
        assert_eq!(clients[0].answer(false).body, content(3));
        assert_eq!(text(&server.request(1), "outcome"), "sent");
    });
}

#[test]
fn an_answer_at_a_rate_ends_when_its_client_leaves() {
    let folder = Folder::new();
    let file = folder.file("a.mp4", 10 << 20);
    in_parallel(MODES, |mode| {
        let server = Server::start(&["--mode", mode], &file);
        let (client, _) = start_at_rate(&server, "1K");
        drop(client);
        let line = server.request(1);
        assert_eq!(text(&line, "outcome"), "client_closed", "{mode}");
        assert!(number(&line, "sent_bytes") < 10 << 20, "{line}");
        assert_eq!(raw(&line, "in_flight"), "1");
        eventually("its end", || (server.figure("in_flight") == 0).then_some(()));
    });
}

/// The engine waits only a few seconds for running answers. An answer with a limited rate could take hours, and
/// would leave no line in the trace.
#[cfg(unix)]
#[test]
fn an_answer_at_a_rate_ends_when_the_server_stops() {
    let folder = Folder::new();
    let file = folder.file("a.mp4", 10_000);
    in_parallel(MODES, |mode| {
        let server = Server::start(&["--mode", mode], &file);
        let (mut client, _) = start_at_rate(&server, "1");
        server.signal("TERM");
        let line = server.request(1);
        assert_eq!(text(&line, "outcome"), "stopped", "{mode}");
        client.rest();
        let lines = server.stop("TERM");
        assert_eq!(number(lines.last().unwrap(), "requests"), 1, "{lines:?}");
    });
}
