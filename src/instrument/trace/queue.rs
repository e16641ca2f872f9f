//! The way of the trace's lines to stderr: a queue with a fixed place, and the one thread that writes.
//!
//! Whoever has something to tell copies it into the queue and goes on, so that nobody waits for a stderr that
//! nobody reads. The writer makes the lines and writes several in one piece. Lines for which the queue has
//! no room are counted, and the count is told at their place in the order. The queue is outside the heap, and nothing
//! here allocates once the thread runs. What waits is lost if the process is killed or aborts, or if stderr takes
//! nothing for a second at the end.

use std::fmt::{Display, Write as _};
use std::io::{self, ErrorKind, Write};
use std::iter;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::instrument::fixed_text::FixedText;
use crate::instrument::record::{Record, Sample};

use super::Trace;

/// Entries that may wait: 150 ms of the most requests that one machine was seen to answer. 4.7 MB, of which only
/// so much becomes resident as ever waited at once.
const PLACES: usize = 8192;
/// The last of these places are kept for what is rare, so that no burst of requests displaces a warning or the summary.
const RESERVED_PLACES: usize = 16;
/// The longest line, and the most that one write takes: a request's object with a target of 256 control
/// characters. A pipe takes 4,096 bytes wholly or not at all (PIPE_BUF of pipe(7)), so lines stay whole in a pipe
/// that other programs write to as well, or in which the last write never ended.
pub const LINE_BYTES: usize = 4096;
/// Entries that the writer takes at once. With one at a time it would get the lock as often as each of the threads
/// that put, and fall behind them all.
const TAKEN_AT_ONCE: usize = 64;
/// How long the writer lets lines gather after it has written some: a wake-up for each line would cost as
/// much as the line, so under load there is one for all lines of a millisecond. A line after a pause is written at once.
const GATHERS: Duration = Duration::from_millis(1);
/// How long the start and the end wait for lines to be written.
const PATIENCE: Duration = Duration::from_secs(1);

/// A line, or several, under construction.
pub type Line = FixedText<LINE_BYTES>;
/// A warning's text, cut if it is longer.
pub type Message = FixedText<512>;

/// What a line is made from. The tag of the first kind is 0, so that an empty queue is all zeroes, and takes no
/// room in the program's file.
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Entry {
    /// There was no room for so many lines.
    Lost(u64),
    /// A request ended.
    Request(Record),
    /// Something that the user should know.
    Warning(Message),
    /// The program ends; all requests together.
    Stopped(Sample),
}

#[derive(Clone, Copy)]
struct Place {
    lost_before: u64,
    entry: Entry,
}

struct Queue<const PLACES: usize> {
    places: [Place; PLACES],
    first: usize,
    count: usize,
    /// After the last entry.
    lost: u64,
    /// A writer was started.
    has_writer: bool,
    /// All is written, and the writer waits to be woken.
    writer_sleeps: bool,
}

static QUEUE: Mutex<Queue<PLACES>> = Mutex::new(Queue::new());
/// Where the writer puts lines together; only it takes the two locks once it runs.
static BLOCK: Mutex<Line> = Mutex::new(Line::new());
/// What it has taken; not on its stack, where all of it would be touched.
static TAKEN: Mutex<[Entry; TAKEN_AT_ONCE]> = Mutex::new([Entry::Lost(0); TAKEN_AT_ONCE]);
static WAKE: Condvar = Condvar::new();
static WRITTEN: Condvar = Condvar::new();

impl<const PLACES: usize> Queue<PLACES> {
    const fn new() -> Self {
        let place = Place { lost_before: 0, entry: Entry::Lost(0) };
        Self { places: [place; PLACES], first: 0, count: 0, lost: 0, has_writer: false, writer_sleeps: false }
    }

    /// Appends an entry, or counts it as lost.
    fn put(&mut self, entry: Entry) {
        let room = match entry {
            Entry::Request(_) => PLACES - RESERVED_PLACES,
            _ => PLACES,
        };
        if self.count >= room {
            self.lost += 1;
            return;
        }
        let place = (self.first + self.count) % PLACES;
        self.places[place] = Place { lost_before: mem::take(&mut self.lost), entry };
        self.count += 1;
    }

    /// The next entry in order, or how many were lost before it.
    fn take(&mut self) -> Option<Entry> {
        let place = &mut self.places[self.first];
        let lost = if self.count > 0 { &mut place.lost_before } else { &mut self.lost };
        if *lost > 0 {
            return Some(Entry::Lost(mem::take(lost)));
        }
        if self.count == 0 {
            return None;
        }
        let entry = place.entry;
        self.count -= 1;
        // From the start again when it is empty: memory that was never needed is never touched.
        self.first = if self.count == 0 { 0 } else { (self.first + 1) % PLACES };
        Some(entry)
    }

    /// Takes as many as there are, or fit; how many that were.
    fn take_into(&mut self, taken: &mut [Entry]) -> usize {
        let next = iter::from_fn(|| self.take());
        taken.iter_mut().zip(next).map(|(place, entry)| *place = entry).count()
    }
}

