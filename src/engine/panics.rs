//! Weaknesses 7 and 8: threads of the engine that panic. Quietly, and noticed where it matters.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

/// Names every thread that this program starts itself; those of the engine have none.
pub const THREAD_NAME: &str = "heapserve";

static ACCEPT_PANICS: AtomicU32 = AtomicU32::new(0);

/// Replaces std's message. A panic of an engine's thread is a client that hung up (8), or the end of an
/// accept loop (7), which is counted; one of our own threads is told by the trace line of its request.
pub fn install_hook() {
    let default = panic::take_hook();
    panic::set_hook(Box::new(move |info| match thread::current().name() {
        None => {
            if ends_an_accept_loop(info) {
                ACCEPT_PANICS.fetch_add(1, Relaxed);
            }
        }
        Some(THREAD_NAME) => {}
        Some(_) => default(info),
    }));
}

/// Only the accept loop clones sockets and starts threads, and both panic when the system refuses.
fn ends_an_accept_loop(info: &PanicHookInfo<'_>) -> bool {
    let in_clone = info.location().is_some_and(|at| at.file().ends_with("refined_tcp_stream.rs"));
    let in_spawn = info.payload_as_str().is_some_and(|why| why.contains("failed to spawn thread"));
    in_clone || in_spawn
}

/// How many accept loops panicked since the last call.
pub fn take_accept_panics() -> u32 {
    ACCEPT_PANICS.swap(0, Relaxed)
}

/// Runs the answering of one request; a panic in it is that request's alone.
pub fn contain<T>(answering: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    panic::catch_unwind(AssertUnwindSafe(answering))
}
