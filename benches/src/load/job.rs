//! A plan while it is carried out: what its threads share.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::plan::{Amount, Hold, Plan};
use super::report::{Report, Tally};
use super::worker::Worker;

/// How often someone who waits for clients to be held looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(2);

/// A plan that can be watched while it is carried out.
#[derive(Debug)]
pub struct Job {
    pub(super) plan: Plan,
    began: OnceLock<Instant>,
    /// Connections that were begun.
    next: AtomicU64,
    ended: AtomicU64,
    bytes: AtomicU64,
    /// Connections that have still to be held.
    unsettled: AtomicU64,
    settled_at: OnceLock<Instant>,
    last_settled_us: AtomicU64,
    is_released: AtomicBool,
    is_stopped: AtomicBool,
    failure: Mutex<Option<String>>,
}

/// Whether the next connection is due.
pub(super) enum Ticket {
    /// Now: its number, and when it was due.
    Now(u64, Instant),
    /// Then.
    At(Instant),
    /// There are no more.
    Never,
}

impl Job {
    /// Nothing happens yet.
    ///
    /// # Errors
    ///
    /// Returns a message with help if the plan cannot be executed on this machine.
    pub fn new(plan: Plan) -> io::Result<Self> {
        plan.check().map_err(|message| io::Error::new(io::ErrorKind::InvalidInput, message))?;
        let unsettled = plan.hold.map_or(0, |_| plan.connections);
        Ok(Self {
            plan,
            began: OnceLock::new(),
            next: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            unsettled: AtomicU64::new(unsettled),
            settled_at: OnceLock::new(),
            last_settled_us: AtomicU64::new(0),
            is_released: AtomicBool::new(false),
            is_stopped: AtomicBool::new(false),
            failure: Mutex::new(None),
        })
    }

    /// Carries the plan out, once.
    ///
    /// # Errors
    ///
    /// When this machine has no thread or no descriptor left to poll with.
    pub fn run(&self) -> io::Result<Report> {
        let began = *self.began.get_or_init(Instant::now);
        let mut tally = Tally::default();
        thread::scope(|scope| {
            let work = |index| move || self.work(index);
            let workers: Vec<_> =
                (1..self.plan.threads).map(|index| scope.spawn(work(index))).collect();
            tally.add(self.work(0));
            for worker in workers {
                match worker.join() {
                    Ok(of_worker) => tally.add(of_worker),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(failure) => Err(io::Error::other(failure)),
            None => Ok(Report::of(&self.plan, tally, began)),
        }
    }

    fn work(&self, index: usize) -> Tally {
        match Worker::new(self, index).and_then(Worker::run) {
            Ok(tally) => tally,
            Err(error) => {
                let failure = format!("cannot poll: {error}");
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                self.stop();
                Tally::default()
            }
        }
    }

    /// Connections that have ended, and bytes that came, so far.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.ended.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// Connections that are held, so far.
    #[must_use]
    pub fn held(&self) -> u64 {
        let held = self.plan.hold.map_or(0, |_| self.plan.connections);
        held - self.unsettled.load(Ordering::Relaxed)
    }

    /// Waits until all clients are held (or have failed); false if that takes too long.
    #[must_use]
    pub fn wait_until_held(&self, timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        while !self.is_settled() {
            if Instant::now() >= until {
                return false;
            }
            thread::sleep(LOOK_INTERVAL);
        }
        true
    }

    /// Clients that are held may read.
    pub fn release(&self) {
        self.is_released.store(true, Ordering::Release);
    }

    /// No new connections are begun; held ones may read. Those under way may finish.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    fn is_settled(&self) -> bool {
        self.unsettled.load(Ordering::Acquire) == 0 || self.is_stopped()
    }

    /// Whether clients have to wait before they read.
    pub(super) fn is_holding(&self) -> bool {
        match self.plan.hold {
            None => false,
            Some(_) if self.is_stopped() => false,
            Some(Hold::UntilReleased) => !self.is_released.load(Ordering::Acquire),
            Some(Hold::For(time)) => {
                !self.is_settled()
                    || self.settled_at.get().is_none_or(|settled| settled.elapsed() < time)
            }
        }
    }

    /// One more client is held, or never will be.
    pub(super) fn settle(&self) {
        self.last_settled_us.store(self.elapsed_us(), Ordering::Relaxed);
        if self.unsettled.fetch_sub(1, Ordering::AcqRel) == 1 {
            let _ = self.settled_at.set(Instant::now());
        }
    }

    /// How long ago a client was last held.
    pub(super) fn since_settled(&self) -> Duration {
        let last_us = self.last_settled_us.load(Ordering::Relaxed);
        Duration::from_micros(self.elapsed_us().saturating_sub(last_us))
    }

    fn elapsed_us(&self) -> u64 {
        self.began.get().map_or(0, |began| began.elapsed().as_micros() as u64)
    }

    /// So much more has happened.
    pub(super) fn publish(&self, ended: u64, bytes: u64) {
        self.ended.fetch_add(ended, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes the next connection, if it is due.
    pub(super) fn ticket(&self, now: Instant) -> Ticket {
        let Some(&began) = self.began.get() else { return Ticket::Never };
        loop {
            let number = self.next.load(Ordering::Relaxed);
            let after = match self.plan.rate_per_s {
                Some(rate) => Duration::from_secs_f64(number as f64 / rate),
                None => now.saturating_duration_since(began),
            };
            let is_over = match self.plan.amount {
                Amount::Total(total) => number >= total,
                Amount::During(time) => after >= time,
            };
            if is_over || self.is_stopped() {
                return Ticket::Never;
            }
            let due = began + after;
            if due > now {
                return Ticket::At(due);
            }
            // Another thread may have taken it meanwhile.
            let took = self.next.compare_exchange(
                number,
                number + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            if took.is_ok() {
                return Ticket::Now(number, due);
            }
        }
    }
}
