//! What differs between Linux, macOS and Windows, and every call that std has no safe form of.
//!
//! Six small things with one interface: what the process holds in memory as the system's own tool shows
//! it, stop signals, the descriptor limit, the listen backlog, sockets that the HTTP engine keeps to
//! itself, and how the media file is opened. Elsewhere each says "unknown" or does nothing.
#![allow(unsafe_code)]

use std::fs::OpenOptions;
use std::mem::ManuallyDrop;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

#[cfg(unix)]
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd as OwnedSocketHandle};
#[cfg(windows)]
use std::os::windows::io::{AsRawSocket, FromRawSocket, OwnedSocket as OwnedSocketHandle};

/// What the system holds in memory for this process. `None`: unknown here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResidentSet {
    /// Bytes now.
    pub now_bytes: Option<u64>,
    /// The most since the process started, in bytes.
    pub peak_bytes: Option<u64>,
}

pub use memory::{RESIDENT_SET_MEANING, resident_set};

#[cfg(any(target_os = "linux", target_os = "android"))]
mod memory {
    use super::ResidentSet;
    use std::fs::File;
    use std::os::unix::fs::FileExt;
    use std::sync::{Mutex, OnceLock, PoisonError};

    /// Where the figure stands in the system's own tool.
    pub const RESIDENT_SET_MEANING: &str = "resident set, RES in top";

    /// VmRSS and VmHWM of /proc/self/status (proc_pid_status(5)). Allocates nothing.
    pub fn resident_set() -> ResidentSet {
        // Kept open: saves the look-up on every request, and works when descriptors have run out.
        static STATUS: OnceLock<Option<File>> = OnceLock::new();
        let status = STATUS.get_or_init(|| File::open("/proc/self/status").ok());
        // Not on the stack, where each thread would keep a page for it.
        static TEXT: Mutex<[u8; 4096]> = Mutex::new([0; 4096]);
        let mut text = TEXT.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(length) = status.as_ref().and_then(|f| f.read_at(&mut *text, 0).ok()) else {
            return ResidentSet::default();
        };
        let text = str::from_utf8(&text[..length]).unwrap_or_default();
        ResidentSet { now_bytes: kib_line(text, "VmRSS:"), peak_bytes: kib_line(text, "VmHWM:") }
    }

    fn kib_line(text: &str, name: &str) -> Option<u64> {
        let rest = &text[text.find(name)? + name.len()..];
        let kib: u64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
        Some(kib * 1024)
    }
}

#[cfg(target_os = "macos")]
mod memory {
    use super::ResidentSet;

    /// Where the figure stands in the system's own tool.
    pub const RESIDENT_SET_MEANING: &str = "physical footprint, Memory in Activity Monitor";

    /// `rusage_info_v4` (sys/resource.h) as 64-bit words: 296 bytes, of which two are read.
    type RusageInfoV4 = [u64; 37];
    const RUSAGE_INFO_V4: i32 = 4;
    const PHYS_FOOTPRINT: usize = 72 / 8;
    const LIFETIME_MAX_PHYS_FOOTPRINT: usize = 240 / 8;

    unsafe extern "C" {
        fn proc_pid_rusage(pid: i32, flavor: i32, buffer: *mut RusageInfoV4) -> i32;
    }

    /// phys_footprint and its lifetime maximum, from proc_pid_rusage (libproc.h). Allocates nothing.
    pub fn resident_set() -> ResidentSet {
        let mut info: RusageInfoV4 = [0; 37];
        let pid = std::process::id() as i32;
        // SAFETY: flavor 4 writes one rusage_info_v4, 296 bytes, which is the size of `info`.
        let failed = unsafe { proc_pid_rusage(pid, RUSAGE_INFO_V4, &mut info) } != 0;
        let figure = |word: usize| (!failed).then_some(info[word]);
        ResidentSet { now_bytes: figure(PHYS_FOOTPRINT), peak_bytes: figure(LIFETIME_MAX_PHYS_FOOTPRINT) }
    }
}

#[cfg(windows)]
mod memory {
    use super::ResidentSet;

