//! The last things of one kind that happened, in a fixed place.

use std::ops::Range;

/// The last `KEPT` things of one kind, each with its number in the order of all kinds.
pub struct Ring<T, const KEPT: usize> {
    places: [Place<T>; KEPT],
    put: u64,
}

/// The tag of the empty one is 0, so that an empty ring is all zeroes, and takes no room in the program's file.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Place<T> {
    Empty,
    Taken(u64, T),
}

impl<T: Copy, const KEPT: usize> Ring<T, KEPT> {
    /// Nothing was put.
    pub const fn new() -> Self {
        Self { places: [Place::Empty; KEPT], put: 0 }
    }

    /// Puts a thing. `number`: higher than any before.
    pub fn put(&mut self, number: u64, thing: T) {
        self.places[place::<KEPT>(self.put)] = Place::Taken(number, thing);
        self.put += 1;
    }

    /// How many were ever put.
    pub fn put_so_far(&self) -> u64 {
        self.put
    }

    /// Those that are kept.
    pub fn kept(&self) -> Range<u64> {
        self.put.saturating_sub(KEPT as u64)..self.put
    }

    /// The `nth` that was put, from 0.
    pub fn get(&self, nth: u64) -> Option<&T> {
        match &self.places[place::<KEPT>(nth)] {
            Place::Taken(_, thing) if self.kept().contains(&nth) => Some(thing),
            _ => None,
        }
    }

    /// The number of the `nth`; of one that was not put yet, one beyond all.
    pub fn number(&self, nth: u64) -> u64 {
        match self.places[place::<KEPT>(nth)] {
            Place::Taken(number, _) if self.kept().contains(&nth) => number,
            _ => u64::MAX,
        }
    }

    /// Moves a reader to what is still kept; how many things it has missed.
    pub fn skip_gone(&self, read: &mut u64) -> u64 {
        let missed = self.kept().start.saturating_sub(*read);
        *read += missed;
        missed
    }

    /// Moves a reader to the first thing with this number, or a higher one; how many things it has missed.
    pub fn skip_to(&self, read: &mut u64, number: u64) -> u64 {
        let before = *read;
        self.skip_gone(read);
        while self.number(*read) < number {
            *read += 1;
        }
        *read - before
    }
}

fn place<const KEPT: usize>(nth: u64) -> usize {
    (nth % KEPT as u64) as usize
}
