//! Events, as lines of JSON on stdout.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::mem;
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::mutant::Mutant;

/// The maximum number of events that wait for the writer thread.
const QUEUE_EVENTS_MAX: usize = 16_384;

/// The time that [`Log::finish`] waits if nothing reads stdout.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

/// The event log. Clones write to the same log.
#[derive(Clone)]
pub struct Log {
    mutant: Option<Mutant>,
    started: Instant,
    shared: Arc<(Mutex<Queue>, Condvar)>,
}

/// The events that the writer thread has not taken yet.
#[derive(Default)]
struct Queue {
    lines: String,
    events: usize,
    dropped: u64,
    is_writing: bool,
}

impl Log {
    /// Starts the writer thread.
    pub fn to_stdout(mutant: Option<Mutant>) -> io::Result<Self> {
        let log = Self { mutant, started: Instant::now(), shared: Arc::default() };
        let writer = log.clone();
        thread::Builder::new().spawn(move || writer.write_lines())?;
        Ok(log)
    }

    /// Adds an event with the current time. `fields` start with a comma. Never blocks: if the queue
    /// is full, the event is counted as dropped.
    pub fn record(&self, event: &str, fields: &str) {
        let (queue, changed) = &*self.shared;
        let mut queue = lock(queue);
        if self.mutant == Some(Mutant::WaitsForLog) {
            let is_full = |queue: &mut Queue| queue.events > 0 || queue.is_writing;
            queue = changed.wait_while(queue, is_full).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.events >= QUEUE_EVENTS_MAX {
            queue.dropped += 1;
            return;
        }
        // The time is read while the lock is held, so that times never decrease.
        self.push(&mut queue, event, fields);
        changed.notify_all();
    }

    /// Waits until all events are written, or until [`FINISH_TIMEOUT`] has passed.
    pub fn finish(&self) {
        let (queue, changed) = &*self.shared;
        let is_busy = |queue: &mut Queue| queue.events > 0 || queue.is_writing;
        let _ = changed.wait_timeout_while(lock(queue), FINISH_TIMEOUT, is_busy);
    }

    fn push(&self, queue: &mut Queue, event: &str, fields: &str) {
        let at_us = self.started.elapsed().as_micros();
        writeln!(queue.lines, r#"{{"at_us":{at_us},"event":"{event}"{fields}}}"#)
            .expect("a String takes all");
        queue.events += 1;
    }

    fn write_lines(&self) {
        let (queue, changed) = &*self.shared;
        let mut is_read = true;
        loop {
            let idle = |queue: &mut Queue| queue.events == 0;
            let waited = changed.wait_while(lock(queue), idle);
            let mut taken = waited.unwrap_or_else(PoisonError::into_inner);
            if taken.dropped > 0 {
                let fields = format!(r#","events":{}"#, mem::take(&mut taken.dropped));
                self.push(&mut taken, "dropped", &fields);
            }
            let lines = mem::take(&mut taken.lines);
            taken.events = 0;
            taken.is_writing = true;
            drop(taken);
            // If stdout is closed, events are discarded, and the server continues.
            is_read = is_read && write_whole(lines.as_bytes()).is_ok();
            if !is_read && self.mutant == Some(Mutant::DiesOnClosedStdout) {
                process::exit(101);
            }
            lock(queue).is_writing = false;
            changed.notify_all();
        }
    }
}

fn write_whole(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// Locks a mutex, even if a thread panicked while it held the lock: the data is always consistent.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns `text` as a JSON string, with quotes.
pub fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            control if control < ' ' => {
                write!(out, "\\u{:04x}", u32::from(control)).expect("a String takes all");
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}
