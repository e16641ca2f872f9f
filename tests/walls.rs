//! One client must not harm another. These are the attacks that std's sockets can make, with the numbers that they have in
//! scripts/stress.sh. That has the others as well: resets, chosen ports, and a system without threads or descriptors.
#![allow(missing_docs)]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use support::{Client, Folder, LARGE_BYTES, PATIENCE, Server, content, eventually, in_parallel, number, text};

const ONE_BYTE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-0\r\n\r\n";

/// Requests on `kept`, which is an open connection, and on new connections are answered.
fn others_are_answered(server: &Server, kept: &mut Client) {
    for _ in 0..20 {
        kept.send(ONE_BYTE);
        assert_eq!(kept.answer(false).body, content(1));
        assert_eq!(server.ask("GET / HTTP/1.1\nRange: bytes=0-0").body, content(1));
    }
}

/// Sends `piece` again and again until the server closes the connection, which it must before it has taken `most_bytes`.
fn send_until_closed(client: &mut Client, piece: &[u8], most_bytes: usize) {
    // A write can wait for a minute after the server's close, if the server's receive window was full.
    client.stream().set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    client.stream().set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let (mut sent, mut deadline) = (0, Instant::now() + PATIENCE);
    loop {
        match client.stream().write(piece) {
            // A busy machine may take long for what is read, but not for ever: there is `most_bytes`.
            Ok(bytes) => (sent, deadline) = (sent + bytes, Instant::now() + PATIENCE),
            Err(error) if is_timeout(&error) && !is_closed_now(client.stream()) => {}
            Err(_) => return,
        }
        assert!(sent < most_bytes && Instant::now() < deadline, "not closed after {sent} bytes");
    }
}

/// Sends a byte every tenth of a second until the server closes the connection.
fn drip_until_closed(mut stream: &TcpStream) {
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    eventually("the end of a connection that drips", || {
        let is_gone = stream.write_all(b"x").is_err();
        (is_gone || is_closed_now(stream)).then_some(())
    });
}

/// Reads what there is, and returns whether the server has closed the connection by the end of a read timeout.
fn is_closed_now(mut stream: &TcpStream) -> bool {
    loop {
        match stream.read(&mut [0; 1024]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return !is_timeout(&error),
        }
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[test]
fn wall_01_a_missing_body_delays_only_its_own_client() {
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
fn wall_03_waiting_heads_have_a_limit_in_bytes() {
    let folder = Folder::new();
    let server = Server::start(&["--mode", "buffer"], &folder.file("a.bin", LARGE_BYTES));
    let mut kept = server.client();
    let mut client = server.client();
    client.start_download();
    let tag = "x".repeat(60_000);
    let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nIf-Match: \"{tag}\"\r\n\r\n");
    send_until_closed(&mut client, head.as_bytes(), 200 << 20);
    others_are_answered(&server, &mut kept);
    // The body's buffer, what waits, and what has come before the watch looks.
    let peak = server.figure("live_peak");
    assert!(peak < 72 << 20, "{peak} bytes");
}

#[test]
fn wall_03_a_head_has_a_limit_in_bytes_and_lines() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.bin", 1_000));
    let long = "x".repeat(70_000);
    let many = "\nX: y".repeat(101);
    for (lines, status) in [
        (format!("GET / HTTP/1.1\nX: {long}"), 431),
        (format!("GET /?{long} HTTP/1.1"), 414),
        (format!("GET / HTTP/1.1{many}"), 431),
    ] {
        let answer = server.ask(&lines);
        assert_eq!((answer.status, answer.field("Connection")), (status, Some("close")));
    }
}

#[test]
fn wall_04_refused_uploads_leave_no_descriptor_and_allowed_ones_are_discarded() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.bin", 1_000));
    #[cfg(target_os = "linux")]
    let sockets_before = server.sockets();
    for _ in 0..100 {
        let mut client = server.client();
        client.send("PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n");
        assert_eq!(client.head().status, 413);
        // To its end: a client that resets its connection early leaves descriptors until they run short.
        client.rest();
    }
    let mut client = server.client();
    for length in [200_000, 3_000_000] {
        client.send(format!("PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"));
        client.send(vec![b'x'; length]);
        assert_eq!(client.answer(false).status, 405, "{length}");
    }
    assert_eq!(client.ask("GET / HTTP/1.1").body, content(1_000), "the next request starts at the right byte");
    drop(client);
    #[cfg(target_os = "linux")]
    eventually("the end of all connections", || (server.sockets() <= sockets_before).then_some(()));
}

/// Each announces half of all addresses of a 64-bit process. A body for which the system has no addresses costs a thread.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn wall_04_huge_uploads_that_are_refused_at_the_same_time_leave_nothing() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.bin", 1_000));
    let sockets_before = server.sockets();
    let refused = || {
        let mut client = server.client();
        client.send(format!("PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", 1_u64 << 46));
        assert_eq!(client.head().status, 413);
        client
    };
    let clients: Vec<Client> = (0..4).map(|_| refused()).collect();
    clients.into_iter().for_each(|mut client| drop(client.rest()));
    eventually("the end of all connections", || (server.sockets() <= sockets_before).then_some(()));
}

