//! The memory that the system holds for the process, as the system's own tool shows it, and what more it could give.

/// The memory that the system holds for this process. `None` if it is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResidentSet {
    pub now_bytes: Option<u64>,
    /// The maximum since the process started, in bytes.
    pub peak_bytes: Option<u64>,
}

/// `RESIDENT_SET_MEANING` says where the figure stands in the system's own tool.
pub use system::{RESIDENT_SET_MEANING, available_memory, resident_set};

// On other systems without these files of /proc, all is unknown.
#[cfg(not(any(target_os = "macos", windows)))]
mod system {
    use super::ResidentSet;
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt;
    use std::path::Path;
    use std::sync::{Mutex, PoisonError};

    pub const RESIDENT_SET_MEANING: &str = "resident set, RES in top";

    /// VmRSS and VmHWM of /proc/self/status (proc_pid_status(5)). Allocates nothing.
    pub fn resident_set() -> ResidentSet {
        /// Stays open, for when descriptors have run out. The text is static: every stack would keep a page for it.
        static STATUS: Mutex<(Option<File>, [u8; 4096])> = Mutex::new((None, [0; 4096]));
        let mut status = STATUS.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, text) = &mut *status;
        if file.is_none() {
            *file = File::open("/proc/self/status").ok();
        }
        let length = file.as_ref().and_then(|file| file.read_at(text, 0).ok()).unwrap_or(0);
        let bytes = |name| number(&text[..length], name).map(|kib| kib * 1024);
        ResidentSet { now_bytes: bytes("VmRSS:"), peak_bytes: bytes("VmHWM:") }
    }

    /// The least of three: what the whole system has (MemAvailable in /proc/meminfo, proc_meminfo(5)), what the control
    /// groups of the process leave (cgroups(7)), and what its limit of address space leaves (`ulimit -v`).
    pub fn available_memory() -> Option<u64> {
        let read = |path: &Path| fs::read_to_string(path).ok();
        let figure = |path: &str, name| number(&fs::read(path).ok()?, name);
        let of_system = figure("/proc/meminfo", "MemAvailable:").map(|kib| kib * 1024);
        let of_groups = read(Path::new("/proc/self/cgroup")).and_then(|groups| left_in_groups(&groups, read));
        let limit = figure("/proc/self/limits", "Max address space");
        let of_addresses =
            limit.zip(figure("/proc/self/status", "VmSize:")).map(|(limit, kib)| limit.saturating_sub(kib * 1024));
        [of_system, of_groups, of_addresses].into_iter().flatten().min()
    }

    /// The least that a group of the process leaves. `groups` is the text of /proc/self/cgroup. A limit holds for all
    /// groups below, so those above are looked at as well. In a container, the path may be that of the host: the root
    /// then is the group of the container.
    pub(super) fn left_in_groups(groups: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
        let left = |line: &str| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            // The folder, the files of the limit and the usage, and how the names in `memory.stat` begin, in version 2
            // and 1 (Documentation/admin-guide, cgroup-v2.rst and cgroup-v1/memory.rst).
            let (root, files) = match controllers {
                "" => ("/sys/fs/cgroup", ["memory.max", "memory.current", ""]),
                _ if controllers.split(',').any(|name| name == "memory") => {
                    ("/sys/fs/cgroup/memory", ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_"])
                }
                _ => return None,
            };
            let groups = Path::new(path.trim_start_matches('/')).ancestors();
            groups.filter_map(|group| left_in(&Path::new(root).join(group), files, &read)).min()
        };
        groups.lines().filter_map(left).min()
    }

    /// What one group leaves. Page cache does not count as used: the kernel takes it back when it needs memory.
    fn left_in(group: &Path, [limit, usage, prefix]: [&str; 3], read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
        let file = |name: &str| read(&group.join(name));
        let limit: u64 = file(limit)?.trim().parse().ok()?;
        let usage: u64 = file(usage)?.trim().parse().ok()?;
        let stat = file("memory.stat").unwrap_or_default();
        let figure = |name| number(stat.as_bytes(), &format!("{prefix}{name}")).unwrap_or(0);
        let page_cache = figure("inactive_file ") + figure("active_file ");
        Some(limit.saturating_sub(usage.saturating_sub(page_cache)))
    }

    /// The number after `name`, in the line that starts with it. The line with the program's name may have any bytes.
    pub(super) fn number(text: &[u8], name: &str) -> Option<u64> {
        let mut lines = text.split(|&byte| byte == b'\n');
        let rest = lines.find_map(|line| line.strip_prefix(name.as_bytes()))?;
        str::from_utf8(rest).ok()?.split_ascii_whitespace().next()?.parse().ok()
    }
}

