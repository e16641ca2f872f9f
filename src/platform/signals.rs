//! The signals that stop the server.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

static STOP_SIGNALS: AtomicU32 = AtomicU32::new(0);
/// Whether a signal was noticed. A signal handler may not take the lock.
static IS_STOPPING: Mutex<bool> = Mutex::new(false);
static NOTICED: Condvar = Condvar::new();

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
/// SIGHUP, sent when the terminal is closed. On Windows SIGBREAK, which another program can send to a console program.
const SIGHUP_OR_SIGBREAK: i32 = if cfg!(windows) { 21 } else { 1 };
const SIG_IGN: usize = 1;

unsafe extern "C" {
    /// signal(2), also of the C runtime of Windows. A handler is the address of a function or a special value.
    fn signal(number: i32, handler: usize) -> usize;
}

extern "C" fn count_stop_signal(_number: i32) {
    STOP_SIGNALS.fetch_add(1, Relaxed);
    // Windows resets the handler before it calls it.
    #[cfg(windows)]
    catch_stop_signals();
}

/// Counts these signals from now on, and lets none end the process. An ignored SIGHUP (`nohup`) stays ignored.
pub fn catch_stop_signals() {
    let handler = count_stop_signal as extern "C" fn(i32) as usize;
    // SAFETY: the handler only adds to an atomic and, on Windows, calls `signal` again. A handler may do both.
    unsafe {
        signal(SIGINT, handler);
        signal(SIGTERM, handler);
        if signal(SIGHUP_OR_SIGBREAK, handler) == SIG_IGN {
            signal(SIGHUP_OR_SIGBREAK, SIG_IGN);
        }
    }
}

/// The number of stop signals so far. Wakes [`wait_for_stop`] after the first: the main thread calls this often.
pub fn notice_stop_signals() -> u32 {
    let signals = STOP_SIGNALS.load(Relaxed);
    if signals > 0 {
        *IS_STOPPING.lock().unwrap_or_else(PoisonError::into_inner) = true;
        NOTICED.notify_all();
    }
    signals
}

/// Waits for this duration, or until the main thread has noticed a stop signal. Returns whether it has. Thousands of
/// answers wait here, so none of them wakes up only to look for a signal.
pub fn wait_for_stop(timeout: Duration) -> bool {
    let is_stopping = IS_STOPPING.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = NOTICED.wait_timeout_while(is_stopping, timeout, |is_stopping| !*is_stopping);
    *waited.unwrap_or_else(PoisonError::into_inner).0
}
