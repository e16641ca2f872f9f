use super::super::trace::tests as trace_tests;
use super::*;
use std::ops::RangeInclusive;
use std::thread;

/// The figure of a sample is this plus its time in microseconds.
const SAMPLE: i64 = 1_000_000;

/// Reads at most `most` events, each as one figure: the number of a request that starts or ends, the number of missed
/// events as a negative number, or `SAMPLE` and more.
fn read(reader: &mut Reader<'_>, most: usize) -> Vec<i64> {
    let figure = |event| match event {
        Event::Started { request, .. } => request as i64,
        Event::Ended(record) => record.request as i64,
        Event::Missed(events) => -(events as i64),
        Event::Sampled(sample) => SAMPLE + sample.at.as_micros() as i64,
    };
    std::iter::from_fn(|| reader.next()).take(most).map(figure).collect()
}

/// Adds starts of requests, with numbers that go on. As in the ledger, a lock keeps them in order.
fn start(feed: &Feed, requests: u64) {
    static IN_ORDER: Mutex<()> = Mutex::new(());
    for _ in 0..requests {
        let _turn = lock(&IN_ORDER);
        let next = lock(&feed.state).changes.kept().end + 1;
        feed.add_start(next, Duration::ZERO);
    }
}

fn end(feed: &Feed, requests: RangeInclusive<u64>) {
    requests.for_each(|request| feed.add_end(&Record { request, ..trace_tests::record() }));
}

fn sample(feed: &Feed, at_us: u64) {
    let at = Duration::from_micros(at_us);
    feed.add_sample(&Sample { at, ..trace_tests::sample() });
    feed.wake_readers();
}

/// Reads one turn. There must be a sample that has not been read.
fn read_turn(reader: &mut Reader<'_>) -> Vec<i64> {
    assert!(reader.wait_for_sample());
    read(reader, usize::MAX)
}

#[test]
fn a_reader_gets_the_past_in_order_and_then_new_events() {
    static FEED: Feed = Feed::new();
    let feed = &FEED;
    start(feed, 1);
    sample(feed, 10);
    start(feed, 2);
    let mut reader = feed.reader(Duration::ZERO);
    // This start comes after the reader was created, so it is not part of the past.
    start(feed, 1);
    assert_eq!(read(&mut reader, 99), [1, SAMPLE + 10, 2, 3]);
    sample(feed, 20);
    start(feed, 1);
    assert_eq!(read_turn(&mut reader), [4, SAMPLE + 20]);
    sample(feed, 30);
    assert_eq!(read_turn(&mut reader), [5, SAMPLE + 30]);
}

#[test]
fn a_late_or_slow_reader_gets_the_number_of_missed_events() {
    static FEED: Feed = Feed::new();
    let feed = &FEED;
    let kept = KEPT_CHANGES as i64;
    start(feed, KEPT_CHANGES as u64 + 2);
    let mut reader = feed.reader(Duration::ZERO);
    // The first two were overwritten before the reader came, so it did not miss them.
    assert_eq!(read(&mut reader, 1), [3]);
    // Events that the reader has not read yet are overwritten in the middle of its turn.
    start(feed, KEPT_CHANGES as u64 - 1);
    assert_eq!(read(&mut reader, 9), [2 - kept, kept + 2]);
    start(feed, KEPT_CHANGES as u64);
    sample(feed, 10);
    let turn = read_turn(&mut reader);
    assert_eq!(turn[..2], [256 - 2 * kept, 3 * kept - 253]);
    assert_eq!(turn[255..], [3 * kept + 1, SAMPLE + 10]);
}

#[test]
fn many_starts_do_not_displace_a_sample() {
    static FEED: Feed = Feed::new();
    let feed = &FEED;
    (0..KEPT_SAMPLES as u64 + 2).for_each(|at| sample(feed, at));
    start(feed, KEPT_CHANGES as u64 + 100);
    let events = read(&mut feed.reader(Duration::ZERO), usize::MAX);
    assert_eq!(events.len(), KEPT_SAMPLES + KEPT_CHANGES);
    assert_eq!((events[0], events[KEPT_SAMPLES]), (SAMPLE + 2, 101));
}

