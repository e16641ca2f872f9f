//! The queue of the trace, and the thread that writes its entries to stderr.
//!
//! A thread that reports something copies an entry into the queue and continues. So it never waits for stderr, even if
//! nobody reads stderr, or its disk is full. The writer formats the entries and writes several lines at once. If the queue
//! is full, entries are lost; they are counted, and a warning at their place says how many. The queue is static, and
//! nothing here allocates once the writer runs. Entries in the queue are lost if the process is killed or aborts, or if stderr
//! blocks for a second when the program ends.

use std::fmt::{Display, Write as _};
use std::io::{self, ErrorKind, Write};
use std::iter;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::instrument::fixed_text::FixedText;
use crate::instrument::record::{Record, Sample};
use crate::instrument::run::Run;

use super::Trace;

/// The number of entries that fit: 150 ms of requests at the highest rate that was measured. This is 5.4 MB, of which
/// only the part that was ever used becomes resident.
const CAPACITY: usize = 8192;
/// How many of the slots are only for runs, warnings and the summary. So requests cannot fill the queue completely.
const RESERVED_SLOTS: usize = 16;
/// The maximum size of a line, and of one write. A line of JSON fits even if its target is 256 control characters.
///
/// On Linux, a pipe takes up to 4,096 bytes completely or not at all (PIPE_BUF, pipe(7)). So a line is not split if
/// other programs write to the same pipe, or if the process ends while the pipe is full.
pub const LINE_BYTES: usize = 4096;
/// The number of entries that the writer takes at once. With one at a time, it would get the lock only as often as each
/// of the threads that add entries, and would fall behind.
const BATCH_ENTRIES: usize = 64;
/// How long the writer waits for more entries after a write. Under load, it then wakes up once per millisecond. Waking
/// up for each line would cost as much as writing the line. A line after a pause is written at once.
const BATCH_INTERVAL: Duration = Duration::from_millis(1);
/// How long the writer waits after an error of stderr.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// How long the program waits for lines to be written when it starts and when it ends.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// One line, or several lines, under construction.
pub type Line = FixedText<LINE_BYTES>;
/// The text of a warning. A longer one is cut.
pub type Message = FixedText<512>;

/// The data for one line. The tag of the first variant is 0, so an empty queue consists of zeros and takes no space in
/// the program's file.
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Entry {
    /// This many entries were lost.
    Lost(u64),
    Request(Record),
    Run(Run),
    Warning(Message),
    /// The program ends. The sample sums up all requests.
    Stopped(Sample),
}

#[derive(Clone, Copy)]
struct Slot {
    lost_before: u64,
    entry: Entry,
}

struct Queue<const CAPACITY: usize> {
    slots: [Slot; CAPACITY],
    first: usize,
    count: usize,
    /// The number of entries that were lost after the last one in the queue.
    lost: u64,
    /// Whether the summary was added. Nothing is added after it.
    is_closed: bool,
    has_writer: bool,
    /// Whether everything is written. The writer then waits for entries.
    is_written: bool,
}

static QUEUE: Mutex<Queue<CAPACITY>> = Mutex::new(Queue::new());
/// The lines that the writer writes next. While the writer runs, it holds the locks of this and of [`BATCH`].
static BLOCK: Mutex<Line> = Mutex::new(Line::new());
/// The entries that the writer has taken. On the stack, all of this would become resident.
static BATCH: Mutex<[Entry; BATCH_ENTRIES]> = Mutex::new([Entry::Lost(0); BATCH_ENTRIES]);
static WAKE: Condvar = Condvar::new();
static WRITTEN: Condvar = Condvar::new();

impl<const CAPACITY: usize> Queue<CAPACITY> {
    const fn new() -> Self {
        let slot = Slot { lost_before: 0, entry: Entry::Lost(0) };
        Self {
            slots: [slot; CAPACITY],
            first: 0,
            count: 0,
            lost: 0,
            is_closed: false,
            has_writer: false,
            is_written: false,
        }
    }

    /// Appends an entry, or counts it as lost.
    fn push(&mut self, entry: Entry) {
        if self.is_closed {
            return;
        }
        self.is_closed = matches!(entry, Entry::Stopped(_));
        let room = match entry {
            Entry::Request(_) => CAPACITY - RESERVED_SLOTS,
            _ => CAPACITY,
        };
        if self.count >= room {
            self.lost += 1;
            return;
        }
        let slot = (self.first + self.count) % CAPACITY;
        self.slots[slot] = Slot { lost_before: mem::take(&mut self.lost), entry };
        self.count += 1;
    }

