//! What the program prints: errors of its command line, help, the ready line, and the text trace.
#![allow(missing_docs)]

mod support;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;

use support::{Client, Folder, Process, Server, number, program, text};

/// What a run that ends by itself leaves.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs the program to its end. A program that starts to serve instead fails the test.
fn run(args: &[&str]) -> Ended {
    let mut command = program();
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process(command.spawn().unwrap());
    let code = process.exit_code();
    let stdout = std::io::read_to_string(process.0.stdout.take().unwrap()).unwrap();
    let stderr = std::io::read_to_string(process.0.stderr.take().unwrap()).unwrap();
    Ended { code, stdout, stderr }
}

/// Expects this exit code, one line on stderr that has all of `words`, and nothing on stdout.
fn refuses(args: &[&str], code: i32, words: &[&str]) {
    let ended = run(args);
    let said = ended.stderr;
    assert_eq!(ended.code, Some(code), "{args:?} said {said}");
    assert_eq!(said.lines().count(), 1, "{args:?} said {said}");
    assert_eq!(ended.stdout, "", "{args:?}");
    for word in words {
        assert!(said.contains(word), "{args:?}: no {word:?} in {said}");
    }
}

#[test]
fn a_wrong_command_line_is_explained_in_one_line() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["--mode", "both"], &["--mode", "both", "buffer", "stream"]),
        (&["--host", "example.org"], &["--bind", "example.org"]),
        (&["--bind", "example.org"], &["--bind", "example.org", "localhost"]),
        (&["--chunk-size", "0"], &["--chunk-size", "above 0", "64K"]),
        (&["--chunk-size", "lots"], &["--chunk-size", "lots", "64K"]),
        (&["--chunk-size", "2G"], &["--chunk-size", "1G"]),
        (&["--timeout", "-1"], &["--timeout"]),
        (&["--heap-limit", "half"], &["--heap-limit", "half"]),
        (&["--trace", "xml"], &["--trace", "xml", "json"]),
    ];
    for (args, words) in cases {
        refuses(args, 2, words);
    }
}

#[test]
fn a_file_that_cannot_be_served_is_named() {
    let folder = Folder::new();
    let missing = folder.0.join("missing.mp4");
    refuses(&["-p", "0", missing.to_str().unwrap()], 1, &["missing.mp4", "no such file", "heapserve FILE"]);
    let deep = folder.0.join("deep/".repeat(200));
    refuses(&["-p", "0", deep.to_str().unwrap()], 1, &["/deep/: no such file", "heapserve FILE"]);
    refuses(&["-p", "0", folder.0.to_str().unwrap()], 1, &["is a directory", "heapserve FILE"]);
    refuses(
        &["-p", "0", "--trace", "json", missing.to_str().unwrap()],
        1,
        &[r#"{"event":"error","message":""#, "no such file"],
    );
    #[cfg(unix)]
    {
        let pipe = folder.0.join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        refuses(&["-p", "0", pipe.to_str().unwrap()], 1, &["pipe", "is a pipe or a device"]);
    }
}

#[test]
fn an_address_that_cannot_be_bound_is_named() {
    let folder = Folder::new();
    let file = folder.file("a.bin", 10);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    refuses(&["-p", &port, file.to_str().unwrap()], 1, &[&port, "in use", "--port"]);
    refuses(&["-p", "0", "-b", "192.0.2.1", file.to_str().unwrap()], 1, &["192.0.2.1", "--bind"]);
    for many in ["255.255.255.255", "127.255.255.255", "224.0.0.1", "ff02::1"] {
        refuses(&["-p", "0", "-b", many, file.to_str().unwrap()], 1, &[many, "many machines", "--bind"]);
    }
    if let Some(taken) = taken_on_ipv6_only() {
        let port = taken.local_addr().unwrap().port().to_string();
        refuses(&["-p", &port, file.to_str().unwrap()], 1, &[&port, "in use on ::1", "--port"]);
    }
}

/// A port of ::1 that is free on 127.0.0.1; none where there is no IPv6.
fn taken_on_ipv6_only() -> Option<TcpListener> {
    let taken = std::iter::from_fn(|| TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).ok());
    taken.take(100).find(|taken| {
        let port = taken.local_addr().unwrap().port();
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
    })
}

#[test]
fn help_lists_every_option() {
    let ended = run(&["--help"]);
    let help = ended.stdout;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    for word in [
        "[FILE]",
        "media/powder-day.mp4",
        "--mode <MODE>",
        "--port <PORT>",
        "--bind <ADDR>",
        "--chunk-size <SIZE>",
        "--trace <FORMAT>",
        "--color <WHEN>",
        "--timeout <SECONDS>",
        "--heap-limit <SIZE>",
        "heap",
    ] {
        assert!(help.contains(word), "no {word:?} in {help}");
    }
    assert!(run(&["--version"]).stdout.starts_with("heapserve "));
}

