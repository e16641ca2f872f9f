use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use super::*;
use crate::platform::{self, HandleStatus};

fn address(text: &str) -> Address {
    text.parse::<SocketAddr>().unwrap().into()
}

/// The client's socket, the accepted socket, and the handle of the accepted socket.
fn connected(listener: &TcpListener) -> (TcpStream, TcpStream, Handle) {
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (accepted, peer) = listener.accept().unwrap();
    let handle = Handle::all().find(|handle| handle.status() == HandleStatus::Connected(peer)).unwrap();
    (client, accepted, handle)
}

#[test]
fn wall_20_a_hang_up_acts_on_its_own_connection_only() {
    platform::reserve_duplicate().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut mine, accepted, my_handle) = connected(&listener);
    let (mut strangers, mut other_accepted, strangers_handle) = connected(&listener);
    let mut connection = Connection {
        client: accepted.peer_addr().unwrap().into(),
        local: accepted.local_addr().unwrap().into(),
        identity: my_handle.identity(),
        handles: [strangers_handle, Handle::NONE],
        ..Connection::FREE
    };
    // The recorded handle now belongs to another connection.
    connection.hang_up(HangUp::Both);
    connection.close_handles();
    strangers.write_all(b"a").unwrap();
    other_accepted.read_exact(&mut [0]).unwrap();
    other_accepted.write_all(b"b").unwrap();
    strangers.read_exact(&mut [0]).unwrap();

    connection.handles[0] = my_handle;
    connection.hang_up(HangUp::Both);
    assert_eq!(mine.read(&mut [0]).unwrap(), 0, "hung up");
}

#[test]
fn connections_are_told_apart_by_both_addresses_and_places_are_used_again() {
    static CONNECTIONS: Mutex<Table> = Mutex::new(Table::new());
    let mut table = CONNECTIONS.lock().unwrap();
    let client = address("127.0.0.1:50000");
    let locals = [address("127.0.0.1:3000"), address("127.0.0.2:3000"), address("[::1]:3000")];
    let slots = locals.map(|local| table.add(0, client, local).unwrap());
    for (&local, &slot) in locals.iter().zip(&slots) {
        assert_eq!(table.find(client, |c| c.local == local), Some(slot));
    }
    assert_eq!(table.find(address("127.0.0.1:50001"), |_| true), None);
    let id = table.id(slots[1]);
    assert!(table.get(id).is_some());
    assert!(table.remove_if_unused(slots[1]));
    assert!(table.get(id).is_none(), "the id of a removed connection");
    assert_eq!(table.find(client, |c| c.local == locals[1]), None);
    assert_eq!(table.find(client, |c| c.local == locals[0]), Some(slots[0]));
    assert_eq!(table.add(0, client, locals[1]), Some(slots[1]));
    assert!(table.get(id).is_none(), "the id of an earlier connection in the same slot");
    assert_eq!((table.living, table.awaiting_first), (3, 3));
}

#[test]
fn a_full_table_says_so_and_has_room_again() {
    static CONNECTIONS: Mutex<Table> = Mutex::new(Table::new());
    let mut table = CONNECTIONS.lock().unwrap();
    let client = |n: usize| Address::of_identity(n as u64 + 1);
    for n in 0..CONNECTIONS_MOST {
        assert!(table.add(0, client(n), Address::NONE).is_some());
    }
    assert_eq!(table.add(0, client(CONNECTIONS_MOST), Address::NONE), None);
    for n in 0..CONNECTIONS_MOST {
        let slot = table.find(client(n), |_| true).unwrap();
        assert!(table.remove_if_unused(slot));
    }
    assert_eq!((table.living, table.awaiting_first), (0, 0));
    assert!(table.add(0, client(CONNECTIONS_MOST), Address::NONE).is_some());
}
