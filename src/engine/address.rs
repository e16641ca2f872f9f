//! What connections are told apart by.

use std::net::{IpAddr, SocketAddr};

/// An internet address and port, in a form that is all zeros where it is unknown.
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
    /// No address.
    pub const NONE: Self = Self { ip: 0, scope: 0, port: 0 };

    /// Whether both are of the same host.
    pub fn has_ip_of(self, other: Self) -> bool {
        (self.ip, self.scope) == (other.ip, other.scope)
    }

    /// A name for a socket that has no client any more: no address of a client has no port.
    pub fn of_identity(identity: u64) -> Self {
        Self { ip: identity.into(), scope: 0, port: 0 }
    }
}

/// A connection that was looked up before, to be looked up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    /// Its place, which it keeps as long as a thread works for it.
    pub slot: u32,
    /// When it was entered, in the order of all.
    pub serial: u64,
}