#[test]
fn no_start_is_told_whose_end_is_not_kept() {
    static FEED: Feed = Feed::new();
    let feed = &FEED;
    start(feed, 1);
    start(feed, KEPT_CHANGES as u64);
    end(feed, 2..=3);
    let events = read(&mut feed.reader(Duration::ZERO), usize::MAX);
    let last = KEPT_CHANGES as i64 + 1;
    assert_eq!((events.len(), events[0], &events[KEPT_CHANGES - 3..]), (KEPT_CHANGES, 4, [last, 2, 3].as_slice()));
}

#[test]
fn a_sample_comes_at_its_place_though_what_was_before_it_is_missed() {
    static FEED: Feed = Feed::new();
    let feed = &FEED;
    let mut reader = feed.reader(Duration::ZERO);
    start(feed, 300);
    sample(feed, 10);
    assert!(reader.wait_for_sample());
    assert_eq!(read(&mut reader, 2), [-45, 46]);
    // All that is left of the turn is overwritten, and some of the next one.
    start(feed, KEPT_CHANGES as u64);
    sample(feed, 20);
    start(feed, 4);
    assert_eq!(read(&mut reader, 9), [-258, SAMPLE + 10]);
    let turn = read_turn(&mut reader);
    assert_eq!((turn.len(), &turn[..2], turn[256]), (257, [-765, 1070].as_slice(), SAMPLE + 20));
}

#[test]
fn the_past_begins_with_the_last_sample_before_it() {
    static FEED: Feed = Feed::new();
    let feed = &FEED;
    for at in [1, 2, 5, 6] {
        sample(feed, at);
    }
    let from = |us| read(&mut feed.reader(Duration::from_micros(us)), 99);
    assert_eq!(from(5), [SAMPLE + 2, SAMPLE + 5, SAMPLE + 6]);
    assert_eq!(from(4), [SAMPLE + 2, SAMPLE + 5, SAMPLE + 6]);
    assert_eq!(from(9), [SAMPLE + 6]);
    assert_eq!(from(0), [SAMPLE + 1, SAMPLE + 2, SAMPLE + 5, SAMPLE + 6]);
}

#[test]
fn a_turn_has_a_maximum_number_of_events() {
    static FEED: Feed = Feed::new();
    let feed = &FEED;
    let mut reader = feed.reader(Duration::ZERO);
    start(feed, 300);
    sample(feed, 10);
    assert!(reader.wait_for_sample());
    let events = read(&mut reader, 999);
    assert_eq!((events.len(), &events[..2]), (257, [-45, 46].as_slice()));
}

#[test]
fn with_concurrent_writers_each_event_is_read_once_and_in_order_or_counted_as_missed() {
    const THREADS: u64 = 4;
    const EACH: u64 = 20_000;
    static FEED: Feed = Feed::new();
    let feed = &FEED;
    let mut reader = feed.reader(Duration::ZERO);
    let (mut accounted, mut last) = (0, 0);
    let mut read_all = |reader: &mut Reader<'_>| {
        sample(feed, 0);
        assert!(reader.wait_for_sample());
        for figure in read(reader, usize::MAX).into_iter().filter(|&figure| figure != SAMPLE) {
            if figure > 0 {
                assert!(figure > last, "{figure} after {last}");
                last = figure;
            }
            accounted += if figure > 0 { 1 } else { figure.unsigned_abs() };
        }
        accounted
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| start(feed, EACH))).collect();
        while !threads.iter().all(|thread| thread.is_finished()) {
            read_all(&mut reader);
        }
    });
    read_all(&mut reader);
    assert_eq!(read_all(&mut reader), THREADS * EACH);
}

#[test]
fn a_closed_feed_ends_a_reader_that_waits() {
    static FEED: Feed = Feed::new();
    let feed = &FEED;
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| feed.reader(Duration::ZERO).wait_for_sample());
        feed.close();
        assert!(!waiting.join().unwrap());
    });
}
