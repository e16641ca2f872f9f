//! heapserve: serve a file whole from memory or bit by bit, and see what each request costs the heap.
//!
//! # The way of a request
//!
//! [`options`] says what to serve and how. [`listen`] binds. The [`engine`] takes requests from tiny_http,
//! and stands against its weaknesses; it hands each one, as an [`engine::Exchange`], to [`answer`], on
//! the thread of its connection. There the [`ledger`] opens an entry, [`plan`] decides on status and head (by
//! [`http`], which is pure, and [`media`], which opens the file), and one of the two [`modes`] brings the
//! body through a [`reply`] to the socket. When its memory is freed, the ledger closes the entry: [`trace`]
//! writes it, on a thread of its own, and [`feed`] keeps it for the live [`page`].
//!
//! # The rooms
//!
//! * [`modes`]: the lesson. Two files of the same shape; read these first.
//! * [`heap`]: the allocator that counts. [`platform`]: what differs between systems. Only these two
//!   leave safe Rust.
//! * [`units`], [`fixed_text`]: sizes for people, text without a heap.

mod answer;
mod engine;
mod feed;
mod fixed_text;
mod heap;
mod http;
mod ledger;
mod listen;
mod media;
mod modes;
mod options;
mod page;
mod plan;
mod platform;
mod reply;
mod trace;
mod units;

use std::io::{self, Write};
use std::panic;
use std::process::ExitCode;
use std::sync::Arc;

use answer::Site;
use clap::Parser;
use engine::Engine;
use ledger::Ledger;
use media::Media;
use options::Options;
use trace::{Serving, Trace, Writer};
use units::Size;

/// As clap's own: the command line is wrong.
const USAGE_ERROR: u8 = 2;

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => return usage(&error),
    };
    let trace = Trace::new(options.mode, options.trace, options.color);
    match serve(&options, trace) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            trace.error(&message);
            ExitCode::FAILURE
        }
    }
}

/// Serves until it is told to stop. The error: why it could not start.
fn serve(options: &Options, trace: Trace) -> Result<(), String> {
    let media = Media::at(options.file.clone())?;
    let listening = listen::bind(options.bind, options.port)?;
    platform::raise_descriptor_limit();
    let site = Arc::new(Site {
        file_shown: media.shown(),
        media,
        mode: options.mode,
        chunk_bytes: options.chunk_size,
        heap_limit_bytes: options.heap_limit,
        url: listening.url,
        is_loopback: listening.is_loopback,
        ledger: Ledger::new(trace),
    });
    // What the engine's own hook passes on; stderr is the writer's.
    panic::set_hook(Box::new(move |info| trace.warning(info)));
    let answering = Arc::clone(&site);
    let engine = Engine::start(listening.sockets, options.timeout.0, move |exchange| {
        answer::answer(&answering, exchange)
    })
    .map_err(|error| format!("cannot accept connections: {error}"))?;
    let writer = start_trace(&site)?;
    // Not before: an error's line may have to wait for stderr, which a signal must be able to end.
    platform::catch_stop_signals();
    if !listening.is_loopback {
        trace.warning(format_args!(
            "{} can be reached by other machines: whoever connects sees the file and the heap's figures",
            site.url
        ));
    }
    writer.wait();
    announce(&site);
    engine.run(platform::stop_signals);
    site.ledger.stop();
    Ok(())
}

/// Starts the thread of the trace, which writes the legend first.
fn start_trace(site: &Site) -> Result<Writer, String> {
    let serving = Serving {
        url: &site.url,
        file: &site.file_shown,
        file_bytes: site.media.size_bytes(),
        chunk_bytes: site.chunk_bytes as u64,
    };
    let started = site.ledger.trace.start(&serving);
    started.map_err(|error| format!("cannot start a thread for the trace: {error}"))
}

/// The one line of stdout, which says that connections are accepted.
fn announce(site: &Site) {
    let (mode, url, file) = (site.mode.name(), &site.url, trace::Plain(&site.file_shown));
    let line = format!("heapserve: {mode} {url} ({file}, {})\n", Size(site.media.size_bytes()));
    let mut stdout = io::stdout().lock();
    // Nobody may be reading; the server is of use all the same.
    let _ = stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush());
}

/// Help and version on stdout; an error as one line on stderr.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    // The error, its values and its tip, without the usage and the hint at the end.
    let said = text.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let words = said.flat_map(str::split_whitespace).skip_while(|&word| word == "error:");
    let line = words.collect::<Vec<_>>().join(" ");
    eprintln!("heapserve: {line}; see heapserve --help");
    ExitCode::from(USAGE_ERROR)
}
