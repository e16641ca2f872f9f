//! Faults of the file, of memory and of the program itself, and how the program ends.
#![allow(missing_docs)]

mod support;

use std::fs::{self, OpenOptions};
#[cfg(unix)]
use std::{net::TcpStream, thread, time::Instant};

#[cfg(unix)]
use support::STOP_PATIENCE;
#[cfg(target_os = "linux")]
use support::limited;
use support::{Client, Folder, LARGE_BYTES, MODES, Server, content, eventually, number, text};

/// A client whose download has started and continues only when the client reads on.
fn downloading(server: &Server) -> Client {
    let mut client = server.client();
    client.start_download();
    client
}

#[test]
fn a_removed_file_is_reported_and_served_again_once_it_is_back() {
    let folder = Folder::new();
    let file = folder.file("a.bin", 1_000);
    for mode in MODES {
        let server = Server::start(&["--mode", mode], &file);
        fs::remove_file(&file).unwrap();
        let answer = server.get("/");
        assert_eq!((answer.status, answer.text().lines().count()), (404, 1));
        assert_eq!(text(&server.request(1), "outcome"), "missing");
        // No user can read a directory as a file, root included.
        fs::create_dir(&file).unwrap();
        assert_eq!(server.get("/").status, 403);
        assert_eq!(text(&server.request(2), "outcome"), "forbidden");
        fs::remove_dir(&file).unwrap();
        // A link to itself cannot be opened, but is neither missing nor forbidden.
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&file, &file).unwrap();
            assert_eq!(server.get("/").status, 500);
            assert_eq!(text(&server.request(3), "outcome"), "unreadable");
            fs::remove_file(&file).unwrap();
        }
        folder.file("a.bin", 1_000);
        assert_eq!(server.get("/").body, content(1_000));
    }
}

