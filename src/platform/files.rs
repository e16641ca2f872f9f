//! The file that is served: how it is opened, and what tells its versions apart.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How long to wait for another program that holds the file. Samba and NFS servers give way within this time.
const BUSY_PATIENCE: Duration = Duration::from_secs(1);
const BUSY_INTERVAL: Duration = Duration::from_millis(20);

/// Opens the file for reading. If another program holds it ([`is_busy`]), this waits for at most a second.
///
/// On Unix, the call itself must not wait: neither for the writer of a pipe that has replaced the file, nor for as long
/// as another program may keep a lease on it. On Windows, std already lets others replace and delete an open file.
pub fn open_media(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        const O_NONBLOCK: i32 = if super::IS_LINUX { 0o4000 } else { 4 };
        options.custom_flags(O_NONBLOCK);
    }
    let deadline = Instant::now() + BUSY_PATIENCE;
    loop {
        match options.open(path) {
            Err(error) if is_busy(&error) && Instant::now() < deadline => thread::sleep(BUSY_INTERVAL),
            done => return done,
        }
    }
}

/// Whether another program holds the file: by a write lease (F_SETLEASE of fcntl(2)), or ERROR_SHARING_VIOLATION.
pub fn is_busy(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock || cfg!(windows) && error.raw_os_error() == Some(32)
}

/// Whether no file descriptor is free: EMFILE or ENFILE on Linux and macOS, ERROR_TOO_MANY_OPEN_FILES on Windows.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    let codes: &[i32] = if cfg!(windows) { &[4] } else { &[24, 23] };
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

/// When the file system noted the last change of the file, and its number. No program can set them. `None` before 1970.
#[cfg(unix)]
pub fn last_change(_file: &File, metadata: &Metadata) -> Option<(SystemTime, u64)> {
    use std::os::unix::fs::MetadataExt;
    let since_1970 = Duration::new(metadata.ctime().try_into().ok()?, metadata.ctime_nsec().try_into().ok()?);
    Some((SystemTime::UNIX_EPOCH.checked_add(since_1970)?, metadata.ino()))
}

/// The same. The number is 0, because the time is enough: NTFS changes it when a file is renamed. FAT has no such time.
#[cfg(windows)]
pub fn last_change(file: &File, _metadata: &Metadata) -> Option<(SystemTime, u64)> {
    use std::os::windows::io::AsRawHandle;
    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetFileInformationByHandleEx(file: *mut core::ffi::c_void, class: i32, info: *mut i64, bytes: u32) -> i32;
    }
    const FILE_BASIC_INFO: i32 = 0;
    const FROM_1601_TO_1970: Duration = Duration::from_secs(11_644_473_600);
    // The times of creation, access, writing and change, in units of 100 ns since 1601, and the attributes.
    let mut info = [0; 5];
    let bytes = size_of_val(&info) as u32;
    // SAFETY: the handle is open, and the call writes at most `bytes` bytes to `info`.
    unsafe { GetFileInformationByHandleEx(file.as_raw_handle(), FILE_BASIC_INFO, info.as_mut_ptr(), bytes) };
    let ticks = u64::try_from(info[3]).ok().filter(|&ticks| ticks > 0)?;
    let since_1601 = Duration::from_secs(ticks / 10_000_000) + Duration::from_nanos(ticks % 10_000_000 * 100);
    Some(((SystemTime::UNIX_EPOCH - FROM_1601_TO_1970).checked_add(since_1601)?, 0))
}
