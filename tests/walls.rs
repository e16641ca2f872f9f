//! What one client does costs the others nothing: a test for each case that std's sockets can make. The others, which
//! need resets, chosen ports, or a system without threads or descriptors, are rows of scripts/stress.sh.
#![allow(missing_docs)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use support::{Client, Folder, PATIENCE, Server, content, eventually, number, text};

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const ONE_BYTE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-0\r\n\r\n";

/// Other clients, old and new, get their byte.
fn others_are_answered(server: &Server, kept: &mut Client) {
    for _ in 0..20 {
        kept.send(ONE_BYTE);
        assert_eq!(kept.answer(false).body, content(1));
        assert_eq!(server.ask("GET / HTTP/1.1\nRange: bytes=0-0").body, content(1));
    }
}

/// Sends `piece` again and again until the connection is ended; whether it was, before `most_bytes` were sent.
fn is_hung_up_on(client: &mut Client, piece: &[u8], most_bytes: usize) -> bool {
    (0..most_bytes / piece.len()).any(|_| client.stream.write_all(piece).is_err())
}

/// Sends a byte at a time, ten a second, until the server ends the connection.
fn drips_until_closed(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    eventually("the end of a connection that drips", || {
        let is_gone = stream.write_all(b"x").is_err();
        let mut some = [0; 1024];
        let is_over = match stream.read(&mut some) {
            Ok(read) => read == 0,
            Err(error) => {
                error.kind() != std::io::ErrorKind::WouldBlock && error.kind() != std::io::ErrorKind::TimedOut
            }
        };
        (is_gone || is_over).then_some(())
    });
}

#[test]
fn wall_01_a_body_that_does_not_come_holds_up_nobody() {
    let folder = Folder::new();
    let server = Server::start(&["--timeout", "0"], &folder.file("a.bin", 1_000));
    let mut kept = server.client();
    let closing = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: x\r\nConnection: close\r\n\r\n";
    let body = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000\r\n\r\n";
    let withheld: Vec<Client> = (0..10)
        .map(|_| {
            let mut client = server.client();
            client.send(ONE_BYTE.repeat(300) + closing + body);
            client
        })
        .collect();
    server.requests(10 * 301);
    others_are_answered(&server, &mut kept);
    drop(withheld);
}

#[test]
fn wall_03_heads_that_wait_have_a_bound_in_bytes() {
    let folder = Folder::new();
    let server = Server::start(&["--mode", "buffer"], &folder.file("a.bin", 20 << 20));
    let mut kept = server.client();
    let mut client = server.client();
    client.send(GET);
    client.read(1_000);
    let tag = "x".repeat(60_000);
    let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nIf-Match: \"{tag}\"\r\n\r\n");
    assert!(is_hung_up_on(&mut client, head.as_bytes(), 200 << 20));
    others_are_answered(&server, &mut kept);
    let peak = server.figure("live_peak");
    assert!(peak < 64 << 20, "{peak} bytes: of the file, and of what waits");
}

#[test]
fn wall_03_a_head_has_a_bound_in_bytes() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.bin", 1_000));
    let long = "x".repeat(70_000);
    for lines in
        [format!("GET / HTTP/1.1\nX: {long}"), format!("GET /?{long} HTTP/1.1"), "X: y\n".repeat(101)]
    {
        let lines =
            if lines.starts_with("GET") { lines } else { format!("GET / HTTP/1.1\n{}", lines.trim_end()) };
        let answer = server.ask(&lines);
        assert_eq!((answer.status, answer.field("Connection")), (431, Some("close")));
    }
}

#[test]
fn wall_04_refused_uploads_leave_no_descriptor_and_honest_ones_are_read_away() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.bin", 1_000));
    server.get("/");
    #[cfg(target_os = "linux")]
    let before = server.proc_entries("fd");
    for _ in 0..100 {
        let mut client = server.client();
        client.send("PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n");
        assert_eq!(client.head().status, 413);
        client.leave();
    }
    let mut client = server.client();
    for length in [200_000, 3_000_000] {
        client.send(format!("PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"));
        client.send(vec![b'x'; length]);
        assert_eq!(client.answer(false).status, 405, "{length}");
    }
    assert_eq!(
        client.ask("GET / HTTP/1.1").body,
        content(1_000),
        "the connection goes on, at the right byte"
    );
    client.leave();
    #[cfg(target_os = "linux")]
    eventually("their descriptors", || (server.proc_entries("fd") <= before).then_some(()));
}

