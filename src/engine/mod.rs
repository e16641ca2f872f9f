//! The room against tiny_http's weaknesses: between its `Server` and [`Exchange`]s, which the rest of the
//! program answers without knowing of any of this.
//!
//! tiny_http 0.12 accepts connections, has a thread for each that reads request heads, and queues the
//! requests. A thread for each `Server` takes them from there ([`accept`]) and enters them in the [`table`] of living
//! connections, where they wait ([`queue`]) for a thread that answers ([`workers`]). The supervisor, which never
//! waits for anybody, keeps the table true by looking at the process's sockets ([`sweep`]).
//!
//! What bites, by the number it has in the tests' names, and the piece that stands against it:
//!
//! | # | Weakness | Piece |
//! |---|---|---|
//! | 1 | Nagle's algorithm stays on | [`accept`] |
//! | 2, 3, 4, 14 | its `respond` chunks, copies, swallows hang-ups, cannot announce a close | [`Exchange::writer`] is raw; heads are ours |
//! | 5 | connections stuck behind busy threads | [`nudge`] |
//! | 6, 7 | the accept loop ends with an error or a panic | [`accept`] |
//! | 8 | a reset panics a thread, with noise | [`panics`] |
//! | 9 | no timeouts | [`sweep`], and for sending [`accept`] and [`exchange`] |
//! | 10 | pipelined requests all at once | [`queue`] |
//! | 11 | an unread body is allocated when it is dropped | [`body`] |
//! | 12 | `HTTP/2.0` parks a thread, which is never answered | [`sweep`] hangs up; the thread stays |
//! | 13 | a head of any length is stored | [`sweep`], in alarm |
//! | 15 | a backlog of 128 | [`accept`] |

mod accept;
mod body;
mod connection;
mod exchange;
mod fault;
mod nudge;
mod panics;
mod queue;
mod sweep;
mod table;
mod way_back;
mod workers;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use accept::Acceptor;
use nudge::Nudger;
use sweep::{Listener, Orders, Seen};
use workers::Workers;

use crate::instrument::heap;
use crate::platform;

pub use exchange::{End, Exchange};
pub use panics::contain as contain_panic;

/// How often the supervisor looks at a few figures while nothing happens; it is woken by a first request, and when
/// tiny_http holds too much.
const IDLE_TICK: Duration = Duration::from_millis(250);
/// How often it sweeps at most, and when it has found something that is urgent.
const TICK: Duration = Duration::from_millis(20);
const URGENT_TICK: Duration = Duration::from_millis(5);
/// What a sweep takes for each open handle, roughly. It is not measured each time, since on a busy machine that is the
/// time of others.
const HANDLE_COST: Duration = Duration::from_micros(1);
/// Sweeps take so small a part of one processor, and when they are urgent.
const SHARE: u32 = 50;
const URGENT_SHARE: u32 = 8;
/// What tiny_http may hold of the heap before heads are hung up (weakness 13), and for each connection: it takes
/// 6.5 KiB.
const ALLOWANCE_BYTES: u64 = 4 << 20;
/// Alarms in a row in which there was nobody to hang up: then what is held is no head, such as the room that
/// tiny_http's queue keeps.
const EMPTY_ALARMS_MOST: u32 = 50;
const ALLOWANCE_A_CONNECTION_BYTES: u64 = 16 << 10;
/// A new accept loop would end at once as long as descriptors are short: two a connection, and the file.
const SPARE_DESCRIPTORS: u64 = 24;
/// From an alarm to the end of the heads that were hung up.
const TRIM_AFTER: Duration = Duration::from_millis(30);
/// How long the supervisor stays at its urgent pace after an alarm.
const ALERT_LASTS: Duration = Duration::from_millis(500);
/// How long running answers may take to finish once the engine is to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Accepts connections and has each one's requests answered, one after the other, on a thread.
pub struct Engine {
    acceptors: Vec<Acceptor>,
    listeners: Vec<Listener>,
    workers: Arc<Workers>,
    nudger: Nudger,
    timeout: Option<Duration>,
    watch: Watch,
}

/// What the supervisor remembers from one tick to the next.
struct Watch {
    /// The program's own part of the heap, at the start and now.
    first_bytes: u64,
    own_bytes: u64,
    /// The heap had moved so often when the last sweep began.
    heap_moves: usize,
    /// What that sweep saw.
    seen: Seen,
    /// When it ended.
    swept: Instant,
    /// When what the heads of an alarm took, and which is freed by then, goes back to the system: else each arena of the
    /// C library would keep the longest head that it ever had.
    trim_at: Option<Instant>,
    /// Until then a sweep is urgent, since an alarm is seldom the last one.
    alert_until: Instant,
    /// Alarms in a row in which there was nobody to hang up, and what was held when they began.
    empty_alarms: u32,
    alarm_bytes: u64,
    /// tiny_http held too much when it was last looked at.
    was_too_much: bool,
}

impl Engine {
    /// Starts to accept on `listeners`. `timeout`: how long a client may take for a head or a body, and may
    /// take nothing of an answer. `answer` is called on a thread of the connection. The calling thread is the one
    /// that calls [`Engine::run`].
    pub fn start(
        listeners: Vec<TcpListener>,
        timeout: Option<Duration>,
        answer: impl Fn(Exchange) -> End + Send + Sync + 'static,
    ) -> io::Result<Self> {
        panics::install_hook();
        let _ = table::SUPERVISOR.set(thread::current());
        platform::reserve_duplicate()?;
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        let nudger = Nudger::start(addresses)?;
        let workers = Workers::new(timeout, Box::new(answer));
        let acceptors = (0..)
            .zip(listeners)
            .map(|(nth, listener)| Acceptor::start(nth, listener, timeout, &workers))
            .collect::<io::Result<Vec<_>>>()?;
        let listeners = acceptors.iter().map(Acceptor::listener).collect();
        let watch = Watch {
            first_bytes: heap::live_bytes(),
            own_bytes: heap::live_bytes(),
            heap_moves: 0,
            seen: Seen::default(),
            swept: Instant::now(),
            trim_at: None,
            empty_alarms: 0,
            alarm_bytes: 0,
            alert_until: Instant::now(),
            was_too_much: false,
        };
        Ok(Self { acceptors, listeners, workers, nudger, timeout, watch })
    }

