//! How the file is opened.

use std::fs::OpenOptions;

/// The options to open the media file for reading.
///
/// On Unix, opening a pipe does not wait for a writer. The file may have been replaced by one. On Windows, std
/// already lets other programs replace and delete an open file.
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
