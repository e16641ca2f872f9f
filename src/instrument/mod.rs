//! The instrument: it counts the heap, keeps the counts of the program, and reports each request.
//!
//! * [`heap`]: the allocator that counts.
//! * [`buffer`]: buffers for bytes of the file. They are counted separately as well, and have a limit.
//! * [`ledger`]: opens an entry for each request, and closes it with a [`record`], for the trace and the feed.
//! * [`run`]: what a load costs, from many requests together.
//! * [`trace`]: writes each record and each run to stderr.
//! * [`feed`]: keeps the last starts and records, and samples of a minute, and passes them on to the live pages.
//! * [`units`] and [`fixed_text`]: write figures without using the heap.

pub mod buffer;
pub mod feed;
pub mod fixed_text;
pub mod heap;
pub mod ledger;
pub mod record;
mod ring;
pub mod run;
mod sorted;
pub mod trace;
pub mod units;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks what the instrument keeps. It stays usable after a thread has panicked while it held the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
