//! Computes the values of all connections.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Target;
use super::ends::{Ends, Key};
use super::socket::Socket;
use crate::connections::{Connections, Known};
use crate::servers::Progress;
use crate::trace::{Connection, Line, State};

/// The maximum number of connections. Further connections of clients that this program did not
/// start are ignored.
const MAX_CONNECTIONS: usize = 10_000;

/// The number of consecutive samples without a socket after which a connection has ended. One
/// sample may omit a socket (see `SockDiag::dump`).
const ABSENT_SAMPLES: u32 = 2;

/// The time to wait for the log after the sockets have disappeared. Usually, a server logs the end
/// of a connection within a few milliseconds.
const LOG_TIMEOUT_US: u64 = 5_000_000;

/// The length of the preamble `HTTP/1.1\n\n`. Servers that this program does not know are assumed to
/// send this preamble.
const PREAMBLE_BYTES: u64 = 10;

/// A connection, and the bytes that its client had read and sent when the sample began.
#[derive(Debug)]
pub struct Counted {
    known: Known,
    read: Option<u64>,
    uploaded: Option<u64>,
}

/// The sources of a sample.
pub struct Sources<'a> {
    pub at_us: u64,
    pub targets: &'a [Target],
    /// `None` if the kernel does not report sockets.
    pub ends: Option<HashMap<Key, Ends>>,
    /// Returns what the log reported about a connection, or `None` if the server has no log.
    pub progress: &'a dyn Fn(usize, SocketAddr) -> Option<Progress>,
    /// Returns the number of bytes of the file that a server's processes have read.
    pub file_offset: &'a dyn Fn(usize) -> Option<u64>,
    pub file_bytes: u64,
    /// Returns whether a connection between two addresses ended with a FIN from both ends. Returns
    /// `None` if the kernel does not report sockets.
    pub is_in_time_wait: &'a dyn Fn(SocketAddr, SocketAddr) -> Option<bool>,
}

/// All connections, and their values in the previous sample.
#[derive(Debug)]
pub struct Tracker {
    connections: Arc<Connections>,
    tracked: HashMap<Key, Tracked>,
}

/// The values of a connection after the previous samples.
#[derive(Debug, Default)]
struct Tracked {
    last: Connection,
    progress: Option<Progress>,
    /// The address to which the client connected, or `None` if no sample has found a socket.
    server: Option<SocketAddr>,
    /// The number of consecutive samples that found no socket.
    absent_samples: u32,
    absent_since_us: Option<u64>,
    /// Whether the kernel reported that both ends closed the connection. `None` if the connection is
    /// open.
    time_wait: Option<bool>,
}

impl Tracker {
    pub fn new(connections: Arc<Connections>) -> Self {
        Self { connections, tracked: HashMap::new() }
    }

    /// Returns all known connections. Call this function before you ask the kernel, so that no
    /// client has read more bytes than its socket has received.
    pub fn count(&self) -> Vec<Counted> {
        let counted = |known: Known| {
            let counters = known.counters.as_ref();
            Counted {
                read: counters.map(|counters| counters.read.load(Ordering::Relaxed)),
                uploaded: counters.map(|counters| counters.uploaded.load(Ordering::Relaxed)),
                known,
            }
        };
        self.connections.all().into_iter().map(counted).collect()
    }

    /// Returns the values that have changed since the previous sample. Removes the connections that
    /// have ended.
    pub fn sample(&mut self, mut counted: Vec<Counted>, sources: Sources<'_>) -> Vec<Line> {
        self.add_unknown(&mut counted, &sources);
        let mut open = HashMap::new();
        counted
            .iter()
            .for_each(|connection| *open.entry(connection.known.server).or_insert(0) += 1);
        let mut lines = Vec::new();
        for connection in &counted {
            let key = connection.key();
            let tracked = self.tracked.entry(key).or_default();
            tracked.ask_log(key, &sources);
            let ends = sources.ends.as_ref().and_then(|ends| ends.get(&key));
            tracked.find_end(connection, ends, &sources);
            let has_ended = tracked.has_ended(connection, &sources);
            let reply_bytes = sources.targets.get(key.0).and_then(|target| target.reply_bytes);
            let is_single = open.get(&key.0) == Some(&1);
            let values = match (tracked.is_closed(connection), ends) {
                (Some(is_closed), _) => {
                    Some(tracked.final_values(connection, is_closed, has_ended, &sources))
                }
                (None, Some(ends)) => {
                    let mut values = tracked.values(connection, ends, reply_bytes);
                    values.in_process = tracked.in_process(&values, key.0, is_single, &sources);
                    Some(values)
                }
                // The client is connecting, or a later sample shows that the connection has ended.
                (None, None) if sources.ends.is_some() => None,
                (None, None) => Some(tracked.values(connection, &Ends::default(), reply_bytes)),
            };
            let changes = values.and_then(|values| tracked.changes(values));
            lines.extend(changes.map(|changes| {
                Line::Connection(Connection {
                    at_us: sources.at_us,
                    server: key.0,
                    connection: connection.known.number,
                    ..changes
                })
            }));
            if has_ended {
                self.tracked.remove(&key);
                self.connections.remove(key.0, key.1);
            }
        }
        // A client that could not connect removes its connection.
        if self.tracked.len() > counted.len() {
            let counted: HashSet<Key> = counted.iter().map(Counted::key).collect();
            self.tracked.retain(|key, _| counted.contains(key));
        }
        lines
    }

