use super::*;

/// The room for requests.
const ROOM: usize = 4;

fn request(number: u64) -> Entry {
    Entry::Request(Record { request: number, ..super::super::tests::record() })
}

fn warning() -> Entry {
    Entry::Warning(Message::cut("heed"))
}

/// The entries of a queue, each as one figure: the number of a request, the number of lost entries as a negative
/// number, or 0 for any other.
fn figures<const CAPACITY: usize>(queue: &Queue<CAPACITY>) -> Vec<i64> {
    let figure = |entry: &Entry| match entry {
        Entry::Request(record) => record.request as i64,
        Entry::Lost(lines) => -(*lines as i64),
        _ => 0,
    };
    queue.entries[..queue.count].iter().map(figure).collect()
}

/// What a small queue keeps of these entries.
fn kept(entries: impl IntoIterator<Item = Entry>) -> Vec<i64> {
    let mut queue = Queue::<{ ROOM + RESERVED_ENTRIES }>::new();
    entries.into_iter().for_each(|entry| queue.push(entry));
    figures(&queue)
}

#[test]
fn lost_entries_are_counted_at_their_place() {
    assert_eq!(kept((1..=4).map(request)), [1, 2, 3, 4]);
    assert_eq!(kept((1..=7).map(request)), [1, 2, 3, 4, -3]);
    // A warning fits when the queue is full of requests.
    let entries = (1..=6).map(request).chain([warning(), request(7)]);
    assert_eq!(kept(entries), [1, 2, 3, 4, -2, 0, -1]);
}

#[test]
fn entries_of_all_kinds_are_counted_when_nothing_more_fits() {
    let warnings = (0..ROOM + RESERVED_ENTRIES + 1).map(|_| warning());
    let summary = Entry::Stopped(super::super::tests::sample());
    let all = kept(warnings.chain([request(1), summary]));
    assert_eq!((all.len(), all[all.len() - 3..].to_vec()), (ROOM + RESERVED_ENTRIES, vec![0, -4, 0]));
    // Lost requests also take the places of warnings.
    let all = kept((0..99).flat_map(|_| [request(7), warning()]));
    let lost: i64 = all.iter().filter(|&&figure| figure < 0).sum();
    assert_eq!(all.iter().filter(|&&figure| figure >= 0).count() as i64 - lost, 2 * 99);
}

#[test]
fn nothing_follows_the_summary() {
    // No other test uses the queues of the program.
    for entry in [request(1), Entry::Stopped(super::super::tests::sample()), warning(), request(2)] {
        put(entry);
    }
    assert_eq!(figures(&lock(&QUEUES[0])), [1, 0]);
}

#[test]
fn a_block_holds_as_many_lines_as_fit() {
    let mut block = Line::new();
    append(&mut block, &"a".repeat(3_000));
    append(&mut block, &"b".repeat(LINE_BYTES - 3_000 - 2));
    assert_eq!(block.as_bytes().len(), LINE_BYTES);
    assert_eq!(block.as_str().lines().map(str::len).collect::<Vec<_>>(), [3_000, 1_094]);
}