    /// Removes the first entry. If entries were lost before it, their number is returned first.
    fn pop(&mut self) -> Option<Entry> {
        let slot = &mut self.slots[self.first];
        let lost = if self.count > 0 { &mut slot.lost_before } else { &mut self.lost };
        if *lost > 0 {
            return Some(Entry::Lost(mem::take(lost)));
        }
        if self.count == 0 {
            return None;
        }
        let entry = slot.entry;
        self.count -= 1;
        // An empty queue starts again at its first slot. So slots that were never needed are never touched.
        self.first = if self.count == 0 { 0 } else { (self.first + 1) % CAPACITY };
        Some(entry)
    }

    /// Moves entries into `batch`, as many as there are and as fit. Returns their number.
    fn pop_batch(&mut self, batch: &mut [Entry]) -> usize {
        let next = iter::from_fn(|| self.pop());
        batch.iter_mut().zip(next).map(|(slot, entry)| *slot = entry).count()
    }
}

fn lock() -> MutexGuard<'static, Queue<CAPACITY>> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds an entry, which is written after those before it. Never waits for stderr.
pub fn put(entry: Entry) {
    let mut queue = lock();
    queue.push(entry);
    let is_waiting = mem::take(&mut queue.is_written);
    drop(queue);
    if is_waiting {
        WAKE.notify_one();
    }
}

/// Whether a writer was started. From then on, no other thread writes to stderr.
pub fn has_writer() -> bool {
    lock().has_writer
}

/// The thread that writes. Dropping this waits until everything is written, but for at most a second. So the program
/// ends even if nobody reads stderr. A panic of `main` also drops it.
pub struct Writer(());

impl Writer {
    /// Starts the thread. It writes `first` before all entries.
    pub fn start(trace: Trace, first: Option<impl Display>) -> io::Result<Self> {
        if let Some(first) = first {
            append(&mut BLOCK.lock().unwrap_or_else(PoisonError::into_inner), &first);
        }
        thread::Builder::new().name("trace".to_owned()).spawn(move || run(&trace))?;
        lock().has_writer = true;
        Ok(Self(()))
    }

    /// Waits until everything is written, but for at most a second.
    pub fn wait_until_written(&self) {
        let _ = WRITTEN.wait_timeout_while(lock(), WRITE_TIMEOUT, |queue| !queue.is_written);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.wait_until_written();
    }
}

/// Formats the entries and writes them, for ever.
fn run(trace: &Trace) {
    let mut block = BLOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let mut batch = BATCH.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        // The queue is not locked while lines are formatted.
        let mut count = BATCH_ENTRIES;
        while count == BATCH_ENTRIES {
            count = lock().pop_batch(&mut *batch);
            batch[..count].iter().for_each(|entry| append(&mut block, &trace.line(entry)));
        }
        write_out(&mut block);
        thread::sleep(BATCH_INTERVAL);
        let mut queue = lock();
        if queue.count == 0 && queue.lost == 0 {
            queue.is_written = true;
            WRITTEN.notify_all();
            drop(WAKE.wait_while(queue, |queue| queue.is_written));
        }
    }
}

/// Appends a line to `block`. If it does not fit, the lines before it are written first.
fn append(block: &mut Line, line: &impl Display) {
    let before = block.as_bytes().len();
    if writeln!(block, "{line}").is_ok() {
        return;
    }
    block.truncate(before);
    write_out(block);
    if writeln!(block, "{line}").is_err() {
        block.push(b"\n");
    }
}

/// Writes `block` to stderr, and empties it. If stderr takes nothing, for example because its disk is full, this tries
/// again until it does. So no line is cut, and what is lost meanwhile is counted. Only a pipe that nobody can read any
/// more loses its lines at once.
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

/// Writes one line on the calling thread, before the writer is started. Errors are ignored, because nothing is left to
/// report them to.
pub fn write_directly(line: &impl Display) {
    let mut text = Line::new();
    if writeln!(text, "{line}").is_err() {
        text.push(b"\n");
    }
    let _ = io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
