//! How much memory the system could give to the process now, on top of what the process has.

pub use system::available_memory;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use std::fs;

    /// The least of three: what the whole system has (MemAvailable in /proc/meminfo, proc_meminfo(5)), what the control
    /// groups of the process leave (cgroups(7)), and what its limit of address space leaves (`ulimit -v`).
    pub fn available_memory() -> Option<u64> {
        let read = |path: &str| fs::read_to_string(path).ok();
        let of_system = read("/proc/meminfo").and_then(|text| Some(number(&text, "MemAvailable:")? * 1024));
        let of_groups = read("/proc/self/cgroup").and_then(|groups| left_in_groups(&groups, read));
        [of_system, of_groups, left_of_address_space()].into_iter().flatten().min()
    }

    /// The soft limit in /proc/self/limits, less VmSize.
    fn left_of_address_space() -> Option<u64> {
        let limits = fs::read_to_string("/proc/self/limits").ok()?;
        let limit = number(&limits, "Max address space")?;
        let [size_kib] = crate::platform::memory::system::status_lines(["VmSize:"]);
        Some(limit.saturating_sub(size_kib? * 1024))
    }

    /// The names of the files of one version of control groups, and of the lines of `memory.stat` that say how much of
    /// the usage is page cache, which the kernel takes back when it needs memory.
    struct Version {
        root: &'static str,
        limit: &'static str,
        usage: &'static str,
        page_cache: [&'static str; 2],
    }

    /// Documentation/admin-guide/cgroup-v2.rst.
    const V2: Version = Version {
        root: "/sys/fs/cgroup",
        limit: "memory.max",
        usage: "memory.current",
        page_cache: ["inactive_file ", "active_file "],
    };
    /// Documentation/admin-guide/cgroup-v1/memory.rst.
    const V1: Version = Version {
        root: "/sys/fs/cgroup/memory",
        limit: "memory.limit_in_bytes",
        usage: "memory.usage_in_bytes",
        page_cache: ["total_inactive_file ", "total_active_file "],
    };

    /// The least that a group of the process leaves. `groups` is the text of /proc/self/cgroup. A limit holds for all
    /// groups below, so those above are looked at as well. In a container, the path may be that of the host: the root
    /// then is the group of the container.
    pub(super) fn left_in_groups(groups: &str, read: impl Fn(&str) -> Option<String>) -> Option<u64> {
        let left = |line: &str| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?);
            let version = match controllers {
                "" => V2,
                _ if controllers.split(',').any(|name| name == "memory") => V1,
                _ => return None,
            };
            let ends = path.rmatch_indices('/').map(|(end, _)| end);
            let above = [path.len()].into_iter().chain(ends).map(|end| path[..end].trim_end_matches('/'));
            above.filter_map(|path| left_in(&version, path, &read)).min()
        };
        groups.lines().filter_map(left).min()
    }

    fn left_in(version: &Version, path: &str, read: impl Fn(&str) -> Option<String>) -> Option<u64> {
        let file = |name: &str| read(&format!("{}{path}/{name}", version.root));
        let limit: u64 = file(version.limit)?.trim().parse().ok()?;
        let usage: u64 = file(version.usage)?.trim().parse().ok()?;
        let stat = file("memory.stat").unwrap_or_default();
        let page_cache: u64 = version.page_cache.iter().filter_map(|name| number(&stat, name)).sum();
        Some(limit.saturating_sub(usage.saturating_sub(page_cache)))
    }

    /// The number after `name`, in the line that starts with it.
    fn number(text: &str, name: &str) -> Option<u64> {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_ascii_whitespace().next()?.parse().ok()
    }
}

#[cfg(target_os = "macos")]
mod system {
    /// `vm_statistics64` (mach/vm_statistics.h) as 32-bit words.
    type VmStatistics64 = [u32; 38];
    const HOST_VM_INFO64: i32 = 4;
    const FREE_COUNT: usize = 0;
    const INACTIVE_COUNT: usize = 2;

    unsafe extern "C" {
        fn mach_host_self() -> u32;
        fn host_page_size(host: u32, bytes: *mut usize) -> i32;
        fn host_statistics64(host: u32, flavor: i32, info: *mut VmStatistics64, words: *mut u32) -> i32;
    }

