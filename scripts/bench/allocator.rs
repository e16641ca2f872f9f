//! What counting costs: one 64-byte allocation and its end, in nanoseconds, with this program's allocator and
//! with the system's alone. Compiled and run by scripts/bench.sh; argument: `counting` or `system`.
#![allow(dead_code)]

#[cfg(counting)]
#[path = "../../src/heap.rs"]
mod heap;

use std::hint::black_box;
use std::time::Instant;

fn main() {
    const ROUNDS: u32 = 20_000_000;
    let start = Instant::now();
    for _ in 0..ROUNDS {
        drop(black_box(Box::new([0u8; 64])));
    }
    println!("{:.1}", start.elapsed().as_nanos() as f64 / f64::from(ROUNDS));
}
