//! Weakness 13: tiny_http stores a head of any length. The alarm is raised when tiny_http holds more of the heap than
//! its connections need; the [`sweep`](super::sweep) then hangs up the clients that flood it.
//!
//! tiny_http does not tell what it holds. It is what is left of the live heap without the program's own part, the
//! buffers of bodies, and the requests that wait.

use std::mem;
use std::time::{Duration, Instant};

use crate::instrument::{buffer, heap};
use crate::platform;

use super::table;

/// What tiny_http may hold, and for each connection: it takes 6.5 KiB.
const ALLOWANCE_BYTES: u64 = 4 << 20;
const ALLOWANCE_A_CONNECTION_BYTES: u64 = 16 << 10;
/// After so many alarms in a row with nobody to hang up, what is held is taken for the program's own: it is no head,
/// but, for instance, the capacity that tiny_http's queue keeps.
const FALSE_ALARMS_MOST: u32 = 50;
/// From an alarm to the end of the heads that were hung up.
const TRIM_AFTER: Duration = Duration::from_millis(30);
/// How long the supervisor stays at its urgent pace after an alarm, since an alarm is seldom the last one.
const RECENT_FOR: Duration = Duration::from_millis(500);

/// What is remembered from one look to the next.
pub struct Alarm {
    /// The program's own part of the heap, at the start and now.
    initial_bytes: u64,
    baseline_bytes: u64,
    /// tiny_http held too much at the last look.
    was_too_much: bool,
    /// Alarms in a row in which there was nobody to hang up, and what was held when they began.
    false_alarms: u32,
    held_bytes: u64,
    /// When freed memory goes back to the system. Each arena of the C library would else keep the longest head that
    /// it ever had.
    trim_at: Option<Instant>,
    recent_until: Instant,
}

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// tiny_http holds what it may.
    Normal,
    /// It holds too much, for the first time.
    Unconfirmed,
    /// It holds too much for the second time in a row. The figures are not read in the same instant, so that once
    /// proves nothing.
    Raised,
}

impl Alarm {
    /// What the heap holds now is the program's own.
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

    /// Looks at the heap. The calling thread, always the same one, is unparked when tiny_http comes to hold too much.
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

    /// Whether there was an alarm a short while ago.
    pub fn was_raised_recently(&self) -> bool {
        Instant::now() < self.recent_until
    }

    /// After each sweep: whether it was made in an alarm, and found somebody to hang up.
    pub fn update_baseline(&mut self, level: Level, found_flood: bool) {
        let held_bytes = heap::live_bytes().saturating_sub(buffer::live_bytes());
        // What was learned is forgotten as soon as it is freed.
        self.baseline_bytes = self.baseline_bytes.min(held_bytes.max(self.initial_bytes));
        // What still grows is not capacity that is kept.
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

    /// Gives freed memory back to the system, a while after an alarm.
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
