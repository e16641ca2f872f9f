//! Buffers for bytes of the file, which are counted also apart from the rest of the heap, and the limit of the heap.

use std::fmt::{self, Display};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::platform;

use super::units::size;
use super::{heap, lock};

/// The part of the memory that the default limit leaves for stacks of threads and buffers of sockets: one of so many.
const RESERVED_PART: u64 = 8;
/// The least that it leaves, in bytes.
const RESERVED_LEAST_BYTES: u64 = 16 << 20;

/// The capacity of all buffers that are alive.
static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);

/// A limit, as the command line or the system gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapLimit {
    /// The size in bytes. `None` if there is no limit.
    pub bytes: Option<u64>,
    pub is_default: bool,
}

impl HeapLimit {
    /// The default: what the system could give now, less a reserve. No limit if the system does not say that.
    pub fn from_available_memory() -> Self {
        let bytes = platform::available_memory().map(|available| default(heap::live_bytes(), available));
        Self { bytes, is_default: true }
    }
}

fn default(live_bytes: u64, available_bytes: u64) -> u64 {
    let reserve = (available_bytes / RESERVED_PART).max(RESERVED_LEAST_BYTES);
    live_bytes + available_bytes.saturating_sub(reserve)
}

impl Display for HeapLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bytes.map(size) {
            Some(size) if self.is_default => {
                write!(f, "{size} (what the system could give at the start, less a reserve; --heap-limit changes it)")
            }
            Some(size) => write!(f, "{size} (--heap-limit)"),
            None => f.write_str("none"),
        }
    }
}

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
    let _turn = lock(&TURN);
    let is_above_limit = limit_bytes.is_some_and(|limit| heap::live_bytes().saturating_add(bytes) > limit);
    let no_memory = NoMemory { wanted_bytes: bytes, is_above_limit };
    let bytes = usize::try_from(bytes).ok().filter(|_| !is_above_limit).ok_or(no_memory)?;
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(bytes).map_err(|_| no_memory)?;
    LIVE_BYTES.fetch_add(buffer.capacity(), Relaxed);
    Ok(buffer)
}

/// Frees a buffer, then lowers the count: the heap without its buffers must not look too large meanwhile.
pub fn free(buffer: Vec<u8>) {
    let bytes = buffer.capacity();
    drop(buffer);
    LIVE_BYTES.fetch_sub(bytes, Relaxed);
}

/// The part of the live heap that buffers take now, in bytes.
pub fn live_bytes() -> u64 {
    LIVE_BYTES.load(Relaxed) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_leaves_an_eighth_and_at_least_16_mib() {
        const MIB: u64 = 1 << 20;
        let table = [(8_000 * MIB, 7_000 * MIB), (200 * MIB, 175 * MIB), (100 * MIB, 84 * MIB), (9 * MIB, 0)];
        for (available_bytes, above_live_bytes) in table {
            assert_eq!(default(7, available_bytes), 7 + above_live_bytes);
        }
    }
}
