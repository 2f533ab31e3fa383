//! The event loop that each thread of the load client runs for its share of the connections.

use std::collections::VecDeque;
use std::io;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::connection::{Connection, Step};
use super::failure::{Failure, Kind};
use super::job::Job;
use super::report::Report;
use super::socket;

/// The maximum number of events per call of `poll`.
const EVENTS_MAX: usize = 1024;

/// The maximum number of bytes per read. A buffer of this size fits into the cache of a core, so
/// that the hash function does not read from main memory.
const READ_BYTES: usize = 256 * 1024;

/// The maximum number of bytes per read that discards data. The value is the default maximum size
/// of the kernel's receive buffer (`net.ipv4.tcp_rmem`).
const DISCARD_BYTES: usize = 8 * 1024 * 1024;

/// The interval at which a worker checks whether timeouts have expired.
const TIMEOUT_INTERVAL: Duration = Duration::from_millis(100);

/// The interval at which a worker checks whether clients with a limited read rate may read, and at
/// which flooding clients send.
const SLOW_INTERVAL: Duration = Duration::from_millis(20);

/// The interval at which a worker checks whether non-reading clients may read.
const HOLD_INTERVAL: Duration = Duration::from_millis(5);

impl Job {
    /// Executes the plan. This method must be called only once.
    ///
    /// # Errors
    ///
    /// Fails if the system cannot create an event loop. The errors of connections are not returned,
    /// because the report contains them.
    pub fn run(&self) -> io::Result<Report> {
        let work = |index| {
            let result = Worker::new(self, index).and_then(Worker::run);
            if result.is_err() {
                self.stop();
            }
            result
        };
        thread::scope(|scope| {
            let threads: Vec<_> =
                (1..self.plan.threads).map(|index| scope.spawn(move || work(index))).collect();
            let result = work(0);
            let join = |thread: ScopedJoinHandle<'_, _>| thread.join().expect("a thread panicked");
            threads.into_iter().map(join).fold(result, Result::and)
        })?;
        let tally = self.tally().clone();
        Ok(tally.into_report(&self.plan, self.progress().1))
    }
}

/// The event loop of a thread.
struct Worker<'a> {
    job: &'a Job,
    poll: Poll,
    /// The open connections. The key of a connection is the token of its events.
    connections: Slab<Connection>,
    /// The maximum number of open connections of this thread, or 0 after the last connection has
    /// started.
    connections_max: usize,
    /// The keys of the connections that may have more data to read.
    queue: VecDeque<usize>,
    /// The buffer for reads from all connections. Reads that discard data use the spare capacity of
    /// the buffer.
    buffer: Vec<u8>,
    now: Instant,
    is_holding: bool,
    /// The index and the planned start of the connection that this thread starts next.
    next: Option<(u64, Instant)>,
    next_check: Instant,
}

impl<'a> Worker<'a> {
    fn new(job: &'a Job, index: usize) -> io::Result<Self> {
        let plan = &job.plan;
        let (threads, index) = (plan.threads as u64, index as u64);
        let share = plan.connections / threads + u64::from(index < plan.connections % threads);
        let spare_bytes = if plan.is_discarding { DISCARD_BYTES } else { 0 };
        let mut buffer = Vec::with_capacity(READ_BYTES + spare_bytes);
        buffer.resize(READ_BYTES, 0);
        let now = Instant::now();
        Ok(Self {
            job,
            poll: Poll::new()?,
            connections: Slab::new(),
            connections_max: usize::try_from(share).unwrap_or(usize::MAX),
            queue: VecDeque::new(),
            buffer,
            now,
            is_holding: plan.hold.is_some(),
            next: None,
            next_check: now,
        })
    }

