//! One event loop over a share of the connections.

use std::io;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Interest, Poll, Token};

use super::connection::{Connection, Room, Step};
use super::error::{Error, Kind};
use super::job::{Job, Ticket};
use super::report::Tally;
use super::socket;

const EVENTS_AT_ONCE: usize = 1024;

/// Fits into a core's own cache, so that what is read is hashed from there.
const READ_BYTES: usize = 256 * 1024;

/// As much as the kernel ever keeps for one connection (`net.ipv4.tcp_rmem`).
const DISCARD_BYTES: usize = 8 * 1024 * 1024;

/// How often slow clients look whether they may read.
const SLOW_INTERVAL: Duration = Duration::from_millis(20);

/// How often clients that are held look whether they may read.
const HOLD_INTERVAL: Duration = Duration::from_millis(5);

/// Clients to be held that wait for their first byte at once, over all threads: few enough for a
/// backlog of 511, which many servers have. One that overflows costs its client a second.
const RAMP: u64 = 256;

/// A server that answers nobody for so long will not answer the rest either.
const RAMP_TIMEOUT: Duration = Duration::from_secs(1);

/// How often, at most, all connections are looked through for those that are silent for too long.
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);

/// A thread's event loop.
pub(super) struct Worker<'a> {
    job: &'a Job,
    poll: Poll,
    /// By token.
    places: Vec<Option<Connection>>,
    free: Vec<usize>,
    open: u64,
    /// The most that may be open.
    capacity: u64,
    /// Of those open, how many have still to be held.
    unsettled: u64,
    /// Who has more to read.
    ready: Vec<usize>,
    ready_before: Vec<usize>,
    room: Room,
    now: Instant,
    was_holding: bool,
    is_out_of_tickets: bool,
    next_due: Option<Instant>,
    next_sweep: Instant,
    next_slow: Instant,
    published: (u64, u64),
    tally: Tally,
}

impl<'a> Worker<'a> {
    pub fn new(job: &'a Job, index: usize) -> io::Result<Self> {
        let plan = &job.plan;
        let (threads, index) = (plan.threads as u64, index as u64);
        let discard_bytes = if plan.is_discarding { DISCARD_BYTES } else { 0 };
        let now = Instant::now();
        Ok(Self {
            job,
            poll: Poll::new()?,
            places: Vec::new(),
            free: Vec::new(),
            open: 0,
            capacity: plan.connections / threads + u64::from(index < plan.connections % threads),
            unsettled: 0,
            ready: Vec::new(),
            ready_before: Vec::new(),
            room: Room { read: vec![0; READ_BYTES], discarded: Vec::with_capacity(discard_bytes) },
            now,
            was_holding: plan.hold.is_some(),
            is_out_of_tickets: false,
            next_due: None,
            next_sweep: now,
            next_slow: now,
            published: (0, 0),
            tally: Tally::default(),
        })
    }

    /// Until all connections of its share have ended.
    pub fn run(mut self) -> io::Result<Tally> {
        self.tally.start_clock();
        let mut events = Events::with_capacity(EVENTS_AT_ONCE);
        loop {
            self.begin_due();
            if self.open == 0 && self.is_out_of_tickets {
                break;
            }
            match self.poll.poll(&mut events, self.wait_time()) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            self.now = Instant::now();
            self.begin_reading();
            for event in &events {
                self.on_event(event);
            }
            self.go_on();
            self.slow_reads();
            self.sweep();
            self.publish();
        }
        self.tally.stop_clock();
        Ok(self.tally)
    }

    /// Begins connections as long as some are due and there is a place for them.
    fn begin_due(&mut self) {
        self.next_due = None;
        while self.open < self.capacity && self.may_ramp() {
            match self.job.ticket(self.now) {
                Ticket::Now(number, due) => self.begin(number, due),
                Ticket::At(due) => {
                    self.next_due = Some(due);
                    return;
                }
                Ticket::Never => {
                    self.is_out_of_tickets = true;
                    return;
                }
            }
        }
        // Time may run out while all places are taken.
        self.is_out_of_tickets = self.capacity == 0;
    }

