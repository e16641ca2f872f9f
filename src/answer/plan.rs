//! The plan of an answer: its status, its head, and where its content comes from. Planning opens the file, but reads
//! and sends nothing.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, ErrorKind};

use tiny_http::Method;

use crate::engine::Exchange;
use crate::http::head::Head;
use crate::http::origin;
use crate::http::precondition::{self, Validators, Verdict};
use crate::http::range::ByteRange;
use crate::http::target;
use crate::instrument::record::Outcome;
use crate::instrument::units::parse_size;
use crate::modes::Order;
use crate::platform;
use crate::site::media::Media;

use super::route::Route;

/// The methods that the targets of this server support (RFC 9110 9.3).
const ALLOWED_METHODS: &str = "GET, HEAD, OPTIONS";
/// The value of `Retry-After` in a 503.
const RETRY_AFTER_SECONDS: &str = "1";

/// An answer that has not been sent yet.
pub struct Plan {
    pub status: u16,
    pub head: Vec<u8>,
    pub content: Content,
    /// The outcome if the answer is sent completely.
    pub outcome: Outcome,
}

/// The content of an answer (RFC 9110 6.4).
pub enum Content {
    /// No content, as in the answer to HEAD, or in a 304.
    None,
    /// One line of text for the user.
    Text(String),
    Media {
        order: Order,
        /// The same bytes as a range, if the status is 206.
        range: Option<ByteRange>,
        /// The rate that the client requested, if any.
        bytes_per_second: Option<u64>,
    },
}

/// Plans the answer to one request.
pub fn plan(media: &Media, exchange: &Exchange, route: Route) -> Plan {
    if let Some(fault) = exchange.fault {
        return text(exchange, fault.status, fault.why, Outcome::Sent, None);
    }
    match (route, &exchange.method) {
        (Route::Server, Method::Options) => allowed_methods(exchange),
        (Route::Unknown | Route::Server, _) => not_found(media, exchange),
        (_, Method::Options) => allowed_methods(exchange),
        (Route::Media, Method::Get | Method::Head) => match (parse_rate(&exchange.target), media.open()) {
            (Err(why), _) => text(exchange, 400, why, Outcome::Sent, None),
            (Ok(bytes_per_second), Ok((file, validators))) => {
                media_answer(media, exchange, file, &validators, bytes_per_second)
            }
            (_, Err(error)) => unavailable(exchange, &error),
        },
        _ => {
            let why = "this server only reads: GET, HEAD, OPTIONS";
            text(exchange, 405, why, Outcome::Sent, Some(("Allow", ALLOWED_METHODS)))
        }
    }
}

/// Plans a 503, for a resource that is exhausted only at the moment.
pub fn refused(exchange: &Exchange, why: &str) -> Plan {
    text(exchange, 503, why, Outcome::Refused, Some(("Retry-After", RETRY_AFTER_SECONDS)))
}

/// Plans a 500, for a file that the system cannot open or read, although it is there and may be read.
pub fn unreadable(exchange: &Exchange) -> Plan {
    let why = "the file cannot be read, or has just become shorter; try again";
    text(exchange, 500, why, Outcome::Unreadable, None)
}

/// Parses the rate in bytes per second that a target such as `/?rate=8M` requests. The error says which values are
/// allowed.
fn parse_rate(target: &str) -> Result<Option<u64>, &'static str> {
    let mut given = target::query(target, "rate");
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(size), None) if let Some(bytes) = parse_size(size) => Ok(Some(bytes)),
        (_, None) => Err("rate wants a number of bytes per second above 0, such as /?rate=64K or /?rate=8M"),
        _ => Err("rate can be given only once, in bytes per second, such as /?rate=64K or /?rate=8M"),
    }
}

