//! The supervisor: the thread for all work that belongs to no single request. It never waits for a client.

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

/// The time between two ticks of the supervisor when nothing happens. It is woken earlier by the first request of a
/// connection, and when tiny_http takes too much memory.
pub const IDLE_TICK: Duration = Duration::from_millis(250);
/// The time between two ticks when something happens.
pub const TICK: Duration = Duration::from_millis(20);
/// The time between two ticks when something urgent was found.
const URGENT_TICK: Duration = Duration::from_millis(5);
/// The estimated time that a sweep takes for each open handle. It is not measured, because on a busy machine that
/// would include the time of other programs.
const HANDLE_COST: Duration = Duration::from_micros(1);
/// The time between two sweeps is at least this many times the estimated time that a sweep takes. So sweeps take at
/// most 1/50 of one processor.
const SHARE: u32 = 50;
/// The same for urgent sweeps, and for sweeps when descriptors are short: 1/8.
const URGENT_SHARE: u32 = 8;
/// Descriptors are short if fewer than this are free. A new accept loop would then soon end, because each connection
/// needs two descriptors, and its answer one more for the file.
const SPARE_DESCRIPTORS: u64 = 24;

/// What the supervisor works on, and what it keeps between two ticks.
pub struct Supervisor {
    acceptors: Vec<Acceptor>,
    listeners: Vec<Listener>,
    workers: Arc<Workers>,
    nudger: Nudger,
    timeout: Option<Duration>,
    alarm: Alarm,
    /// The value of [`heap::moves`] when the last sweep began.
    heap_moves: usize,
    /// The result of that sweep.
    last_sweep: SweepResult,
    /// When that sweep ended.
    swept_at: Instant,
}

impl Supervisor {
    /// Creates a supervisor. `timeout` is how long a client may take for a head or a body.
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

    /// Stops accepting connections. Clients that have not sent a whole request by now are hung up.
    pub fn stop_accepting(&mut self) {
        self.acceptors.clear();
        self.timeout = Some(Duration::ZERO);
    }

    /// Does all that is due, and returns the time until the next tick. If nothing is due, this takes some atomic
    /// operations, and two system calls for each listening socket.
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

    /// Whether another sweep would stay within its share of the processor.
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
