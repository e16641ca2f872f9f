//! `/heap/events` starts with the recorded past.
#![allow(missing_docs)]

mod support;

use support::{Folder, Server, eventually, load, number, raw, text};

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
        let order: Vec<_> =
            order.map(|message| (text(message, "event"), number(message, "request"))).collect();
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
    assert!(starts.len() >= 1_024, "{}", starts.len());
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
    // tiny_http uses about 6 KiB for each connection. 256 requests on the heap would be 150 KiB.
    let grown = figure("live").saturating_sub(before) / 4;
    assert!(grown < 10_000, "{grown} bytes for each page");
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
