//! The live page and its figures, which do not count as requests.
#![allow(missing_docs)]

mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Instant;

use support::{Client, Folder, PATIENCE, STOP_PATIENCE, Server, eventually, number, text};

#[test]
fn the_page_needs_no_resource_from_elsewhere() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.mp4", 1_000));
    let page = server.get("/heap?with=http://localhost:3001");
    assert_eq!((page.status, page.field("Content-Type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.field("Content-Security-Policy").unwrap().starts_with("default-src 'none'"));
    assert!(page.text().starts_with("<!doctype html>") && page.text().contains("/heap/page.js"));
    let outside = |attribute: &str| page.text().contains(&format!("{attribute}=\"http"));
    assert!(!outside("src") && !outside("href"), "an external resource");
    let head = server.ask("HEAD /heap HTTP/1.1");
    assert_eq!(head.field("Content-Length"), page.field("Content-Length"));
    assert_eq!(server.ask("POST /heap HTTP/1.1").status, 405);
}

#[test]
fn a_sample_has_the_figures_by_the_names_of_the_trace() {
    let folder = Folder::new();
    let server = Server::start(&["--mode", "buffer", "-c", "4K"], &folder.file("a.mp4", 1_000));
    server.get("/");
    server.request(1);
    let answer = server.get("/heap.json");
    let sample = answer.text();
    assert_eq!((text(sample, "event"), text(sample, "mode")), ("sample".into(), "buffer".into()));
    assert_eq!(text(sample, "url"), format!("http://localhost:{}/", server.port));
    for (name, value) in [
        ("requests", 1),
        ("in_flight", 0),
        ("sent_bytes", 1_000),
        ("file_bytes", 1_000),
        ("chunk_bytes", 4_096),
    ] {
        assert_eq!(number(sample, name), value, "{name} in {sample}");
    }
    assert!(number(sample, "live") > 0 && number(sample, "live_peak") >= number(sample, "live"));
    assert!(number(sample, "allocations") > 0 && number(sample, "largest_request_peak") >= 1_000);
    #[cfg(target_os = "linux")]
    assert!(number(sample, "rss") > 1 << 20 && number(sample, "rss_peak") >= number(sample, "rss"));
}

#[test]
fn only_loopback_origins_may_read() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.mp4", 1_000));
    let allowed = |target: &str, origin: &str| {
        let answer = server.ask(&format!("GET {target} HTTP/1.1\nOrigin: {origin}"));
        assert_eq!(answer.field("Vary"), Some("Origin"));
        answer.field("Access-Control-Allow-Origin").map(str::to_owned)
    };
    for target in ["/heap.json", "/", "/nothing"] {
        for origin in ["http://localhost:3001", "http://127.0.0.1:3001", "http://[::1]:3001"] {
            assert_eq!(allowed(target, origin).as_deref(), Some(origin));
        }
        for origin in ["http://example.org", "null", "http://localhost.example.org:3001"] {
            assert_eq!(allowed(target, origin), None);
        }
    }
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

#[test]
fn a_page_does_not_count_as_a_request_and_leaves_nothing_behind() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.mp4", 1_000));
    server.get("/heap");
    let mut figure = server.figures();
    let before = figure("live");
    let followers: Vec<_> = (0..10).map(|_| server.events()).collect();
    for mut follower in followers {
        follower.next().unwrap();
    }
    // The server notices that a follower has gone when it writes to it the next time, within two seconds.
    eventually("the heap of before", || (figure("live") < before + 16_384).then_some(()));
    assert_eq!((figure("requests"), figure("in_flight")), (0, 0));
    assert_eq!(server.requests(0).len(), 0);
}

#[test]
fn a_page_adds_only_its_connection_to_the_heap() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.mp4", 1_000));
    let mut client = server.client();
    let mut live = || number(client.ask("GET /heap.json HTTP/1.1").text(), "live");
    live();
    let before = live();
    let mut events = server.events();
    events.next().unwrap();
    // A connection and its thread, but no ring of events.
    let grown = live().saturating_sub(before);
    assert!(grown < 65_536, "{grown} bytes");
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
    since_sample: usize,
}

impl Told {
    /// Each event must come once, and those of starts in order.
    fn take(&mut self, message: &str) {
        /// As many events as the ring keeps, and one count of missed ones.
        const TURN_MOST: usize = 256;
        self.since_sample += 1;
        self.accounted += match text(message, "event").as_str() {
            "sample" | "now" => {
                self.since_sample = 0;
                0
            }
            "missed" => {
                self.missed += number(message, "events");
                number(message, "events")
            }
            "started" => {
                let request = number(message, "request");
                assert!(request > self.last_started, "{request} after {}", self.last_started);
                self.last_started = request;
                1
            }
            _ => {
                assert!(self.ended.insert(number(message, "request")), "twice: {message}");
                1
            }
        };
        assert!(self.since_sample <= TURN_MOST, "{} events without a sample", self.since_sample);
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
        let senders: Vec<_> =
            (0..4).map(|_| scope.spawn(|| send_bursts(address, &sent, &is_enough))).collect();
        // The page misses events then, however slow the machine is.
        eventually("requests of which the page reads nothing", || {
            (sent.load(SeqCst) >= REQUESTS_UNREAD).then_some(())
        });
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
