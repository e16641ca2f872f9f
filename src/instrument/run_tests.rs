use super::super::trace::tests as trace_tests;
use super::*;
use std::collections::BTreeMap;

const MIB: u64 = 1 << 20;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The figures at a time in milliseconds.
fn figures(at_ms: u64, heap_peak: u64, sent_bytes: u64) -> Figures {
    Figures { at: ms(at_ms), heap_peak, sent_bytes, ..Figures::default() }
}

fn begin(runs: &mut Runs, at_ms: u64) {
    runs.begin(ms(at_ms), at_ms, 40 * MIB, || figures(at_ms, 0, 0));
}

/// Updates the run, and returns it if it has ended.
fn ended(runs: &mut Runs, at_ms: u64) -> Option<Run> {
    runs.update(&figures(at_ms, 0, 0))
}

fn end(runs: &mut Runs, at_ms: u64, outcome: Outcome, bytes: u64) {
    let mut record = Record { first_byte: Some(Duration::from_micros(bytes)), ..trace_tests::record() };
    record.answered.outcome = outcome;
    record.used.peak_bytes = bytes;
    if outcome != Outcome::Refused {
        runs.let_go(bytes);
    }
    runs.end(&record, &figures(at_ms, at_ms, at_ms));
}

#[test]
fn a_run_ends_a_second_after_its_last_answer() {
    let mut runs = Box::new(Runs::new());
    begin(&mut runs, 100);
    runs.hold(7);
    assert_eq!(ended(&mut runs, 90_000), None, "a request is being answered");
    end(&mut runs, 200, Outcome::Sent, 7);
    assert_eq!(ended(&mut runs, 1_199), None);
    begin(&mut runs, 1_199);
    runs.hold(9);
    assert_eq!(ended(&mut runs, 1_500), None);
    end(&mut runs, 1_600, Outcome::ClientClosed, 9);
    let run = ended(&mut runs, 2_600).unwrap();
    assert_eq!((run.number, run.began, run.ended), (1, ms(100), Some(ms(1_600))));
    assert_eq!((run.requests, run.at_once, run.in_flight), (2, 1, 0));
    assert_eq!((run.outcomes.complete, run.outcomes.client_closed), (1, 1));
    assert_eq!((run.request_peaks, run.request_peak_median), (Some((7, 9)), Some(8)));
    assert_eq!((run.heap_before, run.heap_peak, run.sent_bytes), (100, 1_600, 1_600));
    assert_eq!((runs.current(), runs.last()), (None, Some(run)));
    begin(&mut runs, 2_700);
    assert_eq!((runs.current().unwrap().number, runs.last()), (2, Some(run)));
}

#[test]
fn a_refused_request_is_in_the_run_and_in_none_of_its_peaks() {
    let mut runs = Box::new(Runs::new());
    begin(&mut runs, 0);
    end(&mut runs, 5, Outcome::Refused, 2_000);
    let run = ended(&mut runs, 1_005).unwrap();
    assert_eq!((run.requests, run.at_once, run.outcomes.refused), (1, 0, 1));
    assert_eq!((run.request_peaks, run.request_peak_median), (None, None));
    assert_eq!((run.first_byte_median, run.first_byte_max), (None, None));
}

#[test]
fn a_run_that_goes_on_says_what_its_requests_hold() {
    let mut runs = Box::new(Runs::new());
    for held in [30, 10, 20] {
        begin(&mut runs, 0);
        runs.hold(held);
    }
    assert_eq!(runs.current().unwrap().held, Some((10, 30)));
    end(&mut runs, 5, Outcome::Sent, 10);
    let run = runs.current().unwrap();
    assert_eq!((run.held, run.request_peaks, run.ended), (Some((20, 30)), Some((10, 10)), None));
    runs.update(&figures(6, 99, 77));
    assert_eq!(runs.update(&figures(8, 100, 80)), None);
    let stopped = runs.finish().unwrap();
    assert_eq!((stopped.ended, stopped.in_flight, stopped.held), (Some(ms(8)), 2, None));
    assert_eq!((stopped.heap_peak, stopped.sent_bytes), (100, 80));
    // These end after the last line of the trace.
    end(&mut runs, 9, Outcome::Stopped, 20);
    assert_eq!((runs.current(), runs.last()), (None, Some(stopped)));
}

