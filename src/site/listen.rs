//! The listening sockets, and the URL of the server.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use crate::options::Bind;

/// How many free ports of 127.0.0.1 are tried on ::1 as well.
const FREE_PORT_TRIES: u32 = 16;

pub struct Listening {
    /// One socket, or one for each of the two loopback addresses, on the same port.
    pub sockets: Vec<TcpListener>,
    /// `http://HOST:PORT/`, which a browser on this machine can open.
    pub url: String,
    /// What the user should know if other machines can connect.
    pub warning: Option<String>,
}

/// Binds the listening sockets. The error names the address or port that cannot be used, and the option to change.
pub fn bind(to: Bind, port: u16) -> Result<Listening, String> {
    let (sockets, bound) = match to {
        Bind::Localhost => localhost(port)?,
        Bind::Address(ip) if is_of_many(ip) => {
            return Err(format!(
                "{ip} stands for many machines; give the address of this one with --bind, or leave out --bind"
            ));
        }
        Bind::Address(ip) => listen(SocketAddr::new(ip, port)).map(|(socket, bound)| (vec![socket], bound))?,
    };
    let warning = (!to.is_loopback()).then(|| warning(bound));
    Ok(Listening { sockets, url: url(to, bound), warning })
}

/// Whether `ip` is a multicast or broadcast address. Systems let a server listen there, but nobody can connect to it.
fn is_of_many(ip: IpAddr) -> bool {
    // Only the system knows the broadcast addresses of its networks. It does not connect to one without being told to.
    let refused = connected(ip).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
    ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) || refused
}

/// The local address of a UDP socket that is connected to `ip`, at the discard port (RFC 863). Nothing is sent.
fn connected(ip: IpAddr) -> io::Result<IpAddr> {
    let socket = UdpSocket::bind(if ip.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
    socket.connect((ip, 9))?;
    Ok(socket.local_addr()?.ip())
}

/// The warning for a server that other machines can connect to. It names a URL for them, if one is known.
fn warning(bound: SocketAddr) -> String {
    /// Addresses outside every network (RFC 5737, RFC 3849), so that the system chooses that of its default route.
    const OUTSIDE_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
    const OUTSIDE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
    let ip = match bound.ip() {
        ip if !ip.is_unspecified() => Some(ip),
        ip => connected(if ip.is_ipv4() { OUTSIDE_V4 } else { OUTSIDE_V6 }).ok(),
    };
    let ip = ip.filter(|ip| !ip.is_loopback() && !ip.is_unspecified());
    let url = ip.map_or(String::new(), |ip| format!(" (page: http://{}/heap)", SocketAddr::new(ip, bound.port())));
    format!(
        "the server listens on {}, where other machines can reach it{url}: whoever connects sees the file, its \
         path, and all requests with their addresses",
        bound.ip()
    )
}

/// An unspecified address, such as 0.0.0.0, accepts connections to every address of the machine. It is not itself an
/// address that every browser can open, so the URL has `localhost` in its place.
fn url(to: Bind, bound: SocketAddr) -> String {
    match to {
        Bind::Address(ip) if !ip.is_unspecified() => format!("http://{bound}/"),
        _ => format!("http://localhost:{}/", bound.port()),
    }
}

/// Binds both loopback addresses on one port, or 127.0.0.1 alone where the system has no IPv6.
fn localhost(port: u16) -> Result<(Vec<TcpListener>, SocketAddr), String> {
    for left in (0..FREE_PORT_TRIES).rev() {
        let (first, bound) = listen((Ipv4Addr::LOCALHOST, port).into())?;
        let second = SocketAddr::from((Ipv6Addr::LOCALHOST, bound.port()));
        match TcpListener::bind(second) {
            Ok(second) => return Ok((vec![first, second], bound)),
            // Any free port was requested, and this one is free at 127.0.0.1 only.
            Err(error) if error.kind() == ErrorKind::AddrInUse && port == 0 && left > 0 => {}
            Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(explain(second, &error)),
            Err(_) => return Ok((vec![first], bound)),
        }
    }
    unreachable!("the last try returns")
}

/// Binds one socket. Returns it with its address.
fn listen(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr), String> {
    let bound = TcpListener::bind(wanted).and_then(|socket| socket.local_addr().map(|address| (socket, address)));
    bound.map_err(|error| explain(wanted, &error))
}

/// Says why `wanted` cannot be bound, and which option to change.
fn explain(wanted: SocketAddr, error: &io::Error) -> String {
    let (ip, port) = (wanted.ip(), wanted.port());
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "port {port} is in use on {ip}; stop the other program, or choose another port with --port \
             (0 takes any free port)"
        ),
        ErrorKind::AddrNotAvailable => {
            format!("{ip} is not an address of this machine; give another one with --bind, or leave out --bind")
        }
        ErrorKind::PermissionDenied => format!(
            "this user may not listen on port {port}; choose another port with --port (above 1023, a user may take any)"
        ),
        _ => format!(
            "cannot listen on {wanted}: {error}; choose another address with --bind, or another port with --port"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_can_be_opened_in_a_browser() {
        let table = [
            ("127.0.0.1:3000", "http://127.0.0.1:3000/"),
            ("192.0.2.7:80", "http://192.0.2.7:80/"),
            ("[::1]:3000", "http://[::1]:3000/"),
            ("0.0.0.0:3000", "http://localhost:3000/"),
            ("[::]:3000", "http://localhost:3000/"),
        ];
        for (bound, wanted) in table {
            let bound: SocketAddr = bound.parse().unwrap();
            assert_eq!(url(Bind::Address(bound.ip()), bound), wanted);
            assert_eq!(url(Bind::Localhost, bound), format!("http://localhost:{}/", bound.port()));
        }
    }
}
