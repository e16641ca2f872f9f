//! The allocator that counts the heap.
//!
//! Every allocation of the process goes through [`CountingAllocator`], a wrapper around stats_alloc, which gives
//! totals: how many allocations were made, and of how many bytes. It has no peak, counts refused allocations, and the
//! difference of two totals is wrong while other threads allocate. So the wrapper counts for itself.
//!
//! Sizes are those that the program requested, without the allocator's headers and rounding. Memory that does not come
//! from the Rust allocator (thread stacks, the program's code, the kernel's socket buffers) is not included, nor is
//! memory that the C library keeps after it was freed. The resident set includes all these but the kernel's buffers.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use stats_alloc::StatsAlloc;

use crate::platform::Mapping;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator(StatsAlloc::system());

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);
static SPAN_PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);
/// stats_alloc counts an allocation before the system grants it, so refused ones are subtracted.
static REFUSED_ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// They have no `Drop` and constant initial values, so an allocator may use them, even while the thread exits.
thread_local! {
    /// What the thread has allocated, less what it has freed. Signed: it may free what another thread allocated.
    static THREAD_LIVE_BYTES: Cell<isize> = const { Cell::new(0) };
    static USED: Cell<ThreadUse> = const { Cell::new(ThreadUse { peak_bytes: 0, allocations: 0, allocated_bytes: 0 }) };
    /// The block for the next zeroed allocation of this size ([`with_lent`]), or null. The size is 0 while it is lent.
    static LENDING: Cell<(usize, *mut u8)> = const { Cell::new((0, ptr::null_mut())) };
}

/// What one thread has done with the heap since it began to measure, or else since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadUse {
    /// The maximum that the thread held, above what it held at first, in bytes.
    pub peak_bytes: u64,
    /// Number of allocations and reallocations.
    pub allocations: u64,
    /// Bytes that these allocated. A reallocation counts with its growth.
    pub allocated_bytes: u64,
}

impl ThreadUse {
    /// Begins to measure the calling thread. This ends an earlier measurement.
    pub fn begin() {
        THREAD_LIVE_BYTES.set(0);
        USED.set(Self::default());
    }

    /// What the calling thread has done.
    pub fn so_far() -> Self {
        USED.get()
    }
}

/// The bytes that the process has allocated and not yet freed.
pub fn live_bytes() -> u64 {
    LIVE_BYTES.load(Relaxed) as u64
}

/// The maximum of [`live_bytes`] since the process started.
pub fn peak_bytes() -> u64 {
    PEAK_BYTES.load(Relaxed) as u64
}

/// Starts the span of [`span_peak_bytes`].
///
/// An allocation first adds to the live heap, then compares the sum with the peak. This does the opposite: it first
/// resets the peak, then reads the live heap. Both are sequentially consistent, so an allocation that runs at the same
/// time is seen by one of the two. The peak that it sees may be of the moment before the span.
pub fn start_span() {
    SPAN_PEAK_BYTES.store(0, SeqCst);
    SPAN_PEAK_BYTES.fetch_max(LIVE_BYTES.load(SeqCst), SeqCst);
}

/// The maximum of [`live_bytes`] since the last call of [`start_span`], also between two samples.
pub fn span_peak_bytes() -> u64 {
    SPAN_PEAK_BYTES.load(Relaxed) as u64
}

/// The number of allocations and reallocations that succeeded since the process started, from stats_alloc.
pub fn allocations() -> u64 {
    let stats = ALLOCATOR.0.stats();
    let made = stats.allocations + stats.reallocations;
    made.saturating_sub(REFUSED_ALLOCATIONS.load(Relaxed)) as u64
}

/// The same number, without the calling thread's allocations. That thread must not begin to measure.
pub fn allocations_of_others() -> u64 {
    allocations() - ThreadUse::so_far().allocations
}

/// Runs `act`, whose first zeroed allocation of exactly `bytes` gets `block` instead of heap memory, and is in no
/// figure. `act` must free it, on this thread. For a large buffer that another library allocates and never uses.
pub fn with_lent<T>(block: &Mapping, bytes: usize, act: impl FnOnce() -> T) -> T {
    struct Lending;
    impl Drop for Lending {
        fn drop(&mut self) {
            let (lendable_bytes, block) = LENDING.replace((0, ptr::null_mut()));
            if lendable_bytes == 0 && !block.is_null() {
                // The block is to be unmapped now, and only on this thread would it be known as lent.
                std::process::abort();
            }
        }
    }
    assert!(bytes <= block.bytes());
    let _lending = Lending;
    if bytes > 0 {
        LENDING.set((bytes, block.start().as_ptr()));
    }
    act()
}

