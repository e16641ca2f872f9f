//! What it costs to count allocations: prints the nanoseconds that one 64-byte allocation and its release take.
//! scripts/bench.sh compiles it twice: with `--cfg counting` for this program's allocator, without for the system's.
#![allow(dead_code)]

#[cfg(counting)]
#[path = "../../src/instrument/heap.rs"]
mod heap;
#[cfg(counting)]
#[path = "../../src/platform/mapping.rs"]
mod platform;

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
