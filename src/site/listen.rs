//! Where the server listens.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use crate::options::Bind;

/// How often a free port of the one loopback address is tried on the other.
const FREE_PORT_TRIES: u32 = 16;

/// The sockets to accept on, and the URL to name them by.
pub struct Listening {
    /// One socket, or one for each loopback address, on the same port.
    pub sockets: Vec<TcpListener>,
    /// `http://HOST:PORT/`
    pub url: String,
    /// Whether only this machine can connect.
    pub is_loopback: bool,
}

/// Binds. The error names what cannot be had, and the way out.
pub fn bind(to: Bind, port: u16) -> Result<Listening, String> {
    match to {
        Bind::Localhost => localhost(port),
        Bind::Address(ip) => {
            let wanted = SocketAddr::new(ip, port);
            let socket = TcpListener::bind(wanted).map_err(|error| why_not(wanted, &error))?;
            let bound = socket.local_addr().map_err(|error| why_not(wanted, &error))?;
            let is_loopback = ip.to_canonical().is_loopback();
            Ok(Listening { sockets: vec![socket], url: format!("http://{bound}/"), is_loopback })
        }
    }
}

/// Both loopback addresses on one port. Where the system has no IPv6, 127.0.0.1 alone.
fn localhost(port: u16) -> Result<Listening, String> {
    let v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    for left in (0..FREE_PORT_TRIES).rev() {
        let first = TcpListener::bind(v4).map_err(|error| why_not(v4, &error))?;
        let bound = first.local_addr().map_err(|error| why_not(v4, &error))?.port();
        let v6 = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), bound);
        let sockets = match TcpListener::bind(v6) {
            Ok(second) => vec![first, second],
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                // A free port was asked for, and this one is free on one side only.
                if port == 0 && left > 0 {
                    continue;
                }
                return Err(why_not(v6, &error));
            }
            Err(_) => vec![first],
        };
        return Ok(Listening { sockets, url: format!("http://localhost:{bound}/"), is_loopback: true });
    }
    unreachable!("the last try returns")
}

fn why_not(wanted: SocketAddr, error: &io::Error) -> String {
    let port = wanted.port();
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "port {port} is in use on {}; stop the other program, or choose another port with --port \
             (0 takes any free one)",
            wanted.ip()
        ),
        ErrorKind::AddrNotAvailable => format!(
            "{} is not an address of this machine; choose one that is with --bind, or leave it out",
            wanted.ip()
        ),
        ErrorKind::PermissionDenied => {
            format!("port {port} is not for ordinary users; choose one above 1023 with --port")
        }
        _ => format!(
            "cannot listen on {wanted}: {error}; choose another address with --bind or port with --port"
        ),
    }
}
