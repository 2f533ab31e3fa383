//! Models of the state that threads and tasks share. loom runs each model once for every order of
//! the threads' steps and every value that an atomic operation may return. A missing wakeup ends a
//! model in a deadlock, which loom reports. To run the models:
//!
//! ```sh
//! RUSTFLAGS='--cfg loom' cargo test -p serve-core --lib --target-dir target/loom models
//! ```

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loom::future::block_on;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::mpsc;
use loom::thread;

use crate::config::Config;
use crate::event::EventKind;
use crate::log::EventLog;
use crate::server::Server;
use crate::shutdown::Shutdown;

/// Runs a model with every order of steps in which at most `PREEMPTIONS_MAX` threads lose the
/// processor before they wait. Without this limit, some models would need hours. Most errors need
/// at most two preemptions (Musuvathi and Qadeer, PLDI 2007).
fn check(model: impl Fn() + Send + Sync + 'static) {
    const PREEMPTIONS_MAX: usize = 2;
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS_MAX);
    builder.check(model);
}

fn server(max_connections: usize) -> Arc<Server> {
    let config = Config { max_connections, ..Config::new("unused") };
    Arc::new(Server::new(config, EventLog::off()))
}

#[test]
fn a_returned_permit_wakes_a_waiting_thread_and_a_waiting_task() {
    check(|| {
        let server = server(1);
        let permit = server.acquire_blocking();
        let blocking = Arc::clone(&server);
        let thread = thread::spawn(move || drop(blocking.acquire_blocking().unwrap()));
        let waiting = Arc::clone(&server);
        let task = thread::spawn(move || drop(block_on(waiting.acquire())));
        drop(permit);
        thread.join().unwrap();
        task.join().unwrap();
        assert!(server.limit.is_idle());
    });
}

#[test]
fn the_connection_limit_is_never_exceeded() {
    check(|| {
        let server = server(1);
        let open = Arc::new(AtomicUsize::new(0));
        let connect = |server: Arc<Server>, open: Arc<AtomicUsize>| {
            let permit = server.acquire_blocking();
            assert_eq!(open.fetch_add(1, Ordering::Relaxed), 0);
            open.fetch_sub(1, Ordering::Relaxed);
            drop(permit);
        };
        let (other_server, other_open) = (Arc::clone(&server), Arc::clone(&open));
        let other = thread::spawn(move || connect(other_server, other_open));
        connect(server, open);
        other.join().unwrap();
    });
}

#[test]
fn a_shutdown_wakes_a_thread_that_waits_for_a_permit() {
    check(|| {
        let server = server(1);
        let permit = server.acquire_blocking();
        let waiting = Arc::clone(&server);
        let waiting = thread::spawn(move || waiting.acquire_blocking().is_none());
        server.shut_down();
        assert!(waiting.join().unwrap());
        drop(permit);
    });
}

#[test]
fn a_shutdown_waits_until_the_last_connection_has_ended() {
    check(|| {
        let server = server(2);
        let connections = [(); 2].map(|()| {
            let permit = server.acquire_blocking();
            thread::spawn(move || drop(permit))
        });
        server.shut_down();
        server.wait_until_idle(Duration::MAX);
        assert!(server.limit.is_idle());
        connections.into_iter().for_each(|connection| connection.join().unwrap());
    });
}

#[test]
fn a_request_is_visible_after_its_function_and_wakes_all_waiters() {
    check(|| {
        let shutdown = Arc::new(Shutdown::default());
        let has_run = Arc::new(AtomicBool::new(false));
        let request = |shutdown: &Shutdown, has_run: &AtomicBool| {
            shutdown.request(|| has_run.store(true, Ordering::Relaxed));
        };
        let (other_shutdown, other_has_run) = (Arc::clone(&shutdown), Arc::clone(&has_run));
        let requesting = thread::spawn(move || request(&other_shutdown, &other_has_run));
        let (other_shutdown, other_has_run) = (Arc::clone(&shutdown), Arc::clone(&has_run));
        let task = thread::spawn(move || {
            block_on(other_shutdown.requested());
            assert!(other_has_run.load(Ordering::Relaxed));
        });
        request(&shutdown, &has_run);
        shutdown.wait();
        assert!(has_run.load(Ordering::Relaxed));
        requesting.join().unwrap();
        task.join().unwrap();
    });
}

/// A log whose lines can be read, and whose writer fails as the test requires.
struct Log {
    log: Arc<EventLog>,
    lines: Arc<Mutex<String>>,
}

impl Log {
    /// Starts a log with a queue of one event. `fail` receives the number of the write.
    fn start(fail: impl FnMut(usize) -> Option<io::ErrorKind> + Send + 'static) -> Self {
        let lines = Arc::default();
        let writer = Writer { writes: 0, fail, lines: Arc::clone(&lines) };
        let log = EventLog::to_writer(writer, 1, |event, line| match event.kind {
            EventKind::Disconnected { conn, .. } => write!(line, "event {conn}"),
            EventKind::Dropped { events } => write!(line, "dropped {events}"),
            _ => unreachable!("the models do not record other events"),
        });
        Self { log: Arc::new(log.unwrap()), lines }
    }

    /// Records three events on two threads. Returns the number of events that were written and the
    /// number of events that were counted as dropped.
    fn record_three(&self, already_recorded: usize) -> (usize, usize) {
        let other = Arc::clone(&self.log);
        let other = thread::spawn(move || record(&other, 10));
        (already_recorded + 1..3).for_each(|conn| record(&self.log, conn as u64));
        other.join().unwrap();
        self.log.finish();
        let lines = self.lines.lock().unwrap();
        let numbers = |prefix: &str| -> Vec<usize> {
            let lines = lines.lines().filter_map(|line| line.strip_prefix(prefix));
            lines.map(|number| number.parse().unwrap()).collect()
        };
        let written = numbers("event ");
        let in_order: Vec<usize> = written.iter().copied().filter(|conn| *conn < 10).collect();
        assert!(in_order.is_sorted(), "{lines}");
        (written.len(), numbers("dropped ").iter().sum())
    }
}

fn record(log: &EventLog, conn: u64) {
    log.record(EventKind::Disconnected { conn, sent: 0, received: 0 });
}

struct Writer<F> {
    writes: usize,
    fail: F,
    lines: Arc<Mutex<String>>,
}

impl<F: FnMut(usize) -> Option<io::ErrorKind>> Write for Writer<F> {
    /// Accepts three bytes of the first write, so that the first line is partial.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes += 1;
        if let Some(error) = (self.fail)(self.writes) {
            return Err(error.into());
        }
        let count = if self.writes == 1 { 3 } else { bytes.len() };
        self.lines.lock().unwrap().push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_log_writes_or_counts_every_event() {
    check(|| {
        let (written, dropped) = Log::start(|_| None).record_three(0);
        assert_eq!(written + dropped, 3);
    });
}

#[test]
fn the_log_continues_after_a_failed_write() {
    check(|| {
        let (failed, failures) = mpsc::channel();
        let log = Log::start(move |write| {
            (write == 2).then(|| {
                failed.send(()).unwrap();
                io::ErrorKind::StorageFull
            })
        });
        record(&log.log, 1);
        // If the log were closed before the failed write, the writer would not try again.
        failures.recv().unwrap();
        let (written, dropped) = log.record_three(1);
        assert_eq!(written + dropped, 3);
    });
}

#[test]
fn a_closed_or_full_stdout_does_not_block_the_end() {
    for error in [io::ErrorKind::BrokenPipe, io::ErrorKind::StorageFull] {
        check(move || {
            Log::start(move |_| Some(error)).record_three(0);
        });
    }
}