/// A read that has a timeout fails when its process is stopped and goes on (signal(7)).
#[cfg(unix)]
#[test]
fn wall_04_a_refusal_comes_when_the_process_was_stopped_meanwhile() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.bin", 1_000));
    let address = server.address();
    let upload = || {
        let mut client = Client::to(address);
        client.send("PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n");
        assert_eq!(client.answer(false).status, 413);
    };
    std::thread::scope(|scope| {
        let uploads = scope.spawn(move || (0..50).for_each(|_| upload()));
        while !uploads.is_finished() {
            server.signal("STOP");
            server.signal("CONT");
        }
    });
}

#[test]
fn wall_06_the_connection_of_an_http_2_client_is_closed() {
    let folder = Folder::new();
    let server = Server::start(&["--timeout", "1"], &folder.file("a.bin", 1_000));
    let openings = ["GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    in_parallel(openings, |opening| {
        let mut client = server.client();
        client.send(opening);
        assert_eq!(client.rest(), b"", "{opening:?}");
    });
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn wall_06_threads_that_wait_for_ever_are_reported() {
    const CLIENTS: usize = 110;
    let folder = Folder::new();
    let server = Server::start(&["--timeout", "1"], &folder.file("a.bin", 1_000));
    let mut clients = server.clients_with(["GET / HTTP/2.0\r\nHost: localhost\r\n\r\n"; CLIENTS]);
    clients.iter_mut().for_each(|client| drop(client.rest()));
    drop(clients);
    let warning = eventually("a warning", || server.stderr().into_iter().find(|line| text(line, "event") == "warning"));
    assert!(text(&warning, "message").contains("HTTP/2.0"), "{warning}");
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn wall_07_the_connection_of_an_endless_head_is_closed() {
    let folder = Folder::new();
    let server = Server::start(&["--timeout", "0"], &folder.file("a.bin", 1_000));
    for piece in ["x".repeat(1 << 16), format!("a: {}\r\n", "b".repeat(1_000)).repeat(60)] {
        let mut client = server.client();
        client.send("GET / HTTP/1.1\r\nX: ");
        send_until_closed(&mut client, piece.as_bytes(), 1 << 30);
        // A new connection, since the server may have closed an idle one as well.
        others_are_answered(&server, &mut server.client());
    }
    let peak = server.figure("live_peak");
    assert!(peak < 256 << 20, "{peak} bytes");
}

#[test]
fn wall_08_a_deadline_covers_a_whole_head_body_or_last_read() {
    let folder = Folder::new();
    let server = Server::start(&["--timeout", "1"], &folder.file("a.bin", 1_000));
    #[cfg(target_os = "linux")]
    let sockets_before = server.sockets();
    let openings = [
        "GET / HTTP/1.1\r\nX-Drip: ",
        "PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n",
    ];
    // Of each opening, one client goes on to send and the other does not.
    let mut clients = server.clients_with(openings.into_iter().flat_map(|opening| [opening; 2]));
    in_parallel(clients.chunks_mut(2), |pair| {
        drip_until_closed(pair[0].stream());
        pair[1].rest();
    });
    // What a client sees may be the end of one direction only.
    #[cfg(target_os = "linux")]
    eventually("the end of all connections", || (server.sockets() <= sockets_before).then_some(()));
    let mut statuses: Vec<u64> = server.requests(4).iter().map(|line| number(line, "status")).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [408, 408, 413, 413]);
}

#[test]
fn wall_09_a_download_longer_than_the_timeout_keeps_its_connection() {
    const SIZE: usize = 96 << 20;
    const PIECE: usize = 256 << 10;
    let folder = Folder::new();
    let server = Server::start(&["--timeout", "2"], &folder.sparse_file("a.bin", SIZE as u64));
    let mut client = server.client();
    client.start_download();
    // The server closes an idle connection after the timeout, which is the clock of this test.
    let idle = server.client();
    idle.stream().set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let mut left = SIZE;
    eventually("the end of an idle connection", || {
        client.read(PIECE);
        left -= PIECE;
        is_closed_now(idle.stream()).then_some(())
    });
    client.read(left);
    assert_eq!(client.ask("HEAD / HTTP/1.1").status, 200);
    let lines = server.requests(2);
    assert_eq!(text(&lines[0], "outcome"), "sent");
    assert!(number(&lines[0], "duration_us") > 2_000_000, "{lines:?}");
    assert_eq!(number(&lines[0], "connection"), number(&lines[1], "connection"));
}

#[test]
fn wall_16_the_answer_to_a_large_chunked_upload_arrives() {
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
