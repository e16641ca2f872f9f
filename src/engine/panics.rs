//! Weaknesses 7 and 8: threads of tiny_http that panic, of a client that hung up (8) or because descriptors or
//! threads have run out (7). None of that is printed.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

/// Names every thread that this program starts itself; those of tiny_http have none.
pub const THREAD_NAME: &str = "heapserve";

thread_local! {
    /// A panic of this thread is dealt with by its caller.
    static IS_CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Replaces std's message, but for a panic of the main thread that nobody contains. One of our own threads is told by the
/// trace line of its request.
pub fn install_hook() {
    let default = panic::take_hook();
    panic::set_hook(Box::new(move |info| match thread::current().name() {
        None | Some(THREAD_NAME) => {}
        Some(_) if IS_CONTAINED.get() => {}
        Some(_) => default(info),
    }));
}

/// Runs something whose panic is its own matter alone, such as the answering of one request.
pub fn contain<T>(act: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    let before = IS_CONTAINED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(act));
    IS_CONTAINED.set(before);
    result
}
