//! The trace when stderr is not read in time: answering goes on, missing lines are counted, and the program can end.
#![allow(missing_docs)]

mod support;

use std::collections::BTreeMap;
#[cfg(unix)]
use std::io::Write;
#[cfg(unix)]
use std::os::{fd::OwnedFd, unix::net::UnixStream};
use std::process::{Command, Stdio};

#[cfg(unix)]
use support::in_parallel;
use support::{Folder, Server, eventually, load, number, program, text};

const CONNECTIONS: usize = 4;

fn traced(format: &str, folder: &Folder) -> Command {
    let mut command = program();
    command.args(["--port", "0", "--trace", format]).arg(folder.file("a.bin", 1_000));
    command.stderr(Stdio::piped());
    command
}

/// Checks that each line is one whole object, and that each connection's requests are in order and there only once.
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

/// How many request lines there are, and how many lines are reported as missing.
fn told_and_missing(lines: &[String]) -> (u64, u64) {
    let of = |event| lines.iter().filter(move |line| text(line, "event") == event);
    (of("request").count() as u64, of("warning").map(|line| number(line, "lines")).sum())
}

#[test]
fn answers_do_not_wait_for_stderr_and_missing_lines_are_counted() {
    /// More than the trace's queue and a pipe hold together.
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
    // The trace goes on.
    server.get("/");
    let lines = eventually("the next line", || {
        let lines = server.stderr();
        let mut requests = lines.iter().rev().filter(|line| text(line, "event") == "request");
        (number(requests.next()?, "request") == ALL + 1).then_some(lines)
    });
    check(&lines);
    #[cfg(unix)]
    {
        let lines = server.stop("TERM");
        let last = &lines[lines.len() - 1];
        assert_eq!((text(last, "event").as_str(), number(last, "requests")), ("stopped", ALL + 1));
    }
}

#[cfg(unix)]
#[test]
fn the_program_ends_while_nobody_reads_stderr_and_leaves_whole_lines() {
    let folder = Folder::new();
    let mut server = Server::run_unread(traced("json", &folder));
    load(server.address(), CONNECTIONS, 500);
    server.signal("TERM");
    assert_eq!(server.process.exit_code(), Some(0));
    let left = std::io::read_to_string(server.process.0.stderr.take().unwrap()).unwrap();
    assert!(left.ends_with('\n'), "the last line is cut");
    let lines: Vec<String> = left.lines().map(str::to_owned).collect();
    check(&lines);
    let (told, missing) = told_and_missing(&lines);
    assert!(told > 0 && told < 2_000 && missing == 0, "{told} told, {missing} missing");
}

/// A socket as a stderr that is full and stays full, so that writes to it block. The first end must be kept. A socket,
/// since std can fill it without blocking itself.
#[cfg(unix)]
fn full_stderr() -> (UnixStream, Stdio) {
    let (reader, mut writer) = UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    while writer.write(&[b'x'; 1 << 12]).is_ok() || writer.write(b"x").is_ok() {}
    writer.set_nonblocking(false).unwrap();
    (reader, Stdio::from(OwnedFd::from(writer)))
}

#[cfg(unix)]
#[test]
fn a_full_stderr_prevents_neither_start_nor_answers_nor_end() {
    let folder = Folder::new();
    let rows = [("off", "TERM"), ("text", "INT")].map(|(format, signal)| (traced(format, &folder), signal));
    in_parallel(rows, |(mut command, signal)| {
        let (_reader, stderr) = full_stderr();
        command.stderr(stderr);
        let mut server = Server::run_unread(command);
        load(server.address(), CONNECTIONS, 10);
        server.signal(signal);
        assert_eq!(server.process.exit_code(), Some(0), "{signal}");
    });
}
