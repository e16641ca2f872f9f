//! A ring buffer of fixed capacity: it keeps the last events of one kind.

use std::ops::Range;

/// The last `KEPT` items of one kind. Each item has an index, which counts the items of this ring from 0, and a number,
/// which counts the events of all kinds.
pub struct Ring<T, const KEPT: usize> {
    slots: [Slot<(u64, T)>; KEPT],
    pushed: u64,
}

/// An item, or none. The tag of `Empty` is 0, unlike that of an `Option`: so a static without items consists of zeros,
/// and takes no space in the program's file.
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Slot<T> {
    Empty,
    Filled(T),
}

impl<T> Slot<T> {
    pub fn get(&self) -> Option<&T> {
        if let Self::Filled(item) = self { Some(item) } else { None }
    }

    pub fn get_mut(&mut self) -> Option<&mut T> {
        if let Self::Filled(item) = self { Some(item) } else { None }
    }
}

impl<T: Copy, const KEPT: usize> Ring<T, KEPT> {
    pub const fn new() -> Self {
        Self { slots: [Slot::Empty; KEPT], pushed: 0 }
    }

    /// Appends an item, whose number follows `last_number`.
    pub fn push(&mut self, last_number: &mut u64, item: T) {
        *last_number += 1;
        self.slots[(self.pushed % KEPT as u64) as usize] = Slot::Filled((*last_number, item));
        self.pushed += 1;
    }

    /// The number of items that were ever appended.
    pub fn total(&self) -> u64 {
        self.pushed
    }

    pub fn kept_indices(&self) -> Range<u64> {
        self.pushed.saturating_sub(KEPT as u64)..self.pushed
    }

    /// The number of the item at `index` and the item, if it is kept.
    pub fn get(&self, index: u64) -> Option<&(u64, T)> {
        let slot = &self.slots[(index % KEPT as u64) as usize];
        slot.get().filter(|_| self.kept_indices().contains(&index))
    }

    /// The item at `index`, if it is kept.
    pub fn get_mut(&mut self, index: u64) -> Option<&mut T> {
        let is_kept = self.kept_indices().contains(&index);
        let slot = &mut self.slots[(index % KEPT as u64) as usize];
        slot.get_mut().filter(|_| is_kept).map(|(_, item)| item)
    }

    /// The number of the item at `index`, or `u64::MAX` if it is not kept.
    pub fn number(&self, index: u64) -> u64 {
        self.get(index).map_or(u64::MAX, |&(number, _)| number)
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
