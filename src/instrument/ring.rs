//! A ring buffer of fixed capacity, in a place of fixed size.

use std::ops::Range;

/// The last `KEPT` items of those that were pushed. The index of an item is the number of those before it.
pub struct Ring<T, const KEPT: usize> {
    slots: [Slot<T>; KEPT],
    pushed: u64,
}

/// An item, or none. The tag of `Empty` is 0, so a static without items consists of zeros and is not in the binary.
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

    pub fn push(&mut self, item: T) {
        self.slots[(self.pushed % KEPT as u64) as usize] = Slot::Filled(item);
        self.pushed += 1;
    }

    /// The indices of the items that are kept. The end is the number of items that were ever pushed.
    pub fn kept(&self) -> Range<u64> {
        self.pushed.saturating_sub(KEPT as u64)..self.pushed
    }

    /// The item at `index`, if it is kept.
    pub fn get(&self, index: u64) -> Option<&T> {
        match &self.slots[(index % KEPT as u64) as usize] {
            Slot::Filled(item) if self.kept().contains(&index) => Some(item),
            _ => None,
        }
    }
}
