//! The supervisor: the one thread that looks after everything that no request's thread can see to. It never waits for
//! a client.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::instrument::heap;
use crate::platform;

use super::accept::Acceptor;
use super::alarm::{Alarm, Level};
use super::connection::now;
use super::nudge::Nudger;
use super::sweep::{self, Listener, SweepInput, SweepResult};
use super::table;
use super::workers::Workers;

/// How often the supervisor looks at a few figures while nothing happens. A first request wakes it, and tiny_http
/// when it holds too much.
pub const IDLE_TICK: Duration = Duration::from_millis(250);
/// How often it looks while something happens, and when something urgent was found.
pub const TICK: Duration = Duration::from_millis(20);
const URGENT_TICK: Duration = Duration::from_millis(5);
/// The rough cost of a sweep for each open handle. It is not measured each time: on a busy machine that would count
/// the time of others.
const HANDLE_COST: Duration = Duration::from_micros(1);
/// Sweeps take at most this part of one processor, and this part when they are urgent.
const SHARE: u32 = 50;
const URGENT_SHARE: u32 = 8;
/// Descriptors that must be left for a new accept loop, which would else end at once: two for each connection, and
/// one for the file.
const SPARE_DESCRIPTORS: u64 = 24;

/// What the supervisor looks after, and what it remembers from one tick to the next.
pub struct Supervisor {
    acceptors: Vec<Acceptor>,
    listeners: Vec<Listener>,
    workers: Arc<Workers>,
    nudger: Nudger,
    timeout: Option<Duration>,
    alarm: Alarm,
    /// How often the heap had moved when the last sweep began.
    heap_moves: usize,
    /// What that sweep saw.
    last_sweep: SweepResult,
    /// When it ended.
    swept_at: Instant,
}

impl Supervisor {
    /// A supervisor of these. `timeout`: how long a client may take for a head or a body.
    pub fn new(
        acceptors: Vec<Acceptor>,
        workers: Arc<Workers>,
        nudger: Nudger,
        timeout: Option<Duration>,
    ) -> Self {
        let listeners = acceptors.iter().map(Acceptor::listener).collect();
        Self {
            acceptors,
            listeners,
            workers,
            nudger,
            timeout,
            alarm: Alarm::new(),
            heap_moves: 0,
            last_sweep: SweepResult::default(),
            swept_at: Instant::now(),
        }
    }

    /// Accepts nobody any more. Clients that have not sent a request by now are hung up.
    pub fn stop_accepting(&mut self) {
        self.acceptors.clear();
        self.timeout = Some(Duration::ZERO);
    }

    /// Looks at what has happened; how long to wait for the next time. With nothing to do, that is a few atomics and
    /// two system calls for each listening socket.
    pub fn tick(&mut self) -> Duration {
        let heap_moves = heap::moves();
        let are_descriptors_short = self.descriptors_are_short();
        let mut is_accepting = true;
        for acceptor in &mut self.acceptors {
            is_accepting &= acceptor.ensure_accepting(!are_descriptors_short, &self.workers);
        }
        let level = self.alarm.check();
        let has_moved = heap_moves != self.heap_moves;
        let due_in = self.last_sweep.next_due.map(|due| due.saturating_sub(now()));
        let is_due = due_in == Some(Duration::ZERO);
        let is_urgent = self.alarm.was_raised_recently() || table::lock().is_urgent;
        if (has_moved || is_due || is_urgent || !is_accepting)
            && self.may_sweep(is_urgent || are_descriptors_short)
        {
            self.heap_moves = heap_moves;
            self.sweep(level == Level::Raised, are_descriptors_short);
            self.alarm.update_baseline(level, self.last_sweep.found_flood);
        }
        self.alarm.trim_when_due();
        self.workers.start_ready();
        let may_be_stuck = self.nudger.nudge_stuck();
        match () {
            () if may_be_stuck || is_urgent || level != Level::Normal => URGENT_TICK,
            () if has_moved || is_due || !is_accepting => TICK,
            () => due_in.unwrap_or(IDLE_TICK).clamp(TICK, IDLE_TICK),
        }
    }

    /// Whether the last sweep is so long ago that another one takes no more than its share.
    fn may_sweep(&self, is_urgent: bool) -> bool {
        let share = if is_urgent { URGENT_SHARE } else { SHARE };
        self.swept_at.elapsed() >= HANDLE_COST * self.last_sweep.open_handles as u32 * share
    }

    fn sweep(&mut self, is_alarm: bool, are_descriptors_short: bool) {
        let queues_empty_at = self.acceptors.iter().map(Acceptor::queues_empty_at).min().unwrap_or_else(now);
        let input = SweepInput { timeout: self.timeout, is_alarm, are_descriptors_short, queues_empty_at };
        self.last_sweep = sweep::sweep(&self.listeners, input);
        self.acceptors.iter_mut().for_each(|acceptor| acceptor.retire(are_descriptors_short));
        self.swept_at = Instant::now();
    }

    fn descriptors_are_short(&self) -> bool {
        self.last_sweep.open_handles + SPARE_DESCRIPTORS > platform::descriptor_limit()
    }
}
