//! Memory that comes directly from the system, and not from the heap.

use std::ptr::{self, NonNull};

#[cfg(unix)]
unsafe extern "C" {
    fn mmap(at: *mut u8, bytes: usize, access: i32, flags: i32, file: i32, offset: std::ffi::c_long) -> *mut u8;
    fn munmap(start: *mut u8, bytes: usize) -> i32;
}

#[cfg(windows)]
#[link(name = "kernel32")]
unsafe extern "system" {
    fn VirtualAlloc(at: *mut u8, bytes: usize, kind: u32, access: u32) -> *mut u8;
    fn VirtualFree(start: *mut u8, bytes: usize, kind: u32) -> i32;
}

/// Zeroed memory, of which the system provides a page only when it is first written. Dropping it gives it back.
pub struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

impl Mapping {
    /// Maps at least `bytes`. `None` if the system does not allow it.
    pub fn new(bytes: usize) -> Option<Self> {
        #[cfg(unix)]
        let start = {
            const READ_WRITE: i32 = 1 | 2;
            const PRIVATE: i32 = 2;
            // No swap space is reserved.
            const NORESERVE_ANONYMOUS: i32 = if super::IS_LINUX { 0x4000 | 0x20 } else { 0x40 | 0x1000 };
            // SAFETY: the call makes a new mapping, which nobody else uses.
            unsafe { mmap(ptr::null_mut(), bytes, READ_WRITE, PRIVATE | NORESERVE_ANONYMOUS, -1, 0) }
        };
        #[cfg(windows)]
        let start = {
            const COMMIT_RESERVE: u32 = 0x1000 | 0x2000;
            const READ_WRITE: u32 = 4;
            // SAFETY: the call makes a new mapping, which nobody else uses.
            unsafe { VirtualAlloc(ptr::null_mut(), bytes, COMMIT_RESERVE, READ_WRITE) }
        };
        // An error is -1 on Unix, and null on Windows.
        let start = NonNull::new(start).filter(|start| start.addr().get() != usize::MAX)?;
        Some(Self { start, bytes })
    }

    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nobody uses it any more.
        #[cfg(unix)]
        unsafe {
            munmap(self.start.as_ptr(), self.bytes)
        };
        // SAFETY: as above.
        #[cfg(windows)]
        unsafe {
            const RELEASE: u32 = 0x8000;
            VirtualFree(self.start.as_ptr(), 0, RELEASE)
        };
    }
}
