use super::*;

const ROOM: usize = 4;
type Small = Queue<{ ROOM + RESERVED_SLOTS }>;

fn request(number: u64) -> Entry {
    Entry::Request(Record { request: number, ..super::super::tests::record() })
}

/// Takes at most `most` entries, each as one figure: the number of a request, the number of lost entries as a
/// negative number, or 0 for any other.
fn taken(queue: &mut Small, most: usize) -> Vec<i64> {
    let mut taken = vec![Entry::Lost(0); most];
    let count = queue.pop_batch(&mut taken);
    let figure = |entry: &Entry| match entry {
        Entry::Request(record) => record.request as i64,
        Entry::Lost(lines) => -(*lines as i64),
        Entry::Run(_) | Entry::Warning(_) | Entry::Stopped(_) => 0,
    };
    taken[..count].iter().map(figure).collect()
}

#[test]
fn lost_entries_are_counted_at_their_place() {
    let mut queue = Small::new();
    (1..=7).for_each(|n| queue.push(request(n)));
    assert_eq!(taken(&mut queue, 2), [1, 2]);
    (8..=11).for_each(|n| queue.push(request(n)));
    assert_eq!(taken(&mut queue, 9), [3, 4, -3, 8, 9, -2]);
    assert_eq!(taken(&mut queue, 9), []);
    // The ring wraps around many times.
    for n in 1..100 {
        queue.push(request(n));
        queue.push(request(n + 1));
        assert_eq!(taken(&mut queue, 1), [n as i64]);
        assert_eq!(taken(&mut queue, 2), [n as i64 + 1]);
    }
}

#[test]
fn a_warning_fits_when_the_queue_is_full_of_requests() {
    let mut queue = Small::new();
    (1..=6).for_each(|n| queue.push(request(n)));
    queue.push(Entry::Warning(Message::cut("heed")));
    queue.push(request(7));
    assert_eq!(taken(&mut queue, 9), [1, 2, 3, 4, -2, 0, -1]);
}

#[test]
fn nothing_follows_the_summary() {
    let mut queue = Small::new();
    queue.push(request(1));
    queue.push(Entry::Stopped(super::super::tests::sample()));
    queue.push(Entry::Warning(Message::cut("late")));
    assert_eq!(taken(&mut queue, 9), [1, 0]);
    queue.push(request(2));
    assert_eq!(taken(&mut queue, 9), []);
}

#[test]
fn a_queue_that_was_emptied_starts_at_its_first_place() {
    let mut queue = Small::new();
    for n in 1..50 {
        queue.push(request(n));
        assert_eq!((queue.first, taken(&mut queue, 9)), (0, vec![n as i64]));
    }
}

#[test]
fn a_block_holds_as_many_lines_as_fit() {
    let mut block = Line::new();
    append(&mut block, &"a".repeat(3_000));
    append(&mut block, &"b".repeat(LINE_BYTES - 3_000 - 2));
    assert_eq!(block.as_bytes().len(), LINE_BYTES);
    assert_eq!(block.as_str().lines().map(str::len).collect::<Vec<_>>(), [3_000, 1_094]);
}
