//! The event loop for one thread's share of the connections.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::connection::{Buffers, Connection, Step};
use super::failure::{Failure, Kind};
use super::shared::{Next, Shared};
use super::socket;

const EVENTS_MAX: usize = 1024;

/// Fits into the cache of a core, so that the data is hashed from there.
const READ_BYTES: usize = 256 * 1024;

/// The maximum size of the kernel's receive buffer (`net.ipv4.tcp_rmem`).
const DISCARD_BYTES: usize = 8 * 1024 * 1024;

/// How often timeouts are checked.
const TIMEOUT_INTERVAL: Duration = Duration::from_millis(100);

/// How often slow clients check whether they may read.
const SLOW_INTERVAL: Duration = Duration::from_millis(20);

/// How often the clients of a hold check whether they may read.
const HOLD_INTERVAL: Duration = Duration::from_millis(5);

/// The event loop of a thread.
pub(super) struct Worker<'a> {
    shared: &'a Shared,
    poll: Poll,
    /// The open connections. Their keys are the tokens of their events.
    connections: Slab<Connection>,
    connections_max: usize,
    /// Connections that may have more data to read.
    queue: VecDeque<usize>,
    buffers: Buffers,
    now: Instant,
    is_holding: bool,
    is_last_started: bool,
    next_due: Option<Instant>,
    next_timeout_check: Instant,
    next_slow_read: Instant,
}

impl<'a> Worker<'a> {
    pub fn new(shared: &'a Shared, index: usize) -> io::Result<Self> {
        let plan = &shared.plan;
        let (threads, index) = (plan.threads as u64, index as u64);
        let share = plan.connections / threads + u64::from(index < plan.connections % threads);
        let discard_bytes = if plan.is_discarding { DISCARD_BYTES } else { 0 };
        let now = Instant::now();
        Ok(Self {
            shared,
            poll: Poll::new()?,
            connections: Slab::new(),
            connections_max: usize::try_from(share).unwrap_or(usize::MAX),
            queue: VecDeque::new(),
            buffers: Buffers {
                read: vec![0; READ_BYTES],
                discarded: Vec::with_capacity(discard_bytes),
            },
            now,
            is_holding: plan.hold.is_some(),
            is_last_started: false,
            next_due: None,
            next_timeout_check: now,
            next_slow_read: now,
        })
    }

    /// Runs until all connections have ended.
    pub fn run(mut self) -> io::Result<()> {
        let cpu_before = thread_cpu();
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            self.start_due();
            if self.connections.is_empty() && self.is_last_started {
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
            self.read_slowly();
            self.check_timeouts();
        }
        let cpu = thread_cpu().zip(cpu_before).map(|(after, before)| after - before);
        self.shared.tally().add_cpu(cpu);
        Ok(())
    }

    /// Starts the connections that are due, unless too many are open.
    fn start_due(&mut self) {
        self.next_due = None;
        while self.connections.len() < self.connections_max && self.shared.may_start() {
            match self.shared.next(self.now) {
                Next::Now { number, due } => self.start(number, due),
                Next::At(due) => {
                    self.next_due = Some(due);
                    return;
                }
                Next::Never => {
                    self.is_last_started = true;
                    return;
                }
            }
        }
        self.is_last_started = self.connections_max == 0;
    }

