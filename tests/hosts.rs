//! Which values of Host are answered (RFC 9112 3.2), so that no web page can read the server by DNS rebinding.
#![allow(missing_docs)]

mod support;

use support::{Answer, Folder, Server, number, text};

const ROUTES: [&str; 7] = ["/", "/a.bin", "/heap", "/heap.json", "/heap/events", "/nothing", "*"];
const METHODS: [&str; 6] = ["GET", "HEAD", "OPTIONS", "POST", "TRACE", "BREW"];

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

/// The tables of `http::host` have all forms of a host. This shows that its results are the answers.
#[test]
fn the_bind_decides_which_hosts_are_answered() {
    let folder = Folder::new();
    // The head, and the statuses on a loopback bind and on another one.
    let table = [
        ("GET / HTTP/1.1\r\nHost: localhost:3000", 200, 200),
        ("GET / HTTP/1.1\r\nHost: evil.example:3000", 421, 200),
        ("GET / HTTP/1.1\r\nHost: user@localhost", 400, 400),
        ("GET / HTTP/1.1\r\nHost:", 400, 400),
        ("GET / HTTP/1.1", 400, 400),
        ("GET / HTTP/1.0", 200, 200),
        ("GET / HTTP/1.0\r\nHost: evil.example", 421, 200),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nhOST: localhost", 400, 400),
        ("GET http://localhost/heap.json HTTP/1.1\r\nHost: evil.example", 200, 200),
        ("GET http://evil.example/heap.json HTTP/1.1\r\nHost: localhost", 421, 200),
        ("GET http://user@localhost/ HTTP/1.1\r\nHost: localhost", 400, 400),
    ];
    for (bind, is_loopback) in [("localhost", true), ("127.0.0.1", true), ("0.0.0.0", false)] {
        let server = Server::start(&["--bind", bind], &folder.file("a.bin", 1_000));
        for (head, on_loopback, elsewhere) in table {
            let answer = answer(&server, head);
            let status = if is_loopback { on_loopback } else { elsewhere };
            assert_eq!(answer.status, status, "{bind} {head:?}");
            if status == 421 {
                assert!(answer.text().contains("localhost") && answer.text().contains("--bind"));
            }
        }
    }
}

#[test]
fn every_route_and_method_checks_the_host_and_refusals_are_traced() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.bin", 1_000));
    let mut refused = 0;
    for route in ROUTES {
        for method in METHODS {
            let ask = |host: &str| answer(&server, &format!("{method} {route} HTTP/1.1\r\nHost: {host}")).status;
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
fn a_request_after_a_refusal_is_not_answered() {
    let folder = Folder::new();
    let server = Server::start(&[], &folder.file("a.bin", 1_000));
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\nGET /after HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answers = String::from_utf8(client.rest()).unwrap();
    assert!(answers.starts_with("HTTP/1.1 421 Misdirected Request\r\n"), "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
}
