//! `/heap/events`: the recorded past, and then what happens.
#![allow(missing_docs)]

mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Instant;

#[cfg(unix)]
use support::STOP_PATIENCE;
use support::{Client, Folder, PATIENCE, Server, eventually, load, number, raw, text};

/// The messages that a page receives before the message `now`: the recorded past.
fn past(server: &Server) -> Vec<String> {
    server.events().take_while(|message| text(message, "event") != "now").collect()
}

fn of<'a>(messages: &'a [String], event: &str) -> Vec<&'a String> {
    messages.iter().filter(|message| text(message, "event") == event).collect()
}

#[test]
fn a_page_that_comes_late_gets_what_happened_in_order_and_then_what_happens() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.mp4", 1_000));
    server.get("/");
    // Waits until the first request has ended, before the second one starts.
    server.requests(1);
    server.get("/?viewer=2");
    let traced = server.requests(2);
    for _ in ["opened", "loaded again"] {
        let past = past(&server);
        assert_eq!(of(&past, "request"), traced.iter().collect::<Vec<_>>());
        let order = past.iter().filter(|message| text(message, "event") != "sample");
        let order: Vec<_> = order.map(|message| (text(message, "event"), number(message, "request"))).collect();
        let both = |request| [("started".to_owned(), request), ("request".to_owned(), request)];
        assert_eq!(order, [both(1), both(2)].concat());
        let samples = of(&past, "sample");
        assert!(samples.iter().map(|sample| number(sample, "at_us")).is_sorted());
        assert!(!samples.is_empty(), "{past:?}");
    }
    let mut after = server.events().skip_while(|message| text(message, "event") != "now");
    after.next().unwrap();
    server.get("/?viewer=3");
    let next = after.find(|message| text(message, "event") != "sample").unwrap();
    assert_eq!((text(&next, "event").as_str(), number(&next, "request")), ("started", 3));
    let request = after.find(|message| text(message, "event") == "request").unwrap();
    assert_eq!(request, server.request(3));
}

#[test]
fn a_request_that_runs_for_long_has_samples_and_its_start() {
    let folder = Folder::new();
    let server = Server::start(&["--mode", "buffer"], &folder.file("a.mp4", 1_000_000));
    let mut viewer = server.client();
    viewer.send("GET /?rate=1K HTTP/1.1\r\nHost: localhost\r\n\r\n");
    // There are ten samples per second, or fewer on a busy machine.
    eventually("three samples of the request", || {
        let past = past(&server);
        let samples = of(&past, "sample").into_iter();
        let seen: Vec<_> = samples.filter(|sample| number(sample, "live") > 1_000_000).collect();
        assert!(seen.iter().all(|sample| number(sample, "in_flight") == 1), "{past:#?}");
        (seen.len() >= 3).then(|| assert_eq!(of(&past, "started").len(), 1))
    });
}

#[test]
fn a_page_that_comes_late_has_missed_nothing_of_what_came_before_it() {
    const REQUESTS: usize = 4 * 400;
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.mp4", 1_000));
    load(server.address(), 4, REQUESTS / 4);
    server.requests(REQUESTS);
    let past = past(&server);
    let (ends, starts) = (of(&past, "request"), of(&past, "started"));
    assert!(ends.len() >= 256, "{}", ends.len());
    // No request runs. A start without an end would be drawn as one that does.
    let ended: BTreeSet<_> = ends.iter().map(|end| number(end, "request")).collect();
    assert!(starts.iter().all(|start| ended.contains(&number(start, "request"))));
    assert_eq!(of(&past, "missed"), <[&String; 0]>::default());
    assert_eq!(number(starts[starts.len() - 1], "request"), REQUESTS as u64);
}

#[test]
fn a_long_past_is_not_on_the_heap() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.mp4", 1_000));
    load(server.address(), 4, 400);
    let mut figure = server.figures();
    figure("live");
    let before = figure("live");
    let mut pages: Vec<_> = (0..4).map(|_| server.events()).collect();
    for page in &mut pages {
        page.find(|message| text(message, "event") == "now").unwrap();
    }
    // tiny_http uses about 6 KiB for each connection, and the engine may have some of its own for a moment. 256 requests on
    // the heap would be 150 KiB.
    eventually("less than 10 KB for each page", || (figure("live") < before + 4 * 10_000).then_some(()));
}

#[test]
fn a_sample_tells_one_run_of_the_program_from_another() {
    let folder = Folder::new();
    let file = folder.file("a.mp4", 1_000);
    let started = || {
        let server = Server::start(&[], &file);
        let sample = server.get("/heap.json").text().to_owned();
        assert_eq!(raw(&past(&server)[0], "started_ms"), raw(&sample, "started_ms"));
        number(&sample, "started_ms")
    };
    let now_ms = || std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    let before = now_ms();
    let (first, second) = (started(), started());
    assert!(before <= first && first < second && second <= now_ms(), "{before} {first} {second}");
}

