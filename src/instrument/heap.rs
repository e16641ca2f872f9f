//! The heap, counted as it moves: the program's instrument.
//!
//! Every allocation of the process goes through [`CountingAllocator`], a wrapper around
//! `stats_alloc`. stats_alloc gives totals (how many allocations were made, how many bytes), but its
//! difference of two sums is wrong under load, it counts refused allocations, and it knows no peak. So
//! the wrapper keeps the net figures itself:
//!
//! * [`live_bytes`]: bytes that are allocated now, process-wide; one atomic, exact at every instant;
//! * [`peak_bytes`]: the most that `live_bytes` ever was since the process started;
//! * [`ThreadHeap`]: what the *calling thread* took and gave back, so that one request's own peak is
//!   known while others run.
//!
//! What it cannot see: memory that does not come from the Rust allocator (thread stacks, the program's
//! own code, the kernel's socket buffers), and what the C library keeps back of memory that was
//! freed. Those are in the resident set, which stands beside it in the trace. Sizes are those asked for,
//! without the allocator's own headers and rounding.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::{self, Thread};

use stats_alloc::StatsAlloc;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator(StatsAlloc::system());

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);
/// stats_alloc counts before it asks the system, so what the system refused is taken off again.
static REFUSED_ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
/// Capacity of all [`Buffer`]s.
static BUFFER_BYTES: AtomicUsize = AtomicUsize::new(0);
/// Above this live heap, [`WATCHER`] is woken, once.
static WATCHED_BYTES: AtomicUsize = AtomicUsize::new(usize::MAX);
static WATCHER: OnceLock<Thread> = OnceLock::new();

thread_local! {
    /// No `Drop` and a constant start: safe to touch from inside an allocator, even at thread exit.
    static THREAD: ThreadCells = const { ThreadCells::new() };
}

struct ThreadCells {
    live_bytes: Cell<isize>,
    peak_bytes: Cell<isize>,
    allocations: Cell<u64>,
    allocated_bytes: Cell<u64>,
    /// While not `usize::MAX`: allocations that would take `LIVE_BYTES` above it fail.
    limit_bytes: Cell<usize>,
}

impl ThreadCells {
    const fn new() -> Self {
        Self {
            live_bytes: Cell::new(0),
            peak_bytes: Cell::new(0),
            allocations: Cell::new(0),
            allocated_bytes: Cell::new(0),
            limit_bytes: Cell::new(usize::MAX),
        }
    }

    fn grew(&self, bytes: usize) {
        let live = self.live_bytes.get().wrapping_add_unsigned(bytes);
        self.live_bytes.set(live);
        self.peak_bytes.set(self.peak_bytes.get().max(live));
        self.allocations.set(self.allocations.get() + 1);
        self.allocated_bytes.set(self.allocated_bytes.get() + bytes as u64);
    }

    fn shrank(&self, bytes: usize) {
        self.live_bytes.set(self.live_bytes.get().wrapping_sub_unsigned(bytes));
    }
}

/// What one thread did with the heap since it started. Bytes that it freed for another thread make
/// `live_bytes` smaller than what it really holds, hence the sign.
#[derive(Clone, Copy, Debug)]
pub struct ThreadHeap {
    live_bytes: isize,
    allocations: u64,
    allocated_bytes: u64,
}

/// What one thread did with the heap between two points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadUse {
    /// The most that the thread held above what it held at the first point, in bytes.
    pub peak_bytes: u64,
    /// Allocations and reallocations made.
    pub allocations: u64,
    /// Bytes of those allocations, and of the growth of those reallocations.
    pub allocated_bytes: u64,
}

impl ThreadHeap {
    /// Starts to measure the calling thread. The thread's peak starts anew, so spans do not nest.
    pub fn start() -> Self {
        THREAD.with(|cells| {
            cells.peak_bytes.set(cells.live_bytes.get());
            Self {
                live_bytes: cells.live_bytes.get(),
                allocations: cells.allocations.get(),
                allocated_bytes: cells.allocated_bytes.get(),
            }
        })
    }

    /// What the calling thread, which must be the one that called `start`, did since then.
    pub fn since(&self) -> ThreadUse {
        THREAD.with(|cells| ThreadUse {
            peak_bytes: (cells.peak_bytes.get() - self.live_bytes).max(0) as u64,
            allocations: cells.allocations.get() - self.allocations,
            allocated_bytes: cells.allocated_bytes.get() - self.allocated_bytes,
        })
    }
}

/// Bytes allocated and not yet freed, in the whole process, now.
pub fn live_bytes() -> u64 {
    LIVE_BYTES.load(Relaxed) as u64
}

/// The most that [`live_bytes`] was since the process started.
pub fn peak_bytes() -> u64 {
    PEAK_BYTES.load(Relaxed) as u64
}

/// Allocations and reallocations that succeeded since the process started (from stats_alloc).
pub fn allocations() -> u64 {
    let stats = ALLOCATOR.0.stats();
    let made = stats.allocations + stats.reallocations;
    made.saturating_sub(REFUSED_ALLOCATIONS.load(Relaxed)) as u64
}

/// Allocations, reallocations and ends of allocations so far: as long as it stays the same, no thread has
/// taken anything from the heap or given anything back.
pub fn moves() -> usize {
    let stats = ALLOCATOR.0.stats();
    stats.allocations.wrapping_add(stats.reallocations).wrapping_add(stats.deallocations)
}

