//! Nobody gets another's bytes: one client announces bodies that it does not send, resets its connection, and connects again
//! from the same port, while strangers ask and compare each byte.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

mod support;

use std::net::SocketAddr;
use std::thread::{self, JoinHandle};

use support::{Client, Folder, MODES, Server, content, in_parallel};

const FILE_BYTES: usize = 300_000;
const ANNOUNCEMENTS: usize = 400;
const STRANGERS: usize = 3;

/// A connection from a chosen port, whose close is a reset. std has neither.
mod chosen_port {
    #![allow(unsafe_code)]

    use std::io;
    use std::net::{SocketAddr, TcpStream};
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

    unsafe extern "C" {
        fn socket(family: i32, kind: i32, protocol: i32) -> i32;
        fn setsockopt(socket: i32, level: i32, name: i32, value: *const [i32; 2], bytes: u32) -> i32;
        fn bind(socket: i32, address: *const [u8; 16], bytes: u32) -> i32;
        fn connect(socket: i32, address: *const [u8; 16], bytes: u32) -> i32;
    }
    const AF_INET: u8 = 2;
    const SOCK_STREAM: i32 = 1;
    const SOL_SOCKET: i32 = 1;
    const SO_REUSEADDR: i32 = 2;
    const SO_LINGER: i32 = 13;

    /// `struct sockaddr_in` of 127.0.0.1.
    fn loopback(port: u16) -> [u8; 16] {
        let [high, low] = port.to_be_bytes();
        [AF_INET, 0, high, low, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    }

    /// Connects from `port`, or from any port if it is 0.
    pub fn connect_from(port: u16, to: SocketAddr) -> io::Result<TcpStream> {
        let done = |result: i32| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) };
        // SAFETY: each call gets pointers to arrays of the sizes that it is told. The new descriptor is ours.
        unsafe {
            let socket = OwnedFd::from_raw_fd(done(socket(AF_INET.into(), SOCK_STREAM, 0))?);
            let number = socket.as_raw_fd();
            done(setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &[1, 0], 4))?;
            done(setsockopt(number, SOL_SOCKET, SO_LINGER, &[1, 0], 8))?;
            done(bind(number, &loopback(port), 16))?;
            done(connect(number, &loopback(to.port()), 16))?;
            Ok(TcpStream::from(socket))
        }
    }
}

/// Announces bodies from one port. The reset comes when the refusal is on its way, or before. Returns the number of
/// connections.
fn announce(to: SocketAddr) -> usize {
    use std::io::{Read, Write};
    let (mut port, mut connections) = (0, 0);
    for nth in 0..ANNOUNCEMENTS {
        // Some of the kernel's answers to a used port are errors, and the next try succeeds.
        let Ok(mut stream) = chosen_port::connect_from(port, to) else { continue };
        port = stream.local_addr().unwrap().port();
        connections += 1;
        stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
        let _ = stream.write_all(b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n");
        if nth % 2 == 0 {
            let _ = stream.read(&mut [0]);
        }
    }
    connections
}

/// Asks for ranges on one connection until the announcements are over. All answers must be right.
fn ask(address: SocketAddr, announcing: &JoinHandle<usize>) {
    let whole = content(FILE_BYTES);
    let mut client = Client::to(address);
    for first in (0..FILE_BYTES).step_by(7).cycle() {
        let answer = client.ask(&format!("GET / HTTP/1.1\nRange: bytes={first}-"));
        assert_eq!(answer.status, 206);
        assert!(answer.body == whole[first..], "other bytes than those of the file, from {first} on");
        if announcing.is_finished() {
            return;
        }
    }
}

#[test]
fn strangers_get_their_own_bytes_while_a_client_resets_and_uses_its_port_again() {
    let folder = Folder::new();
    let file = folder.file("a.bin", FILE_BYTES);
    in_parallel(MODES, |mode| {
        let server = Server::start(&["--mode", mode], &file);
        let address = server.address();
        let announcing = thread::spawn(move || announce(address));
        in_parallel(0..STRANGERS, |_| ask(address, &announcing));
        let connections = announcing.join().unwrap();
        assert!(connections > ANNOUNCEMENTS / 2, "{connections}");
        assert_eq!(server.get("/").body.len(), FILE_BYTES, "{mode}");
    });
}
