//! The signals that stop the server.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

static STOP_SIGNALS: AtomicU32 = AtomicU32::new(0);

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
/// Sent when the terminal is closed.
#[cfg(unix)]
const SIGHUP: i32 = 1;
#[cfg(unix)]
const SIG_IGN: usize = 1;
/// Sent by Ctrl-Break. On Windows, it is the only signal that another program can send to a console program.
#[cfg(windows)]
const SIGBREAK: i32 = 21;

unsafe extern "C" {
    /// signal(2) on Unix, and `signal` of the C runtime on Windows. `handler` is the address of a function or a
    /// special value. Returns the previous handler.
    fn signal(number: i32, handler: usize) -> usize;
}

extern "C" fn count_stop_signal(_number: i32) {
    STOP_SIGNALS.fetch_add(1, Relaxed);
    // Windows resets the handler before it calls it.
    #[cfg(windows)]
    catch_stop_signals();
}

/// Counts Ctrl-C, SIGTERM and SIGHUP from now on, instead of letting them end the process. A SIGHUP that was ignored
/// when the program started, as under `nohup`, stays ignored.
pub fn catch_stop_signals() {
    let handler = count_stop_signal as extern "C" fn(i32) as usize;
    // SAFETY: the handler only adds to an atomic and, on Windows, calls `signal` again. Windows runs it on a thread
    // of its own. Both are allowed in a signal handler.
    unsafe {
        signal(SIGINT, handler);
        signal(SIGTERM, handler);
        #[cfg(unix)]
        if signal(SIGHUP, handler) == SIG_IGN {
            signal(SIGHUP, SIG_IGN);
        }
        #[cfg(windows)]
        signal(SIGBREAK, handler);
    }
}

/// The number of stop signals so far.
pub fn stop_signals() -> u32 {
    STOP_SIGNALS.load(Relaxed)
}
