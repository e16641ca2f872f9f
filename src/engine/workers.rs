//! The threads that answer requests.
//!
//! A connection has one thread at a time, which answers its requests one after the other. The thread then serves the
//! next connection that has a request. A thread counts as idle only while it waits for a job. Discarding requests is
//! a job as well, because it may block.

use std::sync::{Arc, Condvar, PoisonError};
use std::thread;
use std::time::Duration;

use tiny_http::Request;

use super::exchange::{End, Exchange, Incoming};
use super::panics;
use super::queue::{Job, Origin};
use super::table;

/// How long a thread waits for a job before it exits.
const IDLE_FOR: Duration = Duration::from_secs(5);
/// The stack size of a thread. Only the part that is used takes memory. The size keeps thousands of threads within
/// any limit of address space.
const STACK_BYTES: usize = 256 * 1024;

/// The function that answers an exchange and finishes it.
pub type Answer = dyn Fn(Exchange) -> End + Send + Sync;

/// The threads that answer requests.
pub struct Workers {
    work: Condvar,
    timeout: Option<Duration>,
    answer: Box<Answer>,
}

impl Workers {
    /// Creates a pool without threads. They are started when there are jobs.
    pub fn new(timeout: Option<Duration>, answer: Box<Answer>) -> Arc<Self> {
        Arc::new(Self { work: Condvar::new(), timeout, answer })
    }

    /// Adds a request to its connection, and makes sure that a thread answers it. Never waits for a client.
    pub fn dispatch(self: &Arc<Self>, origin: Origin, request: Request) {
        let Some(&peer) = request.remote_addr() else { return };
        let request = Incoming::new(request, peer);
        let (needs_thread, is_new) = {
            let mut table = table::lock();
            let before = table.last_number;
            let needs_thread = table.enqueue(origin, request);
            (needs_thread, table.last_number > before || table.is_urgent)
        };
        if needs_thread {
            self.add_threads(1);
        }
        self.work.notify_one();
        if is_new {
            table::wake_supervisor();
        }
    }

    /// Wakes or starts threads for jobs that have none: the sweep has made new jobs, or a thread could not be started
    /// before. The supervisor calls this in each tick.
    pub fn start_ready(self: &Arc<Self>) {
        if table::lock().job_count() > 0 {
            self.work.notify_all();
            self.add_threads(1);
        }
    }

    /// Starts threads for jobs that have none, at most `most`. These threads start the others, so that dispatching is
    /// fast enough to keep tiny_http's queue short: the queue never gives capacity back.
    fn add_threads(self: &Arc<Self>, most: usize) {
        for _ in 0..most {
            let mut table = table::lock();
            if table.job_count() <= table.idle_threads {
                return;
            }
            table.idle_threads += 1;
            drop(table);
            let workers = Arc::clone(self);
            let thread = thread::Builder::new().name(panics::THREAD_NAME.to_owned()).stack_size(STACK_BYTES);
            if thread.spawn(move || workers.work()).is_err() {
                // The system has no more threads. The supervisor tries again.
                table::lock().idle_threads -= 1;
                return;
            }
        }
    }

    /// Runs jobs until none has come for [`IDLE_FOR`]. The thread was counted as idle when it was started.
    fn work(self: &Arc<Self>) {
        while let Some(mut job) = self.wait_for_job() {
            self.add_threads(2);
            while let Some(next) = self.run_job(job) {
                job = next;
            }
            table::lock().idle_threads += 1;
        }
    }

    fn wait_for_job(&self) -> Option<Job> {
        let mut table = table::lock();
        loop {
            let job = table.next_job();
            if job.is_some() {
                table.idle_threads -= 1;
                return job;
            }
            let waited = self.work.wait_timeout(table, IDLE_FOR);
            let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            table = woken;
            if timeout.timed_out() && table.job_count() == 0 {
                table.idle_threads -= 1;
                return None;
            }
        }
    }

    /// Runs a job. Returns the next job of the same connection.
    fn run_job(&self, job: Job) -> Option<Job> {
        match job {
            Job::Answer(id, number, request) => {
                // A panic must not end the thread, and the connection must leave its current state.
                let answering = || (self.answer)(request.begin(id, number, self.timeout));
                let end = panics::contain(answering).unwrap_or(End::BrokenOff);
                table::lock().answered(id, end)
            }
            Job::Discard(id, waiting) => {
                for request in waiting.into_iter().flat_map(|waiting| *waiting) {
                    let _ = panics::contain(|| request.discard(id));
                }
                table::lock().discarded(id);
                None
            }
        }
    }
}
