use super::*;
use crate::instrument::buffer::Buffer;
use std::thread;

#[test]
fn a_thread_knows_its_own_peak_while_others_allocate() {
    let noise = thread::spawn(|| (0..1000).for_each(|_| drop(vec![0u8; 100_000])));
    let start = ThreadHeap::start();
    drop(vec![1u8; 50_000]);
    drop(vec![1u8; 20_000]);
    let used = start.since();
    noise.join().unwrap();
    assert_eq!(used.peak_bytes, 50_000);
    assert_eq!(used.allocated_bytes, 70_000);
    assert_eq!(used.allocations, 2);
}

#[test]
fn a_growing_and_shrinking_buffer_is_counted_once() {
    let start = ThreadHeap::start();
    let mut buffer = Vec::<u8>::with_capacity(1_000);
    buffer.reserve_exact(4_000);
    buffer.shrink_to(10);
    assert_eq!(start.since().peak_bytes, 4_000);
    assert_eq!(buffer.capacity(), 10);
    drop(buffer);
    let after = ThreadHeap::start();
    assert_eq!(after.live_bytes, start.live_bytes);
}

#[test]
fn a_refused_allocation_moves_nothing() {
    let start = ThreadHeap::start();
    let (peak, live) = (peak_bytes(), live_bytes());
    assert!(Buffer::try_new(1 << 46, None).is_none());
    assert!(Buffer::try_new(1 << 30, Some(1 << 20)).is_none());
    assert_eq!(start.since(), ThreadUse::default());
    // Other tests run beside this one, so only what the refused ones would have added is excluded.
    assert!(peak_bytes() < peak + (1 << 30) && live_bytes() < live + (1 << 30));
}

#[test]
fn of_many_at_once_only_those_that_fit_get_a_buffer() {
    const BUFFER_BYTES: u64 = 64 << 20;
    let limit = live_bytes() + 5 * BUFFER_BYTES + BUFFER_BYTES / 2;
    let takers: Vec<_> =
        (0..100).map(|_| thread::spawn(move || Buffer::try_new(BUFFER_BYTES, Some(limit)))).collect();
    let kept: Vec<_> = takers.into_iter().map(|t| t.join().unwrap()).collect();
    assert_eq!(kept.iter().flatten().count(), 5);
}
