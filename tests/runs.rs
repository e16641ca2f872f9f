//! A run, as the trace and `/heap.json` tell of it, in the cases in which a figure could be wrong.
#![allow(missing_docs)]

mod support;

use support::{Client, Folder, LARGE_BYTES, Server, content, eventually, in_parallel, number, raw, text};

/// The size of the video of the README.
const VIDEO_BYTES: u64 = 42_176_470;
const KIB: u64 = 1 << 10;
/// What may be on the heap for connections, of which the engine makes some itself when threads are late.
const OTHERS_MOST_BYTES: u64 = 1 << 20;

/// A run of a sample: `run`, `last_run`, or `None` for null.
fn run(server: &Server, which: &str) -> Option<String> {
    let sample = server.get("/heap.json").text().to_owned();
    Some(raw(&sample, which).to_owned()).filter(|run| run != "null")
}

/// Waits until run `number` is over, and returns it as the trace tells of it, which must be as `/heap.json` does.
fn ended(server: &Server, which: u64) -> String {
    let last =
        eventually("the end of the run", || run(server, "last_run").filter(|run| number(run, "number") == which));
    if number(&last, "requests") > 1 {
        let told = format!(r#"{{"event":"run",{}"#, &last[1..]);
        eventually("the line of the run", || server.stderr().contains(&told).then_some(()));
    }
    last
}

/// The values of these fields, as they are written.
fn fields<const N: usize>(run: &str, names: [&str; N]) -> [String; N] {
    names.map(|name| raw(run, name).to_owned())
}

/// Starts downloads that wait for their clients.
fn downloads(server: &Server, count: usize) -> Vec<Client> {
    let mut viewers: Vec<Client> = (0..count).map(|_| server.client()).collect();
    viewers.iter_mut().for_each(Client::start_download);
    viewers
}

#[test]
fn a_run_is_known_before_it_while_it_goes_on_and_after_it() {
    const VIEWERS: u64 = 3;
    let folder = Folder::new();
    let file = folder.file("a.mp4", LARGE_BYTES);
    in_parallel([("buffer", LARGE_BYTES as u64), ("stream", 64 * KIB)], |(mode, held_bytes)| {
        let server = Server::start(&["--mode", mode], &file);
        assert_eq!((run(&server, "run"), run(&server, "last_run")), (None, None));
        let viewers = downloads(&server, VIEWERS as usize);
        let going_on = run(&server, "run").unwrap();
        let names = ["number", "requests", "at_once", "in_flight", "complete"];
        assert_eq!(fields(&going_on, names), ["1", "3", "3", "3", "0"], "{going_on}");
        let unknown = ["ended_us", "request_peak_min", "request_peak_median", "first_byte_us_median"];
        assert_eq!(fields(&going_on, unknown), ["null"; 4], "{going_on}");
        let held = (number(&going_on, "held_min"), number(&going_on, "held_max"));
        assert!(held_bytes < held.0 && held.1 < held_bytes + 8 * KIB, "{going_on}");
        let whole = content(LARGE_BYTES);
        for mut viewer in viewers {
            viewer.expect(&whole);
        }
        let after = ended(&server, 1);
        assert_eq!(fields(&after, names), ["1", "3", "3", "0", "3"], "{after}");
        assert_eq!((run(&server, "run"), text(&after, "mode").as_str()), (None, mode));
        let requests = server.requests(VIEWERS as usize);
        let peaks = requests.iter().map(|line| number(line, "request_peak"));
        assert_eq!(number(&after, "request_peak_min"), peaks.clone().min().unwrap());
        assert_eq!(number(&after, "request_peak_max"), peaks.max().unwrap());
        assert_eq!(number(&after, "request_peak_median"), held.0, "{after}");
        assert_eq!(number(&after, "sent_bytes"), VIEWERS * LARGE_BYTES as u64);
        assert_eq!(number(&after, "file_bytes"), LARGE_BYTES as u64);
        let first = requests.iter().map(|line| number(line, "first_byte_us")).max().unwrap();
        assert_eq!(number(&after, "first_byte_us_max"), first);
        let heap = number(&after, "heap_peak") - number(&after, "heap_before");
        assert!((VIEWERS * held_bytes..VIEWERS * held_bytes + OTHERS_MOST_BYTES).contains(&heap), "{after}");
        assert!(number(&after, "began_us") < number(&after, "ended_us"), "{after}");
    });
}

#[test]
fn one_viewer_of_the_video_holds_the_same_in_every_run_to_the_digit() {
    let folder = Folder::new();
    let video = folder.sparse_file("powder-day.mp4", VIDEO_BYTES);
    in_parallel([("buffer", 3, "40.2M each"), ("stream", 20, "66.0K each")], |(mode, viewers, each)| {
        let server = Server::start_traced("text", &["--mode", mode], &video);
        drop(downloads(&server, viewers));
        let line =
            eventually("the line of the run", || server.stderr().into_iter().find(|line| line.starts_with("run 1 ")));
        let start = format!("run 1 {mode}: {viewers} viewers at once, {each}, heap peak ");
        assert!(line.starts_with(&start) && line.contains(&format!("; {viewers} cut short; first byte ")), "{line}");
        assert!(line.len() <= 120, "{line}");
    });
}

#[test]
fn requests_without_content_of_the_file_are_no_viewers() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.mp4", 1_000));
    let asked = [
        ("HEAD / HTTP/1.1", 200),
        ("GET / HTTP/1.1\nIf-None-Match: *", 304),
        ("GET /favicon.ico HTTP/1.1", 404),
        ("DELETE / HTTP/1.1", 405),
        ("GET / HTTP/1.1\nRange: bytes=1000-", 416),
        ("GET /heap HTTP/1.1", 200),
        ("GET /?rate=soon HTTP/1.1", 400),
    ];
    for (lines, status) in asked {
        assert_eq!(server.ask(lines).status, status, "{lines}");
    }
    server.requests(asked.len() - 1);
    assert_eq!((run(&server, "run"), run(&server, "last_run")), (None, None));
    for (which, lines, sent) in [(1, "GET / HTTP/1.1", "1000"), (2, "GET / HTTP/1.1\nRange: bytes=0-4", "5")] {
        server.ask(lines);
        let after = ended(&server, which);
        assert_eq!(fields(&after, ["requests", "complete", "sent_bytes"]), ["1", "1", sent], "{after}");
    }
}