/// Linux lets this file be opened, but not read: the loopback interface has no speed.
#[cfg(target_os = "linux")]
#[test]
fn a_file_whose_first_read_fails_is_a_500_of_which_the_trace_says_what_was_sent() {
    for mode in MODES {
        let server = Server::start(&["--mode", mode], std::path::Path::new("/sys/class/net/lo/speed"));
        let mut client = server.client();
        let answer = client.ask("GET / HTTP/1.1");
        assert_eq!((answer.status, answer.text().lines().count()), (500, 1), "{mode}");
        let line = server.request(1);
        assert_eq!((number(&line, "status"), text(&line, "outcome").as_str()), (500, "unreadable"));
        assert_eq!(number(&line, "sent_bytes"), answer.body.len() as u64);
        assert_eq!(number(&line, "body_bytes"), answer.body.len() as u64);
        assert_eq!(client.ask("HEAD / HTTP/1.1").status, 200);
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_the_file_does_not_block_a_thread() {
    let folder = Folder::new();
    let file = folder.file("a.bin", 1_000);
    let server = Server::start(&[], &file);
    fs::remove_file(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    assert_eq!(server.get("/").status, 403);
}

#[test]
fn a_file_that_shrinks_while_it_is_streamed_makes_a_short_body() {
    let folder = Folder::new();
    let file = folder.file("a.bin", LARGE_BYTES);
    let server = Server::start(&[], &file);
    let mut client = downloading(&server);
    OpenOptions::new().write(true).open(&file).unwrap().set_len(1_000).unwrap();
    // The close tells the client that the body is incomplete.
    assert!(client.rest().len() < LARGE_BYTES);
    let line = server.request(1);
    assert_eq!(text(&line, "outcome"), "short");
    assert!(number(&line, "sent_bytes") < LARGE_BYTES as u64);
    assert_eq!(server.get("/").body, content(1_000));
}

#[test]
fn a_file_that_shrinks_after_it_was_buffered_is_sent_whole() {
    let folder = Folder::new();
    let file = folder.file("a.bin", LARGE_BYTES);
    let server = Server::start(&["--mode", "buffer"], &file);
    let mut client = downloading(&server);
    OpenOptions::new().write(true).open(&file).unwrap().set_len(0).unwrap();
    client.expect(&content(LARGE_BYTES));
    assert_eq!(server.get("/").body, Vec::<u8>::new());
}

#[test]
fn a_file_that_grows_or_is_replaced_is_sent_as_it_was_at_the_request() {
    let folder = Folder::new();
    for mode in MODES {
        let file = folder.file("a.bin", LARGE_BYTES);
        let server = Server::start(&["--mode", mode], &file);
        let mut client = downloading(&server);
        let [old, new] = ["old.bin", "new.bin"].map(|name| folder.0.join(name));
        fs::write(&new, "new").unwrap();
        // Windows lets a file in use be moved away and deleted only if it was opened in a way that allows it, and lets
        // no file be moved to its name.
        fs::rename(&file, &old).unwrap();
        fs::rename(&new, &file).unwrap();
        fs::remove_file(&old).unwrap();
        client.expect(&content(LARGE_BYTES));
        assert_eq!(client.ask("GET / HTTP/1.1").body, b"new");
        eventually("the end of the old file", || (!old.exists()).then_some(()));

        let file = folder.file("b.bin", LARGE_BYTES);
        let server = Server::start(&["--mode", mode], &file);
        let mut client = downloading(&server);
        OpenOptions::new().write(true).open(&file).unwrap().set_len(LARGE_BYTES as u64 + 5).unwrap();
        client.expect(&content(LARGE_BYTES));
        let grown = (LARGE_BYTES + 5).to_string();
        assert_eq!(client.ask("HEAD / HTTP/1.1").field("Content-Length"), Some(grown.as_str()));
    }
}

/// Sends a GET from many clients at once, and returns how many were served and how many were refused.
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
fn a_heap_limit_serves_the_buffers_that_fit_and_refuses_the_rest() {
    /// Six buffers of 8 MiB, and half a buffer for everything else.
    const LIMIT_BYTES: u64 = 52 << 20;
    let folder = Folder::new();
    let file = folder.file("a.bin", LARGE_BYTES);
    let server = Server::start(&["--mode", "buffer", "--heap-limit", "52M"], &file);
    assert_eq!(served_and_refused(&server, 7), (6, 1));
    // The clients of the other six have left, so the line of any of these may come first.
    let lines = server.requests(7);
    let refused = lines.iter().find(|line| number(line, "status") == 503).unwrap();
    assert_eq!(text(refused, "outcome"), "refused");
    assert!(number(refused, "request_peak") < 1 << 20, "{refused}");
    eventually("the end of the six buffers", || (server.figure("live") < 1 << 20).then_some(()));

    assert_eq!(served_and_refused(&server, 100), (6, 94));
    assert!(server.figure("live_peak") <= LIMIT_BYTES, "{}", server.figure("live_peak"));
    let stream = Server::start(&["--heap-limit", "52M"], &file);
    assert_eq!(served_and_refused(&stream, 50), (50, 0));
}

#[cfg(debug_assertions)]
#[test]
fn a_panic_ends_only_its_own_connection() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.bin", LARGE_BYTES));
    let mut bystander = downloading(&server);
    for target in ["/panic-for-tests", "/heap?panic-for-tests"] {
        let mut client = server.client();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(client.rest(), b"");
    }
    assert_eq!(text(&server.request(1), "outcome"), "failed");
    bystander.expect(&content(LARGE_BYTES));
    assert_eq!(server.ask("HEAD / HTTP/1.1").status, 200);
}

/// Waits until the server has closed its listening sockets.
#[cfg(unix)]
fn wait_until_it_stops(address: std::net::SocketAddr) {
    eventually("a refused connection", || TcpStream::connect(address).is_err().then_some(()));
}

#[cfg(unix)]
#[test]
fn a_stop_signal_lets_running_answers_finish_and_prints_a_summary() {
    let folder = Folder::new();
    let file = folder.file("a.bin", LARGE_BYTES);
    for signal in ["INT", "TERM"] {
        let last = eventually("a client that reads all before STOP_PATIENCE", || {
            let server = Server::start(&["--mode", "buffer"], &file);
            let mut client = downloading(&server);
            let (address, whole) = (server.address(), content(LARGE_BYTES));
            let start = Instant::now();
            let reading = thread::spawn(move || {
                wait_until_it_stops(address);
                client.expect(&whole);
            });
            let lines = server.stop(signal);
            let read = reading.join();
            (start.elapsed() < STOP_PATIENCE).then(|| read.map(|()| lines[lines.len() - 1].clone()).unwrap())
        });
        assert_eq!(text(&last, "event"), "stopped");
        assert_eq!((number(&last, "requests"), number(&last, "sent_bytes")), (1, LARGE_BYTES as u64));
        assert!(number(&last, "largest_request_peak") >= LARGE_BYTES as u64);
    }
}

#[cfg(unix)]
#[test]
fn a_second_stop_signal_ends_the_wait_for_running_answers() {
    let folder = Folder::new();
    let file = folder.file("a.bin", LARGE_BYTES);
    for (first, second, at_once) in [("INT", "INT", false), ("HUP", "TERM", true), ("TERM", "INT", true)] {
        // Without the second signal, the stalled client holds up each end for all of this time. With it, one end that
        // is earlier is enough: on a busy machine some are late.
        eventually("an end before STOP_PATIENCE", || {
            let server = Server::start(&["--timeout", "0"], &file);
            let _stalled = downloading(&server);
            server.signal(first);
            // Two pending signals of the same kind are one.
            if !at_once {
                wait_until_it_stops(server.address());
            }
            let second_sent = Instant::now();
            let lines = server.stop(second);
            assert_eq!(text(&lines[lines.len() - 1], "event"), "stopped");
            (second_sent.elapsed() < STOP_PATIENCE).then_some(())
        });
    }
}

/// A limit of the size of a file stands for a full disk: a write fails, after it has written a part. Truncating the
/// file stands for a disk that has room again.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_stderr_costs_no_line_and_cuts_none() {
    const DISK_BYTES: u64 = 8 << 10;
    const REQUESTS: u64 = 100;
    let folder = Folder::new();
    let log = folder.0.join("log");
    let mut command = limited("trap '' XFSZ && ulimit -f 16");
    command.arg(folder.file("a.bin", 100));
    command.stderr(OpenOptions::new().create(true).append(true).open(&log).unwrap());
    let server = Server::run_unread(command);
    let mut client = server.client();
    (0..REQUESTS).for_each(|_| assert_eq!(client.ask("GET / HTTP/1.1").status, 200));
    let (mut said, mut times_full) = (String::new(), 0);
    let requests = eventually("the line of the last request", || {
        let now = fs::read_to_string(&log).unwrap();
        if now.len() as u64 >= DISK_BYTES {
            said += &now;
            times_full += 1;
            OpenOptions::new().write(true).open(&log).unwrap().set_len(0).unwrap();
            return None;
        }
        let all = format!("{said}{now}");
        let (whole, _) = all.rsplit_once('\n')?;
        let lines = whole.lines().filter(|line| text(line, "event") == "request");
        let requests: Vec<_> = lines.map(|line| number(line, "request")).collect();
        (requests.last() == Some(&REQUESTS)).then_some(requests)
    });
    assert_eq!(requests, (1..=REQUESTS).collect::<Vec<_>>());
    assert!(times_full > 2, "{times_full}");
}

#[test]
fn an_idle_program_leaves_the_heap_alone() {
    /// Samples come once a second while nothing happens.
    const IDLE_SAMPLES: usize = 5;
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.bin", 1_000));
    server.get("/");
    let mut events = server.events();
    let mut figures = || {
        let sample = events.by_ref().find(|message| text(message, "event") == "sample").unwrap();
        (number(&sample, "live"), number(&sample, "allocations"))
    };
    // Threads that served the request end after five seconds without work.
    eventually("a heap at rest", || {
        let first = figures();
        (1..IDLE_SAMPLES).all(|_| figures() == first).then_some(())
    });
}
