//! The exact text of the lines.

use std::time::Duration;

use super::*;
use crate::http::range::ByteRange;
use crate::instrument::fixed_text::FixedText;
use crate::instrument::heap::ThreadUse;
use crate::instrument::record::{Answered, Asked, Outcome, Outcomes, Record, Run, Sample};
use crate::platform::ResidentSet;

const MIB: u64 = 1 << 20;

/// A typical request.
pub fn record() -> Record {
    let resident = |now| ResidentSet { now_bytes: Some(now), peak_bytes: Some(130 * MIB) };
    Record {
        request: 7,
        asked: Asked {
            connection: 3,
            peer: "127.0.0.1:51514".parse().unwrap(),
            method: FixedText::cut("GET"),
            target: FixedText::cut("/"),
        },
        answered: Answered { status: 200, range: None, body_bytes: 40 * MIB, outcome: Outcome::Sent },
        sent_bytes: 40 * MIB,
        first_byte: Some(Duration::from_micros(17_900)),
        at: Duration::from_micros(10_878_123),
        duration: Duration::from_micros(31_400),
        in_flight: 3,
        live_before: MIB / 4,
        live_after: MIB / 4,
        live_peak: 120 * MIB,
        used: ThreadUse { peak_bytes: 40 * MIB, allocations: 2, allocated_bytes: 40 * MIB + 9 },
        resident_before: resident(5 * MIB),
        resident_after: resident(6 * MIB),
    }
}

/// The figures after one request.
pub fn sample() -> Sample {
    Sample {
        at: Duration::from_millis(12_300),
        in_flight: 0,
        requests: 1,
        sent_bytes: 800 * MIB,
        live: 0,
        live_peak: 3 * MIB / 2,
        largest_request_peak: 66_000,
        resident: ResidentSet { now_bytes: None, peak_bytes: None },
        allocations: 0,
        file_bytes: 40 * MIB,
        run: None,
        last_run: None,
    }
}

fn text(record: &Record, coloured: bool) -> String {
    let color = if coloured { ColorChoice::Always } else { ColorChoice::Never };
    let trace = Trace::new("buffer", TraceFormat::Text, color);
    trace.line(&Entry::Request(*record)).to_string()
}

#[test]
fn a_line_reads_like_a_garbage_collectors() {
    let pid = std::process::id();
    assert_eq!(
        text(&record(), false),
        format!(
            "[{pid}]   10878 ms: #7 buffer GET / 200  peak 40.0M, heap 256K (5.0M) -> 256K (6.0M), 18 / 31 ms, \
             3 in flight"
        )
    );
}

#[test]
fn a_line_says_the_range_and_what_went_wrong_last() {
    let mut record = record();
    record.answered.status = 206;
    record.answered.range = Some(ByteRange { first: 5, last: 104 });
    (record.answered.body_bytes, record.sent_bytes) = (100, 99);
    record.answered.outcome = Outcome::ClientClosed;
    record.resident_before = ResidentSet::default();
    let line = text(&record, false);
    assert!(line.contains("GET / 206 5-104  peak"), "{line}");
    assert!(line.contains("heap 256K (?) -> 256K (6.0M),"), "{line}");
    assert!(line.ends_with("3 in flight, client_closed: sent 99 of 100 bytes"), "{line}");
}

#[test]
fn an_ordinary_line_has_120_columns_at_most() {
    let mut record = record();
    (record.request, record.in_flight) = (107, 20);
    (record.live_before, record.live_after) = (843_711_817, 801_768_777);
    record.resident_before.now_bytes = Some(848_000_000);
    record.resident_after.now_bytes = Some(806_000_000);
    record.first_byte = Some(Duration::from_millis(2_698));
    record.duration = Duration::from_millis(3_120);
    let line = text(&record, false);
    let pid_digits = std::process::id().to_string().len();
    assert!(line.len() - pid_digits + "4194304".len() <= 120, "{line}");
}

#[test]
fn a_summary_counts_one_request_and_two_requests() {
    let mut end = sample();
    let line = |end| Trace::new("stream", TraceFormat::Text, ColorChoice::Never).line(&Entry::Stopped(end)).to_string();
    assert_eq!(
        line(end),
        "heapserve: stream, 1 request, 800.0 MiB sent, ran for 12.3 s; heap peak 1.5 MiB, largest request 64.5 KiB, \
         RSS peak ?"
    );
    end.requests = 2;
    assert!(line(end).contains(" 2 requests, "));
}

/// Twenty viewers of the video in buffer mode.
fn run() -> Run {
    Run {
        number: 3,
        ended: Some(Duration::from_secs(9)),
        requests: 20,
        at_once: 20,
        outcomes: Outcomes { complete: 20, ..Outcomes::default() },
        request_peaks: Some((42_161_203, 42_162_000)),
        request_peak_median: Some(42_161_203),
        heap_peak: 843_711_817,
        rss_peak: Some(848_521_000),
        first_byte_median: Some(Duration::from_millis(316)),
        ..Run::default()
    }
}

fn run_line(run: Run) -> String {
    Trace::new("buffer", TraceFormat::Text, ColorChoice::Never).line(&Entry::Run(run)).to_string()
}

