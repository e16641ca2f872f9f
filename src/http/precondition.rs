//! Validators and preconditions (RFC 9110 8.8 and 13): how a GET or HEAD request for the file is answered.

use std::time::SystemTime;

use httpdate::HttpDate;

use super::head::http_date;
use super::range::{self, ByteRange, NotSatisfiable};
use super::{Fields, OWS};

/// What tells the versions of a file apart for clients and caches, and the size of this version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    /// The entity tag, with its quotes, and with `W/` if it is weak.
    pub etag: String,
    /// The value of `Last-Modified`, which has whole seconds. `None` for a file from before 1970.
    pub last_modified: Option<HttpDate>,
    pub size_bytes: u64,
}

impl Validators {
    /// Any program can set `modified`. Only the file system sets `changed`: the last change, and the file's number.
    ///
    /// Another file with the same size and time of modification, as `cp -p` and `rsync -t` make it, must have another
    /// tag. So the tag contains `changed`. Without that it is weak (RFC 9110 8.8.1). A file keeps its tag only if it is
    /// written twice within the resolution of the file system's clock, some milliseconds. For the same reason, the date
    /// is the later one of both times, but not later than `now` (RFC 9110 8.8.2.1).
    pub fn new(modified: SystemTime, changed: Option<(SystemTime, u64)>, size_bytes: u64, now: SystemTime) -> Self {
        let nanos = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let start = format!("{:x}-{size_bytes:x}", nanos(modified));
        let (etag, latest) = match changed {
            None => (format!("W/\"{start}\""), modified),
            Some((at, number)) => (format!("\"{start}-{:x}-{number:x}\"", nanos(at)), modified.max(at)),
        };
        Self { etag, last_modified: http_date(latest.min(now)), size_bytes }
    }

    // The strong and the weak comparison (RFC 9110 8.8.3.2).
    fn matches_strongly(&self, tag: &str) -> bool {
        tag == self.etag && !tag.starts_with("W/")
    }

    fn matches_weakly(&self, tag: &str) -> bool {
        tag.trim_start_matches("W/") == self.etag.trim_start_matches("W/")
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

/// Evaluates the preconditions of a request in the order of RFC 9110 13.2.2. HEAD ignores `Range`.
pub fn decide(fields: &Fields, file: &Validators, is_get: bool) -> Verdict {
    let required = ("If-Match", "If-Unmodified-Since");
    if names_version(fields, file, required, Validators::matches_strongly) == Some(false) {
        return Verdict::PreconditionFailed;
    }
    let copied = ("If-None-Match", "If-Modified-Since");
    if names_version(fields, file, copied, Validators::matches_weakly) == Some(true) {
        return Verdict::NotModified;
    }
    let range = fields.single("Range").filter(|_| is_get && range_applies(fields, file));
    match range.and_then(|range| range::parse(range, file.size_bytes)) {
        None => Verdict::Whole,
        Some(Ok(range)) => Verdict::Part(range),
        Some(Err(NotSatisfiable)) => Verdict::RangeNotSatisfiable,
    }
}

/// Whether one of the entity tags in a list is that of the file, by the comparison `matches`, or else whether the file
/// has not changed since a date. `None` if there is neither, or the date is malformed or repeated.
fn names_version(
    fields: &Fields,
    file: &Validators,
    (tags_name, since_name): (&'static str, &'static str),
    matches: fn(&Validators, &str) -> bool,
) -> Option<bool> {
    let mut lists = fields.all(tags_name).peekable();
    if lists.peek().is_some() {
        let has_tag = |list: &str| list.trim_matches(OWS) == "*" || tags(list).any(|tag| matches(file, tag));
        return Some(lists.any(has_tag));
    }
    let since = httpdate::parse_http_date(fields.single(since_name)?).ok()?;
    Some(SystemTime::from(file.last_modified?) <= since)
}

/// Evaluates `If-Range` by the strong comparison. A date never matches, because the file may have changed twice within
/// its second (RFC 9110 13.1.5, 8.8.2.2). A client that has an entity tag, as every answer does, must not send one.
fn range_applies(fields: &Fields, file: &Validators) -> bool {
    let is_current = |value: &str| file.matches_strongly(value.trim_matches(OWS));
    fields.all("If-Range").next().is_none() || fields.single("If-Range").is_some_and(is_current)
}

/// The entity tags of a list, with any `W/`. It ends at the first element that is no tag. A tag may contain commas.
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
