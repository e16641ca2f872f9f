//! Tables of request fields and the answers that they lead to.

use super::*;
use std::time::Duration;
use tiny_http::Header;

impl Fields {
    /// Creates fields from lines such as `Range: bytes=0-1`, for all tests of this folder.
    pub fn from_lines(lines: &[&str]) -> Self {
        let headers: Vec<Header> = lines.iter().map(|line| line.parse().unwrap()).collect();
        Self::of(&headers)
    }
}

/// Sat, 29 Oct 1994 19:43:31 GMT. The file has 0.5 s more, which its tag shows and its date does not.
const CHANGED_MS: u64 = 783_459_811_500;

fn time(ms: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
}

fn validators(modified_ms: u64, changed: Option<(u64, u64)>, size_bytes: u64) -> Validators {
    let changed = changed.map(|(ms, number)| (time(ms), number));
    Validators::new(time(modified_ms), changed, size_bytes, SystemTime::now())
}

fn file() -> Validators {
    validators(1_000, Some((CHANGED_MS, 7)), 100)
}

#[test]
fn conditions_are_answered_in_the_order_of_the_rfc() {
    use Verdict::{NotModified, PreconditionFailed, RangeNotSatisfiable, Whole};
    let part = |first, last| Verdict::Part(ByteRange { first, last });
    let etag = file().etag;
    let tagged = |line: &str| line.replace("TAG", &etag);
    let table: &[(&[&str], Verdict)] = &[
        (&[], Whole),
        (&["Range: bytes=0-1"], part(0, 1)),
        (&["Range: bytes=100-"], RangeNotSatisfiable),
        (&["Range: bytes=0-1", "Range: bytes=0-1"], Whole),
        (&["Range: furlongs=0-1"], Whole),
        // If-None-Match: weak comparison, lists, *.
        (&["If-None-Match: TAG"], NotModified),
        (&["If-None-Match: W/TAG"], NotModified),
        (&["If-None-Match: *"], NotModified),
        (&["If-None-Match: \t*  "], NotModified),
        (&["If-None-Match: \"a\", W/\"b\" ,TAG"], NotModified),
        (&["If-None-Match: \"a,\",\"b,c\", TAG"], NotModified),
        (&["If-None-Match: \"a\"", "If-None-Match: TAG"], NotModified),
        (&["If-None-Match: ,, TAG"], NotModified),
        (&["If-None-Match: \"other\""], Whole),
        (&["If-None-Match: \"x,TAG,\""], Whole),
        (&["If-None-Match: w/TAG"], Whole),
        (&["If-None-Match: garbage"], Whole),
        (&["If-None-Match: \"unclosed"], Whole),
        (&["If-None-Match:"], Whole),
        // If-Match: strong comparison.
        (&["If-Match: TAG"], Whole),
        (&["If-Match: *"], Whole),
        (&["If-Match: \"a,b\", TAG"], Whole),
        (&["If-Match: \"other\"", "If-Match: TAG"], Whole),
        (&["If-Match: W/TAG"], PreconditionFailed),
        (&["If-Match: \"other\""], PreconditionFailed),
        (&["If-Match: garbage"], PreconditionFailed),
        (&["If-Match: \"other\"", "Range: bytes=100-"], PreconditionFailed),
        // Dates in all three forms, in the future, malformed, twice.
        (&["If-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT"], NotModified),
        (&["If-Modified-Since: Saturday, 29-Oct-94 19:43:31 GMT"], NotModified),
        (&["If-Modified-Since: Sat Oct 29 19:43:31 1994"], NotModified),
        (&["If-Modified-Since: Thu, 31 Dec 2099 00:00:00 GMT"], NotModified),
        (&["If-Modified-Since: Sat, 29 Oct 1994 19:43:30 GMT"], Whole),
        (&["If-Modified-Since: yesterday"], Whole),
        (&["If-Modified-Since: Sat, 29 Oct 1994 19:43:31"], Whole),
        (
            &["If-Modified-Since: Thu, 31 Dec 2099 00:00:00 GMT", "If-Modified-Since: Thu, 31 Dec 2099 00:00:00 GMT"],
            Whole,
        ),
        (&["If-Unmodified-Since: Sat, 29 Oct 1994 19:43:31 GMT"], Whole),
        (&["If-Unmodified-Since: Saturday, 29-Oct-94 19:43:31 GMT"], Whole),
        (&["If-Unmodified-Since: Sat Oct 29 19:43:30 1994"], PreconditionFailed),
        (&["If-Unmodified-Since: never"], Whole),
        // A tag outranks the date beside it.
        (&["If-None-Match: \"other\"", "If-Modified-Since: Thu, 31 Dec 2099 00:00:00 GMT"], Whole),
        (&["If-Match: TAG", "If-Unmodified-Since: Sat, 29 Oct 1994 19:43:30 GMT"], Whole),
        // 412 before 304, 304 before 416 and 206.
        (&["If-Match: \"other\"", "If-None-Match: TAG"], PreconditionFailed),
        (&["If-None-Match: TAG", "Range: bytes=0-1"], NotModified),
        (&["If-None-Match: TAG", "Range: bytes=100-"], NotModified),
        (&["If-Unmodified-Since: Sat, 29 Oct 1994 19:43:30 GMT", "Range: bytes=0-1"], PreconditionFailed),
        // If-Range: the range only if it is the same file, and never 416 if it is not.
        (&["Range: bytes=0-1", "If-Range: TAG"], part(0, 1)),
        (&["Range: bytes=0-1", "If-Range: \t TAG "], part(0, 1)),
        (&["Range: bytes=0-1", "If-Range: Sat, 29 Oct 1994 19:43:31 GMT"], Whole),
        (&["Range: bytes=0-1", "If-Range: W/TAG"], Whole),
        (&["Range: bytes=0-1", "If-Range: \"other\""], Whole),
        (&["Range: bytes=0-1", "If-Range: TAG", "If-Range: TAG"], Whole),
        (&["Range: bytes=0-1", "If-Range: nonsense"], Whole),
        (&["Range: bytes=100-", "If-Range: \"other\""], Whole),
        (&["Range: bytes=100-", "If-Range: TAG"], RangeNotSatisfiable),
        (&["If-Range: TAG"], Whole),
    ];
    for (lines, verdict) in table {
        let lines: Vec<String> = lines.iter().map(|line| tagged(line)).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let fields = Fields::from_lines(&lines);
        assert_eq!(decide(&fields, &file(), true), *verdict, "{lines:?}");
    }
}

