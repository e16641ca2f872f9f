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
        let at = self.all().partition_point(|&kept| kept <= number);
        self.numbers.copy_within(at..self.kept, at + 1);
        self.numbers[at] = number;
        self.kept += 1;
    }

    /// Removes a number that was added.
    pub fn remove(&mut self, number: u64) {
        let Ok(at) = self.all().binary_search(&number) else {
            self.beyond = self.beyond.saturating_sub(1);
            return;
        };
        self.numbers.copy_within(at + 1..self.kept, at);
        self.kept -= 1;
    }

    /// The least and the most. `None` if there are no numbers, or more than `N`.
    pub fn range(&self) -> Option<(u64, u64)> {
        let all = self.all();
        Some((*all.first()?, *all.last()?)).filter(|_| self.beyond == 0)
    }

    /// The number in the middle, or the mean of the two in the middle, rounded down. `None` if there are no numbers, or
    /// more than `N`.
    pub fn median(&self) -> Option<u64> {
        let all = self.all();
        let upper = *all.get(all.len() / 2)?;
        let lower = all[(all.len() - 1) / 2];
        Some(lower.midpoint(upper)).filter(|_| self.beyond == 0)
    }

    fn all(&self) -> &[u64] {
        &self.numbers[..self.kept]
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
        type Row = (&'static [u64], Option<(u64, u64)>, Option<u64>);
        let table: [Row; 6] = [
            (&[], None, None),
            (&[7], Some((7, 7)), Some(7)),
            (&[9, 1], Some((1, 9)), Some(5)),
            (&[3, 9, 1], Some((1, 9)), Some(3)),
            (&[4, 4, 8, 1], Some((1, 8)), Some(4)),
            (&[1, 2, 3, 4, 5], None, None),
        ];
        for (numbers, range, median) in table {
            let sorted = of(numbers);
            assert_eq!((sorted.range(), sorted.median()), (range, median), "{numbers:?}");
        }
    }

    #[test]
    fn a_number_is_removed_once() {
        let mut sorted = of(&[5, 2, 5, 8, 9]);
        sorted.remove(5);
        assert_eq!(sorted.range(), None, "9 is not kept");
        sorted.remove(9);
        assert_eq!((sorted.range(), sorted.median()), (Some((2, 8)), Some(5)));
        [2, 5, 8].into_iter().for_each(|number| sorted.remove(number));
        assert_eq!(sorted.range(), None);
    }
}
