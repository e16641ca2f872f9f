//! What the terminal of stderr can show.

/// Whether the terminal interprets the sequences for colours (ECMA-48, SGR). `TERM` says so (term(7)), also on Windows
/// if the terminal is not a console. A console must be told to, and before Windows 10 it cannot.
pub fn stderr_shows_colors() -> bool {
    #[cfg(windows)]
    if make_console_show_colors() {
        return true;
    }
    std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

#[cfg(windows)]
fn make_console_show_colors() -> bool {
    use std::os::windows::io::AsRawHandle;
    const ENABLE_VIRTUAL_TERMINAL_PROCESSING: u32 = 4;
    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetConsoleMode(console: *mut core::ffi::c_void, mode: *mut u32) -> i32;
        fn SetConsoleMode(console: *mut core::ffi::c_void, mode: u32) -> i32;
    }
    let console = std::io::stderr().as_raw_handle();
    let mut mode = 0;
    // SAFETY: the handle stays open, and the pointer is valid. The calls fail if the handle is no console.
    unsafe {
        GetConsoleMode(console, &mut mode) != 0
            && SetConsoleMode(console, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING) != 0
    }
}
