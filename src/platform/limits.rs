//! The limit of open descriptors.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The soft limit. It is `u64::MAX` if there is no limit, or before it is read.
static DESCRIPTOR_LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);

/// The maximum number of open descriptors of the process. `u64::MAX` on Windows, which has no such limit.
pub fn descriptor_limit() -> u64 {
    DESCRIPTOR_LIMIT.load(Relaxed)
}

/// Raises the soft limit of open descriptors to the hard limit, as Go and Node do (setrlimit(2)).
pub fn raise_descriptor_limit() {
    #[cfg(unix)]
    {
        #[repr(C)]
        struct Limit {
            soft: u64,
            hard: u64,
        }
        // Without `64`, the functions of glibc and Android use two 32-bit words on 32-bit systems. Others never do.
        unsafe extern "C" {
            #[cfg_attr(any(target_env = "gnu", target_os = "android"), link_name = "getrlimit64")]
            fn getrlimit(resource: i32, limit: *mut Limit) -> i32;
            #[cfg_attr(any(target_env = "gnu", target_os = "android"), link_name = "setrlimit64")]
            fn setrlimit(resource: i32, limit: *const Limit) -> i32;
        }
        const RLIMIT_NOFILE: i32 = if super::IS_LINUX { 7 } else { 8 };
        /// macOS refuses a higher limit (OPEN_MAX), even if the hard limit is infinite.
        const MACOS_MOST: u64 = 10_240;
        let mut limit = Limit { soft: 0, hard: 0 };
        // SAFETY: all three calls get a valid pointer to a `struct rlimit`, which has two 64-bit words.
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
