//! A plan during its execution: the state that all threads share.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::failure::{Failure, Kind};
use super::plan::{Amount, Hold, Plan};
use super::report::Tally;

/// The maximum number of clients that wait for their first byte before a hold. It is less than a
/// backlog of 511, which many servers have: a client that does not fit into the accept queue loses
/// a second.
const UNANSWERED_MAX: u64 = 256;

/// If no client gets its first byte for this long, more clients start nevertheless.
const UNANSWERED_TIMEOUT: Duration = Duration::from_secs(1);

const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// A plan during its execution. Another thread can watch it.
#[derive(Debug)]
pub struct Job {
    pub(super) plan: Plan,
    start: Instant,
    /// The number of connections that threads have claimed.
    claimed: AtomicU64,
    bytes: AtomicU64,
    is_released: AtomicBool,
    is_stopped: AtomicBool,
    tally: Mutex<Tally>,
}

impl Job {
    /// Prepares the execution of a plan. A rate or a duration is measured from here.
    pub fn new(plan: Plan) -> io::Result<Self> {
        plan.check()?;
        Ok(Self {
            plan,
            start: Instant::now(),
            claimed: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            is_released: AtomicBool::new(false),
            is_stopped: AtomicBool::new(false),
            tally: Mutex::default(),
        })
    }

    /// Returns how many connections have ended, and how many bytes were received.
    pub fn progress(&self) -> (u64, u64) {
        (self.tally().ended(), self.bytes.load(Ordering::Relaxed))
    }

    /// Returns the number of clients that received the first byte of their reply, but must not read
    /// yet.
    pub fn non_reading_clients(&self) -> u64 {
        if self.is_holding() { self.tally().non_reading } else { 0 }
    }

    /// Waits until each client of a hold has received the first byte of its reply, or has failed.
    /// Returns false if this takes longer than `timeout`.
    pub fn wait_for_non_reading_clients(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        while self.answered().0 < self.plan.connections && !self.is_stopped() {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(POLL_INTERVAL);
        }
        true
    }

    /// Lets the clients of a hold read.
    pub fn release(&self) {
        self.is_released.store(true, Ordering::Release);
    }

    /// Starts no more connections, and ends a hold. Open connections are completed.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Records the end of a connection: the time of its first byte, or the reason of its failure.
    pub(super) fn record_end(
        &self,
        number: u64,
        due: Instant,
        is_connected: bool,
        result: Result<Option<Duration>, Failure>,
    ) {
        let mut tally = self.tally();
        tally.was_connected |= is_connected;
        let is_refused = result.as_ref().is_err_and(|failure| failure.kind == Kind::Refused);
        // If the server does not run, further connections would fail for the same reason.
        if is_refused && !tally.was_connected {
            self.stop();
        }
        tally.record_end(number, due, result);
    }

    /// Returns how many clients got their first byte or failed, and the time since the last event.
    fn answered(&self) -> (u64, Duration) {
        let tally = self.tally();
        let last = tally.last_event.unwrap_or(self.start);
        (tally.non_reading + tally.ended(), last.elapsed())
    }

    /// Returns whether clients must not read yet.
    pub(super) fn is_holding(&self) -> bool {
        let Some(hold) = self.plan.hold else { return false };
        if let Hold::For(time) = hold {
            let (answered, since_last) = self.answered();
            if answered >= self.plan.connections && since_last >= time {
                // This is final: the clients that read change the time since the last event.
                self.release();
            }
        }
        !self.is_stopped() && !self.is_released.load(Ordering::Acquire)
    }

    /// Returns whether the server's accept queue has space for another client of a hold.
    pub(super) fn may_start(&self) -> bool {
        if self.plan.hold.is_none() {
            return true;
        }
        let (answered, since_last) = self.answered();
        let unanswered = self.claimed.load(Ordering::Relaxed).saturating_sub(answered);
        unanswered < UNANSWERED_MAX || since_last >= UNANSWERED_TIMEOUT
    }

    /// Claims the next connection, if any. Returns its number and when it is due.
    pub(super) fn next(&self, now: Instant) -> Option<(u64, Instant)> {
        let number = self.claimed.fetch_add(1, Ordering::Relaxed);
        let after = match self.plan.rate_per_s {
            Some(rate) => Duration::from_secs_f64(number as f64 / rate),
            None => now.saturating_duration_since(self.start),
        };
        let is_complete = match self.plan.amount {
            Amount::Total(total) => number >= total,
            Amount::During(time) => after >= time,
        };
        (!is_complete && !self.is_stopped()).then(|| (number, self.start + after))
    }
}
