//! Input that is no valid HTTP: random, from a seeded generator, and by hand.
#![allow(missing_docs)]

mod support;

use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use support::{Client, Folder, Server, eventually, in_parallel, number, text};

const INPUTS: u64 = 20_000;
const SENDERS: u64 = 8;
/// What may stay on the heap after all inputs: less than a byte for each.
const LEFT_MOST_BYTES: u64 = 16 << 10;

/// xorshift64* (Vigna 2016).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most as u64) as usize
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.next() as u8).collect()
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

const LINES: [&str; 14] = [
    "GET / HTTP/1.1",
    "HEAD /a.bin HTTP/1.0",
    "GET /",
    "GET  /  HTTP/1.1",
    "GET / HTTP/0.9",
    "GET / HTTP/9.9",
    "get / http/1.1",
    "\u{0}\u{0}\u{0} / HTTP/1.1",
    "GET /%00%ff%zz HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "POST / HTTP/1.1",
    "CONNECT example.org:443 HTTP/1.1",
    "",
    " ",
];

const HEADERS: [&str; 16] = [
    "Host: localhost",
    "Host : localhost",
    "Range: bytes=0-,1-,2-",
    "Range: bytes=99999999999999999999-1",
    "If-None-Match: \"\"\"\"\",,,W/",
    "If-Modified-Since: 99 Foo 0000",
    "If-Range: ",
    "Content-Length: -1",
    "Content-Length: 10",
    // Not above 8 MiB, since each refusal of a longer one costs about 5 KB for good (weakness 11).
    "Content-Length: 8000000",
    "Transfer-Encoding: chunked",
    "Expect: 100-continue",
    "Connection: upgrade, close, keep-alive",
    "no colon",
    ": no name",
    " folded",
];

/// Random bytes, a TLS hello, a long target, or a request of random lines with some bytes replaced.
fn input(random: &mut Random) -> Vec<u8> {
    match random.below(8) {
        0 => random.bytes(2_000),
        1 => [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &random.bytes(512)].concat(),
        2 => format!("GET /{} HTTP/1.1\r\n\r\n", "A".repeat(random.below(100_000))).into_bytes(),
        _ => {
            let end = random.one_of(&["\r\n", "\r\n", "\r\n", "\n", "\r", "\u{0}"]);
            let host = random.one_of(&["", "Host: localhost"]);
            let mut text = format!("{}{end}{host}{}", random.one_of(&LINES), if host.is_empty() { "" } else { end });
            for _ in 0..random.below(4) {
                text = text + random.one_of(&HEADERS) + end;
            }
            let mut bytes = (text + end).into_bytes();
            for _ in 0..random.below(4) {
                let at = random.below(bytes.len());
                bytes[at] = random.next() as u8;
            }
            bytes
        }
    }
}

/// Sends `input` and the end of the stream, and returns everything that came back.
fn answers_to(address: SocketAddr, input: &[u8]) -> Vec<u8> {
    let mut client = Client::to(address);
    // These fail where the server has closed the connection already, which it may.
    let _ = client.stream().write_all(input);
    let _ = client.stream().shutdown(Shutdown::Write);
    client.rest()
}

/// The status of the first answer, if there is one. tiny_http's own answers have the version of the request.
fn status(answers: &[u8]) -> Option<u16> {
    let line = str::from_utf8(answers.get(..12)?).ok()?;
    line.strip_prefix("HTTP/")?.split_once(' ')?.1.parse().ok()
}

/// The head of an input, if that is whole and in ASCII.
fn head(input: &[u8]) -> Option<&str> {
    let end = input.windows(4).position(|four| four == b"\r\n\r\n")?;
    str::from_utf8(&input[..end]).ok().filter(|head| head.is_ascii())
}

fn may_succeed(head: &str) -> bool {
    let request: Vec<_> = head.lines().next().unwrap_or_default().split(' ').collect();
    matches!(request[..], ["GET" | "HEAD" | "OPTIONS", "/" | "/a.bin" | "*", "HTTP/1.0" | "HTTP/1.1"])
}

/// Whether `answers` is right for `input`. A whole head in ASCII is answered, and with success only if it starts with a
/// request line for something that this server has. Anything else is refused, or the connection is closed.
fn is_right(input: &[u8], answers: &[u8]) -> bool {
    const REFUSALS: [u16; 10] = [400, 404, 405, 412, 413, 414, 416, 417, 421, 431];
    match status(answers) {
        // A short body that does not come is an error of the connection for tiny_http, which closes it without an answer.
        None => answers.is_empty() && head(input).is_none_or(|head| head.contains("Content-Length")),
        Some(100) => head(input).is_some_and(|head| head.contains("100-continue")),
        Some(200 | 204 | 206 | 304) => head(input).is_some_and(may_succeed),
        // tiny_http does not know any coding but chunked, nor any later version.
        Some(501 | 505) => true,
        Some(refusal) => REFUSALS.contains(&refusal),
    }
}

