//! HTTP clients over std's sockets.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::{PATIENCE, in_parallel};

/// One connection, of one descriptor. Dropping it closes it, with a reset if the server sent something that was not read.
pub struct Client {
    pub reader: BufReader<TcpStream>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Client {
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { reader: BufReader::with_capacity(1 << 16, stream) }
    }

    pub fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream().write_all(bytes.as_ref()).unwrap();
    }

    /// Sends a request of these lines and a Host, and reads its answer.
    pub fn ask(&mut self, lines: &str) -> Answer {
        self.send(format!("{lines}\r\nHost: localhost\r\n\r\n").replace("\n", "\r\n").replace("\r\r", "\r"));
        self.answer(lines.starts_with("HEAD"))
    }

    /// Reads an answer. `to_head`: the request's method was HEAD.
    pub fn answer(&mut self, to_head: bool) -> Answer {
        let mut answer = self.head();
        let length = answer.field("Content-Length").map(|length| length.parse().unwrap());
        if !to_head && answer.status != 304 && answer.status != 204 {
            let mut body = Vec::new();
            let most = length.unwrap_or(u64::MAX);
            // A connection that breaks off leaves a short body; the test decides what that means.
            let _ = self.reader.by_ref().take(most).read_to_end(&mut body);
            answer.body = body;
        }
        answer
    }

    /// Reads only the head of an answer.
    pub fn head(&mut self) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.reader.read_line(&mut head).unwrap() > 0, "closed after {head:?}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: Vec::new() }
    }

    /// Sends a GET and reads only the head of its 200. A body of [`LARGE_BYTES`](super::LARGE_BYTES) is then being
    /// sent until the client reads on.
    pub fn start_download(&mut self) {
        self.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(self.head().status, 200);
    }

    /// Reads exactly `bytes` bytes.
    pub fn read(&mut self, bytes: usize) -> Vec<u8> {
        let mut body = vec![0; bytes];
        self.reader.read_exact(&mut body).unwrap();
        body
    }

    /// Reads as many bytes as `expected` has, which must be the same. Needs no memory for them.
    pub fn expect(&mut self, expected: &[u8]) {
        let mut piece = [0; 1 << 14];
        for (nth, expected) in expected.chunks(piece.len()).enumerate() {
            let piece = &mut piece[..expected.len()];
            self.reader.read_exact(piece).unwrap();
            assert!(piece == expected, "other bytes than those of the file, in piece {nth}");
        }
    }

    /// Reads until the server closes the connection, which it must. A reset is a close as well.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        if let Err(error) = self.reader.read_to_end(&mut rest) {
            let shown = String::from_utf8_lossy(&rest[..rest.len().min(200)]);
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "not closed after {shown:?}");
        }
        rest
    }
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(": ")?;
            field.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

/// Opens `connections` connections and sends `requests` requests for one byte on each. All must be answered.
pub fn load(address: SocketAddr, connections: usize, requests: usize) {
    in_parallel(0..connections, |_| {
        let mut client = Client::to(address);
        for _ in 0..requests {
            assert_eq!(client.ask("GET / HTTP/1.1\nRange: bytes=0-0").status, 206);
        }
    });
}