    /// Keeps the accept loops alive and the connections moving until `stop_requests` is above 0; then
    /// stops accepting and waits for running answers, for a while or until it is above 1.
    pub fn run(mut self, stop_requests: impl Fn() -> u32) {
        while stop_requests() == 0 {
            match panics::contain(|| self.tick()) {
                Ok(tick) if tick <= TICK => thread::sleep(tick),
                Ok(tick) => thread::park_timeout(tick),
                Err(_) => thread::sleep(IDLE_TICK),
            }
        }
        self.acceptors.clear();
        // Who has not sent a request by now need not.
        self.timeout = Some(Duration::ZERO);
        let deadline = Instant::now() + STOP_PATIENCE;
        while table::lock().busy > 0 && stop_requests() < 2 && Instant::now() < deadline {
            let _ = panics::contain(|| self.tick());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Looks at what has happened; how long to wait for the next time. With nothing to do, that is a few atomics and
    /// two system calls for each listening socket.
    fn tick(&mut self) -> Duration {
        let heap_moves = heap::moves();
        let is_short = self.descriptors_are_short();
        let mut is_accepting = true;
        for acceptor in &mut self.acceptors {
            is_accepting &= acceptor.revive(!is_short, &self.workers);
        }
        let is_too_much = self.engine_holds_too_much();
        // Twice in a row, since the figures that it is told by are not read in the same instant.
        let was_too_much = std::mem::replace(&mut self.watch.was_too_much, is_too_much);
        let is_alarm = is_too_much && was_too_much;
        let has_moved = heap_moves != self.watch.heap_moves;
        let due_in = self.watch.seen.next_due.map(|due| due.saturating_sub(table::now()));
        let is_due = due_in == Some(Duration::ZERO);
        let is_urgent = is_alarm || Instant::now() < self.watch.alert_until || table::lock().is_urgent;
        if (has_moved || is_due || is_urgent || !is_accepting) && self.may_sweep(is_urgent || is_short) {
            self.watch.heap_moves = heap_moves;
            self.sweep(is_alarm, is_short);
            self.learn_from_alarm(is_alarm);
        }
        if is_alarm {
            self.watch.trim_at.get_or_insert(Instant::now() + TRIM_AFTER);
            self.watch.alert_until = Instant::now() + ALERT_LASTS;
        }
        if self.watch.trim_at.is_some_and(|at| Instant::now() >= at) {
            self.watch.trim_at = None;
            platform::give_back_freed();
        }
        self.workers.see_to_ready();
        let may_be_stuck = self.nudger.look();
        match () {
            () if may_be_stuck || is_too_much || is_urgent => URGENT_TICK,
            () if has_moved || is_due || !is_accepting => TICK,
            () => due_in.unwrap_or(IDLE_TICK).clamp(TICK, IDLE_TICK),
        }
    }

    /// Whether the last sweep is so long ago that another one takes no more than its share.
    fn may_sweep(&self, is_urgent: bool) -> bool {
        let share = if is_urgent { URGENT_SHARE } else { SHARE };
        self.watch.swept.elapsed() >= HANDLE_COST * self.watch.seen.open_handles as u32 * share
    }

    fn sweep(&mut self, is_alarm: bool, is_short: bool) {
        let queues_empty_at =
            self.acceptors.iter().map(Acceptor::queues_empty_at).min().unwrap_or_else(table::now);
        let orders = Orders { timeout: self.timeout, is_alarm, is_short, queues_empty_at };
        self.watch.seen = sweep::sweep(&self.listeners, orders);
        self.acceptors.iter_mut().for_each(|acceptor| acceptor.retire(is_short));
        self.watch.swept = Instant::now();
    }

    fn learn_from_alarm(&mut self, is_alarm: bool) {
        let held_bytes = heap::live_bytes().saturating_sub(heap::buffer_bytes());
        // What was learned is forgotten as soon as it is freed.
        self.watch.own_bytes = self.watch.own_bytes.min(held_bytes.max(self.watch.first_bytes));
        let is_empty = is_alarm && !self.watch.seen.has_hung_up && held_bytes <= self.watch.alarm_bytes;
        if !is_empty {
            // What grows is no such room.
            self.watch.alarm_bytes = held_bytes;
        }
        self.watch.empty_alarms = if is_empty { self.watch.empty_alarms + 1 } else { 0 };
        if self.watch.empty_alarms > EMPTY_ALARMS_MOST {
            self.watch.empty_alarms = 0;
            self.watch.own_bytes = held_bytes;
        }
    }

    fn descriptors_are_short(&self) -> bool {
        self.watch.seen.open_handles + SPARE_DESCRIPTORS > platform::descriptor_limit()
    }

    /// What is not the program's own, no buffer of a body and no request that waits is tiny_http's.
    fn engine_holds_too_much(&self) -> bool {
        let known_bytes = self.watch.own_bytes + heap::buffer_bytes();
        let table = table::lock();
        let allowance_bytes = ALLOWANCE_BYTES + ALLOWANCE_A_CONNECTION_BYTES * table.living as u64;
        let most_bytes = known_bytes + table.waiting_bytes as u64 + allowance_bytes;
        heap::unpark_above(most_bytes);
        heap::live_bytes() > most_bytes
    }
}
