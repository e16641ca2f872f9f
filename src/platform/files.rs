//! How files are opened.

use std::fs::OpenOptions;

/// How the media file is opened for reading. Unix: without waiting for a writer, in case it has become a
/// pipe. Windows: std already allows others to replace and delete the file meanwhile.
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
