//! Memory that comes directly from the system, and not from the heap.

use std::ptr::NonNull;

/// Zeroed memory, of which the system provides a page only when it is first written. Dropping it gives it back.
pub struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

impl Mapping {
    /// Maps at least `bytes`. `None` if the system does not allow it.
    pub fn new(bytes: usize) -> Option<Self> {
        Some(Self { start: NonNull::new(system::map(bytes)?)?, bytes })
    }

    /// The first byte.
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// The size in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        system::unmap(self.start.as_ptr(), self.bytes);
    }
}

#[cfg(unix)]
mod system {
    use std::ffi::c_long;
    use std::ptr;

    unsafe extern "C" {
        fn mmap(at: *mut u8, bytes: usize, access: i32, flags: i32, file: i32, offset: c_long) -> *mut u8;
        fn munmap(start: *mut u8, bytes: usize) -> i32;
    }

    /// mmap(2) of private, anonymous memory that can be read and written. No swap space is reserved for it.
    pub fn map(bytes: usize) -> Option<*mut u8> {
        const READ_WRITE: i32 = 1 | 2;
        const PRIVATE: i32 = 2;
        const NORESERVE_ANONYMOUS: i32 =
            if cfg!(any(target_os = "linux", target_os = "android")) { 0x4000 | 0x20 } else { 0x40 | 0x1000 };
        // SAFETY: the call makes a new mapping, which nobody else uses.
        let start = unsafe { mmap(ptr::null_mut(), bytes, READ_WRITE, PRIVATE | NORESERVE_ANONYMOUS, -1, 0) };
        (start.addr() != usize::MAX).then_some(start)
    }

    pub fn unmap(start: *mut u8, bytes: usize) {
        // SAFETY: the caller owns the mapping, and nobody uses it any more.
        unsafe { munmap(start, bytes) };
    }
}

#[cfg(windows)]
mod system {
    use std::ptr;

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn VirtualAlloc(at: *mut u8, bytes: usize, kind: u32, access: u32) -> *mut u8;
        fn VirtualFree(start: *mut u8, bytes: usize, kind: u32) -> i32;
    }

    /// VirtualAlloc of memory that can be read and written.
    pub fn map(bytes: usize) -> Option<*mut u8> {
        const COMMIT_RESERVE: u32 = 0x1000 | 0x2000;
        const READ_WRITE: u32 = 4;
        // SAFETY: the call makes a new mapping, which nobody else uses.
        Some(unsafe { VirtualAlloc(ptr::null_mut(), bytes, COMMIT_RESERVE, READ_WRITE) })
    }

    pub fn unmap(start: *mut u8, _bytes: usize) {
        const RELEASE: u32 = 0x8000;
        // SAFETY: the caller owns the mapping, and nobody uses it any more.
        unsafe { VirtualFree(start, 0, RELEASE) };
    }
}
