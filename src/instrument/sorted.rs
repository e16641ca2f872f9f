//! Numbers in order, in a place of fixed size.

/// Up to `N` numbers in ascending order. Those beyond are only counted, and nothing is said of the whole then.
pub struct Sorted<const N: usize> {
    numbers: [u64; N],
    kept: usize,
    beyond: u64,
}

impl<const N: usize> Sorted<N> {
    pub const fn new() -> Self {
        Self { numbers: [0; N], kept: 0, beyond: 0 }
    }

    pub fn clear(&mut self) {
        (self.kept, self.beyond) = (0, 0);
    }

    /// How many numbers there are.
    pub fn count(&self) -> u64 {
        self.kept as u64 + self.beyond
    }

    /// Adds a number. Numbers that come in ascending order cost no moves.
    pub fn insert(&mut self, number: u64) {
        if self.kept == N {
            self.beyond += 1;
            return;
        }
        let at = self.numbers[..self.kept].partition_point(|&kept| kept <= number);
        self.numbers.copy_within(at..self.kept, at + 1);
        self.numbers[at] = number;
        self.kept += 1;
    }

    /// Removes a number that was added.
    pub fn remove(&mut self, number: u64) {
        match self.numbers[..self.kept].binary_search(&number) {
            Ok(at) => {
                self.numbers.copy_within(at + 1..self.kept, at);
                self.kept -= 1;
            }
            Err(_) => self.beyond = self.beyond.saturating_sub(1),
        }
    }

    /// The least, the median (of an even count: the mean of the middle two) and the most. `None` for 0 or over `N`.
    pub fn spread(&self) -> Option<[u64; 3]> {
        let all = &self.numbers[..self.kept];
        let (least, most) = (*all.first()?, *all.last()?);
        let median = all[(all.len() - 1) / 2].midpoint(all[all.len() / 2]);
        (self.beyond == 0).then_some([least, median, most])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[u64]) -> Sorted<4> {
        let mut sorted = Sorted::new();
        numbers.iter().for_each(|&number| sorted.insert(number));
        sorted
    }

    #[test]
    fn the_median_and_the_range_are_known_while_all_numbers_are_kept() {
        let table: [(&[u64], Option<[u64; 3]>); 6] = [
            (&[], None),
            (&[7], Some([7, 7, 7])),
            (&[9, 1], Some([1, 5, 9])),
            (&[3, 9, 1], Some([1, 3, 9])),
            (&[4, 4, 8, 1], Some([1, 4, 8])),
            (&[1, 2, 3, 4, 5], None),
        ];
        for (numbers, spread) in table {
            assert_eq!(of(numbers).spread(), spread, "{numbers:?}");
        }
    }

    #[test]
    fn a_number_is_removed_once() {
        let mut sorted = of(&[5, 2, 5, 8, 9]);
        sorted.remove(5);
        assert_eq!(sorted.spread(), None, "9 is not kept");
        sorted.remove(9);
        assert_eq!((sorted.spread(), sorted.count()), (Some([2, 5, 8]), 3));
        [2, 5, 8].into_iter().for_each(|number| sorted.remove(number));
        assert_eq!((sorted.spread(), sorted.count()), (None, 0));
    }
}