#[test]
fn events_report_each_request_as_the_trace_does() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.mp4", 1_000));
    let mut events = server.events();
    assert_eq!(text(&events.next().unwrap(), "event"), "sample");
    server.get("/");
    let mut told = |event: &str| events.find(|message| text(message, "event") == event).unwrap();
    assert_eq!(number(&told("started"), "request"), 1);
    assert_eq!(told("request"), server.request(1));
    let sample = told("sample");
    assert_eq!((number(&sample, "requests"), number(&sample, "in_flight")), (1, 0));
}

/// Sends bursts of pipelined requests on one connection until `is_enough` or for [`PATIENCE`], and counts them.
fn send_bursts(address: SocketAddr, sent: &AtomicU64, is_enough: &AtomicBool) {
    let deadline = Instant::now() + PATIENCE;
    const BURST: u64 = 200;
    let mut client = Client::to(address);
    while !is_enough.load(SeqCst) && Instant::now() < deadline {
        client.send("GET / HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-0\r\n\r\n".repeat(BURST as usize));
        for _ in 0..BURST {
            assert_eq!(client.answer(false).body.len(), 1);
        }
        sent.fetch_add(BURST, SeqCst);
    }
}

/// What a follower has been told.
#[derive(Default)]
struct Told {
    last_started: u64,
    ended: BTreeSet<u64>,
    missed: u64,
    /// All of these together.
    accounted: u64,
    starts_and_ends_since_sample: usize,
}

impl Told {
    /// Each event must come once, and those of starts in order.
    fn take(&mut self, message: &str) {
        const TURN_MOST: usize = 255;
        match text(message, "event").as_str() {
            "sample" | "now" => self.starts_and_ends_since_sample = 0,
            "missed" => {
                self.missed += number(message, "events");
                self.accounted += number(message, "events");
            }
            event => {
                let request = number(message, "request");
                if event == "started" {
                    assert!(request > self.last_started, "{request} after {}", self.last_started);
                    self.last_started = request;
                } else {
                    assert!(self.ended.insert(request), "twice: {message}");
                }
                self.accounted += 1;
                self.starts_and_ends_since_sample += 1;
                assert!(self.starts_and_ends_since_sample <= TURN_MOST, "too many without a sample");
            }
        }
    }
}

#[test]
fn events_come_once_and_in_order_or_are_counted_as_missed_beside_a_load() {
    const REQUESTS_LEAST: u64 = 10_000;
    /// Their events do not fit in what the kernel keeps for a page that does not read.
    const REQUESTS_UNREAD: u64 = 3_000;
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.mp4", 1_000));
    let mut events = server.events();
    assert_eq!(text(&events.next().unwrap(), "event"), "sample");
    let (sent, is_enough) = (AtomicU64::new(0), AtomicBool::new(false));
    let address = server.address();
    let mut told = Told::default();
    let deadline = Instant::now() + 2 * PATIENCE;
    thread::scope(|scope| {
        let senders: Vec<_> = (0..4).map(|_| scope.spawn(|| send_bursts(address, &sent, &is_enough))).collect();
        // The page misses events then, however slow the machine is.
        eventually("requests of which the page reads nothing", || (sent.load(SeqCst) >= REQUESTS_UNREAD).then_some(()));
        while !senders.iter().all(|sender| sender.is_finished()) || told.accounted < 2 * sent.load(SeqCst) {
            assert!(Instant::now() < deadline, "{} of {} events", told.accounted, 2 * sent.load(SeqCst));
            told.take(&events.next().unwrap());
            let all_kinds_came = told.missed > 0 && told.last_started > 0 && !told.ended.is_empty();
            is_enough.fetch_or(all_kinds_came && sent.load(SeqCst) >= REQUESTS_LEAST, SeqCst);
        }
    });
    assert!(told.missed > 0, "no event was missed");
    assert_eq!(told.accounted, 2 * sent.load(SeqCst));
}

#[cfg(unix)]
#[test]
fn an_open_page_does_not_delay_the_end() {
    let folder = Folder::new();
    let file = folder.file("a.mp4", 1_000);
    // An answer that does not end delays each end for all of this time. One end that is earlier is enough: on a busy
    // machine some are late.
    eventually("an end before STOP_PATIENCE", || {
        let server = Server::start(&[], &file);
        let mut events = server.events();
        events.next().unwrap();
        let start = Instant::now();
        let lines = server.stop("INT");
        assert_eq!(text(&lines[lines.len() - 1], "event"), "stopped");
        (start.elapsed() < STOP_PATIENCE).then_some(())
    });
}
