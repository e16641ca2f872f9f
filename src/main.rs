//! heapserve: serve a file whole from memory or bit by bit, and see what each request costs the heap.
//!
//! # The way of a request
//!
//! [`options`] reads the command line, and [`site`] opens the file and the listening sockets. The [`engine`] takes
//! requests from tiny_http and makes up for its weaknesses. It hands each request, as an [`engine::Exchange`], to
//! [`answer`], on the thread of its connection. There an entry is opened in the [`instrument`]'s ledger, the answer is
//! planned, and one of the two [`modes`] sends the body. When the request's memory has been freed, the entry is closed:
//! the record goes to the trace, which a thread of its own writes to stderr, and to the live [`page`].
//!
//! # The rooms, from the ground up
//!
//! * [`platform`]: what differs between systems. Only this room and the allocator ([`instrument::heap`]) have unsafe
//!   code.
//! * [`http`]: the rules of HTTP, as pure functions.
//! * [`instrument`]: the allocator that counts, the ledger, the trace.
//! * [`modes`]: the lesson. Two files of the same shape; read these first.
//! * [`engine`]: connections, and what stands against tiny_http's weaknesses.
//! * [`options`] and [`site`]: what is served, how, and where.
//! * [`page`]: the live page and its figures.
//! * [`answer`]: one request, from its target to its record.

mod answer;
mod engine;
mod http;
mod instrument;
mod modes;
mod options;
mod page;
mod platform;
mod site;

use std::io::{self, Write};
use std::panic;
use std::process::ExitCode;
use std::sync::Arc;

use engine::Engine;
use instrument::ledger::Ledger;
use instrument::recorder;
use instrument::trace::{self, Serving, Trace, Writer};
use instrument::units::Size;
use options::Options;
use site::media::Media;
use site::{Site, listen};

fn main() -> ExitCode {
    let options = match Options::read() {
        Ok(options) => options,
        Err(code) => return code,
    };
    let trace = Trace::new(options.mode.name(), options.trace, options.color);
    match serve(options, trace) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            trace.error(&message);
            ExitCode::FAILURE
        }
    }
}

/// Serves until it is told to stop. The error: why it could not start.
fn serve(options: Options, trace: Trace) -> Result<(), String> {
    let media = Media::at(options.file.clone())?;
    let listening = listen::bind(options.bind, options.port)?;
    platform::raise_descriptor_limit();
    let site = Arc::new(Site {
        options,
        media,
        url: listening.url,
        is_loopback: listening.is_loopback,
        ledger: Ledger::new(trace.tells_requests()),
        trace,
    });
    // The engine's own hook passes on what is not contained. Only the trace's thread writes to stderr.
    panic::set_hook(Box::new(move |info| trace.warning(info)));
    let (sampled, answering) = (Arc::clone(&site), Arc::clone(&site));
    recorder::start(move || sampled.ledger.sample())
        .map_err(|error| format!("cannot start a thread for the page's figures: {error}"))?;
    let timeout = site.options.timeout.0;
    let engine =
        Engine::start(listening.sockets, timeout, move |exchange| answer::answer(&answering, exchange))
            .map_err(|error| format!("cannot accept connections: {error}"))?;
    let writer = start_trace(&site)?;
    // Not before: an error's line may have to wait for stderr, which a signal must be able to end.
    platform::catch_stop_signals();
    for warning in site.options.warnings() {
        trace.warning(warning);
    }
    writer.wait();
    announce(&site);
    engine.run(platform::stop_signals);
    trace.stopped(site.ledger.sample());
    Ok(())
}

/// Starts the thread of the trace, which writes the legend first.
fn start_trace(site: &Site) -> Result<Writer, String> {
    let serving = Serving {
        url: &site.url,
        page: &page::url(&site.url),
        file: &site.media.shown,
        file_bytes: site.media.size_bytes(),
        chunk_bytes: site.options.chunk_size as u64,
    };
    let started = site.trace.start(&serving);
    started.map_err(|error| format!("cannot start a thread for the trace: {error}"))
}

/// The one line of stdout, which says that connections are accepted.
fn announce(site: &Site) {
    let (mode, url, file) = (site.options.mode.name(), &site.url, trace::Plain(&site.media.shown));
    let line = format!("heapserve: {mode} {url} ({file}, {})\n", Size(site.media.size_bytes()));
    let mut stdout = io::stdout().lock();
    // Nobody may be reading; the server is of use all the same.
    let _ = stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush());
}
