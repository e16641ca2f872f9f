//! heapserve: serves a file whole from memory or bit by bit, and shows what each request costs the heap.
//!
//! # How a request is processed
//!
//! [`options`] reads the command line. [`site`] opens the file and the listening sockets. The [`engine`] takes requests
//! from tiny_http, and deals with the weaknesses of tiny_http. It passes each request, as an [`engine::Exchange`], to
//! [`answer`], on the thread that serves the connection.
//!
//! [`answer`] opens an entry in the ledger of the [`instrument`], plans the answer, and lets one of the two [`modes`]
//! send the body. After the memory of the request has been freed, it closes the entry. The result is a record. It goes
//! to the trace, which a separate thread writes to stderr, and to the live [`page`]. Requests for the live page itself
//! are answered without an entry. Requests for the file that follow one another within a second form a
//! [run](instrument::run), whose figures say what the load cost as a whole.
//!
//! # The modules, from the bottom up
//!
//! Each depends only on those before it.
//!
//! * [`platform`]: what differs between systems. Only this and the allocator ([`instrument::heap`]) have unsafe code.
//! * [`http`]: the rules of HTTP, as pure functions.
//! * [`instrument`]: the allocator that counts, the ledger, and the trace.
//! * [`modes`]: the two ways to send a file that this program compares, as two files of one shape. Read these first.
//! * [`engine`]: the connections, and what is done about the weaknesses of tiny_http.
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

use engine::{Engine, Exchange};
use instrument::buffer::HeapLimit;
use instrument::feed::FEED;
use instrument::ledger::Ledger;
use instrument::trace::{self, Trace};
use instrument::units::size;
use options::Options;
use site::media::Media;
use site::{Site, listen};

fn main() -> ExitCode {
    let options = Options::read();
    let trace = Trace::new(options.mode.name(), options.trace, options.color);
    match serve(options, trace) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            trace.error(&message);
            ExitCode::FAILURE
        }
    }
}

/// Runs the server until a stop signal arrives. The error says why the server could not start.
fn serve(options: Options, trace: Trace) -> Result<(), String> {
    let media = Media::at(options.file.clone())?;
    let heap_limit = options.heap_limit.unwrap_or_else(HeapLimit::from_available_memory);
    let ledger = Ledger::new(trace, heap_limit, media.size_bytes());
    let listening = listen::bind(options.bind, options.port)?;
    platform::raise_descriptor_limit();
    // It is never freed, because threads use it until the process ends.
    let site: &Site = Box::leak(Box::new(Site { options, media, url: listening.url, ledger }));
    let writer = trace
        .start(&site.url, heap_limit, site.listening())
        .map_err(|error| format!("cannot start a thread for the trace: {error}"))?;
    // The default hook would write to stderr on the thread that panics. This hook uses the trace instead. The engine
    // installs another hook later, which passes a panic on to this one only if the engine does not expect it.
    panic::set_hook(Box::new(move |info| trace.warning(info)));
    let recording = site.ledger.record_samples();
    recording.map_err(|error| format!("cannot start a thread for the page's figures: {error}"))?;
    let answer = |exchange: Exchange| answer::answer(site, exchange);
    let engine = Engine::start(listening.sockets, site.options.timeout, answer, move |text| trace.warning(text))
        .map_err(|error| format!("cannot accept connections: {error}"))?;
    // Before this, an error message may block on stderr, and a signal must then be able to end the process.
    platform::catch_stop_signals();
    let warnings = [listening.warning, site.options.warning(), site.memory_warning()];
    warnings.into_iter().flatten().for_each(|warning| trace.warning(warning));
    writer.wait_until_written();
    announce(site);
    engine.run(|| {
        let signals = platform::notice_stop_signals();
        if signals > 0 {
            FEED.close();
        }
        signals
    });
    site.ledger.close();
    Ok(())
}

/// Writes the only line of stdout. It says that the server accepts connections.
fn announce(site: &Site) {
    let (mode, url, file) = (site.options.mode.name(), &site.url, trace::escaped(&site.media.shown));
    let line = format!("heapserve: {mode} {url} ({file}, {})\n", size(site.media.size_bytes()));
    let mut stdout = io::stdout().lock();
    // An error is ignored: the server is useful even if nobody reads stdout.
    let _ = stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush());
}
