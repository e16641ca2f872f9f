//! Faults of the file, of memory, of the program itself, and its end.
#![allow(missing_docs)]

mod support;

use std::fs::{self, OpenOptions};
use std::thread;
use std::time::Duration;

use support::{Client, Folder, Server, content, number, text};

const SIZE: usize = 40 << 20;

/// A client that has its head and waits before it reads on, so that the answer is in the middle.
fn in_the_middle(server: &Server) -> Client {
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.head().status, 200);
    client
}

#[test]
fn a_file_that_goes_and_comes_back_is_missed_and_served_again() {
    let folder = Folder::new();
    let file = folder.file("a.bin", 1_000);
    for mode in ["buffer", "stream"] {
        let server = Server::start(&["--mode", mode], &file);
        fs::remove_file(&file).unwrap();
        let answer = server.get("/");
        assert_eq!((answer.status, answer.text().lines().count()), (404, 1));
        assert_eq!(text(&server.request(1), "outcome"), "missing");
        // A directory in its place, which nobody can read as a file, whoever he is.
        fs::create_dir(&file).unwrap();
        assert_eq!(server.get("/").status, 403);
        assert_eq!(text(&server.request(2), "outcome"), "forbidden");
        fs::remove_dir(&file).unwrap();
        folder.file("a.bin", 1_000);
        assert_eq!(server.get("/").body, content(1_000));
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_the_file_does_not_hold_a_thread() {
    let folder = Folder::new();
    let file = folder.file("a.bin", 1_000);
    let server = Server::start(&[], &file);
    fs::remove_file(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    assert_eq!(server.get("/").status, 403);
}

#[test]
fn a_file_that_shrinks_while_it_streams_makes_a_short_body() {
    let folder = Folder::new();
    let file = folder.file("a.bin", SIZE);
    let server = Server::start(&[], &file);
    let mut client = in_the_middle(&server);
    OpenOptions::new().write(true).open(&file).unwrap().set_len(1_000).unwrap();
    assert!(client.is_closed(), "the client must see that no more comes");
    let line = server.request(1);
    assert_eq!(text(&line, "outcome"), "short");
    assert!(number(&line, "sent_bytes") < SIZE as u64);
    assert_eq!(server.get("/").body, content(1_000));
}

#[test]
fn a_buffer_no_longer_needs_the_file_that_it_has_read() {
    let folder = Folder::new();
    let file = folder.file("a.bin", SIZE);
    let server = Server::start(&["--mode", "buffer"], &file);
    let mut client = in_the_middle(&server);
    OpenOptions::new().write(true).open(&file).unwrap().set_len(0).unwrap();
    assert!(client.read(SIZE) == content(SIZE));
    assert_eq!(server.get("/").body, Vec::<u8>::new());
}

#[test]
fn a_file_that_grows_or_is_replaced_is_sent_as_it_was_asked_for() {
    let folder = Folder::new();
    for mode in ["buffer", "stream"] {
        let file = folder.file("a.bin", SIZE);
        let server = Server::start(&["--mode", mode], &file);
        let mut client = in_the_middle(&server);
        fs::write(folder.0.join("new.bin"), "new").unwrap();
        fs::rename(folder.0.join("new.bin"), &file).unwrap();
        assert!(client.read(SIZE) == content(SIZE), "the old file to its end");
        assert_eq!(client.ask("GET / HTTP/1.1").body, b"new");

        let file = folder.file("b.bin", SIZE);
        let server = Server::start(&["--mode", mode], &file);
        let mut client = in_the_middle(&server);
        OpenOptions::new().write(true).open(&file).unwrap().set_len(SIZE as u64 + 5).unwrap();
        assert!(client.read(SIZE) == content(SIZE), "as long as was announced");
        assert_eq!(client.ask("HEAD / HTTP/1.1").field("Content-Length"), Some("41943045"));
    }
}

/// As many clients at once; how many of them were served and how many were refused.
fn served_and_refused(server: &Server, clients: usize) -> (usize, usize) {
    let mut clients: Vec<Client> = (0..clients).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    let heads: Vec<_> = clients.iter_mut().map(Client::head).collect();
    for head in heads.iter().filter(|head| head.status != 200) {
        assert_eq!((head.status, head.field("Retry-After")), (503, Some("1")));
    }
    let served = heads.iter().filter(|head| head.status == 200).count();
    (served, heads.len() - served)
}

#[test]
fn a_heap_limit_serves_what_fits_and_refuses_the_rest() {
    let folder = Folder::new();
    let file = folder.file("a.bin", SIZE);
    let server = Server::start(&["--mode", "buffer", "--heap-limit", "256M"], &file);
    assert_eq!(served_and_refused(&server, 7), (6, 1));
    let refused = server.requests(1)[0].clone();
    assert_eq!((number(&refused, "status"), text(&refused, "outcome").as_str()), (503, "refused"));
    assert!(number(&refused, "request_peak") < 1 << 20, "{refused}");
    support::eventually("their memory", || (server.figure("live") < 1 << 20).then_some(()));

    let (served, _) = served_and_refused(&server, 100);
    assert_eq!(served, 6);
    assert!(server.figure("live_peak") <= 256 << 20, "{}", server.figure("live_peak"));
    let why = Server::start(&["--mode", "buffer", "--heap-limit", "1M"], &file).get("/");
    assert!(why.text().contains("40.0 MiB") && why.text().contains("--heap-limit"), "{}", why.text());

    let stream = Server::start(&["--heap-limit", "256M"], &file);
    assert_eq!(served_and_refused(&stream, 50), (50, 0));
}

#[cfg(target_os = "linux")]
#[test]
fn an_allocation_that_fails_for_real_is_refused_and_not_counted() {
    let folder = Folder::new();
    let file = folder.0.join("sparse.bin");
    fs::File::create(&file).unwrap().set_len(8 << 30).unwrap();
    let mut command = std::process::Command::new("sh");
    let limited = "ulimit -v 4000000 && exec \"$0\" --mode buffer --port 0 --trace json \"$1\"";
    command.arg("-c").arg(limited).arg(env!("CARGO_BIN_EXE_heapserve")).arg(&file);
    let server = Server::run(command);
    let answer = server.get("/");
    assert_eq!((answer.status, answer.field("Retry-After")), (503, Some("1")));
    assert_eq!(text(&server.request(1), "outcome"), "refused");
    assert!(server.figure("live_peak") < 1 << 20 && server.figure("live") < 1 << 20);
}

#[cfg(debug_assertions)]
#[test]
fn a_panic_ends_its_own_connection_only() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.bin", SIZE));
    let mut bystander = in_the_middle(&server);
    let mut client = server.client();
    client.send("GET /panic-for-tests HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(client.is_closed());
    assert_eq!(text(&server.request(1), "outcome"), "failed");
    assert!(bystander.read(SIZE) == content(SIZE));
    assert_eq!(server.ask("HEAD / HTTP/1.1").status, 200);
}

#[cfg(unix)]
#[test]
fn a_stop_signal_lets_running_answers_finish_and_sums_up() {
    let folder = Folder::new();
    for signal in ["INT", "TERM"] {
        let server = Server::start(&["--mode", "buffer"], &folder.file("a.bin", SIZE));
        let mut client = in_the_middle(&server);
        let address = server.address();
        let reading = thread::spawn(move || {
            thread::sleep(Duration::from_millis(300));
            let refused = std::net::TcpStream::connect(address).is_err();
            (client.read(SIZE).len(), refused)
        });
        let (code, last) = server.stop(signal);
        assert_eq!(reading.join().unwrap(), (SIZE, true));
        assert_eq!((code, text(&last, "event").as_str()), (0, "stopped"));
        assert_eq!((number(&last, "requests"), number(&last, "sent_bytes")), (1, SIZE as u64));
        assert!(number(&last, "largest_request_peak") >= SIZE as u64);
    }
}

#[cfg(unix)]
#[test]
fn a_second_stop_signal_waits_for_nobody() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.bin", SIZE));
    let _stalled = in_the_middle(&server);
    let start = std::time::Instant::now();
    server.signal("INT");
    thread::sleep(Duration::from_millis(500));
    let (code, last) = server.stop("INT");
    assert_eq!((code, text(&last, "event").as_str()), (0, "stopped"));
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[test]
fn idle_the_heap_does_not_move() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.bin", 1_000));
    server.get("/");
    let mut client = server.client();
    let mut live = || number(client.ask("GET /heap.json HTTP/1.1").text(), "live");
    // The threads that were started for the requests end after five seconds.
    support::eventually("a heap at rest", || {
        let first = live();
        thread::sleep(Duration::from_secs(2));
        (live() == first).then_some(())
    });
}