struct CountingAllocator(StatsAlloc<System>);

impl CountingAllocator {
    /// Runs one allocation, and counts it if it succeeds.
    fn counted(&self, bytes: usize, allocate: impl FnOnce() -> *mut u8) -> *mut u8 {
        let pointer = allocate();
        if pointer.is_null() {
            REFUSED_ALLOCATIONS.fetch_add(1, Relaxed);
            return pointer;
        }
        // The peaks use this sum, because a second load of LIVE_BYTES could miss the maximum.
        let now = LIVE_BYTES.fetch_add(bytes, SeqCst) + bytes;
        for peak in [&PEAK_BYTES, &SPAN_PEAK_BYTES] {
            // A load costs less than an atomic maximum, and a new peak is rare.
            if now > peak.load(SeqCst) {
                peak.fetch_max(now, SeqCst);
            }
        }
        let _ = THREAD_LIVE_BYTES.try_with(|live_bytes| {
            live_bytes.set(live_bytes.get().wrapping_add_unsigned(bytes));
            USED.try_with(|used| {
                let before = used.get();
                used.set(ThreadUse {
                    peak_bytes: before.peak_bytes.max(live_bytes.get().max(0) as u64),
                    allocations: before.allocations + 1,
                    allocated_bytes: before.allocated_bytes + bytes as u64,
                });
            })
        });
        pointer
    }

    /// The block that was set aside for an allocation of this layout, if there is one.
    fn lend(layout: Layout) -> Option<*mut u8> {
        let (bytes, block) = LENDING.try_with(Cell::get).ok()?;
        let is_for_it = bytes > 0 && bytes == layout.size() && layout.align() == 1;
        is_for_it.then(|| LENDING.set((0, block)))?;
        Some(block)
    }

    fn is_lent(pointer: *mut u8) -> bool {
        LENDING.try_with(|lending| lending.get().1 == pointer).unwrap_or(false)
    }

    fn freed(bytes: usize) {
        LIVE_BYTES.fetch_sub(bytes, Relaxed);
        let _ = THREAD_LIVE_BYTES.try_with(|cell| cell.update(|live_bytes| live_bytes.wrapping_sub_unsigned(bytes)));
    }
}

// SAFETY: every method passes the caller's arguments unchanged to stats_alloc, which passes them to `System`, and
// returns the result, or returns a lent block: that is zeroed, large enough, and mapped until it has been freed, and it
// never reaches `System`. Counting uses only atomics and cells: it does not allocate and does not unwind.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller upholds the contract, which is the same for stats_alloc and `System`.
        self.counted(layout.size(), || unsafe { self.0.alloc(layout) })
    }

    // Not the default implementation, which would write to every page.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if let Some(lent) = Self::lend(layout) {
            return lent;
        }
        // SAFETY: as in `alloc`.
        self.counted(layout.size(), || unsafe { self.0.alloc_zeroed(layout) })
    }

    // The count falls before the memory is freed: otherwise another thread could reuse the memory, and be counted,
    // before this one is subtracted. The peak would then be too high.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if Self::is_lent(pointer) {
            return LENDING.set((0, ptr::null_mut()));
        }
        Self::freed(layout.size());
        // SAFETY: as in `alloc`.
        unsafe { self.0.dealloc(pointer, layout) }
    }

    // Not the default implementation, which would always copy.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if Self::is_lent(pointer) {
            return ptr::null_mut();
        }
        let growth = new_size.saturating_sub(layout.size());
        // SAFETY: as in `alloc`.
        let moved = self.counted(growth, || unsafe { self.0.realloc(pointer, layout, new_size) });
        if !moved.is_null() && new_size < layout.size() {
            Self::freed(layout.size() - new_size);
        }
        moved
    }
}

#[cfg(test)]
#[path = "heap_tests.rs"]
mod tests;