#[test]
fn a_small_and_an_empty_file_cost_no_more_than_the_head() {
    let folder = Folder::new();
    let rows = [(0, "buffer"), (0, "stream"), (200, "buffer"), (200, "stream")];
    let servers = rows.map(|(bytes, mode)| {
        let server = Server::start(&["--mode", mode], &folder.file(&format!("{bytes}.mp4"), bytes));
        server.get("/");
        (server, bytes.to_string())
    });
    for (server, bytes) in servers {
        let after = ended(&server, 1);
        assert_eq!(fields(&after, ["requests", "complete", "sent_bytes"]), ["1", "1", &bytes], "{after}");
        let each = number(&after, "request_peak_max");
        assert!((2 * KIB..3 * KIB).contains(&each), "{after}");
        // Meanwhile, others may have freed a little of what was there before.
        assert!(number(&after, "heap_peak") >= each, "{after}");
    }
}

#[test]
fn a_file_of_10_gib_is_refused_at_its_limit_and_streamed() {
    const FILE_BYTES: u64 = 10 << 30;
    let folder = Folder::new();
    let file = folder.sparse_file("a.mp4", FILE_BYTES);
    let limited = Server::start(&["--mode", "buffer", "--heap-limit", "1G"], &file);
    assert_eq!(limited.get("/").status, 503);
    let unlimited = Server::start(&["--heap-limit", "none"], &file);
    for mut viewer in downloads(&unlimited, 2) {
        assert_eq!(viewer.read(1_000), [0; 1_000]);
    }

    let after = ended(&limited, 1);
    let names = ["requests", "at_once", "refused", "request_peak_min", "first_byte_us_max", "sent_bytes"];
    assert_eq!(fields(&after, names), ["1", "0", "1", "null", "null", "0"], "{after}");
    assert!(number(&after, "heap_peak") < 1 << 20, "{after}");
    assert_eq!(number(&after, "file_bytes"), FILE_BYTES);
    let warning = text(&limited.stderr_lines(2)[1], "message");
    for part in ["1.0 GiB (--heap-limit)", "takes the heap to 10.0 GiB; use --mode stream"] {
        assert!(warning.contains(part), "{warning}");
    }

    let after = ended(&unlimited, 1);
    assert_eq!(fields(&after, ["requests", "client_closed", "complete"]), ["2", "2", "0"], "{after}");
    let sent: u64 = unlimited.requests(2).iter().map(|line| number(line, "sent_bytes")).sum();
    assert_eq!(number(&after, "sent_bytes"), sent);
}

#[test]
fn at_a_heap_limit_those_who_were_served_and_those_who_were_refused_are_told_apart() {
    let folder = Folder::new();
    let server = Server::start(&["--mode", "buffer", "--heap-limit", "52M"], &folder.file("a.mp4", LARGE_BYTES));
    let served = downloads(&server, 6);
    assert_eq!((server.get("/").status, server.get("/").status), (503, 503));
    drop(served);
    let after = ended(&server, 1);
    let names = ["requests", "at_once", "client_closed", "refused"];
    assert_eq!(fields(&after, names), ["8", "6", "6", "2"], "{after}");
    assert!(number(&after, "request_peak_min") > LARGE_BYTES as u64, "a refused one is not in it: {after}");
    assert!(number(&after, "heap_peak") <= 52 << 20, "{after}");
    // The peak is that of this run, not of the program.
    server.ask("GET / HTTP/1.1\nRange: bytes=0-0");
    let next = ended(&server, 2);
    assert!(number(&next, "heap_peak") < 2 * LARGE_BYTES as u64, "{next}");
    assert_eq!(server.figure("live_peak"), number(&after, "heap_peak"));
}

