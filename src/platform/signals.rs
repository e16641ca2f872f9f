//! Stop signals.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

static STOP_SIGNALS: AtomicU32 = AtomicU32::new(0);

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
/// The terminal was closed.
#[cfg(unix)]
const SIGHUP: i32 = 1;
#[cfg(unix)]
const SIG_IGN: usize = 1;
/// Windows: Ctrl-Break, and the only one that a console program can be sent from outside.
#[cfg(windows)]
const SIGBREAK: i32 = 21;

unsafe extern "C" {
    /// signal(2) on Unix, `signal` of the C runtime on Windows. `handler` is a function's address or one of
    /// the special values; the handler of before is returned.
    fn signal(number: i32, handler: usize) -> usize;
}

extern "C" fn count_stop_signal(_number: i32) {
    STOP_SIGNALS.fetch_add(1, Relaxed);
    // Windows forgets a handler when it calls it.
    #[cfg(windows)]
    catch_stop_signals();
}

/// From now on Ctrl-C, SIGTERM and SIGHUP are counted instead of ending the process. A SIGHUP that was
/// ignored when the program started, as under `nohup`, stays ignored.
pub fn catch_stop_signals() {
    let handler = count_stop_signal as extern "C" fn(i32) as usize;
    // SAFETY: the handler only adds to an atomic and, on Windows, where handlers run on a thread of
    // their own, calls `signal` again; both are allowed in a signal handler.
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

/// Stop signals that came so far.
pub fn stop_signals() -> u32 {
    STOP_SIGNALS.load(Relaxed)
}
