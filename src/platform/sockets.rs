//! The sockets of this process, most of which tiny_http owns. They are found by their numbers.
//!
//! Whoever looks at a socket gets a duplicate, which is ours: nobody can close it meanwhile, or give its number to
//! another socket. What is done to it (shut down, read) is done to the socket. Numbers of others are never closed.

use std::ffi::c_ulong;
use std::io;
use std::net::{TcpListener, TcpStream};

use super::IS_LINUX;

#[cfg(unix)]
use std::os::fd::{AsRawFd as AsRaw, OwnedFd as OwnedHandle, RawFd as RawHandle};
#[cfg(windows)]
use std::os::windows::io::{AsRawSocket as AsRaw, OwnedSocket as OwnedHandle, RawSocket as RawHandle};

#[cfg_attr(windows, link(name = "ws2_32"))]
unsafe extern "system" {
    fn listen(socket: RawHandle, backlog: i32) -> i32;
    fn getsockopt(socket: RawHandle, level: i32, name: i32, value: *mut u64, length: *mut i32) -> i32;
    fn setsockopt(socket: RawHandle, level: i32, name: i32, value: *const i32, length: i32) -> i32;
    #[cfg(windows)]
    #[link_name = "ioctlsocket"]
    fn ioctl(socket: RawHandle, request: c_ulong, value: *mut u32) -> i32;
}

#[cfg(unix)]
unsafe extern "C" {
    fn ioctl(descriptor: RawHandle, request: c_ulong, ...) -> i32;
    fn dup2(from: RawHandle, to: RawHandle) -> i32;
}

#[cfg(windows)]
#[link(name = "kernel32")]
unsafe extern "system" {
    fn CancelIoEx(handle: RawHandle, overlapped: *const u8) -> i32;
    fn GetCurrentProcess() -> isize;
    fn GetProcessHandleCount(process: isize, count: *mut u32) -> i32;
}

const IPPROTO_TCP: i32 = 6;

fn raw(socket: &impl AsRaw) -> RawHandle {
    #[cfg(unix)]
    return socket.as_raw_fd();
    #[cfg(windows)]
    return socket.as_raw_socket();
}

/// Tells this socket from all others, earlier ones included: SO_COOKIE of socket(7) on Linux. Otherwise 0.
pub fn identity(socket: &TcpStream) -> u64 {
    let cookie = if IS_LINUX { option(socket, 1, 57) } else { None };
    cookie.map_or(0, |[identity]| identity)
}

/// Whether it listens (SO_ACCEPTCONN of socket(7)).
pub fn is_listening(socket: &TcpStream) -> bool {
    let (level, name) = if IS_LINUX { (1, 30) } else { (0xffff, 2) };
    option(socket, level, name).is_some_and(|[value]| value as i32 != 0)
}

/// How many bytes have come that nobody has received (FIONREAD).
pub fn unread_bytes(socket: &TcpStream) -> u64 {
    const FIONREAD: c_ulong = if IS_LINUX { 0x541b } else { 0x4004_667f };
    let mut bytes = 0_u32;
    // SAFETY: FIONREAD writes one number of 32 bits to the pointer.
    unsafe { ioctl(raw(socket), FIONREAD, &mut bytes) };
    bytes.into()
}

/// How many bytes have come: `tcpi_bytes_received` of TCP_INFO (tcp(7)). `None` on other systems than Linux.
pub fn received_bytes(socket: &TcpStream) -> Option<u64> {
    let info = if IS_LINUX { option::<17>(socket, IPPROTO_TCP, 11) } else { None };
    info.map(|info| info[128 / 8])
}

/// Makes a read return that waits for this socket, on Windows. On other systems, a shutdown does.
pub fn cancel_receive(_socket: &TcpStream) {
    // SAFETY: the handle is ours. A null pointer means all operations on it.
    #[cfg(windows)]
    unsafe {
        CancelIoEx(raw(_socket), std::ptr::null())
    };
}

/// Reads an option of `WORDS` 64-bit words, or less.
fn option<const WORDS: usize>(socket: &TcpStream, level: i32, name: i32) -> Option<[u64; WORDS]> {
    let mut value = [0; WORDS];
    let mut length = size_of_val(&value) as i32;
    // SAFETY: the call writes at most `length` bytes, the size of `value`, and the length that it wrote.
    let result = unsafe { getsockopt(raw(socket), level, name, value.as_mut_ptr(), &mut length) };
    (result == 0).then_some(value)
}