fn lock() -> MutexGuard<'static, Queue<PLACES>> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has an entry written, as soon as those before it are. Never waits for stderr.
pub fn put(entry: Entry) {
    let mut queue = lock();
    queue.put(entry);
    let wakes = mem::take(&mut queue.writer_sleeps);
    drop(queue);
    if wakes {
        WAKE.notify_one();
    }
}

/// Whether there is a thread that writes; from then on nobody else touches stderr.
pub fn has_writer() -> bool {
    lock().has_writer
}

/// The writing thread. When this is dropped, which a panic of `main` does too, what waits is written out, for
/// at most a second: the program ends even if nobody reads stderr.
pub struct Writer(());

impl Writer {
    /// Starts the thread, which writes `first` before anything that was put.
    pub fn start(trace: Trace, first: Option<impl Display>) -> io::Result<Self> {
        if let Some(first) = first {
            append(&mut BLOCK.lock().unwrap_or_else(PoisonError::into_inner), &first);
        }
        thread::Builder::new().name("trace".to_owned()).spawn(move || write(&trace))?;
        lock().has_writer = true;
        Ok(Self(()))
    }

    /// Waits until all is written, for at most a second.
    pub fn wait(&self) {
        let _ = WRITTEN.wait_timeout_while(lock(), PATIENCE, |queue| !queue.writer_sleeps);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.wait();
    }
}

/// Makes the lines of what was put, and writes them, for ever.
fn write(trace: &Trace) {
    let mut block = BLOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        // The queue's lock is not held while lines are made.
        let mut count = TAKEN_AT_ONCE;
        while count == TAKEN_AT_ONCE {
            count = lock().take_into(&mut *taken);
            taken[..count].iter().for_each(|entry| append(&mut block, &trace.line(entry)));
        }
        write_out(&mut block);
        thread::sleep(GATHERS);
        let mut queue = lock();
        if queue.count == 0 && queue.lost == 0 {
            queue.writer_sleeps = true;
            WRITTEN.notify_all();
            drop(WAKE.wait_while(queue, |queue| queue.writer_sleeps));
        }
    }
}

/// Appends a line to those in `block`, which are written out first if there is no room beside them.
pub fn append(block: &mut Line, line: &impl Display) {
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

/// Writes the block to stderr, and empties it. A stderr that is gone must not end the server.
pub fn write_out(block: &mut Line) {
    let mut rest = block.as_bytes();
    while !rest.is_empty() {
        match io::stderr().write(rest) {
            Ok(0) => break,
            Ok(bytes) => rest = &rest[bytes..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Another program has made the pipe non-blocking, and it is full.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(GATHERS),
            Err(_) => break,
        }
    }
    block.truncate(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = 4;
    type Small = Queue<{ ROOM + RESERVED_PLACES }>;

    fn request(number: u64) -> Entry {
        Entry::Request(Record { request: number, ..super::super::tests::record() })
    }

    /// What is taken: a request's number, or minus the number of lost lines; the summary is 0.
    fn taken(queue: &mut Small, most: usize) -> Vec<i64> {
        let mut taken = vec![Entry::Lost(0); most];
        let count = queue.take_into(&mut taken);
        let figure = |entry: &Entry| match entry {
            Entry::Request(record) => record.request as i64,
            Entry::Lost(lines) => -(*lines as i64),
            Entry::Warning(_) | Entry::Stopped(_) => 0,
        };
        taken[..count].iter().map(figure).collect()
    }

    #[test]
    fn what_has_no_room_is_counted_and_told_at_its_place() {
        let mut queue = Small::new();
        (1..=7).for_each(|n| queue.put(request(n)));
        assert_eq!(taken(&mut queue, 2), [1, 2]);
        (8..=11).for_each(|n| queue.put(request(n)));
        assert_eq!(taken(&mut queue, 9), [3, 4, -3, 8, 9, -2]);
        assert_eq!(taken(&mut queue, 9), []);
        // Many times around.
        for n in 1..100 {
            queue.put(request(n));
            queue.put(request(n + 1));
            assert_eq!(taken(&mut queue, 1), [n as i64]);
            assert_eq!(taken(&mut queue, 2), [n as i64 + 1]);
        }
    }

    #[test]
    fn a_warning_finds_room_where_requests_find_none() {
        let mut queue = Small::new();
        (1..=6).for_each(|n| queue.put(request(n)));
        queue.put(Entry::Warning(Message::cut("heed")));
        queue.put(request(7));
        assert_eq!(taken(&mut queue, 9), [1, 2, 3, 4, -2, 0, -1]);
    }

    #[test]
    fn a_queue_that_was_emptied_starts_at_its_first_place() {
        let mut queue = Small::new();
        for n in 1..50 {
            queue.put(request(n));
            assert_eq!((queue.first, taken(&mut queue, 9)), (0, vec![n as i64]));
        }
    }

    #[test]
    fn lines_gather_in_a_block_up_to_the_last_that_fits() {
        let mut block = Line::new();
        append(&mut block, &"a".repeat(3_000));
        append(&mut block, &"b".repeat(LINE_BYTES - 3_000 - 2));
        assert_eq!(block.as_bytes().len(), LINE_BYTES);
        assert_eq!(block.as_str().lines().map(str::len).collect::<Vec<_>>(), [3_000, 1_094]);
    }
}
