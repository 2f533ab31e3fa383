//! The state of a plan that is being executed. All threads of the load client share this state.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::failure::{Failure, Kind};
use super::plan::{Amount, Hold, Plan};
use super::report::Tally;

/// The maximum number of non-reading clients that wait for their first byte at the same time. This
/// number is less than 511, which is the backlog of nginx and Node. If the accept queue were full,
/// the kernel would retry the handshake of a client only after one second.
const UNANSWERED_MAX: u64 = 256;

/// The maximum time for which the load client waits for first bytes. After this time, the load
/// client starts more clients.
const UNANSWERED_TIMEOUT: Duration = Duration::from_secs(1);

/// The interval at which a job checks whether all clients have received their first byte.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// A plan that is being executed. Other threads can observe the progress.
#[derive(Debug)]
pub struct Job {
    pub(super) plan: Plan,
    start: Instant,
    /// The number of connections that the threads have claimed. A thread claims a connection before
    /// it starts the connection.
    claimed: AtomicU64,
    bytes: AtomicU64,
    is_released: AtomicBool,
    is_stopped: AtomicBool,
    tally: Mutex<Tally>,
}

impl Job {
    /// Prepares the execution of a plan. The duration and the planned starts of the connections are
    /// measured from this call.
    ///
    /// # Errors
    ///
    /// Fails if this machine cannot execute the plan. The message contains advice for the user.
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

    /// Returns the number of connections that have ended, and the number of received bytes.
    pub fn progress(&self) -> (u64, u64) {
        (self.tally().ended(), self.bytes.load(Ordering::Relaxed))
    }

    /// Returns the number of non-reading clients that have received the first byte of their reply.
    pub fn non_reading_clients(&self) -> u64 {
        if self.is_holding() { self.tally().non_reading } else { 0 }
    }

    /// Waits until each non-reading client has received the first byte of its reply, or has failed.
    /// Returns false if the wait takes longer than `timeout`.
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

    /// Lets the non-reading clients start to read.
    pub fn release(&self) {
        self.is_released.store(true, Ordering::Release);
    }

    /// Prevents further connections and lets non-reading clients start to read. The clients
    /// complete the open connections.
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

    /// Records the end of a connection. `result` contains the time to the first byte of the reply,
    /// or the reason for the failure.
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
        // If a connection is refused before any connection was established, no server is running.
        // Further connections would also be refused.
        if is_refused && !tally.was_connected {
            self.stop();
        }
        tally.record_end(number, due, result);
    }

    /// Returns two values: the number of clients that have received their first byte or have
    /// failed, and the time since the last client received its first byte or failed.
    fn answered(&self) -> (u64, Duration) {
        let tally = self.tally();
        let last = tally.last_event.unwrap_or(self.start);
        (tally.non_reading + tally.ended(), last.elapsed())
    }

    /// Returns whether non-reading clients must continue to wait before they read.
    pub(super) fn is_holding(&self) -> bool {
        let Some(hold) = self.plan.hold else { return false };
        if let Hold::For(time) = hold {
            let (answered, since_last) = self.answered();
            if answered >= self.plan.connections && since_last >= time {
                // Without `release`, a later call of `is_holding` would return true again. The
                // clients that now read cause events, and each event resets `since_last`.
                self.release();
            }
        }
        !self.is_stopped() && !self.is_released.load(Ordering::Acquire)
    }

    /// Returns whether another client may start. Limits the number of non-reading clients that wait
    /// for their first byte, so that these clients do not fill the server's accept queue.
    pub(super) fn may_start(&self) -> bool {
        if self.plan.hold.is_none() {
            return true;
        }
        let (answered, since_last) = self.answered();
        let unanswered = self.claimed.load(Ordering::Relaxed).saturating_sub(answered);
        unanswered < UNANSWERED_MAX || since_last >= UNANSWERED_TIMEOUT
    }

    /// Claims the next connection for the calling thread. Returns the index and the planned start
    /// of the connection, or `None` if all connections have been claimed.
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
