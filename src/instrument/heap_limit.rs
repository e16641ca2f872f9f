//! The limit of the heap: the size that it may have with one more buffer.

use std::fmt::{self, Display};

use crate::platform;

use super::heap;
use super::units::size;

/// The part of the available memory that the default limit leaves for what is not on the heap, such as the stacks of
/// threads and the buffers of sockets: one of so many.
const RESERVED_PART: u64 = 8;
/// The least that it leaves, in bytes.
const RESERVED_LEAST_BYTES: u64 = 16 << 20;

/// A limit, as the command line or the system gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapLimit {
    /// The size in bytes. `None` if there is no limit.
    pub bytes: Option<u64>,
    pub is_default: bool,
}

impl HeapLimit {
    /// The default: what the system could give now, less a reserve. There is no limit where the system does not say
    /// what it could give.
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
                write!(f, "{size} (from the memory that was free at the start; --heap-limit changes it)")
            }
            Some(size) => write!(f, "{size} (--heap-limit)"),
            None => f.write_str("none"),
        }
    }
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