    fn may_ramp(&self) -> bool {
        let ramp = (RAMP / self.job.plan.threads as u64).max(1);
        let may = |job: &Job| self.unsettled < ramp || job.since_settled() >= RAMP_TIMEOUT;
        self.job.plan.hold.is_none() || may(self.job)
    }

    fn begin(&mut self, number: u64, due: Instant) {
        let plan = &self.job.plan;
        self.tally.begun(due);
        let made = socket::connect(plan).map_err(|error| Error::of_connecting(&error));
        let said = made.and_then(|made| {
            let mut connection = Connection::new(plan, made, number, due, Instant::now());
            connection.say_at_once(plan)?;
            Ok(connection)
        });
        match said {
            Ok(connection) => self.keep(connection),
            Err(error) => {
                self.count_error(number, &error, false);
                if plan.hold.is_some() {
                    self.job.settle();
                }
            }
        }
    }

    /// Gives a new connection a place, and waits for what it hears.
    fn keep(&mut self, mut connection: Connection) {
        let plan = &self.job.plan;
        let is_connected = connection.is_connected;
        let has_said_all = is_connected && !connection.say(plan);
        let interest = match has_said_all {
            true => Interest::READABLE,
            false => Interest::READABLE | Interest::WRITABLE,
        };
        let at = self.free.pop().unwrap_or(self.places.len());
        let registered = self.poll.registry().register(&mut connection.stream, Token(at), interest);
        match self.places.get_mut(at) {
            Some(place) => *place = Some(connection),
            None => self.places.push(Some(connection)),
        }
        self.open += 1;
        self.unsettled += u64::from(plan.hold.is_some());
        if let Err(error) = registered {
            self.end(at, Err(Error::new(Kind::Io, error.to_string())));
        } else if is_connected && plan.reset_after_bytes == Some(0) && plan.hold.is_none() {
            self.end(at, Ok(()));
        }
    }