    /// Runs the event loop until all connections have ended.
    fn run(mut self) -> io::Result<()> {
        let cpu_before = thread_cpu();
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            self.start_due();
            if self.connections.is_empty() && self.connections_max == 0 {
                break;
            }
            match self.poll.poll(&mut events, Some(self.wait())) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            self.now = Instant::now();
            self.check_hold();
            for event in &events {
                self.on_event(event);
            }
            self.read_queued();
            self.check_times();
        }
        let cpu = thread_cpu().zip(cpu_before).map(|(after, before)| after - before);
        self.job.tally().add_cpu(cpu);
        Ok(())
    }

    /// Starts all connections whose planned start has passed. Does not exceed the maximum number of
    /// open connections.
    fn start_due(&mut self) {
        while self.connections.len() < self.connections_max && self.job.may_start() {
            let next = self.next.take().filter(|_| !self.job.is_stopped());
            let next = next.or_else(|| self.job.next(self.now));
            let Some((number, due)) = next else {
                self.connections_max = 0;
                return;
            };
            if due > self.now {
                self.next = next;
                return;
            }
            self.start(number, due);
        }
    }

    fn start(&mut self, number: u64, due: Instant) {
        let plan = &self.job.plan;
        let entry = self.connections.vacant_entry();
        let token = Token(entry.key());
        let started = Connection::start(plan, number, due).and_then(|mut connection| {
            let is_sent = connection.send_request(plan)?;
            let interest = match is_sent && connection.is_connected {
                true => Interest::READABLE,
                false => Interest::READABLE | Interest::WRITABLE,
            };
            let registered = self.poll.registry().register(&mut connection.stream, token, interest);
            registered.map_err(|error| Failure::new(Kind::Io, error.to_string()))?;
            Ok(connection)
        });
        match started {
            Ok(connection) => {
                entry.insert(connection);
                if !self.is_holding && plan.reset_after_bytes == Some(0) {
                    self.receive(token.0);
                }
            }
            Err(failure) => self.job.record_end(number, due, false, Err(failure)),
        }
    }

    /// Returns the maximum time to wait for events.
    fn wait(&self) -> Duration {
        if !self.queue.is_empty() {
            return Duration::ZERO;
        }
        let deadline = self.next.map_or(self.next_check, |(_, due)| due.min(self.next_check));
        let wait = deadline.saturating_duration_since(Instant::now());
        if self.is_holding { wait.min(HOLD_INTERVAL) } else { wait }
    }

    fn on_event(&mut self, event: &Event) {
        let key = event.token().0;
        let Some(connection) = self.connections.get_mut(key) else { return };
        if !connection.is_connected {
            if let Err(failure) = connection.check_connected() {
                return self.end(key, Err(failure));
            }
            if !connection.is_connected {
                return;
            }
            connection.last_active = self.now;
        }
        if event.is_writable() {
            if let Err(failure) = connection.send_request(&self.job.plan) {
                return self.end(key, Err(failure));
            }
        }
        connection.is_read_closed |= event.is_read_closed() || event.is_error();
        connection.is_readable |= event.is_readable() || connection.is_read_closed;
        self.receive(key);
    }

    fn receive(&mut self, key: usize) {
        let connection = self.connections.get_mut(key).filter(|it| it.is_connected);
        let Some(connection) = connection else { return };
        let plan = &self.job.plan;
        let (bytes_before, first_byte_before) = (connection.received_bytes, connection.first_byte);
        let step = match self.is_holding {
            true => connection.check_first_byte(plan),
            false => connection.receive(plan, &mut self.buffer, self.now),
        };
        self.job.record_bytes(connection.received_bytes - bytes_before);
        if self.is_holding && connection.first_byte != first_byte_before {
            self.job.tally().record_non_reading();
        }
        match step {
            Step::Wait => {}
            Step::Continue if connection.is_queued => {}
            Step::Continue => {
                connection.is_queued = true;
                self.queue.push_back(key);
            }
            Step::End(result) => self.end(key, result),
        }
    }

    /// Reads from each queued connection once.
    fn read_queued(&mut self) {
        for _ in 0..self.queue.len() {
            let Some(key) = self.queue.pop_front() else { return };
            if let Some(connection) = self.connections.get_mut(key) {
                connection.is_queued = false;
                self.receive(key);
            }
        }
    }

    /// Lets all non-reading clients read if they no longer have to wait. Queues all connections,
    /// because no further event occurs on a connection whose data has already arrived.
    fn check_hold(&mut self) {
        if !self.is_holding || self.job.is_holding() {
            return;
        }
        self.is_holding = false;
        for (key, connection) in &mut self.connections {
            if connection.is_connected {
                if self.job.plan.receive_buffer_bytes.is_some() {
                    socket::enlarge_receive_buffer(&connection.stream);
                }
                connection.last_active = self.now;
                connection.is_readable = true;
                connection.is_queued = true;
                self.queue.push_back(key);
            }
        }
    }

    /// Continues to read on connections with a limited read rate. Ends connections whose timeout
    /// has expired.
    fn check_times(&mut self) {
        if self.now < self.next_check {
            return;
        }
        let plan = &self.job.plan;
        let (now, is_holding, timeout) = (self.now, self.is_holding, plan.timeout);
        let is_limited = plan.slow_bytes_per_s.is_some() || plan.flood_bytes_per_s.is_some();
        let interval = if is_limited { SLOW_INTERVAL } else { TIMEOUT_INTERVAL.min(timeout) };
        self.next_check = now + interval;
        if plan.slow_bytes_per_s.is_some() {
            for key in self.keys(|connection| connection.is_readable) {
                self.receive(key);
            }
        }
        if let Some(bytes_per_s) = plan.flood_bytes_per_s {
            self.flood((SLOW_INTERVAL.as_secs_f64() * bytes_per_s as f64) as usize);
        }
        let is_expired = |connection: &Connection| connection.last_active + timeout <= now;
        // The timeout does not apply to non-reading clients, because these clients do not read the
        // data that arrives.
        for key in self.keys(|it| is_expired(it) && !(is_holding && it.first_byte.is_some())) {
            let connection = &self.connections[key];
            let message = match (connection.is_connected, connection.received_bytes) {
                (false, _) => format!("could not connect within {timeout:?}"),
                (true, bytes) => format!("received {bytes} bytes, then no data for {timeout:?}"),
            };
            self.end(key, Err(Failure::new(Kind::Timeout, message)));
        }
    }

    /// Sends at most `bytes_max` bytes on each connection. The content of these bytes does not matter,
    /// so the clients send the data that was received last.
    fn flood(&mut self, bytes_max: usize) {
        for key in self.keys(|connection| connection.is_connected) {
            let bytes = &self.buffer[..bytes_max.min(READ_BYTES)];
            if let Step::End(result) = self.connections[key].flood(&self.job.plan, bytes) {
                self.end(key, result);
            }
        }
    }

    fn keys(&self, is_selected: impl Fn(&Connection) -> bool) -> Vec<usize> {
        let selected = self.connections.iter().filter(|(_, connection)| is_selected(connection));
        selected.map(|(key, _)| key).collect()
    }

    /// Closes a connection and records the result.
    fn end(&mut self, key: usize, result: Result<(), Failure>) {
        let connection = self.connections.remove(key);
        let Connection { due, number, first_byte, is_connected, .. } = connection;
        self.job.record_end(number, due, is_connected, result.map(|()| first_byte));
        if self.job.plan.reset_after_bytes.is_some() {
            socket::reset(connection.stream);
        }
    }
}

/// Returns the CPU time of this thread, or `None` if the system does not report it.
fn thread_cpu() -> Option<Duration> {
    #[cfg(unix)]
    return rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime).try_into().ok();
    #[cfg(not(unix))]
    None
}