#[cfg(target_os = "linux")]
#[test]
fn help_that_cannot_be_written_is_an_error() {
    for option in ["--help", "-h", "--version"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ended = program().arg(option).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{option} said {said}");
        assert!(said.starts_with("heapserve: cannot write to stdout: ") && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn the_ready_line_names_mode_address_file_and_size() {
    let folder = Folder::new();
    let file = folder.sparse_file("a.mp4", 40 << 20);
    let server = Server::start(&["-m", "buffer"], &file);
    let (port, shown) = (server.port, file.display());
    let line = format!("heapserve: buffer http://localhost:{port}/ ({shown}, 40.0 MiB)\n");
    assert_eq!(server.ready_line, line);
    assert_eq!(server.ask("HEAD / HTTP/1.1").status, 200);
    let first = server.stderr_lines(1)[0].clone();
    assert_eq!((text(&first, "event"), text(&first, "mode")), ("listening".into(), "buffer".into()));
    assert_eq!(text(&first, "url"), format!("http://localhost:{port}/"));
    assert_eq!((number(&first, "file_bytes"), number(&first, "chunk_bytes")), (40 << 20, 64 << 10));
}

#[test]
fn localhost_binds_both_loopback_addresses_on_one_port() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.bin", 10));
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        let address = (Ipv6Addr::LOCALHOST, server.port).into();
        assert_eq!(Client::to(address).ask("GET / HTTP/1.1").status, 200);
        assert!(text(&server.request(1), "peer").starts_with("[::1]:"));
    }
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn an_ipv6_address_is_accepted_with_and_without_brackets() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return;
    }
    let folder = Folder::new();
    let file = folder.file("a.bin", 10);
    for bind in ["::1", "[::1]"] {
        let server = Server::start(&["--bind", bind], &file);
        assert!(server.ready_line.contains(&format!("http://[::1]:{}/", server.port)), "{}", server.ready_line);
        assert!(TcpStream::connect((Ipv6Addr::LOCALHOST, server.port)).is_ok());
    }
}

#[test]
fn an_address_that_other_machines_can_reach_causes_one_warning() {
    let folder = Folder::new();
    let file = folder.file("a.bin", 10);
    for (bind, warnings) in [("0.0.0.0", 1), ("127.0.0.1", 0)] {
        let server = Server::start(&["--bind", bind], &file);
        assert_eq!(server.get("/").status, 200);
        // Lines keep their order, so the warning is there as soon as the request is.
        server.requests(1);
        let lines = server.stderr();
        let said: Vec<_> = lines.iter().filter(|line| text(line, "event") == "warning").collect();
        assert_eq!(said.len(), warnings, "{lines:?}");
        // Where the machine has a network, the warning names a URL that another machine can open.
        if let Some((_, url)) = said.first().and_then(|line| line.split_once(" as http://")) {
            let address: SocketAddr = url.split_once('/').unwrap().0.parse().unwrap();
            assert!(!address.ip().is_loopback() && address.port() == server.port, "{address}");
            assert_eq!(Client::to(address).ask("GET / HTTP/1.1").status, 200);
        }
    }
}

/// Starts the program with a text trace or none, has it answer one request, and waits for `lines` lines.
fn traced(format: &str, more: &[&str], file: &Path, lines: usize) -> (Server, Vec<String>) {
    let server = Server::start_traced(format, more, file);
    server.ask("GET /?\u{1b}[31m HTTP/1.1");
    let lines = server.stderr_lines(lines);
    (server, lines)
}

#[test]
fn the_text_trace_has_a_legend_and_a_line_for_each_request() {
    let folder = Folder::new();
    let file = folder.file("a.bin", 2 << 20);
    let (_server, lines) = traced("text", &[], &file, 6);
    let (line, legend) = lines.split_last().unwrap();
    assert!(legend[0].contains("ms since start") && legend[0].contains("RSS"), "{legend:?}");
    assert_eq!(legend.iter().filter(|line| line.contains(" ms: #")).count(), 0, "{legend:?}");
    for part in ["ms: #1 stream GET /?\\u{1b}[31m 200  peak 66.", "K, heap ", "M) -> ", " ms, 1 in flight"] {
        assert!(line.contains(part), "no {part:?} in {line}");
    }
    assert!(!line.contains('\u{1b}'));
    let (_server, coloured) = traced("text", &["--color", "always"], &file, 6);
    let line = coloured.last().unwrap();
    assert!(line.contains("\u{1b}[32m200\u{1b}[0m"), "{line}");
}

/// The tests read the program's JSON by this, so it must not pass over what other programs cannot read.
#[test]
fn what_is_no_json_fails_the_test_that_reads_it() {
    for good in [r#"{"a":1}"#, r#"{"b":[1,-2.5,{"a":2}],"c":"\"\u001b,}","a":1,"d":null}"#] {
        assert_eq!(number(good, "a"), 1);
    }
    for bad in [
        r#"{"a":1"#,
        r#"{"a":1}}"#,
        r#"{"a":1,}"#,
        r#"{"a":1 "b":2}"#,
        r#"{"a":1,"b":01}"#,
        r#"{"a":1,"b":nul}"#,
        r#"{"a":1,"b":"\x"}"#,
        r#"{"a":1,"b":"\u00"}"#,
        "{\"a\":1,\"b\":\"\n\"}",
        r#"{"a":1,"b":[1,]}"#,
        r#"{"a":1,b:2}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"b":{"a":1}}"#,
    ] {
        assert!(std::panic::catch_unwind(|| number(bad, "a")).is_err(), "{bad}");
    }
}

#[cfg(unix)]
#[test]
fn with_the_trace_off_stderr_has_the_summary_only() {
    let folder = Folder::new();
    let (server, _) = traced("off", &[], &folder.file("a.bin", 1_000), 0);
    let lines = server.stop("INT");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("heapserve: stream, 1 request, 1000 bytes sent, ran for "), "{}", lines[0]);
}
