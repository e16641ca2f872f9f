//! Validators and preconditions (RFC 9110 8.8 and 13): how a GET or HEAD request for the file is answered.

use std::time::SystemTime;

use httpdate::HttpDate;

use super::Fields;
use super::range::{self, ByteRange, OWS, Selected};

/// What distinguishes the versions of a file, and the size of this version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    /// A strong entity tag, with its quotes.
    pub etag: String,
    /// The value of `Last-Modified`, which has whole seconds. `None` for a file from before 1970.
    pub last_modified: Option<HttpDate>,
    /// The size of the file in bytes.
    pub size_bytes: u64,
}

impl Validators {
    /// Creates the validators of a file.
    ///
    /// The entity tag consists of the modification time in nanoseconds and the size. So a file keeps its tag if it is
    /// changed in place within the resolution of the file system's clock and keeps its size. The date is never later
    /// than `now` (RFC 9110 8.8.2.1).
    pub fn new(modified: SystemTime, size_bytes: u64, now: SystemTime) -> Self {
        let nanoseconds = match modified.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => format!("{:x}", since.as_nanos()),
            Err(before) => format!("b{:x}", before.duration().as_nanos()),
        };
        Self {
            etag: format!("\"{nanoseconds}-{size_bytes:x}\""),
            last_modified: (modified >= SystemTime::UNIX_EPOCH).then(|| HttpDate::from(modified.min(now))),
            size_bytes,
        }
    }
}

/// The answer to a request for the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// 200 with the whole file.
    Whole,
    /// 206 with a part of the file.
    Part(ByteRange),
    /// 304: the client's copy is current.
    NotModified,
    /// 412: the file is not the version that the request requires.
    PreconditionFailed,
    /// 416: the file has none of the requested bytes.
    RangeNotSatisfiable,
}

/// Evaluates the preconditions of a request in the order of RFC 9110 13.2.2. `is_get` tells GET from HEAD, which
/// ignores `Range`.
pub fn decide(fields: &Fields, file: &Validators, is_get: bool) -> Verdict {
    if !is_required_version(fields, file) {
        return Verdict::PreconditionFailed;
    }
    if is_copy_current(fields, file) {
        return Verdict::NotModified;
    }
    let Some(range) = fields.single("Range").filter(|_| is_get && range_applies(fields, file)) else {
        return Verdict::Whole;
    };
    match range::parse(range, file.size_bytes) {
        Selected::Whole => Verdict::Whole,
        Selected::Part(range) => Verdict::Part(range),
        Selected::Nothing => Verdict::RangeNotSatisfiable,
    }
}

/// Evaluates `If-Match` by the strong comparison, or `If-Unmodified-Since` if there is no `If-Match`.
fn is_required_version(fields: &Fields, file: &Validators) -> bool {
    let mut lists = fields.all("If-Match").peekable();
    if lists.peek().is_some() {
        return lists.any(|list| is_star(list) || tags(list).any(|tag| tag == file.etag));
    }
    match (date(fields, "If-Unmodified-Since"), file.last_modified) {
        (Some(since), Some(modified)) => SystemTime::from(modified) <= since,
        _ => true,
    }
}

/// Evaluates `If-None-Match` by the weak comparison, or `If-Modified-Since` if there is no `If-None-Match`.
fn is_copy_current(fields: &Fields, file: &Validators) -> bool {
    let mut lists = fields.all("If-None-Match").peekable();
    if lists.peek().is_some() {
        let same = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag) == file.etag;
        return lists.any(|list| is_star(list) || tags(list).any(same));
    }
    match (date(fields, "If-Modified-Since"), file.last_modified) {
        (Some(since), Some(modified)) => SystemTime::from(modified) <= since,
        _ => false,
    }
}

/// Evaluates `If-Range`. Its value must be the entity tag, or exactly the date of `Last-Modified`.
fn range_applies(fields: &Fields, file: &Validators) -> bool {
    if fields.all("If-Range").next().is_none() {
        return true;
    }
    let Some(value) = fields.single("If-Range").map(|value| value.trim_matches(OWS)) else {
        return false;
    };
    if value.starts_with('"') || value.starts_with("W/") {
        return value == file.etag;
    }
    value.parse::<HttpDate>().is_ok_and(|date| Some(date) == file.last_modified)
}

fn is_star(list: &str) -> bool {
    list.trim_matches(OWS) == "*"
}

/// The date in a field, in any of its three forms. A malformed date counts as absent, and so does a repeated field.
fn date(fields: &Fields, name: &'static str) -> Option<SystemTime> {
    httpdate::parse_http_date(fields.single(name)?).ok()
}

/// The entity tags of a list, each with its `W/` if it has one. The list ends at the first element that is not a tag.
/// The quotes of a tag may contain commas.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let quote = if rest.starts_with("W/") { 2 } else { 0 };
        let inside = rest.get(quote..)?.strip_prefix('"')?;
        let end = quote + 1 + inside.find('"')? + 1;
        let (tag, after) = rest.split_at(end);
        rest = after;
        Some(tag)
    })
}

#[cfg(test)]
#[path = "precondition_tests.rs"]
mod tests;