#[test]
fn a_median_of_too_many_requests_is_known_only_if_all_are_the_same() {
    let mut runs = Box::new(Runs::new());
    for nth in 0..=KEPT_FIGURES as u64 {
        begin(&mut runs, nth);
        runs.hold(7);
        end(&mut runs, nth, Outcome::Sent, 7);
    }
    let same = runs.current().unwrap();
    assert_eq!((same.request_peak_median, same.first_byte_median), (Some(7), None));
    assert_eq!(same.first_byte_max, Some(Duration::from_micros(7)));
    begin(&mut runs, 5_000);
    runs.hold(8);
    end(&mut runs, 5_000, Outcome::Sent, 8);
    let other = runs.current().unwrap();
    assert_eq!((other.request_peaks, other.request_peak_median), (Some((7, 8)), None));
}

#[test]
fn the_resident_set_of_a_run_is_the_systems_peak_only_if_it_rose() {
    let resident = |now, peak| ResidentSet { now_bytes: Some(now), peak_bytes: Some(peak) };
    let with = |resident| Figures { resident, ..Figures::default() };
    let mut runs = Box::new(Runs::new());
    runs.begin(ms(0), 0, 0, || with(resident(5, 90)));
    runs.update(&with(resident(60, 90)));
    runs.update(&with(resident(40, 90)));
    runs.update(&with(ResidentSet::default()));
    assert_eq!(runs.current().unwrap().rss_peak, Some(60));
    runs.update(&with(resident(40, 100)));
    assert_eq!(runs.current().unwrap().rss_peak, Some(100));
}

/// A generator of numbers (xorshift), so that each run of the test is the same.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// What the test itself keeps of a run.
#[derive(Default)]
struct Model {
    running: Vec<u64>,
    peaks: Vec<u64>,
    ends: BTreeMap<&'static str, u64>,
    requests: u64,
    at_once: u64,
}

impl Model {
    fn check(&mut self, run: &Run) {
        let o = run.outcomes;
        let of = |name| self.ends.get(name).copied().unwrap_or(0);
        assert_eq!((o.complete, o.client_closed, o.refused), (of("sent"), of("client_closed"), of("refused")));
        assert_eq!(o.complete + o.cut_short() + o.refused + run.in_flight, run.requests);
        assert_eq!((run.requests, run.at_once), (self.requests, self.at_once));
        self.peaks.sort_unstable();
        let (least, most) = (self.peaks.first().copied(), self.peaks.last().copied());
        assert_eq!(run.request_peaks, least.zip(most));
        let middle = |at: usize| self.peaks.get(at).copied();
        let count = self.peaks.len();
        let median = middle(count / 2).zip(middle(count.saturating_sub(1) / 2)).map(|(a, b)| (a + b) / 2);
        assert_eq!(run.request_peak_median, median);
    }
}

#[test]
fn two_hundred_random_runs_agree_with_a_model() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut runs = Box::new(Runs::new());
    let mut now = 0;
    for number in 1..=200 {
        let clients = 1 + random.below(50);
        let mut model = Model::default();
        let mut left = clients;
        while left > 0 || !model.running.is_empty() {
            // Less than a second between two steps.
            now += random.below(900);
            assert_eq!(ended(&mut runs, now), None);
            if left > 0 && (model.running.is_empty() || random.below(2) == 0) {
                left -= 1;
                begin(&mut runs, now);
                model.requests += 1;
                if random.below(6) == 0 {
                    end(&mut runs, now, Outcome::Refused, 2_000);
                    *model.ends.entry("refused").or_default() += 1;
                    continue;
                }
                let held = 64_000 + random.below(3);
                runs.hold(held);
                model.running.push(held);
                model.at_once = model.at_once.max(model.running.len() as u64);
            } else {
                let nth = random.below(model.running.len() as u64) as usize;
                let held = model.running.swap_remove(nth);
                let outcome = if random.below(4) == 0 { Outcome::ClientClosed } else { Outcome::Sent };
                end(&mut runs, now, outcome, held);
                *model.ends.entry(outcome.name()).or_default() += 1;
                model.peaks.push(held);
            }
            model.check(&runs.current().unwrap());
            let held = (model.running.iter().min(), model.running.iter().max());
            let held = held.0.copied().zip(held.1.copied());
            assert_eq!(runs.current().unwrap().held, held);
        }
        let run = ended(&mut runs, now + 1_000).unwrap();
        assert_eq!((run.number, run.requests, run.ended), (number, clients, Some(ms(now))));
        model.check(&run);
        now += 1_000;
    }
}