    fn start(&mut self, number: u64, due: Instant) {
        let plan = &self.shared.plan;
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
            Err(failure) => self.shared.record_failure(due, number, &failure, false),
        }
    }

    /// Returns the time until something must be done even if no event occurs.
    fn wait(&self) -> Duration {
        if !self.queue.is_empty() {
            return Duration::ZERO;
        }
        let plan = &self.shared.plan;
        let deadline = [self.next_due, plan.slow_bytes_per_s.map(|_| self.next_slow_read)]
            .into_iter()
            .flatten()
            .fold(self.next_timeout_check, Instant::min);
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
            if let Err(failure) = connection.send_request(&self.shared.plan) {
                return self.end(key, Err(failure));
            }
        }
        connection.is_read_closed |= event.is_read_closed() || event.is_error();
        connection.is_readable |= event.is_readable() || connection.is_read_closed;
        if self.is_holding {
            self.check_first_byte(key);
        } else {
            self.receive(key);
        }
    }

    /// Checks whether a client that must not read yet has received its first byte.
    fn check_first_byte(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.first_byte.is_some() || !connection.is_readable {
            return;
        }
        match connection.check_first_byte(&self.shared.plan) {
            Step::End(result) => self.end(key, result),
            _ if connection.first_byte.is_some() => self.shared.tally().record_non_reading(),
            _ => {}
        }
    }

    fn receive(&mut self, key: usize) {
        let connection = self.connections.get_mut(key).filter(|it| it.is_connected);
        let Some(connection) = connection else { return };
        let bytes_before = connection.received_bytes;
        let step = connection.receive(&self.shared.plan, &mut self.buffers, self.now);
        self.shared.add_bytes(connection.received_bytes - bytes_before);
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

    /// Continues each queued connection once.
    fn read_queued(&mut self) {
        for _ in 0..self.queue.len() {
            let Some(key) = self.queue.pop_front() else { return };
            if let Some(connection) = self.connections.get_mut(key) {
                connection.is_queued = false;
                self.receive(key);
            }
        }
    }

    /// Lets all clients read when a hold ends. Their data may have arrived earlier, so there may be
    /// no further event.
    fn check_hold(&mut self) {
        if !self.is_holding || self.shared.is_holding() {
            return;
        }
        self.is_holding = false;
        for (key, connection) in &mut self.connections {
            if connection.is_connected {
                if self.shared.plan.receive_buffer_bytes.is_some() {
                    socket::enlarge_receive_buffer(&connection.stream);
                }
                connection.last_active = self.now;
                connection.is_readable = true;
                connection.is_queued = true;
                self.queue.push_back(key);
            }
        }
    }

    fn read_slowly(&mut self) {
        let is_slow = self.shared.plan.slow_bytes_per_s.is_some();
        if !is_slow || self.is_holding || self.now < self.next_slow_read {
            return;
        }
        self.next_slow_read = self.now + SLOW_INTERVAL;
        for key in self.keys(|connection| connection.is_readable) {
            self.receive(key);
        }
    }

    /// Ends connections that received no data for too long, except non-reading ones.
    fn check_timeouts(&mut self) {
        if self.now < self.next_timeout_check {
            return;
        }
        let timeout = self.shared.plan.timeout;
        self.next_timeout_check = self.now + TIMEOUT_INTERVAL.min(timeout);
        let (now, is_holding) = (self.now, self.is_holding);
        let expired = self.keys(|connection| {
            let is_non_reading = is_holding && connection.first_byte.is_some();
            !is_non_reading && connection.last_active + timeout <= now
        });
        for key in expired {
            let connection = &self.connections[key];
            let message = match (connection.is_connected, connection.received_bytes) {
                (false, _) => format!("no connection within {timeout:?}"),
                (true, bytes) => format!("no data for {timeout:?}, after {bytes} bytes"),
            };
            self.end(key, Err(Failure::new(Kind::Timeout, message)));
        }
    }

    fn keys(&self, is_selected: impl Fn(&Connection) -> bool) -> Vec<usize> {
        let selected = self.connections.iter().filter(|(_, connection)| is_selected(connection));
        selected.map(|(key, _)| key).collect()
    }

    /// Closes a connection and records its result.
    fn end(&mut self, key: usize, result: Result<(), Failure>) {
        let connection = self.connections.remove(key);
        let Connection { due, number, first_byte, is_connected, .. } = connection;
        match result {
            Ok(()) => self.shared.tally().record_completed(due, first_byte),
            Err(failure) => self.shared.record_failure(due, number, &failure, is_connected),
        }
        if self.shared.plan.reset_after_bytes.is_some() {
            socket::reset(connection.stream);
        }
    }
}

#[cfg(unix)]
fn thread_cpu() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).ok()
}

/// std cannot measure the CPU time of a thread.
#[cfg(not(unix))]
fn thread_cpu() -> Option<Duration> {
    None
}
