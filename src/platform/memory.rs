//! The memory that the system holds for the process, as the system's own tool shows it.

/// The memory that the system holds for this process. `None` if it is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResidentSet {
    pub now_bytes: Option<u64>,
    /// The maximum since the process started, in bytes.
    pub peak_bytes: Option<u64>,
}

pub use system::{RESIDENT_SET_MEANING, resident_set};

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) mod system {
    use super::ResidentSet;
    use std::fs::File;
    use std::os::unix::fs::FileExt;
    use std::sync::{Mutex, PoisonError};

    /// Where the figure stands in the system's own tool.
    pub const RESIDENT_SET_MEANING: &str = "resident set, RES in top";

    /// VmRSS and VmHWM of /proc/self/status (proc_pid_status(5)). Allocates nothing.
    pub fn resident_set() -> ResidentSet {
        let [now_kib, peak_kib] = status_lines(["VmRSS:", "VmHWM:"]);
        let bytes = |kib: Option<u64>| kib.map(|kib| kib * 1024);
        ResidentSet { now_bytes: bytes(now_kib), peak_bytes: bytes(peak_kib) }
    }

    /// The numbers in the lines of /proc/self/status that start with these names.
    pub fn status_lines<const N: usize>(names: [&str; N]) -> [Option<u64>; N] {
        /// The file stays open, which saves the look-up and works when descriptors have run out. The text is static,
        /// because on the stack each thread would keep a page for it.
        static STATUS: Mutex<(Option<File>, [u8; 4096])> = Mutex::new((None, [0; 4096]));
        let mut status = STATUS.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, text) = &mut *status;
        if file.is_none() {
            *file = File::open("/proc/self/status").ok();
        }
        let Some(length) = file.as_ref().and_then(|file| file.read_at(text, 0).ok()) else {
            return [None; N];
        };
        let text = str::from_utf8(&text[..length]).unwrap_or_default();
        names.map(|name| {
            let rest = &text[text.find(name)? + name.len()..];
            rest.split_ascii_whitespace().next()?.parse().ok()
        })
    }
}

#[cfg(target_os = "macos")]
mod system {
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

    /// The physical footprint and its lifetime maximum, from proc_pid_rusage (libproc.h). Allocates nothing.
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
mod system {
    use super::ResidentSet;

    /// Where the figure stands in the system's own tool.
    pub const RESIDENT_SET_MEANING: &str = "private working set, Memory in Task Manager \
        (before Windows 10 22H2: the whole working set); its peak: the whole working set's";

    /// PROCESS_MEMORY_COUNTERS_EX2 (psapi.h). Without its last two fields, it is the EX version of older systems.
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

    /// The private working set if the system knows it, otherwise the working set. Allocates nothing.
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
mod system {
    /// Where the figure stands in the system's own tool.
    pub const RESIDENT_SET_MEANING: &str = "resident set, unknown on this system";

    /// Unknown on this system.
    pub fn resident_set() -> super::ResidentSet {
        super::ResidentSet::default()
    }
}