#[test]
fn two_hundred_viewers_who_leave_are_counted_at_once() {
    const VIEWERS: usize = 200;
    let folder = Folder::new();
    let server = Server::start(&["--timeout", "0"], &folder.file("a.mp4", 10_000));
    let mut viewers: Vec<Client> = (0..VIEWERS).map(|_| server.client()).collect();
    for viewer in &mut viewers {
        viewer.send("GET /?rate=50 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    // A request is counted at once from when it has its memory, which is later than its start.
    let is_full = |run: &String| number(run, "at_once") == VIEWERS as u64;
    let full = eventually("all of them", || run(&server, "run").filter(is_full));
    assert_eq!(fields(&full, ["requests", "in_flight"]), ["200", "200"], "{full}");
    drop(viewers);
    let after = ended(&server, 1);
    assert_eq!(fields(&after, ["requests", "at_once", "client_closed"]), ["200", "200", "200"], "{after}");
    let sent: u64 = server.requests(VIEWERS).iter().map(|line| number(line, "sent_bytes")).sum();
    assert_eq!(number(&after, "sent_bytes"), sent);
}

/// Runs with random viewers: some read to the end, some leave, some are refused. The first stays to the last, since a
/// second without a viewer would end the run.
#[test]
fn random_runs_agree_with_what_their_clients_saw() {
    const LIMIT: &str = "36M"; // Four buffers, and some for everything else.
    let folder = Folder::new();
    let args = ["--mode", "buffer", "--timeout", "0", "--heap-limit", LIMIT];
    let server = Server::start(&args, &folder.file("a.mp4", LARGE_BYTES));
    let mut figure = server.figures();
    let mut requests = 0;
    let whole = content(LARGE_BYTES);
    let mut random = 0x9E37_79B9_u64;
    let mut below = |end: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % end
    };
    for which in 1..=3 {
        let (mut complete, mut closed, mut refused) = (0, 0, 0);
        let mut held = Vec::new();
        let clients = 1 + below(12);
        for _ in 0..clients {
            let mut client = server.client();
            client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
            if client.head().status == 503 {
                refused += 1;
            } else {
                held.push(client);
            }
            if held.len() > 1 && below(2) == 0 {
                let mut client = held.swap_remove(1 + below(held.len() as u64 - 1) as usize);
                if below(3) == 0 {
                    closed += 1;
                    drop(client);
                } else {
                    complete += 1;
                    client.expect(&whole);
                }
                let ended = requests + complete + closed + refused;
                eventually("its end", || (figure("requests") == ended).then_some(()));
            }
        }
        closed += held.len() as u64;
        requests += clients;
        drop(held);
        let run = ended(&server, which);
        let counts = ["requests", "complete", "client_closed", "refused"].map(|name| number(&run, name));
        assert_eq!(counts, [clients, complete, closed, refused], "{run}");
        let at_once = number(&run, "at_once");
        let grown = number(&run, "heap_peak") - number(&run, "heap_before");
        let most = at_once * number(&run, "request_peak_max") + OTHERS_MOST_BYTES;
        assert!((at_once * LARGE_BYTES as u64..=most).contains(&grown), "{grown} of {most}: {run}");
    }
}

#[cfg(unix)]
#[test]
fn at_a_stop_the_last_line_is_the_sum_of_the_lines_before_it() {
    use std::io::{self, Write};
    use std::{net::TcpStream, thread};
    let folder = Folder::new();
    let server = Server::start(&["--timeout", "0"], &folder.file("a.mp4", 100_000));
    // As long as it is there, the run goes on.
    let mut viewer = server.client();
    viewer.send("GET /?rate=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    viewer.head();
    let address = server.address();
    let ask_until_the_end = move || {
        while let Ok(mut client) = TcpStream::connect(address) {
            let _ = client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            let _ = io::copy(&mut client, &mut io::sink());
        }
    };
    let clients: Vec<_> = (0..8).map(|_| thread::spawn(ask_until_the_end)).collect();
    eventually("a load", || (server.figure("requests") > 100).then_some(()));
    let lines = server.stop("INT");
    clients.into_iter().for_each(|client| client.join().unwrap());
    let (last, before) = lines.split_last().unwrap();
    let of = |event: &str| before.iter().filter(|line| text(line, "event") == event).collect::<Vec<_>>();
    let requests = of("request");
    assert_eq!((text(last, "event").as_str(), number(last, "requests")), ("stopped", requests.len() as u64));
    let sent: u64 = requests.iter().map(|line| number(line, "sent_bytes")).sum();
    assert_eq!(number(last, "sent_bytes"), sent);
    let (run, end) = (of("run"), before.last());
    assert_eq!((run.len(), run.first().copied()), (1, end), "{run:?}");
    assert!(raw(run[0], "ended_us") != "null" && number(run[0], "requests") >= requests.len() as u64);
}
