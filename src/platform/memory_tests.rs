//! What the system says, by the files that it would have.

use std::path::Path;

use super::available_memory;
use super::system::{left_in_groups, number};

const MIB: u64 = 1 << 20;

fn left(groups: &str, files: &[(&str, &str)]) -> Option<u64> {
    left_in_groups(groups, |path| {
        let file = files.iter().find(|(name, _)| Path::new(name) == path)?;
        Some(file.1.to_owned())
    })
}

#[test]
fn a_program_with_a_long_name_in_another_language_knows_its_memory() {
    let status = b"Name:\t\xD8\xAE\xD8\nVmSize:\t  9 kB\nVmRSS:\t    1234 kB\n";
    assert_eq!((number(status, "VmRSS:"), number(status, "VmHWM:")), (Some(1_234), None));
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
