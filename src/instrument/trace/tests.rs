//! The exact text of the lines.

use std::time::Duration;

use super::lines::TextRecord;
use super::*;
use crate::http::range::ByteRange;
use crate::instrument::heap::ThreadUse;
use crate::instrument::record::{Answered, Asked, Outcome};
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
        answered: Answered {
            status: 200,
            range: None,
            body_bytes: 40 * MIB,
            sent_bytes: 40 * MIB,
            outcome: Outcome::Sent,
            first_byte: Some(Duration::from_micros(17_900)),
        },
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

fn text(record: &Record, coloured: bool) -> String {
    let color = if coloured { Color::Always } else { Color::Never };
    let trace = Trace::new("buffer", TraceFormat::Text, color);
    TextRecord { record, trace: &trace }.to_string()
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
    (record.answered.body_bytes, record.answered.sent_bytes) = (100, 99);
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
    record.answered.first_byte = Some(Duration::from_millis(2_698));
    record.duration = Duration::from_millis(3_120);
    let line = text(&record, false);
    let pid_digits = std::process::id().to_string().len();
    assert!(line.len() - pid_digits + "4194304".len() <= 120, "{line}");
}

#[test]
fn a_summary_counts_one_request_and_two_requests() {
    let mut end = Sample {
        at: Duration::from_millis(12_300),
        in_flight: 0,
        requests: 1,
        sent_bytes: 800 * MIB,
        live: 0,
        live_peak: 3 * MIB / 2,
        largest_request_peak: 66_000,
        resident: ResidentSet { now_bytes: None, peak_bytes: None },
        allocations: 0,
    };
    let line =
        |end| Trace::new("stream", TraceFormat::Text, Color::Never).line(&Entry::Stopped(end)).to_string();
    assert_eq!(
        line(end),
        "heapserve: stream, 1 request, 800.0 MiB sent, ran for 12.3 s; heap peak 1.5 MiB, largest request 64.5 KiB, \
         RSS peak ?"
    );
    end.requests = 2;
    assert!(line(end).contains(" 2 requests, "));
}

#[test]
fn an_object_has_the_same_values_by_name() {
    let mut record = record();
    record.answered.range = Some(ByteRange { first: 5, last: 104 });
    record.answered.first_byte = None;
    assert_eq!(
        JsonRecord { record: &record, mode: "buffer" }.to_string(),
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
    let line = |format, entry| Trace::new("stream", format, Color::Never).line(&entry).to_string();
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
    let object = JsonRecord { record: &record, mode: "buffer" }.to_string();
    assert!(object.contains(r#""target":"/\u000d\u000a[1] \u001b[31m\",\"status\":200,\\","#), "{object}");
}

#[test]
fn the_longest_line_fits() {
    let mut record = record();
    record.asked.target = FixedText::cut(&"\u{1}".repeat(1_000));
    record.asked.method = FixedText::cut(&"\u{1}".repeat(1_000));
    record.asked.peer = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535".parse().unwrap();
    assert!(JsonRecord { record: &record, mode: "buffer" }.to_string().len() < LINE_BYTES);
    assert!(text(&record, true).len() < LINE_BYTES);
}
