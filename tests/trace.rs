//! The trace where nobody reads it in time: answering goes on, what is missing is said, and the end comes.
#![allow(missing_docs)]

mod support;

use std::collections::BTreeMap;
#[cfg(unix)]
use std::io::Write;
use std::process::{Command, Stdio};

use support::{Folder, Server, eventually, load, number, program, text};

const CONNECTIONS: usize = 4;

fn traced(format: &str, folder: &Folder) -> Command {
    let mut command = program();
    command.args(["--port", "0", "--trace", format]).arg(folder.file("a.bin", 1_000));
    command.stderr(Stdio::piped());
    command
}

/// Each line is one whole object, and each connection's requests are in order, none of them twice.
fn check(lines: &[String]) {
    let mut last = BTreeMap::new();
    assert_eq!(text(&lines[0], "event"), "listening");
    for line in lines {
        assert!(line.starts_with(r#"{"event":""#) && line.ends_with('}'), "{line}");
        assert_eq!(line.matches(r#"{"event":"#).count(), 1, "{line}");
        if text(line, "event") == "request" {
            let request = number(line, "request");
            let before = last.insert(number(line, "connection"), request).unwrap_or(0);
            assert!(before < request, "{before} before {line}");
        }
    }
}

/// Request lines, and lines that are said to be missing.
fn told_and_missing(lines: &[String]) -> (u64, u64) {
    let of = |event| lines.iter().filter(move |line| text(line, "event") == event);
    (of("request").count() as u64, of("warning").map(|line| number(line, "lines")).sum())
}

#[test]
fn answers_do_not_wait_for_stderr_and_what_is_missing_is_said() {
    /// More than the queue and a pipe hold.
    const EACH: usize = 3_500;
    const ALL: u64 = (CONNECTIONS * EACH) as u64;
    let folder = Folder::new();
    let mut server = Server::run_unread(traced("json", &folder));
    load(server.address(), CONNECTIONS, EACH);
    server.read_stderr();
    let (told, missing) = eventually("all lines, or their number", || {
        let (told, missing) = told_and_missing(&server.stderr());
        (told + missing >= ALL).then_some((told, missing))
    });
    assert_eq!(told + missing, ALL, "{told} told, {missing} missing");
    assert!(told > 1_000 && missing > 1_000, "{told} told, {missing} missing");
    // The trace goes on as if nothing had been.
    server.get("/");
    let lines = eventually("the next line", || {
        let lines = server.stderr();
        (text(lines.last()?, "event") == "request").then_some(lines)
    });
    assert_eq!(number(&lines[lines.len() - 1], "request"), ALL + 1);
    check(&lines);
    #[cfg(unix)]
    {
        let (code, last) = server.stop("TERM");
        assert_eq!((code, text(&last, "event").as_str()), (0, "stopped"));
        assert_eq!(number(&last, "requests"), ALL + 1);
    }
}

#[cfg(unix)]
#[test]
fn the_program_ends_while_nobody_reads_stderr_and_leaves_whole_lines() {
    let folder = Folder::new();
    let mut server = Server::run_unread(traced("json", &folder));
    load(server.address(), CONNECTIONS, 500);
    server.signal("TERM");
    assert_eq!(server.exit_code(), Some(0));
    let left = std::io::read_to_string(server.child.stderr.take().unwrap()).unwrap();
    assert!(left.ends_with('\n'), "the last line is cut");
    let lines: Vec<String> = left.lines().map(str::to_owned).collect();
    check(&lines);
    let (told, missing) = told_and_missing(&lines);
    assert!(told > 0 && told < 2_000 && missing == 0, "{told} told, {missing} missing");
}

/// A pipe that is full and stays so, as a stderr: whoever writes to it waits.
#[cfg(unix)]
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    let (filled, fills) = std::sync::mpsc::channel();
    // Ends when the reader is dropped.
    std::thread::spawn(move || {
        while filler.write_all(b"x").is_ok() {
            let _ = filled.send(());
        }
    });
    while fills.recv_timeout(std::time::Duration::from_millis(300)).is_ok() {}
    (reader, writer)
}

#[cfg(unix)]
#[test]
fn a_stderr_that_is_full_from_the_start_stops_neither_start_nor_answers_nor_end() {
    let folder = Folder::new();
    for (format, signal) in [("off", "TERM"), ("text", "INT")] {
        let (_reader, writer) = full_pipe();
        let mut command = traced(format, &folder);
        command.stderr(writer);
        let mut server = Server::run_unread(command);
        load(server.address(), CONNECTIONS, 10);
        server.signal(signal);
        assert_eq!(server.exit_code(), Some(0), "{format}");
    }
}