#[test]
fn head_ignores_range_but_not_the_rest() {
    let table: &[(&[&str], Verdict)] = &[
        (&["Range: bytes=0-1"], Verdict::Whole),
        (&["Range: bytes=100-"], Verdict::Whole),
        (&["If-None-Match: *", "Range: bytes=0-1"], Verdict::NotModified),
        (&["If-Match: \"other\""], Verdict::PreconditionFailed),
    ];
    for (lines, verdict) in table {
        let fields = Fields::from_lines(lines);
        assert_eq!(decide(&fields, &file(), false), *verdict, "{lines:?}");
    }
}

#[test]
fn every_part_of_a_version_changes_its_tag() {
    let versions = [
        validators(1_000, Some((2_000, 7)), 100),
        validators(1_001, Some((2_000, 7)), 100),
        validators(1_000, Some((2_001, 7)), 100),
        validators(1_000, Some((2_000, 8)), 100),
        validators(1_000, Some((2_000, 7)), 101),
        validators(1_000, None, 100),
    ];
    for (nth, version) in versions.iter().enumerate() {
        assert!(versions[..nth].iter().all(|other| other.etag != version.etag), "{version:?}");
    }
    assert_eq!(validators(1_000, Some((2_000, 7)), 100), versions[0]);
}

#[test]
fn a_tag_without_a_time_of_change_is_weak_and_matches_no_strong_comparison() {
    let file = validators(1_000, None, 100);
    assert!(file.etag.starts_with("W/\""));
    let strong = &file.etag[2..];
    for (line, verdict) in [
        (format!("If-None-Match: {}", file.etag), Verdict::NotModified),
        (format!("If-None-Match: {strong}"), Verdict::NotModified),
        (format!("If-Match: {}", file.etag), Verdict::PreconditionFailed),
        (format!("If-Match: {strong}"), Verdict::PreconditionFailed),
        (format!("If-Range: {}", file.etag), Verdict::Whole),
        (format!("If-Range: {strong}"), Verdict::Whole),
    ] {
        let fields = Fields::from_lines(&["Range: bytes=0-1", &line]);
        assert_eq!(decide(&fields, &file, true), verdict, "{line}");
    }
}

#[test]
fn last_modified_is_the_later_time_and_neither_in_the_future_nor_before_1970() {
    let now = SystemTime::now();
    let date = |modified, changed: Option<SystemTime>| {
        Validators::new(modified, changed.map(|at| (at, 7)), 1, now).last_modified
    };
    assert_eq!(date(time(5_000), Some(time(9_000))), http_date(time(9_000)));
    assert_eq!(date(time(9_000), Some(time(5_000))), http_date(time(9_000)));
    assert_eq!(date(time(9_000), None), http_date(time(9_000)));
    assert_eq!(date(now + Duration::from_secs(1_000), None), http_date(now));
    assert_eq!(date(SystemTime::UNIX_EPOCH - Duration::from_secs(1), None), None);
    let old = Validators { last_modified: None, ..file() };
    let asked = Fields::from_lines(&["If-Modified-Since: Thu, 31 Dec 2099 00:00:00 GMT"]);
    assert_eq!(decide(&asked, &old, true), Verdict::Whole);
}