    /// How long nothing has to be done unless something comes.
    fn wait_time(&self) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        let mut until = self.next_sweep;
        if let Some(due) = self.next_due {
            until = until.min(due);
        }
        let plan = &self.job.plan;
        if plan.slow_bytes_per_s.is_some() {
            until = until.min(self.next_slow);
        }
        let mut wait = until.saturating_duration_since(Instant::now());
        if self.was_holding {
            wait = wait.min(HOLD_INTERVAL);
        }
        Some(wait)
    }

    fn on_event(&mut self, event: &Event) {
        let at = event.token().0;
        let Some(Some(connection)) = self.places.get_mut(at) else { return };
        let plan = &self.job.plan;
        if !connection.is_connected {
            if let Step::Ended(verdict) = connection.connected() {
                return self.end(at, verdict);
            }
            if !connection.is_connected {
                return;
            }
            connection.last = self.now;
        }
        if event.is_writable() {
            connection.say(plan);
        }
        connection.is_read_closed |= event.is_read_closed() || event.is_error();
        connection.is_readable |= event.is_readable() || connection.is_read_closed;
        if self.was_holding {
            self.look(at);
        } else if connection.is_readable || plan.reset_after_bytes == Some(0) {
            self.hear(at);
        }
    }

    /// Sees whether a client that is to be held is answered.
    fn look(&mut self, at: usize) {
        let Some(connection) = &mut self.places[at] else { return };
        if connection.is_settled || !connection.is_readable {
            return;
        }
        match connection.look() {
            Step::Ended(verdict) => self.end(at, verdict),
            _ if connection.is_settled => {
                self.unsettled -= 1;
                self.job.settle();
            }
            _ => {}
        }
    }

    fn hear(&mut self, at: usize) {
        let Some(connection) = &mut self.places[at] else { return };
        let before = connection.taken_bytes;
        let step = connection.hear(&self.job.plan, &mut self.room, self.now);
        self.tally.bytes += connection.taken_bytes - before;
        match step {
            Step::Wait => {}
            Step::More if connection.is_listed => {}
            Step::More => {
                connection.is_listed = true;
                self.ready.push(at);
            }
            Step::Ended(verdict) => self.end(at, verdict),
        }
    }

    /// Gives those who have more to read one turn each.
    fn go_on(&mut self) {
        std::mem::swap(&mut self.ready, &mut self.ready_before);
        for index in 0..self.ready_before.len() {
            let at = self.ready_before[index];
            if let Some(connection) = &mut self.places[at] {
                connection.is_listed = false;
                if connection.is_connected {
                    self.hear(at);
                }
            }
        }
        self.ready_before.clear();
    }

    /// When the hold is over, all begin to read: nothing new need come for that.
    fn begin_reading(&mut self) {
        if !self.was_holding || self.job.is_holding() {
            return;
        }
        self.was_holding = false;
        for at in 0..self.places.len() {
            let connected = self.places[at].as_mut().filter(|connection| connection.is_connected);
            if let Some(connection) = connected {
                if self.job.plan.receive_buffer_bytes.is_some() {
                    socket::open_window(&connection.stream);
                }
                connection.last = self.now;
                connection.is_readable = true;
                connection.is_listed = true;
                self.ready.push(at);
            }
        }
    }

    fn slow_reads(&mut self) {
        if self.job.plan.slow_bytes_per_s.is_none() || self.now < self.next_slow {
            return;
        }
        self.next_slow = self.now + SLOW_INTERVAL;
        for at in 0..self.places.len() {
            let is_readable = |connection: &Connection| connection.is_readable;
            if !self.was_holding && self.places[at].as_ref().is_some_and(is_readable) {
                self.hear(at);
            }
        }
    }

    /// Ends what was silent for too long. Who is held is silent by will.
    fn sweep(&mut self) {
        if self.now < self.next_sweep {
            return;
        }
        let timeout = self.job.plan.timeout;
        let mut earliest = self.now + timeout;
        for at in 0..self.places.len() {
            let Some(connection) = &self.places[at] else { continue };
            if self.was_holding && connection.is_settled {
                continue;
            }
            let expires = connection.last + timeout;
            if expires > self.now {
                earliest = earliest.min(expires);
                continue;
            }
            let words = match (connection.is_connected, connection.taken_bytes) {
                (false, _) => format!("no connection within {timeout:?}"),
                (true, bytes) => format!("nothing for {timeout:?}, after {bytes} bytes"),
            };
            self.end(at, Err(Error::new(Kind::Timeout, words)));
        }
        self.next_sweep = earliest.max(self.now + SWEEP_INTERVAL.min(timeout));
    }

    /// Takes a connection away, and counts it.
    fn end(&mut self, at: usize, verdict: Result<(), Error>) {
        let Some(connection) = self.places[at].take() else { return };
        self.free.push(at);
        self.open -= 1;
        if self.job.plan.hold.is_some() && !connection.is_settled {
            self.unsettled -= 1;
            self.job.settle();
        }
        match verdict {
            Ok(()) => {
                let end = connection.due.elapsed();
                self.tally.completed(connection.first_byte, end);
            }
            Err(error) => self.count_error(connection.number, &error, connection.is_connected),
        }
        if self.job.plan.reset_after_bytes.is_some() {
            socket::reset(connection.stream);
        }
    }

    fn count_error(&mut self, number: u64, error: &Error, was_connected: bool) {
        self.tally.record_error(number, error, was_connected);
        // Nobody is there, and nobody ever was: asking again and again would only heat the room.
        if error.kind == Kind::Refused && self.tally.was_never_connected() {
            self.job.stop();
        }
    }

    /// Tells who watches how far it is.
    fn publish(&mut self) {
        let (ended, bytes) = (self.tally.ended(), self.tally.bytes);
        self.job.publish(ended - self.published.0, bytes - self.published.1);
        self.published = (ended, bytes);
    }
}
