//! The queue of the trace, and the thread that writes its entries to stderr.
//!
//! A thread that reports something copies an entry into the queue and continues. So it never waits for stderr, even if
//! nobody reads stderr, or its disk is full. There are two queues: while one is filled, the writer empties the other.
//! It writes several lines at once. If a queue is full, entries are lost; they are counted, and a warning at their
//! place says how many. The queues are static, and nothing here allocates once the writer runs. Entries in a queue are
//! lost if the process is killed or aborts, or if stderr blocks for a second when the program ends.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::mem;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::instrument::fixed_text::FixedText;
use crate::instrument::lock;
use crate::instrument::record::{Record, Run, Sample};

use super::Trace;

/// The number of entries that fit into a queue: 150 ms of requests at the highest rate that was measured. This is
/// 5.4 MB, of which only the part that was ever used becomes resident.
const CAPACITY: usize = 8192;
/// How many of them are only for runs, warnings and the summary. So requests cannot fill a queue completely.
const RESERVED_ENTRIES: usize = 16;
/// The maximum size of a line, and of one write. A line of JSON fits even if its target is 256 control characters.
///
/// On Linux, a pipe takes up to 4,096 bytes completely or not at all (PIPE_BUF, pipe(7)). So a line is not split if
/// other programs write to the same pipe, or if the process ends while the pipe is full.
pub const LINE_BYTES: usize = 4096;
/// How long the writer waits for more entries after a write. Under load, it then wakes up once per millisecond. Waking
/// up for each line would cost as much as writing the line. A line after a pause is written at once.
const BATCH_INTERVAL: Duration = Duration::from_millis(1);
/// How long the writer waits after an error of stderr.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// How long the program waits for lines to be written when it starts and when it ends.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// The message about lines that are missing. Their number follows it.
pub const LOST: &str = "stderr was not read, or its disk was full; lines missing here";

/// One line, or several lines, under construction.
pub type Line = FixedText<LINE_BYTES>;
/// The text of a warning or an error. A longer one is cut. With each byte written as six, it fits into a line.
pub type Message = FixedText<640>;

/// The data for one line. The tag of the first variant is 0: an empty queue consists of zeros and is not in the binary.
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Entry {
    /// This many entries were lost.
    Lost(u64),
    Request(Record),
    Run(Run),
    Warning(Message),
    /// The program cannot start.
    Error(Message),
    /// The program ends. The sample sums up all requests.
    Stopped(Sample),
}

struct Queue<const CAPACITY: usize> {
    entries: [Entry; CAPACITY],
    count: usize,
}

struct State {
    /// The index of the queue to which entries are added. The writer empties the other one.
    filling: usize,
    /// Whether the summary was added. Nothing is added after it.
    is_closed: bool,
    /// Whether everything is written. The writer then waits for entries.
    is_written: bool,
}

static STATE: Mutex<State> = Mutex::new(State { filling: 0, is_closed: false, is_written: false });
/// A queue is locked by whoever has locked [`STATE`], and while it is being emptied by the writer alone.
static QUEUES: [Mutex<Queue<CAPACITY>>; 2] = [const { Mutex::new(Queue::new()) }; 2];
/// The lines that the writer writes next. The writer holds the lock as long as it runs.
static BLOCK: Mutex<Line> = Mutex::new(Line::new());
/// Notified when [`State::is_written`] changes.
static CHANGED: Condvar = Condvar::new();

impl<const CAPACITY: usize> Queue<CAPACITY> {
    const fn new() -> Self {
        Self { entries: [Entry::Lost(0); CAPACITY], count: 0 }
    }

    /// Appends an entry, or counts it as lost. The last two places are for the number of lost ones and the summary.
    fn push(&mut self, entry: Entry) {
        let most = match entry {
            Entry::Request(_) => CAPACITY - RESERVED_ENTRIES,
            Entry::Stopped(_) => CAPACITY,
            _ => CAPACITY - 2,
        };
        if self.count < most {
            self.entries[self.count] = entry;
        } else if let Some(Entry::Lost(entries)) = self.entries[..self.count].last_mut() {
            return *entries += 1;
        } else {
            self.entries[self.count] = Entry::Lost(1);
        }
        self.count += 1;
    }
}

/// Adds an entry, which is written after those before it. Never waits for stderr.
pub fn put(entry: Entry) {
    let mut state = lock(&STATE);
    if state.is_closed {
        return;
    }
    state.is_closed = matches!(entry, Entry::Stopped(_));
    lock(&QUEUES[state.filling]).push(entry);
    if mem::take(&mut state.is_written) {
        drop(state);
        CHANGED.notify_all();
    }
}

/// The thread that writes. Dropping this waits as [`Writer::wait_until_written`] does. A panic of `main` also drops it.
pub struct Writer(());

impl Writer {
    /// Starts the thread. It writes `first` before all entries.
    pub fn start(trace: Trace, first: Option<impl Display>) -> io::Result<Self> {
        if let Some(first) = first {
            append(&mut lock(&BLOCK), &first);
        }
        thread::Builder::new().name("trace".to_owned()).spawn(move || run(&trace)).map(|_| Self(()))
    }

    /// Waits until everything is written, but for at most a second. So the program ends even if nobody reads stderr.
    pub fn wait_until_written(&self) {
        let _ = CHANGED.wait_timeout_while(lock(&STATE), WRITE_TIMEOUT, |state| !state.is_written);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.wait_until_written();
    }
}

/// Formats the entries and writes them, for ever.
fn run(trace: &Trace) {
    let mut block = lock(&BLOCK);
    write_out(&mut block);
    loop {
        let mut state = lock(&STATE);
        if lock(&QUEUES[state.filling]).count == 0 {
            state.is_written = true;
            CHANGED.notify_all();
            let waited = CHANGED.wait_while(state, |state| state.is_written);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        let mut queue = lock(&QUEUES[state.filling]);
        state.filling = 1 - state.filling;
        drop(state);
        let count = mem::take(&mut queue.count);
        queue.entries[..count].iter().for_each(|entry| append(&mut block, &trace.line(entry)));
        write_out(&mut block);
        thread::sleep(BATCH_INTERVAL);
    }
}

/// Appends a line to `block`. If it does not fit, the lines before it are written first.
fn append(block: &mut Line, line: &impl Display) {
    if block.append(format_args!("{line}\n")).is_err() {
        write_out(block);
        let _ = block.append(format_args!("{line}\n"));
    }
}

/// Writes `block` to stderr, and empties it. While stderr takes nothing, as on a full disk, this tries again: no line
/// is cut, and what is lost meanwhile is counted. Only a pipe without a reader loses its lines at once.
fn write_out(block: &mut Line) {
    let mut rest = block.as_bytes();
    while !rest.is_empty() {
        match io::stderr().write(rest) {
            Ok(bytes) if bytes > 0 => rest = &rest[bytes..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
            // Another program has made the pipe non-blocking, and the pipe is full.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(BATCH_INTERVAL),
            _ => thread::sleep(RETRY_INTERVAL),
        }
    }
    block.truncate(0);
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
