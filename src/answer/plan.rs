//! The plan of an answer: its status, head, and content. Planning opens the file, but reads and sends nothing.

use std::fmt::Display;
use std::io::{self, ErrorKind};

use tiny_http::Method;

use crate::engine::Exchange;
use crate::http::head::Head;
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

/// An answer that has not been sent yet.
pub struct Plan {
    pub status: u16,
    pub head: Head,
    pub content: Content,
    /// The outcome if the answer is sent completely.
    pub outcome: Outcome,
}

/// The content of an answer (RFC 9110 6.4).
pub enum Content {
    /// One line of text for the user, or nothing, as in the answer to HEAD, or in a 304.
    Text(String),
    Media {
        order: Order,
        /// The same bytes as a range, if the status is 206.
        range: Option<ByteRange>,
        /// The rate that the client requested, if any.
        bytes_per_second: Option<u64>,
    },
}

impl Plan {
    /// An answer without content.
    fn empty(exchange: &Exchange, status: u16) -> Self {
        Self { status, head: exchange.head(status), content: Content::Text(String::new()), outcome: Outcome::Sent }
    }

    /// An answer of one line of plain text.
    fn text(exchange: &Exchange, status: u16, line: impl Display) -> Self {
        let line = format!("{line}\n");
        let plan = Self::empty(exchange, status)
            .with("Content-Type", "text/plain; charset=utf-8")
            .with("X-Content-Type-Options", "nosniff")
            .with("Content-Length", line.len());
        if exchange.method == Method::Head { plan } else { Self { content: Content::Text(line), ..plan } }
    }

    fn with(mut self, name: &str, value: impl Display) -> Self {
        self.head.field(name, value);
        self
    }
}

pub fn plan(media: &Media, exchange: &Exchange, route: Route) -> Plan {
    if let Some(fault) = exchange.fault {
        return Plan::text(exchange, fault.status, fault.why);
    }
    match (route, &exchange.method) {
        (Route::Media | Route::Page(_) | Route::Server, Method::Options) => {
            Plan::empty(exchange, 204).with("Allow", ALLOWED_METHODS)
        }
        (Route::Media, Method::Get | Method::Head) => file(media, exchange).unwrap_or_else(|other| other),
        (Route::Media | Route::Page(_), _) => {
            let why = "this server only reads: GET, HEAD, OPTIONS";
            Plan::text(exchange, 405, why).with("Allow", ALLOWED_METHODS)
        }
        (Route::Server | Route::Unknown, _) => {
            let file = &media.url_path;
            let why = format!("nothing here; there are / and {file} (the file), /heap (what it costs), /heap.json");
            Plan::text(exchange, 404, why)
        }
    }
}

/// Plans a 503, for a resource that is exhausted only at the moment.
pub fn refused(exchange: &Exchange, why: &str) -> Plan {
    Plan { outcome: Outcome::Refused, ..Plan::text(exchange, 503, why).with("Retry-After", "1") }
}

/// Plans a 500, for a file that the system cannot open or read, although it is there and may be read.
pub fn unreadable(exchange: &Exchange) -> Plan {
    let why = "the file cannot be read, or has just become shorter; try again";
    Plan { outcome: Outcome::Unreadable, ..Plan::text(exchange, 500, why) }
}

/// Plans the answer to a GET or HEAD request for the file. The error is the answer if the file is not to be sent.
fn file(media: &Media, exchange: &Exchange) -> Result<Plan, Plan> {
    let bytes_per_second = parse_rate(&exchange.target).map_err(|why| Plan::text(exchange, 400, why))?;
    let (file, validators) = media.open().map_err(|error| unavailable(exchange, &error))?;
    let file_bytes = validators.size_bytes;
    let is_get = exchange.method == Method::Get;
    let (status, range) = match precondition::decide(&exchange.fields, &validators, is_get) {
        Verdict::Whole => (200, None),
        Verdict::Part(range) => (206, Some(range)),
        // It has the fields of a 200 that caches use, and no length (RFC 9110 15.4.5).
        Verdict::NotModified => return Err(for_caches(Plan::empty(exchange, 304), &validators)),
        Verdict::PreconditionFailed => {
            let why = "the file is not the version that the request's conditions name";
            return Err(Plan::text(exchange, 412, why));
        }
        Verdict::RangeNotSatisfiable => {
            let plan = Plan::text(exchange, 416, "the file ends before the range");
            return Err(plan.with("Content-Range", format_args!("bytes */{file_bytes}")));
        }
    };
    let (first, length) = range.map_or((0, file_bytes), |range| (range.first, range.last - range.first + 1));
    let mut plan = for_caches(Plan::empty(exchange, status), &validators)
        .with("Content-Type", media.media_type)
        .with("X-Content-Type-Options", "nosniff")
        .with("Content-Disposition", &media.disposition)
        .with("Accept-Ranges", "bytes")
        .with("Content-Length", length);
    range.inspect(|ByteRange { first, last }| {
        plan.head.field("Content-Range", format_args!("bytes {first}-{last}/{file_bytes}"));
    });
    bytes_per_second.inspect(|_| plan.head.forbid_buffering());
    if is_get {
        let order = Order { file, file_bytes, first, length };
        plan.content = Content::Media { order, range, bytes_per_second };
    }
    Ok(plan)
}

/// Parses the rate in bytes per second of a target such as `/?rate=8M`. The error says which values are allowed.
fn parse_rate(target: &str) -> Result<Option<u64>, &'static str> {
    let mut given = target::query(target, "rate");
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(size), None) if let Some(bytes) = parse_size(size) => Ok(Some(bytes)),
        _ => Err("rate must be one number of bytes per second above 0, such as /?rate=64K or /?rate=8M"),
    }
}

/// Adds the fields that caches use. `no-cache` lets a cache store the file, and makes it ask the server each time
/// (RFC 9111 5.2.2.4). Otherwise a browser could play the file again without a request, and the trace would not show
/// it. nginx stores the file only with `proxy_ignore_headers Cache-Control`. `no-transform` forbids a proxy to compress
/// or convert the file, which would no longer have this length and this tag.
fn for_caches(plan: Plan, validators: &Validators) -> Plan {
    let mut plan = plan.with("Cache-Control", "no-cache, no-transform").with("ETag", &validators.etag);
    validators.last_modified.inspect(|date| plan.head.field("Last-Modified", date));
    plan
}

/// Plans the answer for a file that cannot be opened.
fn unavailable(exchange: &Exchange, error: &io::Error) -> Plan {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            Plan { outcome: Outcome::Missing, ..Plan::text(exchange, 404, "the file is not there at the moment") }
        }
        _ if platform::is_busy(error) => refused(exchange, "another program holds the file; try again"),
        _ if platform::is_out_of_descriptors(error) => {
            refused(exchange, "the server has too many files open; try again")
        }
        ErrorKind::PermissionDenied => {
            let why = "the file is there, but this server cannot read it";
            Plan { outcome: Outcome::Forbidden, ..Plan::text(exchange, 403, why) }
        }
        _ => unreadable(exchange),
    }
}
