//! The lines as they are read, to the letter.

use std::time::Duration;

use super::lines::TextRecord;
use super::*;
use crate::http::range::ByteRange;
use crate::instrument::heap::ThreadUse;
use crate::instrument::record::{Answered, Asked, Outcome};
use crate::platform::ResidentSet;

const MIB: u64 = 1 << 20;

/// An ordinary request.
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
            "[{pid}]    10878 ms: #7 buffer GET / 200  heap 0.3 -> 0.3 MiB (RSS 5.0 -> 6.0), \
             peak 40.0 this request, 120.0 process; sent 40.0 of 40.0 MiB in 31.4 ms, first byte 17.9 ms, \
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
    assert!(line.contains("GET / 206 bytes 5-104  heap"), "{line}");
    assert!(line.contains("(RSS unknown -> 6.0)"), "{line}");
    assert!(line.contains("sent 99 of 100 bytes in"), "{line}");
    assert!(line.ends_with("3 in flight, client_closed"), "{line}");
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
    let missing = "stderr was not read in time; lines missing here: 12";
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