#[cfg(target_os = "macos")]
mod system {
    use super::ResidentSet;

    pub const RESIDENT_SET_MEANING: &str = "physical footprint, Memory in Activity Monitor";

    /// `rusage_info_v4` (sys/resource.h) as 64-bit words: 296 bytes, of which two are read.
    type RusageInfoV4 = [u64; 37];
    /// `vm_statistics64` (mach/vm_statistics.h) as 32-bit words.
    type VmStatistics64 = [u32; 38];

    unsafe extern "C" {
        fn proc_pid_rusage(pid: i32, flavor: i32, buffer: *mut RusageInfoV4) -> i32;
        fn mach_host_self() -> u32;
        fn host_page_size(host: u32, bytes: *mut usize) -> i32;
        fn host_statistics64(host: u32, flavor: i32, info: *mut VmStatistics64, words: *mut u32) -> i32;
    }

    /// The physical footprint and its lifetime maximum, from proc_pid_rusage (libproc.h). Allocates nothing.
    pub fn resident_set() -> ResidentSet {
        const RUSAGE_INFO_V4: i32 = 4;
        const PHYS_FOOTPRINT: usize = 72 / 8;
        const LIFETIME_MAX_PHYS_FOOTPRINT: usize = 240 / 8;
        let mut info: RusageInfoV4 = [0; 37];
        let pid = std::process::id() as i32;
        // SAFETY: flavor 4 writes one rusage_info_v4, 296 bytes, which is the size of `info`.
        let failed = unsafe { proc_pid_rusage(pid, RUSAGE_INFO_V4, &mut info) } != 0;
        let figure = |word: usize| (!failed).then_some(info[word]);
        ResidentSet { now_bytes: figure(PHYS_FOOTPRINT), peak_bytes: figure(LIFETIME_MAX_PHYS_FOOTPRINT) }
    }

    /// The free and the inactive pages, from host_statistics64 (mach/mach_host.h). The latter can be taken back.
    pub fn available_memory() -> Option<u64> {
        const HOST_VM_INFO64: i32 = 4;
        let mut info: VmStatistics64 = [0; 38];
        let mut words = info.len() as u32;
        let mut page_bytes = 0;
        // SAFETY: the pointers are valid, and `words` says how many 32-bit words the system may write to `info`.
        let failed = unsafe {
            let host = mach_host_self();
            host_page_size(host, &mut page_bytes) != 0
                || host_statistics64(host, HOST_VM_INFO64, &mut info, &mut words) != 0
        };
        let [free_pages, _, inactive_pages, ..] = info.map(u64::from);
        (!failed).then_some((free_pages + inactive_pages) * page_bytes as u64)
    }
}

#[cfg(windows)]
mod system {
    use super::ResidentSet;

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

    /// MEMORYSTATUSEX (sysinfoapi.h) as 64-bit words. The first has its size and a percentage.
    type MemoryStatus = [u64; 8];

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetCurrentProcess() -> isize;
        fn K32GetProcessMemoryInfo(process: isize, into: *mut MemoryCounters, bytes: u32) -> i32;
        fn GlobalMemoryStatusEx(into: *mut MemoryStatus) -> i32;
    }

    /// The private working set if the system knows it, otherwise the working set. Allocates nothing.
    pub fn resident_set() -> ResidentSet {
        let mut counters = MemoryCounters::default();
        let is_known = [EX2_BYTES, EX_BYTES].into_iter().any(|bytes| {
            counters.size_bytes = bytes;
            // SAFETY: the call writes at most `bytes`, which is at most the size of `counters`.
            unsafe { K32GetProcessMemoryInfo(GetCurrentProcess(), &mut counters, bytes) != 0 }
        });
        let MemoryCounters { private_working_set, working_set, peak_working_set, .. } = counters;
        let now = if private_working_set > 0 { private_working_set } else { working_set };
        let figure = |bytes: usize| is_known.then_some(bytes as u64);
        ResidentSet { now_bytes: figure(now), peak_bytes: figure(peak_working_set) }
    }

    /// The least of what is left of physical memory, of what the process may commit, and of its address space.
    pub fn available_memory() -> Option<u64> {
        let mut status: MemoryStatus = [0; 8];
        status[0] = size_of::<MemoryStatus>() as u64;
        // SAFETY: the call writes one MEMORYSTATUSEX to a valid pointer. Its size is set, as the call wants.
        let done = unsafe { GlobalMemoryStatusEx(&mut status) } != 0;
        let [_, _, physical, _, commit, _, addresses, _] = status;
        done.then_some(physical.min(commit).min(addresses))
    }
}

#[cfg(all(test, target_os = "linux"))]
#[path = "memory_tests.rs"]
mod tests;
