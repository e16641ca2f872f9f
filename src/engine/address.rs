//! The keys by which connections are found.

use std::net::{IpAddr, SocketAddr};

/// An IP address and a port. All fields are 0 if it is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Address {
    ip: u128,
    scope: u32,
    port: u16,
}

impl From<SocketAddr> for Address {
    fn from(from: SocketAddr) -> Self {
        let ip = match from.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        let scope = if let SocketAddr::V6(v6) = from { v6.scope_id() } else { 0 };
        Self { ip: ip.to_bits(), scope, port: from.port() }
    }
}

impl Address {
    /// The unknown address.
    pub const NONE: Self = Self { ip: 0, scope: 0, port: 0 };

    /// Whether both have the same IP address, whatever their ports are.
    pub fn has_ip_of(self, other: Self) -> bool {
        (self.ip, self.scope) == (other.ip, other.scope)
    }

    /// A key that stands for the client of a dead socket, made from the identity of the socket. Its port is 0, which
    /// no client has.
    pub fn of_identity(identity: u64) -> Self {
        Self { ip: identity.into(), scope: 0, port: 0 }
    }
}

/// Identifies a connection. A later connection in the same slot has another serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    /// Its slot in the table. It keeps this slot until it is removed.
    pub slot: u32,
    /// Its serial number, which no other connection has.
    pub serial: u64,
}
