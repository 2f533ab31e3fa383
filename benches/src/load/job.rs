//! The execution of a plan.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::plan::Plan;
use super::report::Report;
use super::shared::Shared;
use super::worker::Worker;

const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// The execution of a plan, which another thread can watch.
#[derive(Debug)]
pub struct Job {
    shared: Shared,
}

impl Job {
    /// Prepares the execution of a plan. A rate or a duration is measured from here.
    ///
    /// # Errors
    ///
    /// Returns an error with help if this machine cannot execute the plan.
    pub fn new(plan: Plan) -> io::Result<Self> {
        plan.check()?;
        Ok(Self { shared: Shared::new(plan) })
    }

    /// Executes the plan. This method must be called only once.
    ///
    /// # Errors
    ///
    /// Returns an error if an event loop cannot be created or fails.
    pub fn run(&self) -> io::Result<Report> {
        let shared = &self.shared;
        let work = |index| {
            let result = Worker::new(shared, index).and_then(Worker::run);
            if result.is_err() {
                shared.stop();
            }
            result
        };
        thread::scope(|scope| {
            let threads: Vec<_> =
                (1..shared.plan.threads).map(|index| scope.spawn(move || work(index))).collect();
            let results = threads.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            work(0).and(results.collect::<io::Result<()>>())
        })?;
        let tally = shared.tally().clone();
        Ok(tally.into_report(&shared.plan, shared.bytes()))
    }

    /// Returns the number of connections that have ended, and the number of bytes that were received.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.shared.tally().ended(), self.shared.bytes())
    }

    /// Returns the number of clients of a hold that received the first byte of their reply.
    #[must_use]
    pub fn non_reading_clients(&self) -> u64 {
        self.shared.tally().non_reading
    }

    /// Waits until each client of a hold has received the first byte of its reply, or has failed.
    /// Returns false if this takes longer than `timeout`.
    #[must_use]
    pub fn wait_for_non_reading_clients(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        while !self.shared.is_answered() {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(POLL_INTERVAL);
        }
        true
    }

    /// Lets the clients of a hold read.
    pub fn release(&self) {
        self.shared.release();
    }
}
