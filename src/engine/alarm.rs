//! Weakness 13: tiny_http stores a request head of any length.
//!
//! The alarm is raised when tiny_http takes more of the heap than its connections need. The [`sweep`](super::sweep)
//! then hangs up the clients that flood it.
//!
//! tiny_http does not tell how much memory it takes, so this is calculated: it is the live heap without the program's
//! own part (the baseline), the buffers for the file, and the requests that wait.

use std::mem;
use std::time::{Duration, Instant};

use crate::instrument::{buffer, heap};
use crate::platform;

use super::table;

/// What tiny_http may take of the heap, in addition to [`ALLOWANCE_A_CONNECTION_BYTES`].
const ALLOWANCE_BYTES: u64 = 4 << 20;
/// What it may take for each connection. It needs 6.5 KiB.
const ALLOWANCE_A_CONNECTION_BYTES: u64 = 16 << 10;
/// After more false alarms in a row than this, the baseline is raised to what the heap holds. The memory is then not
/// from request heads. It may be capacity that tiny_http's queue keeps.
const FALSE_ALARMS_MOST: u32 = 50;
/// The time until the heads of clients that were hung up in an alarm have been freed.
const TRIM_AFTER: Duration = Duration::from_millis(30);
/// How long the supervisor keeps its urgent pace after an alarm. More alarms usually follow.
const RECENT_FOR: Duration = Duration::from_millis(500);

/// What is kept between one check and the next.
pub struct Alarm {
    /// The program's own part of the heap when the alarm was created.
    initial_bytes: u64,
    /// The same, as it is estimated now.
    baseline_bytes: u64,
    /// Whether tiny_http held too much at the last check.
    was_too_much: bool,
    /// The number of false alarms in a row. In a false alarm, no client floods, and the heap does not grow.
    false_alarms: u32,
    /// What the heap held without the buffers when these began.
    held_bytes: u64,
    /// When to return freed memory to the system. Otherwise each arena of the C library keeps the memory of its
    /// longest request head.
    trim_at: Option<Instant>,
    /// Until then, the last alarm counts as recent.
    recent_until: Instant,
}

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// tiny_http holds no more than it may.
    Normal,
    /// tiny_http holds too much at this check, but did not at the check before. This may be wrong, because the
    /// figures are not read at the same instant.
    Unconfirmed,
    /// tiny_http holds too much at two checks in a row.
    Raised,
}

impl Alarm {
    /// Creates an alarm whose baseline is what the heap holds now.
    pub fn new() -> Self {
        Self {
            initial_bytes: heap::live_bytes(),
            baseline_bytes: heap::live_bytes(),
            was_too_much: false,
            false_alarms: 0,
            held_bytes: 0,
            trim_at: None,
            recent_until: Instant::now(),
        }
    }

    /// Checks the heap. The calling thread is unparked when tiny_http starts to hold too much. It must be the same
    /// thread at each call.
    pub fn check(&mut self) -> Level {
        let is_too_much = self.holds_too_much();
        let level = match (mem::replace(&mut self.was_too_much, is_too_much), is_too_much) {
            (_, false) => Level::Normal,
            (false, true) => Level::Unconfirmed,
            (true, true) => Level::Raised,
        };
        if level == Level::Raised {
            self.trim_at.get_or_insert(Instant::now() + TRIM_AFTER);
            self.recent_until = Instant::now() + RECENT_FOR;
        }
        level
    }

    /// Whether the last alarm was a short while ago.
    pub fn was_raised_recently(&self) -> bool {
        Instant::now() < self.recent_until
    }

    /// Adjusts the baseline. Called after each sweep.
    ///
    /// `level` is the result of the check before the sweep. `found_flood` says whether the sweep found a client that
    /// floods.
    pub fn update_baseline(&mut self, level: Level, found_flood: bool) {
        let held_bytes = heap::live_bytes().saturating_sub(buffer::live_bytes());
        // The baseline falls when its memory is freed.
        self.baseline_bytes = self.baseline_bytes.min(held_bytes.max(self.initial_bytes));
        // Memory that still grows is not capacity that tiny_http keeps.
        let is_false = level == Level::Raised && !found_flood && held_bytes <= self.held_bytes;
        if !is_false {
            self.held_bytes = held_bytes;
        }
        self.false_alarms = if is_false { self.false_alarms + 1 } else { 0 };
        if self.false_alarms > FALSE_ALARMS_MOST {
            self.false_alarms = 0;
            self.baseline_bytes = held_bytes;
        }
    }

    /// Returns freed memory to the system, a while after an alarm.
    pub fn trim_when_due(&mut self) {
        if self.trim_at.is_some_and(|at| Instant::now() >= at) {
            self.trim_at = None;
            platform::trim_heap();
        }
    }

    fn holds_too_much(&self) -> bool {
        let known_bytes = self.baseline_bytes + buffer::live_bytes();
        let table = table::lock();
        let allowance_bytes = ALLOWANCE_BYTES + ALLOWANCE_A_CONNECTION_BYTES * table.living as u64;
        let most_bytes = known_bytes + table.waiting_bytes as u64 + allowance_bytes;
        heap::unpark_above(most_bytes);
        heap::live_bytes() > most_bytes
    }
}