    /// Adds the connections of clients that this program did not start.
    fn add_unknown(&self, counted: &mut Vec<Counted>, sources: &Sources<'_>) {
        let Some(ends) = &sources.ends else { return };
        let known: HashSet<Key> = counted.iter().map(Counted::key).collect();
        for &(server, client) in ends.keys().filter(|key| !known.contains(key)) {
            if counted.len() >= MAX_CONNECTIONS {
                return;
            }
            let number = self.connections.number(server, client);
            let known = Known { number, server, client, counters: None };
            counted.push(Counted { known, read: None, uploaded: None });
        }
    }
}

impl Counted {
    fn key(&self) -> Key {
        (self.known.server, self.known.client)
    }

    /// Returns whether the client's task has ended: it has dropped its counters, so that only
    /// [`Connections`] and this sample have a reference.
    fn has_client_ended(&self) -> bool {
        self.known.counters.as_ref().is_none_or(|counters| Arc::strong_count(counters) <= 2)
    }
}

impl Tracked {
    fn ask_log(&mut self, (server, client): Key, sources: &Sources<'_>) {
        // The log reports the end of a connection only once.
        if self.progress.is_none() || !self.has_log_ended() {
            self.progress = (sources.progress)(server, client);
        }
    }

    /// Finds out whether the connection has ended, and how.
    fn find_end(&mut self, connection: &Counted, ends: Option<&Ends>, sources: &Sources<'_>) {
        if sources.ends.is_none() {
            if connection.has_client_ended() && self.has_log_ended() {
                self.time_wait = Some(!self.has_failed());
            }
        } else if let Some(ends) = ends {
            self.absent_samples = 0;
            self.absent_since_us = None;
            let of_client = ends.client.as_ref().map(|socket| socket.peer);
            self.server = ends.server.as_ref().map(|socket| socket.local).or(of_client);
        } else if self.server.is_some() || connection.has_client_ended() {
            self.absent_samples += 1;
            self.absent_since_us.get_or_insert(sources.at_us);
            if self.absent_samples >= ABSENT_SAMPLES && self.time_wait.is_none() {
                self.time_wait = self.is_in_time_wait(connection, sources).or(Some(false));
            }
        }
    }

    /// Returns whether both ends closed the connection. Otherwise, one end reset it. Returns `None`
    /// if the connection is open.
    fn is_closed(&self, connection: &Counted) -> Option<bool> {
        // If too many sockets are in this state (`tcp_max_tw_buckets`), the kernel does not keep
        // further ones.
        let is_complete = self.has_file_ended() || self.last.state == Some(State::Draining);
        let has_read_all = connection.read >= self.last.written;
        let is_plausible =
            is_complete && !self.has_failed() && (has_read_all || !connection.has_client_ended());
        Some(self.time_wait? || is_plausible)
    }

    /// Returns whether everything about the connection is known. After a FIN from both ends, the
    /// client may still have data in its receive buffer, although the kernel does not list its
    /// socket.
    fn has_ended(&self, connection: &Counted, sources: &Sources<'_>) -> bool {
        let Some(is_closed) = self.is_closed(connection) else { return false };
        let absent_us = self.absent_since_us.map_or(0, |at_us| sources.at_us.saturating_sub(at_us));
        (!is_closed || connection.has_client_ended())
            && (self.has_log_ended() || absent_us >= LOG_TIMEOUT_US)
    }

    /// Returns whether the log has nothing more to report.
    fn has_log_ended(&self) -> bool {
        self.progress.is_none_or(|progress| progress.has_disconnected)
    }

    fn has_failed(&self) -> bool {
        self.progress.is_some_and(|progress| progress.has_failed)
    }

    fn has_file_ended(&self) -> bool {
        self.progress.is_some_and(|progress| progress.has_file_ended)
    }

    fn values(&self, connection: &Counted, ends: &Ends, reply_bytes: Option<u64>) -> Connection {
        let (server, client) = (ends.server.as_ref(), ends.client.as_ref());
        let is_listed = server.is_some() || client.is_some();
        // The kernel reads the state of a socket shortly before it reads the other values. Therefore,
        // a value may include a FIN that the state does not reflect.
        let limit = |bytes: u64| bytes.min(reply_bytes.unwrap_or(u64::MAX));
        let received = client.and_then(Socket::received).map(limit);
        let read = connection.read.or_else(|| client?.read());
        // The kernel lists the sockets one after another. Therefore, a socket may be missing, or
        // the client's socket may have received more than the server had written when the server's
        // socket was listed.
        let received = received.or(self.last.received).max(read).filter(|_| is_listed);
        let written = server.and_then(Socket::written).map(limit);
        let written = written.or(self.last.written).max(received);
        Connection {
            state: Some(self.state(ends, written.or(read))),
            written,
            received,
            read,
            send_queue: server.map(|socket| socket.send_queue),
            receive_queue: client.map(|socket| socket.receive_queue),
            uploaded: connection.uploaded.or_else(|| server?.received()),
            chunks: self.progress.map(|progress| progress.chunks),
            ..Connection::default()
        }
    }