    /// Where the figure stands in the system's own tool.
    pub const RESIDENT_SET_MEANING: &str = "private working set, Memory in Task Manager \
        (before Windows 10 22H2: the whole working set); its peak: the whole working set's";

    /// PROCESS_MEMORY_COUNTERS_EX2 (psapi.h); without its last two fields, it is the EX of older systems.
    #[repr(C)]
    #[derive(Default)]
    struct MemoryCounters {
        size_bytes: u32,
        page_faults: u32,
        peak_working_set: usize,
        working_set: usize,
        pool_quotas: [usize; 4],
        pagefile: usize,
        peak_pagefile: usize,
        private_usage: usize,
        private_working_set: usize,
        shared_commit: u64,
    }
    const EX2_BYTES: u32 = size_of::<MemoryCounters>() as u32;
    const EX_BYTES: u32 = std::mem::offset_of!(MemoryCounters, private_working_set) as u32;

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetCurrentProcess() -> isize;
        fn K32GetProcessMemoryInfo(process: isize, into: *mut MemoryCounters, bytes: u32) -> i32;
    }

    fn counters(bytes: u32) -> Option<MemoryCounters> {
        let mut counters = MemoryCounters { size_bytes: bytes, ..Default::default() };
        // SAFETY: the call writes at most `bytes`, which is at most the size of `counters`.
        let done = unsafe { K32GetProcessMemoryInfo(GetCurrentProcess(), &mut counters, bytes) };
        (done != 0).then_some(counters)
    }

    /// Private working set where the system knows it, else the working set. Allocates nothing.
    pub fn resident_set() -> ResidentSet {
        let newer = counters(EX2_BYTES).filter(|c| c.private_working_set > 0);
        let (now, all) = match newer {
            Some(c) => (Some(c.private_working_set), Some(c)),
            None => {
                let older = counters(EX_BYTES);
                (older.as_ref().map(|c| c.working_set), older)
            }
        };
        ResidentSet {
            now_bytes: now.map(|bytes| bytes as u64),
            peak_bytes: all.map(|c| c.peak_working_set as u64),
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos", windows)))]
mod memory {
    /// Where the figure stands in the system's own tool.
    pub const RESIDENT_SET_MEANING: &str = "resident set, unknown on this system";

    /// Unknown on this system.
    pub fn resident_set() -> super::ResidentSet {
        super::ResidentSet::default()
    }
}

static STOP_SIGNALS: AtomicU32 = AtomicU32::new(0);

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
/// Windows: Ctrl-Break, and the only one that a console program can be sent from outside.
#[cfg(windows)]
const SIGBREAK: i32 = 21;

unsafe extern "C" {
    /// signal(2) on Unix, `signal` of the C runtime on Windows.
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
}

extern "C" fn count_stop_signal(_number: i32) {
    STOP_SIGNALS.fetch_add(1, Relaxed);
    // Windows forgets a handler when it calls it.
    #[cfg(windows)]
    catch_stop_signals();
}

/// From now on Ctrl-C and a polite kill are counted instead of ending the process.
pub fn catch_stop_signals() {
    // SAFETY: the handler only adds to an atomic and, on Windows, where handlers run on a thread of
    // their own, calls `signal` again; both are allowed in a signal handler.
    unsafe {
        signal(SIGINT, count_stop_signal);
        signal(SIGTERM, count_stop_signal);
        #[cfg(windows)]
        signal(SIGBREAK, count_stop_signal);
    }
}

/// Stop signals that came so far.
pub fn stop_signals() -> u32 {
    STOP_SIGNALS.load(Relaxed)
}

/// Raises the soft limit of open descriptors to the hard one, as Go and Node do (setrlimit(2)).
/// Windows has no such limit.
pub fn raise_descriptor_limit() {
    #[cfg(unix)]
    {
        #[repr(C)]
        struct Limit {
            soft: u64,
            hard: u64,
        }
        unsafe extern "C" {
            fn getrlimit(resource: i32, limit: *mut Limit) -> i32;
            fn setrlimit(resource: i32, limit: *const Limit) -> i32;
        }
        const RLIMIT_NOFILE: i32 = if cfg!(any(target_os = "linux", target_os = "android")) { 7 } else { 8 };
        /// macOS refuses more (OPEN_MAX), even where the hard limit is said to be infinite.
        const MACOS_MOST: u64 = 10_240;
        let mut limit = Limit { soft: 0, hard: 0 };
        // SAFETY: both calls get a valid pointer to a `struct rlimit` of two 64-bit words.
        unsafe {
            if getrlimit(RLIMIT_NOFILE, &mut limit) == 0 && limit.soft < limit.hard {
                limit.soft = if cfg!(target_os = "macos") { limit.hard.min(MACOS_MOST) } else { limit.hard };
                setrlimit(RLIMIT_NOFILE, &limit);
            }
        }
    }
}

#[cfg(unix)]
type SocketHandle = i32;
#[cfg(windows)]
type SocketHandle = u64;

/// Windows' handles are multiples of four.
const HANDLE_STEP: SocketHandle = if cfg!(windows) { 4 } else { 1 };
/// Handles looked at before a socket counts as gone; systems hand out the lowest that is free.
const HANDLES_LOOKED_AT: SocketHandle = 1 << 16;

#[cfg_attr(windows, link(name = "ws2_32"))]
unsafe extern "system" {
    fn listen(socket: SocketHandle, backlog: i32) -> i32;
}

fn handle_of(#[cfg(unix)] socket: &impl AsRawFd, #[cfg(windows)] socket: &impl AsRawSocket) -> SocketHandle {
    #[cfg(unix)]
    return socket.as_raw_fd();
    #[cfg(windows)]
    return socket.as_raw_socket();
}

/// Lets `connections` wait to be accepted; std's `bind` lets 128 (listen(2)).
pub fn widen_backlog(listener: &TcpListener, connections: i32) {
    // SAFETY: the handle is open as long as `listener` is borrowed.
    unsafe { listen(handle_of(listener), connections) };
}

/// A second handle on a listening socket, in a type that has the setters of socket options which
/// `TcpListener` lacks. What is accepted inherits them.
pub fn listener_options(listener: &TcpListener) -> std::io::Result<TcpStream> {
    Ok(TcpStream::from(OwnedSocketHandle::from(listener.try_clone()?)))
}

fn borrow_socket(handle: SocketHandle) -> ManuallyDrop<TcpStream> {
    // SAFETY: never dropped, so never closed from here; a handle that is no socket, or is closed meanwhile,
    // makes the calls on it fail.
    #[cfg(unix)]
    return ManuallyDrop::new(unsafe { TcpStream::from_raw_fd(handle) });
    // SAFETY: as above.
    #[cfg(windows)]
    return ManuallyDrop::new(unsafe { TcpStream::from_raw_socket(handle) });
}

/// Calls `act` with the first of this process's sockets (it may have several handles) that is connected
/// to `peer`. For a connection that the caller keeps open, whose socket only the HTTP engine knows.
/// `None`: there is no such socket.
pub fn with_socket_to<T>(peer: SocketAddr, act: impl FnOnce(&TcpStream) -> T) -> Option<T> {
    let mut handles = (1..HANDLES_LOOKED_AT).map(|nth| nth * HANDLE_STEP);
    let found = handles.find(|&h| borrow_socket(h).peer_addr().is_ok_and(|to| to == peer))?;
    Some(act(&borrow_socket(found)))
}

/// Leaks `owner`, which holds a connection to `peer` and cannot be dropped, but closes the connection's
/// sockets, so that only memory is lost. Nobody else may still use that connection.
pub fn leak_but_close<T>(owner: T, peer: SocketAddr) {
    std::mem::forget(owner);
    while let Some(handle) = with_socket_to(peer, handle_of) {
        drop(ManuallyDrop::into_inner(borrow_socket(handle)));
    }
}

/// How the media file is opened for reading. Unix: without waiting for a writer, should it have become a
/// pipe. Windows: std already lets others replace and delete it meanwhile.
pub fn media_open_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        const O_NONBLOCK: i32 =
            if cfg!(any(target_os = "linux", target_os = "android")) { 0o4000 } else { 4 };
        options.custom_flags(O_NONBLOCK);
    }
    options
}
