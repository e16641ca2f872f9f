//! Sockets that the HTTP engine owns. They are found by their numbers. What is done to one of them is done to a
//! duplicate, after the duplicate has been verified.
//!
//! A number may be closed or reused at any moment. Each function that reads from a number makes one system call,
//! which changes nothing. So if the number was reused, the worst case is a wrong result.

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
/// POLLIN. On Windows it is POLLRDNORM, which WSAPoll accepts.
const POLL_IN: i16 = if cfg!(windows) { 0x100 } else { 1 };

/// The number of a descriptor (Unix) or a socket (Windows) of this process. 0 means none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handle(pub(super) RawHandle);

/// What a handle number refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandleStatus {
    /// Nothing. The number is free.
    Closed,
    /// Something other than a connected socket.
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

    /// What the number refers to now.
    pub fn status(self) -> HandleStatus {
        const EBADF: i32 = 9;
        match self.borrowed().peer_addr() {
            Ok(peer) => HandleStatus::Connected(peer),
            Err(error) if cfg!(unix) && error.raw_os_error() == Some(EBADF) => HandleStatus::Closed,
            Err(_) => HandleStatus::Open,
        }
    }

    /// The local address, if this is an internet socket, connected or not.
    pub fn local(self) -> Option<SocketAddr> {
        self.borrowed().local_addr().ok()
    }

    /// Whether this is a socket that listens at this address.
    pub fn is_listening(self, at: SocketAddr) -> bool {
        self.local() == Some(at) && self.status() == HandleStatus::Open
    }

    /// A number that tells this socket from other sockets of the system, earlier ones included. 0 if the system has
    /// no such number.
    pub fn identity(self) -> u64 {
        identity_of(&self.borrowed())
    }

    /// Receives from the socket (recv(2)). Nobody may close the handle meanwhile.
    pub fn receive(self, bytes: &mut [u8]) -> io::Result<usize> {
        self.borrowed().read(bytes)
    }

    /// Wakes a thread that waits to receive from the socket, on systems where a shutdown does not wake it.
    pub fn cancel_receive(self) {
        #[cfg(windows)]
        {
            #[link(name = "kernel32")]
            unsafe extern "system" {
                fn CancelIoEx(handle: u64, overlapped: *const u8) -> i32;
            }
            // SAFETY: a null pointer means all operations on the handle. The call returns an error if the handle is
            // wrong.
            unsafe { CancelIoEx(self.0, std::ptr::null()) };
        }
    }

    /// Closes the handle.
    ///
    /// The caller must make sure that nobody else uses this number: its owner was leaked, or is held by a thread that
    /// is blocked for ever.
    pub fn close(self) {
        drop(ManuallyDrop::into_inner(self.borrowed()));
    }

    pub(super) fn borrowed(self) -> ManuallyDrop<TcpStream> {
        // SAFETY: the stream is never dropped except in `close`, so it is never closed elsewhere. If the handle is no
        // socket, or is closed meanwhile, the calls on the stream fail.
        #[cfg(unix)]
        return ManuallyDrop::new(unsafe { TcpStream::from_raw_fd(self.0) });
        // SAFETY: as above.
        #[cfg(windows)]
        return ManuallyDrop::new(unsafe { TcpStream::from_raw_socket(self.0) });
    }
}

/// Which of these sockets have bytes, or the end of the stream, that nobody has received. Always `false` for
/// [`Handle::NONE`].
pub fn have_unread<const N: usize>(sockets: [Handle; N]) -> [bool; N] {
    let entry = |handle: Handle| {
        let socket = if handle == Handle::NONE { !0 } else { handle.0 };
        PollEntry { socket, events: POLL_IN, returned: 0 }
    };
    let mut entries = sockets.map(entry);
    // SAFETY: the pointer and the count are those of an array that is valid until the call returns.
    unsafe { poll(entries.as_mut_ptr(), N as PollCount, 0) };
    entries.map(|entry| entry.returned & POLL_IN != 0)
}

/// Sets the maximum number of connections that wait to be accepted (listen(2)). std's `bind` sets 128.
pub fn set_backlog(listener: &TcpListener, connections: i32) {
    // SAFETY: the handle is open while `listener` is borrowed.
    unsafe { listen(Handle::of(listener).0, connections) };
}

/// A second handle on a listening socket, in a type whose setters of socket options `TcpListener` does not have.
/// Accepted sockets inherit these options.
pub fn listener_options(listener: &TcpListener) -> io::Result<TcpStream> {
    Ok(TcpStream::from(OwnedSocketHandle::from(listener.try_clone()?)))
}

/// The inode number (fstat(2)). Linux takes it from a 32-bit counter, so a number comes again only after 2^32 new
/// sockets.
#[cfg(unix)]
pub(super) fn identity_of(socket: &TcpStream) -> u64 {
    use std::os::unix::fs::MetadataExt;
    // SAFETY: the file is never dropped, so it is never closed here. If the handle is closed, the call fails.
    let file = ManuallyDrop::new(unsafe { std::fs::File::from_raw_fd(socket.as_raw_fd()) });
    file.metadata().map_or(0, |metadata| metadata.ino())
}

#[cfg(windows)]
pub(super) fn identity_of(_socket: &TcpStream) -> u64 {
    0
}

/// Whether the system tells how many bytes a socket has received.
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