    /// Returns the bytes that the server has read from the file but not written.
    fn in_process(
        &self,
        values: &Connection,
        server: usize,
        is_single: bool,
        sources: &Sources<'_>,
    ) -> Option<u64> {
        // A server with a log belongs to the kit. Such a server reads with `pread64` or `preadv2`.
        if self.progress.is_some() {
            return None;
        }
        if !is_single {
            return self.last.in_process.map(|_| 0);
        }
        // A server may close the file after it has read all of it.
        let at_end = self.last.in_process.map(|_| sources.file_bytes);
        let offset = (sources.file_offset)(server).filter(|offset| *offset > 0).or(at_end)?;
        let reply = sources.targets.get(server).and_then(|target| target.reply_bytes);
        let preamble =
            reply.map_or(PREAMBLE_BYTES, |reply| reply.saturating_sub(sources.file_bytes));
        Some((preamble + offset).saturating_sub(values.written?))
    }

    /// Returns the state. `sent` is the number of bytes that the server wrote, if it is known.
    fn state(&self, ends: &Ends, sent: Option<u64>) -> State {
        let has_sent_fin = ends.server.as_ref().is_some_and(|socket| socket.state.has_sent_fin())
            || ends.client.as_ref().is_some_and(|socket| socket.state.has_received_fin());
        let last = self.last.written.or(self.last.read);
        // If the send buffer is empty, the server does not wait for the client.
        let is_empty = ends.server.as_ref().is_some_and(|socket| socket.send_queue == 0);
        match sent {
            _ if has_sent_fin || self.has_file_ended() => State::Draining,
            None | Some(0) => State::Connected,
            Some(_) if is_empty || sent > last => State::Writing,
            Some(_) => State::Waiting,
        }
    }

    /// Returns the values of a connection whose sockets the kernel has deleted.
    fn final_values(
        &self,
        connection: &Counted,
        is_closed: bool,
        has_ended: bool,
        sources: &Sources<'_>,
    ) -> Connection {
        let last = &self.last;
        let target = sources.targets.get(connection.known.server);
        let reply = target.and_then(|target| target.reply_bytes);
        let reply = reply.filter(|_| self.has_file_ended());
        let received = last.received.max(connection.read).filter(|_| sources.ends.is_some());
        // If both ends have acknowledged the other end's FIN, the client has received everything.
        let all = received.max(last.written).max(reply.filter(|_| sources.ends.is_some()));
        let received = if is_closed { all } else { received };
        // If a client closes its socket before it has read all data, the kernel resets the
        // connection.
        let read = connection.read.or(if is_closed { all } else { last.read });
        let in_receive_buffer = received.unwrap_or(0).saturating_sub(read.unwrap_or(0));
        Connection {
            state: Some(match (is_closed, has_ended) {
                (true, true) => State::Closed,
                (true, false) => State::Draining,
                (false, _) => State::Reset,
            }),
            written: last.written.max(received),
            received,
            read,
            send_queue: last.send_queue.map(|_| 0),
            receive_queue: last
                .receive_queue
                .map(|_| if has_ended { 0 } else { in_receive_buffer }),
            in_process: last.in_process.map(|_| 0),
            uploaded: connection.uploaded,
            chunks: self.progress.map(|progress| progress.chunks),
            ..Connection::default()
        }
    }

    /// The end that sent its FIN first has a socket in the state `TIME_WAIT`.
    fn is_in_time_wait(&self, connection: &Counted, sources: &Sources<'_>) -> Option<bool> {
        let (server, client) = connection.key();
        let server = self.server.or_else(|| sources.targets.get(server)?.addr)?;
        let is_server = (sources.is_in_time_wait)(server, client)?;
        Some(is_server || (sources.is_in_time_wait)(client, server)?)
    }

    /// Returns the values that differ from the last values, or `None` if there are none.
    fn changes(&mut self, new: Connection) -> Option<Connection> {
        fn change<T: Copy + PartialEq>(last: &mut Option<T>, new: Option<T>) -> Option<T> {
            let new = new.filter(|value| *last != Some(*value))?;
            *last = Some(new);
            Some(new)
        }
        let last = &mut self.last;
        let changes = Connection {
            state: change(&mut last.state, new.state),
            written: change(&mut last.written, new.written),
            received: change(&mut last.received, new.received),
            read: change(&mut last.read, new.read),
            send_queue: change(&mut last.send_queue, new.send_queue),
            receive_queue: change(&mut last.receive_queue, new.receive_queue),
            in_process: change(&mut last.in_process, new.in_process),
            uploaded: change(&mut last.uploaded, new.uploaded),
            chunks: change(&mut last.chunks, new.chunks),
            ..Connection::default()
        };
        (changes != Connection::default()).then_some(changes)
    }
}