    /// The free and the inactive pages, from host_statistics64 (mach/mach_host.h). The latter can be taken back.
    pub fn available_memory() -> Option<u64> {
        let mut info: VmStatistics64 = [0; 38];
        let mut words = info.len() as u32;
        let mut page_bytes = 0;
        // SAFETY: the pointers are valid, and `words` says how many 32-bit words the system may write to `info`.
        let failed = unsafe {
            let host = mach_host_self();
            host_page_size(host, &mut page_bytes) != 0
                || host_statistics64(host, HOST_VM_INFO64, &mut info, &mut words) != 0
        };
        let pages = u64::from(info[FREE_COUNT]) + u64::from(info[INACTIVE_COUNT]);
        (!failed).then_some(pages * page_bytes as u64)
    }
}

#[cfg(windows)]
mod system {
    /// MEMORYSTATUSEX (sysinfoapi.h) as 64-bit words. The first has its size and a percentage.
    type MemoryStatus = [u64; 8];
    const AVAILABLE_PHYSICAL: usize = 2;
    const AVAILABLE_COMMIT: usize = 4;
    const AVAILABLE_VIRTUAL: usize = 6;

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GlobalMemoryStatusEx(into: *mut MemoryStatus) -> i32;
    }

    /// The least of what GlobalMemoryStatusEx says: of physical memory, of what the process may still commit, and of its
    /// address space.
    pub fn available_memory() -> Option<u64> {
        let mut status: MemoryStatus = [0; 8];
        status[0] = size_of::<MemoryStatus>() as u64;
        // SAFETY: the call writes one MEMORYSTATUSEX to a valid pointer. Its size is set, as the call wants.
        let done = unsafe { GlobalMemoryStatusEx(&mut status) } != 0;
        let least = [AVAILABLE_PHYSICAL, AVAILABLE_COMMIT, AVAILABLE_VIRTUAL].map(|word| status[word]);
        least.into_iter().min().filter(|_| done)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos", windows)))]
mod system {
    /// Unknown on this system.
    pub fn available_memory() -> Option<u64> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::system::left_in_groups;
    use super::*;

    const MIB: u64 = 1 << 20;

    fn left(groups: &str, files: &[(&str, &str)]) -> Option<u64> {
        left_in_groups(groups, |path| {
            let file = files.iter().find(|(name, _)| *name == path)?;
            Some(file.1.to_owned())
        })
    }

    #[test]
    fn page_cache_does_not_count_as_used() {
        let files = [
            ("/sys/fs/cgroup/a/memory.max", "209715200\n"),
            ("/sys/fs/cgroup/a/memory.current", "104857600\n"),
            ("/sys/fs/cgroup/a/memory.stat", "anon 9\ninactive_file 41943040\nactive_file 10485760\n"),
        ];
        assert_eq!(left("0::/a\n", &files), Some(150 * MIB));
        assert_eq!(left("0::/a\n", &files[..2]), Some(100 * MIB), "without memory.stat");
    }

    #[test]
    fn the_group_that_leaves_least_decides() {
        let files = [
            ("/sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("/sys/fs/cgroup/a/b/memory.current", "1\n"),
            ("/sys/fs/cgroup/a/memory.max", "1000\n"),
            ("/sys/fs/cgroup/a/memory.current", "400\n"),
            ("/sys/fs/cgroup/memory/c/memory.limit_in_bytes", "9223372036854771712\n"),
            ("/sys/fs/cgroup/memory/c/memory.usage_in_bytes", "5\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "900\n"),
            ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "1000\n"),
        ];
        let table = [
            ("0::/a/b", Some(600)),
            ("0::/", None),
            ("0::/a", Some(600)),
            ("2:cpu:/\n1:cpu,memory:/c", Some(0)),
            ("1:memory:/not/there", Some(0)),
            ("1:memory:/not/there\n0::/a", Some(0)),
            ("1:cpu:/c", None),
            ("no line", None),
        ];
        for (groups, wanted) in table {
            assert_eq!(left(groups, &files), wanted, "{groups:?}");
        }
    }

    #[test]
    fn this_machine_says_what_it_has() {
        let available = available_memory().unwrap();
        assert!((1 << 20..1 << 50).contains(&available), "{available}");
    }
}
