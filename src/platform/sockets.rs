//! Sockets that the HTTP engine owns, seen from outside: their numbers are looked at, and what is done to
//! one is done to a duplicate of it, after the duplicate has been verified.
//!
//! A number that is looked at may be closed, or be reused, at any moment. Each look is one system call
//! that changes nothing, so a wrong number gives a wrong answer at worst.

use std::io::{self, Read};
use std::mem::ManuallyDrop;
use std::net::{SocketAddr, TcpListener, TcpStream};

#[cfg(unix)]
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd as OwnedSocketHandle};
#[cfg(windows)]
use std::os::windows::io::{AsRawSocket, FromRawSocket, OwnedSocket as OwnedSocketHandle};

#[cfg(unix)]
type RawHandle = i32;
#[cfg(windows)]
type RawHandle = u64;

#[cfg_attr(windows, link(name = "ws2_32"))]
unsafe extern "system" {
    fn listen(socket: RawHandle, backlog: i32) -> i32;
    #[cfg_attr(windows, link_name = "WSAPoll")]
    fn poll(sockets: *mut PollEntry, count: PollCount, timeout_ms: i32) -> i32;
}

/// `struct pollfd` (poll(2), WSAPoll).
#[repr(C)]
#[derive(Clone, Copy)]
struct PollEntry {
    socket: RawHandle,
    events: i16,
    returned: i16,
}
#[cfg(any(target_os = "linux", target_os = "android"))]
type PollCount = usize;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
type PollCount = u32;
/// POLLIN; on Windows POLLRDNORM, which WSAPoll takes.
const POLL_IN: i16 = if cfg!(windows) { 0x100 } else { 1 };

/// The number of a descriptor (Unix) or of a socket (Windows) of this process. 0: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handle(pub(super) RawHandle);

/// What a handle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandleStatus {
    /// Nothing: the number is free.
    Closed,
    /// Something else than a connected socket.
    Open,
    /// A socket that is connected to this address.
    Connected(SocketAddr),
}

impl Handle {
    /// No handle.
    pub const NONE: Self = Self(0);

    /// The handle of a listening socket.
    pub fn of(listener: &TcpListener) -> Self {
        #[cfg(unix)]
        return Self(listener.as_raw_fd());
        #[cfg(windows)]
        return Self(listener.as_raw_socket());
    }

    /// What it is now.
    pub fn status(self) -> HandleStatus {
        const EBADF: i32 = 9;
        match self.borrowed().peer_addr() {
            Ok(peer) => HandleStatus::Connected(peer),
            Err(error) if cfg!(unix) && error.raw_os_error() == Some(EBADF) => HandleStatus::Closed,
            Err(_) => HandleStatus::Open,
        }
    }

    /// Its own address, if it is an internet socket, connected or not.
    pub fn local(self) -> Option<SocketAddr> {
        self.borrowed().local_addr().ok()
    }

    /// Whether it is a socket that listens at this address.
    pub fn is_listening(self, at: SocketAddr) -> bool {
        self.local() == Some(at) && self.status() == HandleStatus::Open
    }

    /// A number that no other socket of this system has or had, where the system has one; else 0.
    pub fn identity(self) -> u64 {
        identity_of(&self.borrowed())
    }

    /// Receives from it (recv(2)). For a handle that nobody can close meanwhile.
    pub fn receive(self, bytes: &mut [u8]) -> io::Result<usize> {
        self.borrowed().read(bytes)
    }

    /// Wakes a thread that waits to receive from it, where shutting it down does not.
    pub fn cancel_receive(self) {
        #[cfg(windows)]
        {
            #[link(name = "kernel32")]
            unsafe extern "system" {
                fn CancelIoEx(handle: u64, overlapped: *const u8) -> i32;
            }
            // SAFETY: a null pointer asks for all operations on the handle; a wrong handle is an error.
            unsafe { CancelIoEx(self.0, std::ptr::null()) };
        }
    }

    /// Closes it.
    ///
    /// The caller answers for that nobody uses this number any more: what owned it was leaked, or is owned
    /// by a thread that can never run on.
    pub fn close(self) {
        drop(ManuallyDrop::into_inner(self.borrowed()));
    }

    pub(super) fn borrowed(self) -> ManuallyDrop<TcpStream> {
        // SAFETY: never dropped but in `close`, so never closed from here; a handle that is no socket, or is
        // closed meanwhile, makes the calls on it fail.
        #[cfg(unix)]
        return ManuallyDrop::new(unsafe { TcpStream::from_raw_fd(self.0) });
        // SAFETY: as above.
        #[cfg(windows)]
        return ManuallyDrop::new(unsafe { TcpStream::from_raw_socket(self.0) });
    }
}

/// Which of these sockets have bytes (or their end) that nobody has received yet; none for `Handle::NONE`.
pub fn have_unread<const N: usize>(sockets: [Handle; N]) -> [bool; N] {
    let entry = |handle: Handle| {
        let socket = if handle == Handle::NONE { !0 } else { handle.0 };
        PollEntry { socket, events: POLL_IN, returned: 0 }
    };
    let mut entries = sockets.map(entry);
    // SAFETY: the pointer and the count are those of an array that lives until the call returns.
    unsafe { poll(entries.as_mut_ptr(), N as PollCount, 0) };
    entries.map(|entry| entry.returned & POLL_IN != 0)
}

/// Lets `connections` wait to be accepted; std's `bind` lets 128 (listen(2)).
pub fn set_backlog(listener: &TcpListener, connections: i32) {
    // SAFETY: the handle is open as long as `listener` is borrowed.
    unsafe { listen(Handle::of(listener).0, connections) };
}

/// A second handle on a listening socket, in a type that has the setters of socket options which
/// `TcpListener` lacks. What is accepted inherits them.
pub fn listener_options(listener: &TcpListener) -> io::Result<TcpStream> {
    Ok(TcpStream::from(OwnedSocketHandle::from(listener.try_clone()?)))
}

/// The inode (fstat(2)). Linux numbers sockets in the order in which they were made.
#[cfg(unix)]
pub(super) fn identity_of(socket: &TcpStream) -> u64 {
    use std::os::unix::fs::MetadataExt;
    // SAFETY: never dropped, so never closed from here; a handle that is closed makes the call fail.
    let file = ManuallyDrop::new(unsafe { std::fs::File::from_raw_fd(socket.as_raw_fd()) });
    file.metadata().map_or(0, |metadata| metadata.ino())
}

#[cfg(windows)]
pub(super) fn identity_of(_socket: &TcpStream) -> u64 {
    0
}

/// Whether the system tells how many bytes came to a socket.
pub const REPORTS_RECEIVED_BYTES: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// `tcpi_bytes_received` of TCP_INFO (tcp(7)).
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn bytes_received(socket: &TcpStream) -> u64 {
    unsafe extern "C" {
        fn getsockopt(socket: i32, level: i32, name: i32, value: *mut u64, length: *mut u32) -> i32;
    }
    const IPPROTO_TCP: i32 = 6;
    const TCP_INFO: i32 = 11;
    const BYTES_RECEIVED: usize = 128 / 8;
    let mut info = [0; 32];
    let mut length = size_of_val(&info) as u32;
    // SAFETY: the call writes at most `length` bytes, the size of `info`, and the length that it wrote.
    unsafe { getsockopt(socket.as_raw_fd(), IPPROTO_TCP, TCP_INFO, info.as_mut_ptr(), &mut length) };
    info[BYTES_RECEIVED]
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn bytes_received(_socket: &TcpStream) -> u64 {
    0
}