/// Has the calling thread unparked as soon as the live heap is above `bytes`; always the same thread. To be asked anew
/// each time.
pub fn unpark_above(bytes: u64) {
    WATCHER.get_or_init(thread::current);
    WATCHED_BYTES.store(bytes.try_into().unwrap_or(usize::MAX), Relaxed);
}

fn wake_watcher() {
    WATCHED_BYTES.store(usize::MAX, Relaxed);
    // Allocates nothing.
    WATCHER.get().inspect(|watcher| watcher.unpark());
}

/// What the [`Buffer`]s that are alive take of the live heap, in bytes.
pub fn buffer_bytes() -> u64 {
    BUFFER_BYTES.load(Relaxed) as u64
}

/// A buffer for bytes of the file, counted apart from the rest of the heap as well.
pub struct Buffer(Vec<u8>);

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = self.0.capacity();
        // First the heap, then this: the difference must not look larger than it is.
        drop(mem::take(&mut self.0));
        BUFFER_BYTES.fetch_sub(bytes, Relaxed);
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

/// For filling it within its capacity: a buffer does not grow.
impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

/// A buffer of exactly `bytes` (one allocation), or `None` where the system has no memory for it or it
/// would take the live heap above `limit_bytes`. Exact under concurrency: of many at once, none
/// succeeds that would not fit.
pub fn try_buffer(bytes: u64, limit_bytes: Option<u64>) -> Option<Buffer> {
    let bytes = usize::try_from(bytes).ok()?;
    let limit = limit_bytes.map_or(usize::MAX, |limit| limit.try_into().unwrap_or(usize::MAX));
    let mut buffer = Vec::new();
    THREAD.with(|cells| cells.limit_bytes.set(limit));
    let reserved = buffer.try_reserve_exact(bytes);
    THREAD.with(|cells| cells.limit_bytes.set(usize::MAX));
    reserved.ok()?;
    BUFFER_BYTES.fetch_add(buffer.capacity(), Relaxed);
    Some(Buffer(buffer))
}

/// The process's allocator; see the module's documentation.
struct CountingAllocator(StatsAlloc<System>);

impl CountingAllocator {
    /// Runs one allocation and counts it once it is known to have succeeded.
    fn counted(&self, bytes: usize, allocate: impl FnOnce() -> *mut u8) -> *mut u8 {
        let limit = THREAD.try_with(|cells| cells.limit_bytes.get());
        if let Ok(limit) = limit
            && limit != usize::MAX
        {
            return self.limited(bytes, limit, allocate);
        }
        let pointer = allocate();
        if pointer.is_null() {
            REFUSED_ALLOCATIONS.fetch_add(1, Relaxed);
            return pointer;
        }
        // The peak takes this very sum: a second read of LIVE_BYTES could miss the true maximum.
        let now = LIVE_BYTES.fetch_add(bytes, Relaxed) + bytes;
        PEAK_BYTES.fetch_max(now, Relaxed);
        if now > WATCHED_BYTES.load(Relaxed) {
            wake_watcher();
        }
        let _ = THREAD.try_with(|cells| cells.grew(bytes));
        pointer
    }

    /// The same below a limit: the bytes are claimed first, so two threads cannot both take the last.
    fn limited(&self, bytes: usize, limit: usize, allocate: impl FnOnce() -> *mut u8) -> *mut u8 {
        let claim = |live: usize| live.checked_add(bytes).filter(|&sum| sum <= limit);
        let Ok(before) = LIVE_BYTES.fetch_update(Relaxed, Relaxed, claim) else {
            return ptr::null_mut();
        };
        let pointer = allocate();
        if pointer.is_null() {
            LIVE_BYTES.fetch_sub(bytes, Relaxed);
            REFUSED_ALLOCATIONS.fetch_add(1, Relaxed);
            return pointer;
        }
        PEAK_BYTES.fetch_max(before + bytes, Relaxed);
        let _ = THREAD.try_with(|cells| cells.grew(bytes));
        pointer
    }

    fn freed(bytes: usize) {
        LIVE_BYTES.fetch_sub(bytes, Relaxed);
        let _ = THREAD.try_with(|cells| cells.shrank(bytes));
    }
}

// SAFETY: every method hands the caller's own arguments to `stats_alloc`, which hands them to `System`,
// and returns what it returned (or null, before asking, when a limit is reached); counting touches only
// atomics and cells, and never allocates or unwinds.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.counted(layout.size(), || {
            // SAFETY: the caller's contract is `System`'s.
            unsafe { self.0.alloc(layout) }
        })
    }

    // Forwarded: the default would touch every page.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.counted(layout.size(), || {
            // SAFETY: the caller's contract is `System`'s.
            unsafe { self.0.alloc_zeroed(layout) }
        })
    }

    // Subtracted before the memory goes back, so that no peak appears that never was.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Self::freed(layout.size());
        // SAFETY: the caller's contract is `System`'s.
        unsafe { self.0.dealloc(pointer, layout) }
    }

    // Forwarded: the default would copy.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let reallocate = || {
            // SAFETY: the caller's contract is `System`'s.
            unsafe { self.0.realloc(pointer, layout, new_size) }
        };
        match new_size.checked_sub(layout.size()) {
            Some(growth) => self.counted(growth, reallocate),
            None => {
                let moved = reallocate();
                if !moved.is_null() {
                    Self::freed(layout.size() - new_size);
                }
                moved
            }
        }
    }
}

#[cfg(test)]
#[path = "heap_tests.rs"]
mod tests;
