//! The heap limit: its default, and what is said of it.
#![allow(missing_docs)]

mod support;

#[cfg(target_os = "linux")]
use support::limited;
use support::{Folder, LARGE_BYTES, Server, eventually, in_parallel, number, raw, text};

#[test]
fn the_limit_is_said_in_the_first_event_and_in_a_sample() {
    let folder = Folder::new();
    let file = folder.file("a.mp4", 1_000);
    let told = |args: &[&str]| {
        let server = Server::start(args, &file);
        let first = server.stderr_lines(1)[0].clone();
        let sample = server.get("/heap.json").text().to_owned();
        let both = [&first, &sample].map(|line| (raw(line, "heap_limit"), raw(line, "heap_limit_is_default")));
        assert_eq!(both[0], both[1]);
        (both[0].0.to_owned(), both[0].1.to_owned())
    };
    let pair = |limit: &str, is_default: &str| (limit.to_owned(), is_default.to_owned());
    assert_eq!(told(&["--heap-limit", "64M"]), pair("67108864", "false"));
    assert_eq!(told(&["--heap-limit", "none"]), pair("null", "false"));
    let (limit, is_default) = told(&[]);
    assert_eq!(is_default, "true");
    // Other systems may not say what they have.
    if cfg!(any(target_os = "linux", target_os = "macos", windows)) {
        let limit: u64 = limit.parse().unwrap();
        assert!((1 << 20..1 << 50).contains(&limit), "{limit}");
    }
}

#[test]
fn the_legend_says_where_the_limit_comes_from() {
    let folder = Folder::new();
    let file = folder.file("a.mp4", 1_000);
    let table = [(&["--heap-limit", "64M"][..], "64.0 MiB (--heap-limit)"), (&["--heap-limit", "none"], "none")];
    for (args, said) in table {
        let server = Server::start_traced("text", args, &file);
        let said = format!("heap limit: {said}");
        eventually(&said, || server.stderr().contains(&said).then_some(()));
    }
}

#[test]
fn a_limit_without_room_for_one_viewer_brings_a_warning() {
    let folder = Folder::new();
    let file = folder.file("a.mp4", LARGE_BYTES);
    let rows = [
        (&["--mode", "buffer", "--heap-limit", "8M"][..], Some("use --mode stream, or raise --heap-limit")),
        (&["--mode", "buffer", "--heap-limit", "9M"], None),
        (&["--heap-limit", "1"], Some("raise --heap-limit, or use a smaller --chunk-size")),
        (&["--heap-limit", "1M"], None),
        (&["--heap-limit", "1M", "--chunk-size", "1M"], Some("raise --heap-limit")),
    ];
    for (args, way_out) in rows {
        let server = Server::start(args, &file);
        let status = server.get("/").status;
        // The warnings come before the first request.
        server.request(1);
        let warnings: Vec<_> = server.stderr().into_iter().filter(|line| text(line, "event") == "warning").collect();
        assert_eq!((status, warnings.len()), if way_out.is_some() { (503, 1) } else { (200, 0) }, "{warnings:?}");
        if let Some(way_out) = way_out {
            let warning = &warnings[0];
            assert!(warning.contains("downloads will get a 503"), "{warning}");
            assert!(warning.contains(way_out), "{warning}");
        }
    }
}

#[test]
fn no_more_requests_are_counted_at_once_than_have_room() {
    let folder = Folder::new();
    let limit = (2 * LARGE_BYTES + LARGE_BYTES / 2).to_string();
    let arguments = ["--mode", "buffer", "--heap-limit", &limit];
    let server = Server::start(&arguments, &folder.file("a.mp4", LARGE_BYTES));
    in_parallel(0..8, |_| {
        let mut client = server.client();
        for _ in 0..100 {
            assert!([206, 503].contains(&client.ask("GET / HTTP/1.1\nRange: bytes=0-0").status));
        }
    });
    let run = eventually("the end of the run", || {
        let sample = server.get("/heap.json").text().to_owned();
        Some(raw(&sample, "last_run").to_owned()).filter(|run| run != "null")
    });
    assert!((1..=2).contains(&number(&run, "at_once")), "{run}");
}

/// The limit allows what the system does not have.
#[cfg(target_os = "linux")]
#[test]
fn the_answer_says_whether_the_limit_or_the_system_refused() {
    let folder = Folder::new();
    let file = folder.sparse_file("a.mp4", 4 << 30);
    for (limit, cause) in
        [("8G", "the system has no memory for a buffer"), ("1G", "above its limit, 1.0 GiB (--heap-limit)")]
    {
        let mut command = limited("ulimit -v 3000000");
        command.args(["--mode", "buffer", "--heap-limit", limit]).arg(&file);
        let server = Server::run(command);
        let refused = server.get("/");
        assert_eq!((refused.status, refused.field("Retry-After")), (503, Some("1")));
        assert!(refused.text().contains(cause), "{}", refused.text());
        let line = server.request(1);
        assert_eq!(text(&line, "outcome"), "refused");
        // What was not allocated is not counted.
        assert!(number(&line, "live_peak") < 1 << 20 && server.figure("live") < 1 << 20, "{line}");
    }
}

/// Without an option, the address space that `ulimit -v` leaves is part of the default.
#[cfg(target_os = "linux")]
#[test]
fn the_default_is_what_the_limits_of_the_process_leave() {
    let folder = Folder::new();
    let mut command = limited("ulimit -v 1000000");
    command.arg(folder.file("a.mp4", 1_000));
    let server = Server::run(command);
    assert!((1..1_000_000 << 10).contains(&server.figure("heap_limit")), "{}", server.figure("heap_limit"));
}
