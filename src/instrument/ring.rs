//! A ring buffer of fixed capacity: it keeps the last events of one kind.

use std::ops::Range;

/// The last `KEPT` items of one kind. Each item has an index, which counts the items of this ring from 0, and a number,
/// which counts the events of all kinds.
pub struct Ring<T, const KEPT: usize> {
    slots: [Slot<T>; KEPT],
    pushed: u64,
}

/// The tag of `Empty` is 0, so an empty ring consists of zeros and takes no space in the program's file.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Slot<T> {
    Empty,
    Filled(u64, T),
}

impl<T: Copy, const KEPT: usize> Ring<T, KEPT> {
    /// Creates an empty ring.
    pub const fn new() -> Self {
        Self { slots: [Slot::Empty; KEPT], pushed: 0 }
    }

    /// Appends an item. `number` must be higher than all numbers before.
    pub fn push(&mut self, number: u64, item: T) {
        self.slots[slot::<KEPT>(self.pushed)] = Slot::Filled(number, item);
        self.pushed += 1;
    }

    /// The number of items that were ever appended.
    pub fn total(&self) -> u64 {
        self.pushed
    }

    /// The indices of the items that are kept.
    pub fn kept_indices(&self) -> Range<u64> {
        self.pushed.saturating_sub(KEPT as u64)..self.pushed
    }

    /// The item at `index`, if it is kept.
    pub fn get(&self, index: u64) -> Option<&T> {
        match &self.slots[slot::<KEPT>(index)] {
            Slot::Filled(_, item) if self.kept_indices().contains(&index) => Some(item),
            _ => None,
        }
    }

    /// The number of the item at `index`, or `u64::MAX` if it is not kept.
    pub fn number(&self, index: u64) -> u64 {
        match self.slots[slot::<KEPT>(index)] {
            Slot::Filled(number, _) if self.kept_indices().contains(&index) => number,
            _ => u64::MAX,
        }
    }

    /// Moves an index forward to the first item that is kept. Returns how many items were skipped.
    pub fn skip_overwritten(&self, next_index: &mut u64) -> u64 {
        let missed = self.kept_indices().start.saturating_sub(*next_index);
        *next_index += missed;
        missed
    }

    /// Moves an index forward to the first item that is kept and has at least this number. Returns how many items were
    /// skipped.
    pub fn skip_to(&self, next_index: &mut u64, number: u64) -> u64 {
        let before = *next_index;
        self.skip_overwritten(next_index);
        while self.number(*next_index) < number {
            *next_index += 1;
        }
        *next_index - before
    }
}

fn slot<const KEPT: usize>(index: u64) -> usize {
    (index % KEPT as u64) as usize
}
