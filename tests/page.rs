//! The live page and its data, which are no requests.
#![allow(missing_docs)]

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use support::{Folder, PATIENCE, Server, load, number, text};

/// Follows `/heap/events`; the messages, as they come.
fn events(server: &Server) -> impl Iterator<Item = String> + use<> {
    let mut client = server.client();
    client.send("GET /heap/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let lines = BufReader::new(client.stream).lines();
    lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("data: ").map(str::to_owned))
}

#[test]
fn the_page_comes_whole_and_asks_for_nothing_from_elsewhere() {
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
fn only_loopback_pages_are_allowed_to_read() {
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
fn events_tell_of_each_request_as_the_trace_does() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.mp4", 1_000));
    let mut events = events(&server);
    assert_eq!(text(&events.next().unwrap(), "event"), "sample");
    server.get("/");
    let mut told = |event: &str| events.find(|message| text(message, "event") == event).unwrap();
    assert_eq!(number(&told("started"), "request"), 1);
    assert_eq!(told("request"), server.request(1));
    let sample = told("sample");
    assert_eq!((number(&sample, "requests"), number(&sample, "in_flight")), (1, 0));
}

#[test]
fn a_page_is_no_request_and_leaves_nothing_behind() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.mp4", 1_000));
    server.get("/heap");
    let before = server.figure("live");
    let followers: Vec<_> = (0..10).map(|_| events(&server)).collect();
    for mut follower in followers {
        follower.next().unwrap();
    }
    // A follower that has gone is noticed when it is told the next time, within two seconds.
    support::eventually("the followers' memory", || {
        std::thread::sleep(Duration::from_millis(200));
        (server.figure("live") < before + 16_384).then_some(())
    });
    assert_eq!((server.figure("requests"), server.figure("in_flight")), (0, 0));
    assert_eq!(server.requests(0).len(), 0);
}

#[test]
fn a_page_does_not_show_itself_on_the_heap() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.mp4", 1_000));
    let mut client = server.client();
    let mut live = || number(client.ask("GET /heap.json HTTP/1.1").text(), "live");
    live();
    let before = live();
    let mut events = events(&server);
    events.next().unwrap();
    // A connection and its thread, and no ring of events.
    let grown = live().saturating_sub(before);
    assert!(grown < 65_536, "{grown} bytes");
}

#[test]
fn events_come_once_and_in_order_or_are_counted_as_missed_beside_a_load() {
    const REQUESTS: u64 = 4 * 2_500;
    /// As many as the ring keeps, and one count of missed ones.
    const TURN_MOST: usize = 256;
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.mp4", 1_000));
    let mut events = events(&server);
    assert_eq!(text(&events.next().unwrap(), "event"), "sample");
    let (mut last_started, mut ended, mut accounted, mut missed, mut turn) = (0, BTreeSet::new(), 0, 0, 0);
    let deadline = Instant::now() + PATIENCE;
    let address = server.address();
    std::thread::scope(|scope| {
        scope.spawn(move || load(address, 4, REQUESTS as usize / 4));
        while accounted < 2 * REQUESTS {
            assert!(Instant::now() < deadline, "{accounted} events in all, {missed} of them missed");
            let message = events.next().unwrap();
            turn += 1;
            match text(&message, "event").as_str() {
                "now" => turn = 0,
                "sample" => turn = 0,
                "missed" => {
                    missed += number(&message, "events");
                    accounted += number(&message, "events");
                }
                "started" => {
                    let request = number(&message, "request");
                    assert!(request > last_started, "{request} after {last_started}");
                    last_started = request;
                    accounted += 1;
                }
                _ => {
                    assert!(ended.insert(number(&message, "request")), "twice: {message}");
                    accounted += 1;
                }
            }
            assert!(turn <= TURN_MOST, "{turn} events without a sample");
        }
    });
    assert_eq!(accounted, 2 * REQUESTS);
    assert!(missed > 0 && last_started > 0 && !ended.is_empty(), "{missed} missed, {last_started}");
}

#[cfg(unix)]
#[test]
fn a_page_that_stays_open_does_not_hold_up_the_end() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.mp4", 1_000));
    let mut events = events(&server);
    events.next().unwrap();
    let start = std::time::Instant::now();
    let (code, last) = server.stop("INT");
    assert_eq!((code, text(&last, "event").as_str()), (0, "stopped"));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}