fn media_answer(
    media: &Media,
    exchange: &Exchange,
    file: File,
    validators: &Validators,
    bytes_per_second: Option<u64>,
) -> Plan {
    let is_get = exchange.method == Method::Get;
    let verdict = precondition::decide(&exchange.fields, validators, is_get);
    let size_bytes = validators.size_bytes;
    let (status, range) = match verdict {
        Verdict::Whole => (200, None),
        Verdict::Part(range) => (206, Some(range)),
        Verdict::NotModified => return not_modified(exchange, validators),
        Verdict::PreconditionFailed => {
            let why = "the file is not the version that the request's conditions name";
            return text(exchange, 412, why, Outcome::Sent, None);
        }
        Verdict::RangeNotSatisfiable => {
            let why = "the file ends before the range";
            let range = format!("bytes */{size_bytes}");
            return text(exchange, 416, why, Outcome::Sent, Some(("Content-Range", &range)));
        }
    };
    let (first, length) = range.map_or((0, size_bytes), |r| (r.first, r.last - r.first + 1));
    let mut head = head(exchange, status);
    head.field("Content-Type", media.media_type);
    head.field("X-Content-Type-Options", "nosniff");
    head.field("Content-Disposition", &media.disposition);
    head.field("Accept-Ranges", "bytes");
    add_cache_fields(&mut head, validators);
    if let Some(range) = range {
        head.field("Content-Range", format_args!("bytes {}-{}/{size_bytes}", range.first, range.last));
    }
    if bytes_per_second.is_some() {
        head.forbid_buffering();
    }
    head.field("Content-Length", length);
    let order = Order { file, file_bytes: size_bytes, first, length };
    let content = if is_get { Content::Media { order, range, bytes_per_second } } else { Content::None };
    Plan { status, head: head.finish(), content, outcome: Outcome::Sent }
}

/// Plans a 304. It has the fields of a 200 that caches use, and no length (RFC 9110 15.4.5).
fn not_modified(exchange: &Exchange, validators: &Validators) -> Plan {
    let mut head = head(exchange, 304);
    add_cache_fields(&mut head, validators);
    Plan { status: 304, head: head.finish(), content: Content::None, outcome: Outcome::Sent }
}

/// Appends the fields that caches use. `no-cache` lets a cache store the file, and makes it ask the server each time
/// (RFC 9111 5.2.2.4). Otherwise a browser could play the file again without a request, and the trace would not show
/// it. nginx stores the file only with `proxy_ignore_headers Cache-Control`. `no-transform` forbids a proxy to compress
/// or convert the file, which would no longer have this length and this tag.
fn add_cache_fields(head: &mut Head, validators: &Validators) {
    head.field("Cache-Control", "no-cache, no-transform");
    head.field("ETag", &validators.etag);
    if let Some(date) = validators.last_modified {
        head.field("Last-Modified", date);
    }
}

fn allowed_methods(exchange: &Exchange) -> Plan {
    let mut head = head(exchange, 204);
    head.field("Allow", ALLOWED_METHODS);
    Plan { status: 204, head: head.finish(), content: Content::None, outcome: Outcome::Sent }
}

fn not_found(media: &Media, exchange: &Exchange) -> Plan {
    let file = &media.url_path;
    let why = format!("nothing here; there are / and {file} (the file), /heap (what it costs), /heap.json");
    text(exchange, 404, &why, Outcome::Sent, None)
}

/// Plans the answer for a file that cannot be opened.
fn unavailable(exchange: &Exchange, error: &io::Error) -> Plan {
    let lasting = |status, why, outcome| text(exchange, status, why, outcome, None);
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            lasting(404, "the file is not there at the moment", Outcome::Missing)
        }
        _ if platform::is_busy(error) => refused(exchange, "another program holds the file; try again"),
        _ if platform::is_out_of_descriptors(error) => {
            refused(exchange, "the server has too many files open; try again")
        }
        ErrorKind::PermissionDenied => {
            lasting(403, "the file is there, but this server cannot read it", Outcome::Forbidden)
        }
        _ => unreadable(exchange),
    }
}

/// Starts a head with the fields that every answer has.
fn head(exchange: &Exchange, status: u16) -> Head {
    let mut head = Head::new(status, exchange.persistence());
    origin::allow_pages(&mut head, &exchange.fields);
    head
}

/// Plans an answer of one line of plain text, with one more field where the status needs it.
fn text(
    exchange: &Exchange,
    status: u16,
    line: impl Display,
    outcome: Outcome,
    field: Option<(&str, &str)>,
) -> Plan {
    let line = format!("{line}\n");
    let mut head = head(exchange, status);
    head.field("Content-Type", "text/plain; charset=utf-8");
    head.field("X-Content-Type-Options", "nosniff");
    field.inspect(|(name, value)| head.field(name, value));
    head.field("Content-Length", line.len());
    let content = if exchange.method == Method::Head { Content::None } else { Content::Text(line) };
    Plan { status, head: head.finish(), content, outcome }
}