#[test]
fn the_line_of_a_run_says_what_is_known() {
    let outcomes = Outcomes { complete: 17, client_closed: 2, timed_out: 1, refused: 5, ..Outcomes::default() };
    let refused = Outcomes { refused: 4, ..Outcomes::default() };
    let none = Run { request_peaks: None, rss_peak: None, first_byte_median: None, ..run() };
    let table = [
        (
            run(),
            "run 3 buffer: 20 viewers at once, 40.2M each, heap peak 805M, RSS 809M; 20 complete; first byte 316 ms",
        ),
        (
            Run { requests: 25, request_peaks: Some((66_000, 81_200)), outcomes, ..run() },
            "run 3 buffer: 25 requests, 20 at once, 64.5K to 79.3K each, heap peak 805M, RSS 809M; \
             3 cut short, 5 refused",
        ),
        (
            Run { requests: 4, at_once: 0, outcomes: refused, ..none },
            "run 3 buffer: 4 requests, all refused, heap peak 805M",
        ),
        (
            Run { requests: 2, at_once: 2, in_flight: 2, outcomes: Outcomes::default(), ..none },
            "run 3 buffer: 2 viewers at once, heap peak 805M; 2 not ended",
        ),
    ];
    for (run, line) in table {
        assert_eq!(run_line(run), line);
    }
}

#[test]
fn an_ordinary_line_of_a_run_has_120_columns_at_most() {
    let outcomes = Outcomes { complete: 187, client_closed: 6, refused: 7, ..Outcomes::default() };
    let many = Run { number: 107, requests: 200, at_once: 120, outcomes, ..run() };
    let line = run_line(many);
    assert!(line.len() <= 120 && line.ends_with("; 6 cut short, 7 refused"), "{line}");
    let fewer = Run { number: 9, requests: 40, at_once: 20, outcomes, ..run() };
    let line = run_line(fewer);
    assert!(line.len() <= 120 && line.ends_with("; first byte 316 ms"), "{line}");
}

#[test]
fn a_run_as_an_object_has_a_null_for_what_is_unknown() {
    let object = |run| Trace::new("stream", TraceFormat::Json, ColorChoice::Never).line(&Entry::Run(run)).to_string();
    assert_eq!(
        object(run()),
        "{\"event\":\"run\",\"number\":3,\"mode\":\"stream\",\"began_us\":0,\"ended_us\":9000000,\
         \"requests\":20,\"at_once\":20,\"complete\":20,\"client_closed\":0,\"timed_out\":0,\"short\":0,\
         \"stopped\":0,\"failed\":0,\"refused\":0,\"request_peak_min\":42161203,\
         \"request_peak_median\":42161203,\"request_peak_max\":42162000,\"heap_before\":0,\
         \"heap_peak\":843711817,\"rss_peak\":848521000,\"first_byte_us_median\":316000,\
         \"first_byte_us_max\":null,\"sent_bytes\":0,\"file_bytes\":0,\"in_flight\":0}"
    );
    let going_on = object(Run { ended: None, held: Some((1, 2)), request_peaks: None, ..run() });
    assert!(going_on.contains(r#""ended_us":null,"#), "{going_on}");
    assert!(going_on.contains(r#""request_peak_min":null,"#), "{going_on}");
    assert!(going_on.ends_with(r#","held_min":1,"held_max":2}"#), "{going_on}");
}

#[test]
fn an_object_has_the_same_values_by_name() {
    let mut record = record();
    record.answered.range = Some(ByteRange { first: 5, last: 104 });
    record.first_byte = None;
    assert_eq!(
        json_record(&record, "buffer").to_string(),
        "{\"event\":\"request\",\"request\":7,\"connection\":3,\"peer\":\"127.0.0.1:51514\",\
         \"at_us\":10878123,\"method\":\"GET\",\"target\":\"/\",\"mode\":\"buffer\",\"status\":200,\
         \"range\":[5,104],\"body_bytes\":41943040,\"sent_bytes\":41943040,\"outcome\":\"sent\",\
         \"first_byte_us\":null,\"duration_us\":31400,\"in_flight\":3,\"live_before\":262144,\
         \"live_after\":262144,\"live_peak\":125829120,\"request_peak\":41943040,\
         \"request_allocations\":2,\"request_allocated_bytes\":41943049,\"rss_before\":5242880,\
         \"rss_after\":6291456,\"rss_peak\":136314880}"
    );
}

#[test]
fn a_gap_and_a_warning_are_told_for_people_and_for_programs() {
    let line = |format, entry| Trace::new("stream", format, ColorChoice::Never).line(&entry).to_string();
    let warning = || Entry::Warning(FixedText::cut("heed\n\"this\""));
    let missing = "stderr was not read, or its disk was full; lines missing here: 12";
    assert_eq!(line(TraceFormat::Text, Entry::Lost(12)), format!("heapserve: warning: {missing}"));
    assert_eq!(
        line(TraceFormat::Json, Entry::Lost(12)),
        format!(r#"{{"event":"warning","lines":12,"message":"{missing}"}}"#)
    );
    assert_eq!(line(TraceFormat::Off, warning()), r#"heapserve: warning: heed\n"this""#);
    assert_eq!(line(TraceFormat::Json, warning()), r#"{"event":"warning","message":"heed\u000a\"this\""}"#);
}

#[test]
fn nobody_forges_a_line_or_an_object() {
    let mut record = record();
    record.asked.target = FixedText::cut("/\r\n[1] \x1b[31m\",\"status\":200,\\");
    let line = text(&record, false);
    assert!(!line.contains(['\r', '\n', '\x1b']), "{line:?}");
    let object = json_record(&record, "buffer").to_string();
    assert!(object.contains(r#""target":"/\u000d\u000a[1] \u001b[31m\",\"status\":200,\\","#), "{object}");
}

#[test]
fn the_longest_line_fits() {
    let mut record = record();
    record.asked.target = FixedText::cut(&"\u{1}".repeat(1_000));
    record.asked.method = FixedText::cut(&"\u{1}".repeat(1_000));
    record.asked.peer = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535".parse().unwrap();
    assert!(json_record(&record, "buffer").to_string().len() < LINE_BYTES);
    assert!(text(&record, true).len() < LINE_BYTES);
}