#[test]
fn wall_06_a_client_of_http_2_is_hung_up() {
    let folder = Folder::new();
    let server = Server::start(&["--timeout", "1"], &folder.file("a.bin", 1_000));
    for opening in ["GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut client = server.client();
        client.send(opening);
        assert!(client.is_closed(), "{opening:?}");
    }
    assert_eq!(server.get("/").status, 200);
}

#[cfg(target_os = "linux")]
#[test]
fn wall_06_descriptors_of_parked_threads_come_back_when_they_are_short() {
    let folder = Folder::new();
    let file = folder.file("a.bin", 1_000);
    let server = Server::start_with_descriptors(64, &file);
    let parked: Vec<Client> = (0..100)
        .map(|_| {
            let mut client = server.client();
            client.send("GET / HTTP/2.0\r\nHost: localhost\r\n\r\n");
            client
        })
        .collect();
    eventually("an answer", || {
        let mut client = TcpStream::connect(server.address()).ok()?;
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).ok()?;
        answer.ends_with(&content(1_000)).then_some(())
    });
    drop(parked);
}

#[test]
fn wall_07_a_head_that_never_ends_is_hung_up_on() {
    let folder = Folder::new();
    let server = Server::start(&["--timeout", "0"], &folder.file("a.bin", 1_000));
    for piece in ["x".repeat(1 << 16), format!("a: {}\r\n", "b".repeat(1_000)).repeat(60)] {
        let mut client = server.client();
        client.send("GET / HTTP/1.1\r\nX: ");
        assert!(is_hung_up_on(&mut client, piece.as_bytes(), 2 << 30));
        // An idle connection may have been closed as well.
        others_are_answered(&server, &mut server.client());
    }
    let peak = server.figure("live_peak");
    assert!(peak < 1 << 30, "{peak} bytes of 2 GiB");
}

#[test]
fn wall_08_deadlines_are_of_a_whole_head_body_and_last_read() {
    let folder = Folder::new();
    let server = Server::start(&["--timeout", "1"], &folder.file("a.bin", 1_000));
    for opening in [
        "GET / HTTP/1.1\r\nX-Drip: ",
        "PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n",
    ] {
        let mut client = server.client();
        client.send(opening);
        drips_until_closed(&mut client.stream);
    }
    let late = &server.requests(2)[0];
    assert_eq!(number(late, "status"), 408, "the body came too late, and the client is told: {late}");
}

#[test]
fn wall_09_a_download_longer_than_the_timeout_keeps_its_connection() {
    let folder = Folder::new();
    let server = Server::start(&["--timeout", "1"], &folder.file("a.bin", 40 << 20));
    let mut client = server.client();
    client.send(GET);
    client.head();
    let started = std::time::Instant::now();
    let mut left = 40 << 20;
    while started.elapsed() < Duration::from_millis(2_500) && left > 20 << 20 {
        client.read(1 << 18);
        left -= 1 << 18;
        // As slow as it takes for the timeout to be over in the middle.
        std::thread::park_timeout(Duration::from_millis(40));
    }
    client.read(left);
    assert_eq!(client.ask("HEAD / HTTP/1.1").status, 200, "the same connection");
    let lines = server.requests(2);
    assert!(
        number(&lines[0], "duration_us") > 1_000_000 && text(&lines[0], "outcome") == "sent",
        "{lines:?}"
    );
    assert_eq!(number(&lines[0], "connection"), number(&lines[1], "connection"));
}

#[test]
fn wall_16_the_refusal_of_a_large_chunked_upload_is_read() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.bin", 1_000));
    for _ in 0..10 {
        let mut client = server.client();
        client.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..92 {
            client.send(format!("8000\r\n{}\r\n", "x".repeat(0x8000)));
        }
        client.send("0\r\n\r\n");
        assert_eq!(client.answer(false).status, 405);
    }
}

#[cfg(unix)]
#[test]
fn stopping_two_signals_at_once_wait_for_nobody_and_a_hang_up_is_one() {
    let folder = Folder::new();
    for signals in [["INT", "INT"], ["HUP", "TERM"]] {
        let server = Server::start(&["--timeout", "0"], &folder.file("a.bin", 40 << 20));
        let mut stalled = server.client();
        stalled.send(GET);
        assert_eq!(stalled.head().status, 200);
        server.signal(signals[0]);
        let (code, last) = server.stop(signals[1]);
        assert_eq!((code, text(&last, "event").as_str()), (0, "stopped"), "{signals:?}");
        // The five seconds that a running answer has to finish were not waited for.
        assert_eq!(number(&last, "requests"), 0, "a running answer was waited for: {last}");
    }
}