#[test]
fn twenty_thousand_pieces_of_garbage_are_refused_or_answered() {
    let folder = Folder::new();
    let server = Server::start(&["--timeout", "5"], &folder.file("a.bin", 1_000));
    let address = server.address();
    #[cfg(target_os = "linux")]
    let sockets_before = server.sockets();
    let live_before = server.figures()("live");
    let successes = AtomicU64::new(0);
    in_parallel(1..=SENDERS, |seed| {
        let mut random = Random(seed);
        for _ in 0..INPUTS / SENDERS {
            let input = input(&mut random);
            let answers = answers_to(address, &input);
            assert!(is_right(&input, &answers), "{:?} got {answers:?}", String::from_utf8_lossy(&input));
            if status(&answers).is_some_and(|status| status < 400) {
                successes.fetch_add(1, Relaxed);
            }
        }
    });
    // Otherwise the generator makes no input that is nearly right.
    assert!(successes.load(Relaxed) > INPUTS / 200, "{successes:?}");
    assert_eq!(server.get("/").body.len(), 1_000);
    for line in server.stderr() {
        let event = text(&line, "event");
        assert!(["listening", "request", "run"].contains(&event.as_str()), "{line}");
    }
    #[cfg(target_os = "linux")]
    eventually("the end of all connections", || (server.sockets() <= sockets_before).then_some(()));
    let mut figure = server.figures();
    eventually("the memory of before", || (figure("live") < live_before + LEFT_MOST_BYTES).then_some(()));
}

#[test]
fn what_is_no_request_gets_its_refusal_or_a_closed_connection() {
    let folder = Folder::new();
    let file = folder.file("a.bin", 1_000);
    let (server, impatient) = (Server::start(&[], &file), Server::start(&["--timeout", "1"], &file));
    let lines = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(20_000));
    for (input, refusal) in [
        ("GET /\r\n\r\n", Some(400)),
        ("GET / HTTP/0.9\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", Some(400)),
        ("\u{0}\u{0}\u{0}\u{0}\r\n\r\n", Some(400)),
        ("nonsense without an end", None),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nX: ü\r\n\r\n", None),
        (lines.as_str(), Some(431)),
    ] {
        // A busy machine may take longer than the short timeout to receive a head.
        let mut client = if refusal.is_some() { server.client() } else { impatient.client() };
        client.send(input);
        let answer = client.rest();
        let shown = &input[..input.len().min(40)];
        assert_eq!(status(&answer), refusal, "{shown:?} got {answer:?}");
        assert!(refusal.is_some() || answer.is_empty(), "{shown:?} got {answer:?}");
    }
    assert_eq!(server.get("/").status, 200);
}

/// In each row, other programs would find the end of the head or of the body elsewhere than tiny_http does.
#[test]
fn an_ambiguous_head_is_refused_and_nothing_after_it_is_answered() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.bin", 1_000));
    let table = [
        ("GET", "X: a\nb"),
        ("GET", "X: a\nContent-Length: 40"),
        ("GET", "X: a\rb"),
        ("GET", "X: a\0b"),
        ("GET", "X: a\u{1b}[31m"),
        ("GET", "X: a\u{7f}"),
        ("GET", "a(b: c"),
        ("GET", "a\0b: c"),
        ("GET", ": c"),
        ("GET", "Content-Length\0: 40"),
        ("G(T", "X: y"),
        ("G\tT", "X: y"),
        ("G\0T", "X: y"),
        ("POST", "Content-Length:"),
        ("POST", "Content-Length: 18446744073709551616"),
        ("POST", "Content-Length: 40\r\nContent-Length: 40"),
        ("POST", "Content-Length: 40, 40"),
        ("POST", "Content-Length: 0x28"),
    ];
    for (count, (method, line)) in table.into_iter().enumerate() {
        let mut client = server.client();
        let after = "GET /after HTTP/1.1\r\nHost: localhost\r\n\r\n";
        client.send(format!("{method} / HTTP/1.1\r\nHost: localhost\r\n{line}\r\n\r\n{after}"));
        let answers = String::from_utf8(client.rest()).unwrap();
        assert!(answers.starts_with("HTTP/1.1 400 "), "{method} {line:?} got {answers:?}");
        assert!(answers.contains("\r\nConnection: close\r\n"), "{answers:?}");
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{method} {line:?} got {answers:?}");
        assert_eq!(number(&server.request(count + 1), "status"), 400);
    }
    let mut client = server.client();
    assert_eq!(client.ask("GET / HTTP/1.1\nX:\n!#$%&'*+-.^_`|~9: a\tb\nContent-Length: 0").status, 200);
    assert_eq!(client.ask("!#$%&'*+-.^_`|~9 / HTTP/1.1").status, 405);
}
