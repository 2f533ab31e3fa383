//! Events, as lines of JSON on stdout.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::mem;
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::bugs::Bug;

/// The most events that wait for the writer.
const QUEUE_EVENTS_MAX: usize = 16_384;

/// How long [`Log::finish`] waits for a reader that does not read.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

/// A clone tells the same log.
#[derive(Clone)]
pub struct Log {
    bug: Option<Bug>,
    started: Instant,
    shared: Arc<(Mutex<Queue>, Condvar)>,
}

/// What the writer has not taken yet.
#[derive(Default)]
struct Queue {
    lines: String,
    events: usize,
    dropped: u64,
    is_writing: bool,
}

impl Log {
    /// Starts the writer's thread.
    pub fn to_stdout(bug: Option<Bug>) -> io::Result<Self> {
        let log = Self { bug, started: Instant::now(), shared: Arc::default() };
        let writer = log.clone();
        thread::Builder::new().spawn(move || writer.write_lines())?;
        Ok(log)
    }

    /// Adds an event, now. `fields` begin with a comma. Never waits for whoever reads: what does
    /// not fit is counted.
    pub fn record(&self, event: &str, fields: &str) {
        let (queue, changed) = &*self.shared;
        let mut queue = lock(queue);
        if self.bug == Some(Bug::WaitsForLog) {
            let is_full = |queue: &mut Queue| queue.events > 0 || queue.is_writing;
            queue = changed.wait_while(queue, is_full).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.events >= QUEUE_EVENTS_MAX {
            queue.dropped += 1;
            return;
        }
        // The time is read under the lock, so that times never go back.
        self.push(&mut queue, event, fields);
        changed.notify_all();
    }

    /// Waits until all is written, or gives up.
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
            // Who closed stdout has no wish to read: the clients go on.
            is_read = is_read && write_whole(lines.as_bytes()).is_ok();
            if !is_read && self.bug == Some(Bug::DiesOnClosedStdout) {
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

/// A panic elsewhere must not stop the server: what these locks guard is whole at every moment.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `text` as a JSON string, quotes included.
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
