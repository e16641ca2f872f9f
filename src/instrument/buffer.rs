//! Buffers for bytes of the file, which are counted apart from the rest of the heap as well.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::{heap, lock};

/// The capacity of all buffers that are alive.
static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);

/// A buffer could not be allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory {
    pub wanted_bytes: u64,
    /// Whether it would take the heap above its limit. Otherwise the system has no memory for it.
    pub is_above_limit: bool,
}

/// Creates an empty buffer with a capacity of exactly `bytes`, by one allocation. Fails if the system has no memory for
/// it, or if it would take the live heap above `limit_bytes`, also if several threads allocate at the same time. Until
/// it is given to [`free`], its capacity counts in [`live_bytes`], so it must not grow.
pub fn allocate(bytes: u64, limit_bytes: Option<u64>) -> Result<Vec<u8>, NoMemory> {
    // One thread at a time: two could otherwise both take the last bytes. So bytes need not be counted before the
    // system has granted them. The lock is short, because the system gives pages only when they are written to.
    static TURN: Mutex<()> = Mutex::new(());
    let turn = lock(&TURN);
    let is_above_limit = limit_bytes.is_some_and(|limit| heap::live_bytes().saturating_add(bytes) > limit);
    let no_memory = NoMemory { wanted_bytes: bytes, is_above_limit };
    let bytes = usize::try_from(bytes).ok().filter(|_| !is_above_limit).ok_or(no_memory)?;
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(bytes).map_err(|_| no_memory)?;
    drop(turn);
    LIVE_BYTES.fetch_add(buffer.capacity(), Relaxed);
    Ok(buffer)
}

/// Frees a buffer. The memory is freed before the count falls: otherwise the heap without its buffers would look too
/// large for a moment.
pub fn free(buffer: Vec<u8>) {
    let bytes = buffer.capacity();
    drop(buffer);
    LIVE_BYTES.fetch_sub(bytes, Relaxed);
}

/// The part of the live heap that buffers take now, in bytes.
pub fn live_bytes() -> u64 {
    LIVE_BYTES.load(Relaxed) as u64
}