/// Sets the maximum number of connections that wait to be accepted (listen(2)), for which std's `bind` sets 128, and of
/// bytes that wait in the kernel before they are sent (TCP_NOTSENT_LOWAT of tcp(7)): a write then returns when bytes
/// leave, and not when a large buffer is a third empty. Windows has no such option.
///
/// Returns a second handle, in a type that has setters for more options. Accepted sockets inherit all of them.
pub fn prepare_listener(listener: &TcpListener, backlog: i32, unsent_most_bytes: i32) -> io::Result<TcpStream> {
    const TCP_NOTSENT_LOWAT: i32 = if IS_LINUX { 25 } else { 0x201 };
    // SAFETY: the handle is open while `listener` is borrowed. The value is one `int`, and the length is its size.
    unsafe {
        listen(raw(listener), backlog);
        if cfg!(unix) {
            setsockopt(raw(listener), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_most_bytes, size_of::<i32>() as i32);
        }
    }
    Ok(TcpStream::from(OwnedHandle::from(listener.try_clone()?)))
}

/// Finds sockets. A descriptor is reserved, so that a duplicate can be made when descriptors have run out.
#[cfg(unix)]
pub struct Sockets {
    /// Has the reserved descriptor.
    ours: TcpStream,
    /// What that refers to while nobody looks at a socket.
    filler: std::fs::File,
}

#[cfg(unix)]
impl Sockets {
    pub fn new() -> io::Result<Self> {
        let filler = std::fs::File::open("/dev/null")?;
        let ours = TcpStream::from(OwnedHandle::from(filler.try_clone()?));
        Ok(Self { ours, filler })
    }

    /// Calls `look` with a duplicate of whatever has a descriptor. Only sockets have an address. Returns their number.
    pub fn each(&mut self, mut look: impl FnMut(&TcpStream)) -> u64 {
        let number = raw(&self.ours);
        let mut open = 0;
        for other in open_numbers() {
            open += 1;
            // SAFETY: `number` is ours. If `other` is not open, the call fails.
            if other != number && unsafe { dup2(other, number) } >= 0 {
                look(&self.ours);
            }
        }
        // SAFETY: both are ours. The last socket must not stay open because of us.
        unsafe { dup2(raw(&self.filler), number) };
        open
    }
}

/// The numbers of the open descriptors (proc_pid_fd(5)).
#[cfg(unix)]
fn open_numbers() -> Box<dyn Iterator<Item = RawHandle>> {
    match std::fs::read_dir(if IS_LINUX { "/proc/self/fd" } else { "/dev/fd" }) {
        Ok(names) => Box::new(names.filter_map(|name| name.ok()?.file_name().to_str()?.parse().ok())),
        // The folder needs a descriptor. If there is none, nearly all numbers are open.
        Err(_) => Box::new(0..super::limits::descriptor_limit().min(1 << 16) as RawHandle),
    }
}

/// Finds sockets. Has the maximum number of open handles so far.
#[cfg(windows)]
pub struct Sockets(u32);

#[cfg(windows)]
impl Sockets {
    /// Needs nothing: Windows has no limit of handles that a server could reach.
    pub fn new() -> io::Result<Self> {
        Ok(Self(0))
    }

    /// The same for handles, which are multiples of four. A freed one is used again before a new one.
    pub fn each(&mut self, mut look: impl FnMut(&TcpStream)) -> u64 {
        use std::os::windows::io::BorrowedSocket;
        /// How many handles more may have been open between two calls.
        const MARGIN: u32 = 1024;
        let mut count = 0;
        // SAFETY: the call writes one number to a valid pointer.
        unsafe { GetProcessHandleCount(GetCurrentProcess(), &mut count) };
        self.0 = self.0.max(count);
        for number in (4..u64::from(self.0 + MARGIN) * 4).step_by(4) {
            // SAFETY: the number is used for one call, which makes a duplicate, or fails if it is no open socket.
            let duplicate = unsafe { BorrowedSocket::borrow_raw(number) }.try_clone_to_owned();
            duplicate.into_iter().for_each(|own| look(&TcpStream::from(own)));
        }
        count.into()
    }
}
