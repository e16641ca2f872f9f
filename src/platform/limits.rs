//! Limits of open descriptors, and the numbers that they can have.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Unlimited, or unknown, until it is read.
static DESCRIPTOR_LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);

/// How many descriptors the process may have open. Windows has no such limit.
pub fn descriptor_limit() -> u64 {
    DESCRIPTOR_LIMIT.load(Relaxed)
}

/// Raises the soft limit of open descriptors to the hard one, as Go and Node do (setrlimit(2)).
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
        // SAFETY: all three calls get a valid pointer to a `struct rlimit` of two 64-bit words.
        unsafe {
            if getrlimit(RLIMIT_NOFILE, &mut limit) == 0 && limit.soft < limit.hard {
                limit.soft = if cfg!(target_os = "macos") { limit.hard.min(MACOS_MOST) } else { limit.hard };
                setrlimit(RLIMIT_NOFILE, &limit);
            }
            if getrlimit(RLIMIT_NOFILE, &mut limit) == 0 {
                DESCRIPTOR_LIMIT.store(limit.soft, Relaxed);
            }
        }
    }
}

/// The number after the highest descriptor that can be open. Linux: the size of the descriptor table.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn descriptors_end() -> u64 {
    let [size] = super::memory::system::status_lines(["FDSize:"]);
    size.unwrap_or_else(descriptor_limit).min(1 << 20)
}

/// The number after the highest descriptor that can be open.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
pub fn descriptors_end() -> u64 {
    descriptor_limit().min(1 << 16)
}

/// The number after the highest handle that can be open: handles are multiples of four, and a freed one is used
/// again before a new one.
#[cfg(windows)]
pub fn handles_end() -> u64 {
    use std::sync::atomic::AtomicU32;
    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetCurrentProcess() -> isize;
        fn GetProcessHandleCount(process: isize, count: *mut u32) -> i32;
    }
    /// The most that were open at one time.
    static MOST: AtomicU32 = AtomicU32::new(0);
    /// Handles that may have been open above that, between two looks.
    const MARGIN: u32 = 1024;
    let mut count = 0;
    // SAFETY: the call writes one number to a valid pointer.
    unsafe { GetProcessHandleCount(GetCurrentProcess(), &mut count) };
    let most = MOST.fetch_max(count, Relaxed).max(count);
    u64::from(most + MARGIN) * 4
}
