//! Which values of Host are answered (RFC 9112 3.2), so that no web page can read the server by DNS rebinding.
#![allow(missing_docs)]

mod support;

use support::{Answer, Folder, Server, number, text};

const LOOPBACK_BINDS: [&str; 2] = ["localhost", "127.0.0.1"];
const ROUTES: [&str; 7] = ["/", "/a.bin", "/heap", "/heap.json", "/heap/events", "/nothing", "*"];
const METHODS: [&str; 6] = ["GET", "HEAD", "OPTIONS", "POST", "TRACE", "BREW"];

fn started(folder: &Folder, bind: &str) -> Server {
    Server::start(&["--bind", bind], &folder.file("a.bin", 1_000))
}

/// Sends a head, to which this adds the empty line, and returns the answer. The body is read only of a refusal, which
/// must be one line of text and end the connection.
fn answer(server: &Server, head: &str) -> Answer {
    let mut client = server.client();
    client.send(format!("{head}\r\n\r\n"));
    let mut answer = client.head();
    if [400, 421].contains(&answer.status) {
        assert_eq!(answer.field("Connection"), Some("close"), "{head:?}");
        if !head.starts_with("HEAD ") {
            answer.body = client.read(answer.field("Content-Length").unwrap().parse().unwrap());
            assert_eq!(answer.text().lines().count(), 1, "{head:?}");
        }
        assert_eq!(client.rest(), b"", "{head:?}");
    }
    answer
}

#[test]
fn on_a_loopback_bind_localhost_is_the_only_name() {
    let folder = Folder::new();
    for bind in LOOPBACK_BINDS {
        let server = started(&folder, bind);
        for (host, status) in [
            ("localhost", 200),
            ("localhost:3000", 200),
            ("LOCALHOST.", 200),
            ("v0.localhost:3000", 200),
            ("127.0.0.1", 200),
            ("[::1]:80", 200),
            ("evil.example", 421),
            ("evil.example:3000", 421),
            ("localhost.evil.example", 421),
            ("127.0.0.1.evil.example", 421),
            ("127.1", 421),
            ("", 400),
            ("localhost:x", 400),
            ("user@localhost", 400),
            ("::1", 400),
        ] {
            let answer = answer(&server, &format!("GET / HTTP/1.1\r\nHost: {host}"));
            assert_eq!(answer.status, status, "{host:?}");
            if status == 421 {
                assert!(answer.text().contains("localhost") && answer.text().contains("--bind"));
            }
        }
    }
}

#[test]
fn every_route_and_method_checks_the_host_and_refusals_are_traced() {
    let folder = Folder::new();
    let server = started(&folder, "localhost");
    let mut refused = 0;
    for route in ROUTES {
        for method in METHODS {
            let ask =
                |host: &str| answer(&server, &format!("{method} {route} HTTP/1.1\r\nHost: {host}")).status;
            assert_ne!(ask("localhost"), 421, "{method} {route}");
            assert_eq!(ask("evil.example"), 421, "{method} {route}");
            assert_eq!(ask("a b"), 400, "{method} {route}");
            refused += 2;
        }
    }
    // GET and HEAD of the page's three routes are traced only when they are refused.
    let page_requests = 3 * 2;
    let lines = server.requests(ROUTES.len() * METHODS.len() - page_requests + refused);
    let refusals = lines.iter().filter(|line| [400, 421].contains(&number(line, "status")));
    assert_eq!(refusals.clone().count(), refused);
    assert!(refusals.clone().all(|line| text(line, "outcome") == "sent"));
    for route in ROUTES {
        let here = refusals.clone().filter(|line| text(line, "target") == route).count();
        assert_eq!(here, 2 * METHODS.len(), "{route}");
    }
}

#[test]
fn exactly_one_host_is_required_and_an_absolute_target_replaces_it() {
    let folder = Folder::new();
    let server = started(&folder, "localhost");
    for (head, status) in [
        ("GET / HTTP/1.0", 200),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\nHost: evil.example", 421),
        ("GET / HTTP/1.0\r\nHost: localhost\r\nHost: localhost", 400),
        ("GET / HTTP/1.0\r\nHost:", 400),
        ("GET / HTTP/1.1", 400),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost", 400),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nhOST: evil.example", 400),
        ("GET http://localhost/heap.json HTTP/1.1\r\nHost: evil.example", 200),
        ("GET HTTPS://[::1]:443/a.bin HTTP/1.1\r\nHost:", 200),
        ("GET http://evil.example/heap.json HTTP/1.1\r\nHost: localhost", 421),
        ("GET http://evil.example HTTP/1.0", 421),
        ("OPTIONS http://evil.example HTTP/1.1\r\nHost: localhost", 421),
        ("GET http://user@localhost/ HTTP/1.1\r\nHost: localhost", 400),
        ("GET http:/// HTTP/1.1\r\nHost: localhost", 400),
        ("GET http://localhost/ HTTP/1.1", 400),
        ("GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\nHost: localhost", 400),
    ] {
        assert_eq!(answer(&server, head).status, status, "{head:?}");
    }
}

#[test]
fn a_request_after_a_refusal_is_not_answered() {
    let folder = Folder::new();
    let server = started(&folder, "localhost");
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\nGET /after HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answers = String::from_utf8(client.rest()).unwrap();
    assert!(answers.starts_with("HTTP/1.1 421 Misdirected Request\r\n"), "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
}

#[test]
fn on_another_bind_every_well_formed_host_is_answered() {
    let folder = Folder::new();
    let server = started(&folder, "0.0.0.0");
    for (lines, status) in [
        ("Host: evil.example", 200),
        ("Host: localhost.evil.example.:80", 200),
        ("Host: 192.0.2.7:", 200),
        ("Host: [2001:db8::1]:3000", 200),
        ("Host:", 400),
        ("Host: :80", 400),
        ("Host: evil example", 400),
        ("Host: evil.example:80a", 400),
        ("Host: user@evil.example", 400),
        ("Host: [evil.example]", 400),
        ("Host: [::1", 400),
        ("Host: evil.example/", 400),
        ("X: y", 400),
        ("Host: evil.example\r\nHost: evil.example", 400),
    ] {
        assert_eq!(answer(&server, &format!("GET / HTTP/1.1\r\n{lines}")).status, status, "{lines:?}");
    }
}
