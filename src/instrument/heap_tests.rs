use super::*;
use crate::instrument::buffer;
use std::hint::black_box;
use std::process::Command;
use std::sync::Barrier;
use std::{env, thread};

/// Runs `test`, which is the body of the test called `name`, in a process of its own: other tests would move the
/// figures of the whole process.
fn in_own_process(name: &str, test: impl FnOnce()) {
    const IS_OWN_PROCESS: &str = "HEAPSERVE_TEST_IN_OWN_PROCESS";
    if env::var_os(IS_OWN_PROCESS).is_some() {
        return test();
    }
    let (_crate, module) = module_path!().split_once("::").unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([&format!("{module}::{name}"), "--exact", "--test-threads=1"]).env(IS_OWN_PROCESS, "1");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn a_thread_knows_its_own_peak_while_others_allocate() {
    let noise = thread::spawn(|| (0..1000).for_each(|_| drop(black_box(vec![0u8; 100_000]))));
    ThreadUse::begin();
    drop(black_box(vec![1u8; 50_000]));
    drop(black_box(vec![1u8; 20_000]));
    let used = ThreadUse::so_far();
    noise.join().unwrap();
    assert_eq!(used.peak_bytes, 50_000);
    assert_eq!(used.allocated_bytes, 70_000);
    assert_eq!(used.allocations, 2);
}

#[test]
fn a_growing_and_shrinking_buffer_is_counted_once() {
    ThreadUse::begin();
    let mut buffer = black_box(Vec::<u8>::with_capacity(1_000));
    black_box(&mut buffer).reserve_exact(4_000);
    black_box(&mut buffer).shrink_to(10);
    assert_eq!(ThreadUse::so_far(), ThreadUse { peak_bytes: 4_000, allocations: 3, allocated_bytes: 4_000 });
    assert_eq!(buffer.capacity(), 10);
    drop(black_box(vec![1u8; 4_000]));
    assert_eq!(ThreadUse::so_far().peak_bytes, 4_010);
    drop(buffer);
    drop(black_box(vec![1u8; 4_020]));
    assert_eq!(ThreadUse::so_far().peak_bytes, 4_020);
}

#[test]
fn a_refused_allocation_moves_nothing() {
    in_own_process("a_refused_allocation_moves_nothing", || {
        ThreadUse::begin();
        let (peak, live, made) = (peak_bytes(), live_bytes(), allocations());
        assert!(black_box(buffer::allocate(1 << 62, None)).is_err());
        assert!(black_box(buffer::allocate(1 << 62, Some(1 << 63))).is_err());
        assert!(black_box(buffer::allocate(1 << 30, Some(1 << 20))).is_err());
        assert_eq!(ThreadUse::so_far(), ThreadUse::default());
        assert_eq!((peak_bytes(), live_bytes(), allocations()), (peak, live, made));
    });
}

#[test]
fn of_many_at_once_only_those_that_fit_get_a_buffer() {
    const BUFFER_BYTES: u64 = 16 << 20;
    const THREADS: usize = 100;
    in_own_process("of_many_at_once_only_those_that_fit_get_a_buffer", || {
        let limit = live_bytes() + 5 * BUFFER_BYTES + BUFFER_BYTES / 2;
        let start = Barrier::new(THREADS);
        let take = || {
            start.wait();
            buffer::allocate(BUFFER_BYTES, Some(limit))
        };
        thread::scope(|scope| {
            let takers: Vec<_> = (0..THREADS).map(|_| scope.spawn(take)).collect();
            let kept: Vec<_> = takers.into_iter().map(|taker| taker.join().unwrap()).collect();
            assert_eq!(kept.iter().flatten().count(), 5);
        });
    });
}

#[test]
fn threads_that_take_and_free_buffers_stay_below_the_limit() {
    const BUFFER_BYTES: u64 = 1 << 20;
    in_own_process("threads_that_take_and_free_buffers_stay_below_the_limit", || {
        // Room for one buffer, for which the threads compete.
        let limit = live_bytes() + BUFFER_BYTES + BUFFER_BYTES / 2;
        let take_and_free = || {
            for _ in 0..1_000_000 {
                let buffer = black_box(buffer::allocate(BUFFER_BYTES, Some(limit)));
                assert!(buffer.is_err() || live_bytes() <= limit, "{} above {limit}", live_bytes());
            }
        };
        thread::scope(|scope| (0..3).for_each(|_| drop(scope.spawn(take_and_free))));
    });
}

#[test]
fn a_span_has_a_peak_of_its_own() {
    /// What the thread of the test harness may take or free meanwhile.
    const OTHERS_BYTES: u64 = 100_000;
    let check = |peak: u64, expected: u64| assert!(peak.abs_diff(expected) < OTHERS_BYTES, "{peak}, not {expected}");
    in_own_process("a_span_has_a_peak_of_its_own", || {
        let before = live_bytes();
        drop(black_box(vec![1u8; 50_000_000]));
        start_span();
        check(span_peak_bytes(), before);
        let kept = black_box(vec![1u8; 1_000_000]);
        drop(black_box(vec![1u8; 7_000_000]));
        check(span_peak_bytes(), before + 8_000_000);
        check(peak_bytes(), before + 50_000_000);
        start_span();
        check(span_peak_bytes(), before + 1_000_000);
        drop(kept);
    });
}

#[test]
fn memory_that_is_claimed_and_refused_is_in_no_figure() {
    const REFUSED_BYTES: u64 = 1 << 61;
    in_own_process("memory_that_is_claimed_and_refused_is_in_no_figure", || {
        let claim = || {
            for _ in 0..20_000 {
                assert!(black_box(buffer::allocate(REFUSED_BYTES, Some(REFUSED_BYTES * 2))).is_err());
            }
        };
        thread::scope(|scope| {
            let claims = [scope.spawn(claim), scope.spawn(claim)];
            while !claims.iter().all(|claim| claim.is_finished()) {
                drop(black_box(vec![1u8; 1_000]));
                assert!(live_bytes() < 1 << 30 && span_peak_bytes() < 1 << 30 && peak_bytes() < 1 << 30);
            }
        });
    });
}
