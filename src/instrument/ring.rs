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

    /// The indices of the items that are kept. The end is the number of items that were ever appended.
    pub fn kept(&self) -> Range<u64> {
        self.pushed.saturating_sub(KEPT as u64)..self.pushed
    }

    /// The number of the item at `index` and the item, if it is kept.
    pub fn get(&self, index: u64) -> Option<&(u64, T)> {
        match &self.slots[(index % KEPT as u64) as usize] {
            Slot::Filled(item) if self.kept().contains(&index) => Some(item),
            _ => None,
        }
    }

    /// The item at `index`, if it is kept.
    pub fn get_mut(&mut self, index: u64) -> Option<&mut T> {
        let is_kept = self.kept().contains(&index);
        match &mut self.slots[(index % KEPT as u64) as usize] {
            Slot::Filled((_, item)) if is_kept => Some(item),
            _ => None,
        }
    }

    /// The number of the item at `index`, or `u64::MAX` if it is not kept.
    pub fn number(&self, index: u64) -> u64 {
        self.get(index).map_or(u64::MAX, |&(number, _)| number)
    }

    /// The item at `index`, if it has this number. The index then moves to the next one.
    pub fn take(&self, index: &mut u64, number: u64) -> Option<T> {
        let &(_, item) = self.get(*index).filter(|item| item.0 == number)?;
        *index += 1;
        Some(item)
    }

    /// Moves an index forward to the first item that is kept and has at least this number. Returns how many items were
    /// skipped.
    pub fn skip_to(&self, index: &mut u64, number: u64) -> u64 {
        let before = *index;
        *index = before.max(self.kept().start);
        while self.number(*index) < number {
            *index += 1;
        }
        *index - before
    }
}
