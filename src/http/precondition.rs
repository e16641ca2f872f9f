//! Validators and preconditions (RFC 9110 8.8 and 13): which answer a GET or HEAD of a file gets.

use std::time::SystemTime;

use httpdate::HttpDate;

use super::Fields;
use super::range::{self, ByteRange, OWS, Selected};

/// What tells one version of a file from another, and its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    /// Strong entity tag, with its quotes.
    pub etag: String,
    /// Whole seconds, as in the `Last-Modified` field; `None` for a file of before 1970.
    pub last_modified: Option<HttpDate>,
    /// The file's length in bytes.
    pub size_bytes: u64,
}

impl Validators {
    /// A tag of modification time (nanoseconds) and size, and a date that is never later than `now`
    /// (RFC 9110 8.8.2.1). A file that is changed in place within the clock's grain, at the same size,
    /// keeps its tag.
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
    /// 206 with a part of it.
    Part(ByteRange),
    /// 304: the client's copy is good.
    NotModified,
    /// 412: the file is not the one that the client means.
    PreconditionFailed,
    /// 416: the file has none of the bytes asked for.
    RangeNotSatisfiable,
}

/// Evaluates a request's conditions in the order of RFC 9110 13.2.2. `is_get`: a HEAD ignores Range.
pub fn decide(fields: &Fields, file: &Validators, is_get: bool) -> Verdict {
    if !still_the_one_meant(fields, file) {
        return Verdict::PreconditionFailed;
    }
    if client_has_it(fields, file) {
        return Verdict::NotModified;
    }
    let Some(range) = fields.single("Range").filter(|_| is_get && range_holds(fields, file)) else {
        return Verdict::Whole;
    };
    match range::parse(range, file.size_bytes) {
        Selected::Whole => Verdict::Whole,
        Selected::Part(range) => Verdict::Part(range),
        Selected::Nothing => Verdict::RangeNotSatisfiable,
    }
}

/// If-Match (strong comparison), else If-Unmodified-Since.
fn still_the_one_meant(fields: &Fields, file: &Validators) -> bool {
    let mut lists = fields.all("If-Match").peekable();
    if lists.peek().is_some() {
        return lists.any(|list| is_star(list) || tags(list).any(|tag| tag == file.etag));
    }
    match (date(fields, "If-Unmodified-Since"), file.last_modified) {
        (Some(since), Some(modified)) => SystemTime::from(modified) <= since,
        _ => true,
    }
}

/// If-None-Match (weak comparison), else If-Modified-Since.
fn client_has_it(fields: &Fields, file: &Validators) -> bool {
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

/// If-Range: a strong tag that is equal, or a date that is exactly Last-Modified.
fn range_holds(fields: &Fields, file: &Validators) -> bool {
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

/// All three forms of a date are read; a malformed one, or one that came twice, counts as absent.
fn date(fields: &Fields, name: &'static str) -> Option<SystemTime> {
    httpdate::parse_http_date(fields.single(name)?).ok()
}

/// The entity tags of a list, `W/` included, up to the first thing that is none. Commas may stand
/// inside the quotes.
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
