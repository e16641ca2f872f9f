use super::super::ledger::Ledger;
use super::*;
use std::thread;

type Small = Feed<4, 4, 4>;

/// What a sample's time in microseconds is added to.
const SAMPLE: i64 = 1_000_000;

/// What a reader learns, at most so much: the number of a request that begins, minus the number of missed events, or
/// `SAMPLE` and more.
fn learns<const A: usize, const B: usize, const C: usize>(
    reader: &mut Reader<'_, A, B, C>,
    most: usize,
) -> Vec<i64> {
    let figure = |event| match event {
        Event::Started { request, .. } => request as i64,
        Event::Ended(record) => record.request as i64,
        Event::Missed(events) => -(events as i64),
        Event::Sampled(sample) => SAMPLE + sample.at.as_micros() as i64,
    };
    std::iter::from_fn(|| reader.next()).take(most).map(figure).collect()
}

fn start<const A: usize, const B: usize, const C: usize>(feed: &Feed<A, B, C>, requests: u64) {
    for _ in 0..requests {
        feed.start(Duration::ZERO);
    }
}

fn sample<const A: usize, const B: usize, const C: usize>(feed: &Feed<A, B, C>, at_us: u64) {
    let at = Duration::from_micros(at_us);
    feed.sample(|| Some(Sample { at, ..Ledger::new(false).sample() }));
}

/// What a reader that follows learns up to the next sample, which is there.
fn follows(reader: &mut Reader<'_, 4, 4, 4>) -> Vec<i64> {
    assert!(reader.wait(Duration::MAX));
    learns(reader, 99)
}

#[test]
fn a_reader_gets_the_past_in_order_and_then_what_happens() {
    let feed = Small::new();
    start(&feed, 1);
    sample(&feed, 10);
    start(&feed, 2);
    let mut reader = feed.reader(Duration::ZERO);
    // What comes now is not the past.
    start(&feed, 1);
    assert_eq!(learns(&mut reader, 99), [1, SAMPLE + 10, 2, 3]);
    assert!(!reader.wait(Duration::ZERO));
    sample(&feed, 20);
    start(&feed, 1);
    assert_eq!(follows(&mut reader), [4, SAMPLE + 20]);
    sample(&feed, 30);
    assert_eq!(follows(&mut reader), [5, SAMPLE + 30]);
}

#[test]
fn a_reader_that_comes_late_or_falls_behind_learns_what_it_missed() {
    let feed = Small::new();
    start(&feed, 6);
    let mut reader = feed.reader(Duration::ZERO);
    assert_eq!(learns(&mut reader, 2), [-2, 3]);
    // Places that it has not read are taken again in the middle of its turn.
    start(&feed, 3);
    assert_eq!(learns(&mut reader, 99), [6]);
    start(&feed, 9);
    sample(&feed, 10);
    assert_eq!(follows(&mut reader), [-10, 15, 16, 17, 18, SAMPLE + 10]);
}

#[test]
fn no_burst_of_starts_displaces_a_sample() {
    let feed = Small::new();
    (0..6).for_each(|at| sample(&feed, at));
    start(&feed, 100);
    assert_eq!(
        learns(&mut feed.reader(Duration::ZERO), 99),
        [-96, SAMPLE + 2, SAMPLE + 3, SAMPLE + 4, SAMPLE + 5, 97, 98, 99, 100]
    );
}

#[test]
fn the_past_begins_with_the_last_sample_before_it() {
    let feed = Small::new();
    for at in [1, 2, 5, 6] {
        sample(&feed, at);
    }
    let from = |us| learns(&mut feed.reader(Duration::from_micros(us)), 99);
    assert_eq!(from(5), [SAMPLE + 2, SAMPLE + 5, SAMPLE + 6]);
    assert_eq!(from(4), [SAMPLE + 2, SAMPLE + 5, SAMPLE + 6]);
    assert_eq!(from(9), [SAMPLE + 6]);
    assert_eq!(from(0), [SAMPLE + 1, SAMPLE + 2, SAMPLE + 5, SAMPLE + 6]);
}

#[test]
fn a_reader_is_told_of_so_many_events_between_two_samples() {
    let feed = Feed::<1024, 4, 4>::new();
    let mut reader = feed.reader(Duration::ZERO);
    start(&feed, 300);
    sample(&feed, 10);
    assert!(reader.wait(Duration::MAX));
    let learned = learns(&mut reader, 999);
    assert_eq!((learned.len(), &learned[..2]), (257, [-45, 46].as_slice()));
}

#[test]
fn the_recorder_is_woken_by_a_start_and_by_a_reader() {
    let feed = Small::new();
    let sleeps = || feed.lock().recorder_sleeps;
    let wakes = |wake: &dyn Fn()| {
        sample(&feed, 10);
        thread::scope(|scope| {
            let recorder = scope.spawn(|| feed.sleep());
            while !sleeps() {
                assert!(!recorder.is_finished());
                thread::yield_now();
            }
            wake();
        });
    };
    wakes(&|| start(&feed, 1));
    wakes(&|| drop(feed.reader(Duration::ZERO)));
    // Neither is lost that came before it sleeps.
    start(&feed, 1);
    feed.sleep();
    sample(&feed, 20);
    let reader = feed.reader(Duration::ZERO);
    feed.sleep();
    drop(reader);
}

#[test]
fn beside_many_that_tell_each_event_comes_once_and_in_order_or_is_counted_as_missed() {
    const TELLERS: u64 = 4;
    const EACH: u64 = 20_000;
    let feed = Feed::<16, 16, 16>::new();
    let mut reader = feed.reader(Duration::ZERO);
    let (mut accounted, mut last) = (0, 0);
    let mut read_all = |reader: &mut Reader<'_, 16, 16, 16>| {
        sample(&feed, 0);
        assert!(reader.wait(Duration::MAX));
        for figure in learns(reader, usize::MAX).into_iter().filter(|&figure| figure != SAMPLE) {
            if figure > 0 {
                assert!(figure > last, "{figure} after {last}");
                last = figure;
            }
            accounted += if figure > 0 { 1 } else { figure.unsigned_abs() };
        }
        accounted
    };
    thread::scope(|scope| {
        let tellers: Vec<_> = (0..TELLERS).map(|_| scope.spawn(|| start(&feed, EACH))).collect();
        while !tellers.iter().all(|teller| teller.is_finished()) {
            read_all(&mut reader);
        }
    });
    read_all(&mut reader);
    assert_eq!(read_all(&mut reader), TELLERS * EACH);
}
