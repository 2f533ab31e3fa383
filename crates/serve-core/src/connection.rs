//! A connection with its permit, its counts and its events.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::config::Config;
use crate::event::{ErrorKind, EventKind};
use crate::server::Server;
use crate::stall::{self, Progress};
use crate::text;

/// The minimum time between two `data` events of a connection. With this interval, a connection
/// logs at most nine such events per second, and one more event when the connection ends. Clause 5
/// of the contract permits ten events per second.
const DATA_INTERVAL: Duration = Duration::from_millis(120);

impl Server {
    /// Waits until one more connection may be accepted. The first call announces that the server
    /// accepts clients (see [`Server::announce`]).
    pub async fn acquire(self: &Arc<Self>) -> Permit {
        self.announce();
        self.limit.waiters.wait_until(|| self.try_acquire()).await
    }

    /// Blocks until one more connection may be accepted. The first call announces that the server
    /// accepts clients (see [`Server::announce`]). Returns `None` if the shutdown has been
    /// requested.
    #[must_use]
    pub fn acquire_blocking(self: &Arc<Self>) -> Option<Permit> {
        self.announce();
        let condition = || match self.shutdown.is_requested() {
            true => Some(None),
            false => self.try_acquire().map(Some),
        };
        self.limit.waiters.block_until(Duration::MAX, condition).flatten()
    }

    fn try_acquire(self: &Arc<Self>) -> Option<Permit> {
        self.limit.try_acquire().then(|| Permit { server: Arc::clone(self) })
    }
}

/// The right to accept one connection and keep it open. Dropping the permit returns the permit to
/// the server.
#[derive(Debug)]
pub struct Permit {
    server: Arc<Server>,
}

impl Permit {
    /// Records that a client connected. `peer` must be the address that `accept` returned, because
    /// the socket does not report the address after a reset.
    #[must_use]
    pub fn connected(self, peer: SocketAddr) -> Connection {
        self.server.accept_failures.store(0, Ordering::Relaxed);
        let id = self.server.connections.fetch_add(1, Ordering::Relaxed) + 1;
        self.server.log.record(EventKind::Connected { conn: id, peer });
        Connection {
            id,
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            received_before_reply_end: AtomicU64::new(0),
            sends_after_reply: AtomicBool::new(false),
            unreported: Mutex::default(),
            progress: Mutex::new(Progress::new()),
            permit: self,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.server.limit.release();
    }
}

/// An open connection, which records its events. Dropping this value records `disconnected`, so
/// drop the socket before this value.
#[derive(Debug)]
pub struct Connection {
    id: u64,
    sent: AtomicU64,
    received: AtomicU64,
    /// The value of `received` when the last byte of the reply was sent.
    received_before_reply_end: AtomicU64,
    sends_after_reply: AtomicBool,
    unreported: Mutex<Unreported>,
    progress: Mutex<Progress>,
    permit: Permit,
}

/// The data that the client has sent since the last `data` event.
#[derive(Debug, Default)]
struct Unreported {
    bytes: u64,
    preview: String,
    reported_at: Option<Instant>,
}

impl Connection {
    /// The connection's number, counted from 1.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The server that accepted the connection.
    #[must_use]
    pub fn server(&self) -> &Arc<Server> {
        &self.permit.server
    }

    /// The settings of the server.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.server().config
    }

    /// Counts `bytes` bytes that the kernel accepted, and returns `bytes`. Each partial write is
    /// counted, so that the total is correct even if a later write fails.
    pub fn record_sent(&self, bytes: usize) -> usize {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        bytes
    }

    /// Counts data that the client sent. The first data is logged immediately. Later data is logged
    /// at intervals, with the number of bytes since the last event, so that a client cannot fill
    /// the log.
    pub fn record_received(&self, bytes: &[u8]) {
        self.received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if bytes.is_empty() || self.server().log.is_off() {
            return;
        }
        let mut unreported = self.unreported.lock().unwrap_or_else(PoisonError::into_inner);
        if unreported.bytes == 0 {
            unreported.preview = text::preview(bytes);
        }
        unreported.bytes += bytes.len() as u64;
        if unreported.reported_at.is_none_or(|at| at.elapsed() >= DATA_INTERVAL) {
            self.report(&mut unreported);
        }
    }

    /// Returns the maximum time that one write may wait before [`check_stall`](Self::check_stall)
    /// must be called.
    #[must_use]
    pub fn stall_check_interval(&self) -> Duration {
        stall::check_interval(self.server().config.stall_timeout)
    }

    /// Checks whether the client still acknowledges data.
    ///
    /// # Errors
    ///
    /// Returns `TimedOut`, without an error code of the system, if the client acknowledged no data
    /// within the stall timeout.
    pub fn check_stall<'s>(&self, socket: impl Into<SockRef<'s>>) -> io::Result<()> {
        self.check_progress(match self.server().reports_acknowledgments {
            true => Some(stall::unacknowledged_bytes(&socket.into())?),
            false => None,
        })
    }

    /// Checks whether the client has made progress (see [`check_stall`](Self::check_stall)).
    /// `unacknowledged` is `None` if the operating system does not report this number.
    pub(crate) fn check_progress(&self, unacknowledged: Option<u64>) -> io::Result<()> {
        let sent = self.sent.load(Ordering::Relaxed);
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        match progress.is_stalled(sent, unacknowledged, self.config().stall_timeout) {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => Ok(()),
        }
    }

    /// Returns the start time of a chunk, or `None` if chunks are not logged. In that case, the
    /// clock is not read, because a clock reading per chunk would make chunks of one byte 2%
    /// slower.
    #[must_use]
    pub fn chunk_started(&self) -> Option<Instant> {
        let server = self.server();
        (server.config.log_chunks && !server.log.is_off()).then(Instant::now)
    }

    /// Records that the kernel accepted a whole chunk, whose first write started at `started`. Does
    /// nothing if `started` is `None`.
    pub fn record_chunk(&self, bytes: usize, started: Option<Instant>) {
        let Some(started) = started else { return };
        let wait_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let (conn, bytes) = (self.id, bytes as u64);
        self.server().log.record(EventKind::Chunk { conn, bytes, wait_us });
    }

    /// Records that the kernel accepted the last byte of the file, which has `bytes` bytes.
    pub fn record_file_ended(&self, bytes: u64) {
        self.record_reply_end();
        self.server().log.record(EventKind::FileEnded { conn: self.id, bytes });
    }

    /// Records that the file could not be opened. In this case, the preamble is the whole reply.
    ///
    /// # Errors
    ///
    /// This method never fails. It returns a `Result` that replaces the result of sending the file.
    pub fn record_file_failed(&self, error: &io::Error) -> io::Result<()> {
        self.record_reply_end();
        self.record_error(error);
        Ok(())
    }

    /// Records that the linger timeout expired before the client's FIN. If the operating system
    /// does not report acknowledgments, the client may not have received everything yet. In that
    /// case, the server must not reset the connection.
    pub(crate) fn record_linger_expired(&self) {
        let received = self.received.load(Ordering::Relaxed);
        let before_reply_end = self.received_before_reply_end.load(Ordering::Relaxed);
        let is_sending = received > before_reply_end && self.server().reports_acknowledgments;
        self.sends_after_reply.store(is_sending, Ordering::Relaxed);
    }

    // ANCHOR: finish
    /// Records the result of the connection, and determines whether dropping the socket sends a FIN
    /// or an RST. The server sends an RST to only two kinds of clients:
    ///
    /// - A client that stalled. Without a reset, the kernel would keep the unacknowledged data for
    ///   minutes.
    /// - A client that has received the whole reply and still sends data when the linger timeout
    ///   expires. The client's next data would cause a reset anyway. However, if the client waits
    ///   for space in the server's receive buffer, a FIN would not end this wait.
    pub fn finish<'s>(&self, result: io::Result<()>, socket: impl Into<SockRef<'s>>) {
        let socket = socket.into();
        let must_reset = match result {
            Ok(()) => self.sends_after_reply.load(Ordering::Relaxed),
            // The error occurred because the server itself shut down the socket.
            Err(_) if self.server().is_disconnecting() => false,
            Err(error) => {
                self.record_error(&error);
                ErrorKind::of(&error) == ErrorKind::Stalled
            }
        };
        if must_reset {
            // The call fails if the connection is already closed. In that case, a reset is not
            // necessary.
            let _ = socket.set_linger(Some(Duration::ZERO));
        }
    }
    // ANCHOR_END: finish

    fn record_error(&self, error: &io::Error) {
        let kind = ErrorKind::of(error);
        let message = match kind {
            // The system's messages for these errors do not explain the cause.
            ErrorKind::FileShrank => "the file became shorter while it was sent".to_owned(),
            ErrorKind::Stalled => {
                let limit = humantime::format_duration(self.server().config.stall_timeout);
                format!("the client acknowledged no byte within {limit}")
            }
            _ => error.to_string(),
        };
        self.server().log.record(EventKind::Error { conn: Some(self.id), kind, message });
    }

    fn record_reply_end(&self) {
        let received = self.received.load(Ordering::Relaxed);
        self.received_before_reply_end.store(received, Ordering::Relaxed);
    }

    fn report(&self, unreported: &mut Unreported) {
        let preview = std::mem::take(&mut unreported.preview);
        let (conn, bytes) = (self.id, std::mem::take(&mut unreported.bytes));
        unreported.reported_at = Some(Instant::now());
        self.server().log.record(EventKind::Data { conn, bytes, preview });
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut unreported =
            std::mem::take(self.unreported.get_mut().unwrap_or_else(PoisonError::into_inner));
        if unreported.bytes > 0 {
            self.report(&mut unreported);
        }
        self.server().log.record(EventKind::Disconnected {
            conn: self.id,
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::event::Event;
    use crate::log::EventLog;

    fn connect(server: &Arc<Server>) -> Connection {
        server.acquire_blocking().unwrap().connected("127.0.0.1:1".parse().unwrap())
    }

    fn names(events: &[Event]) -> Vec<&'static str> {
        events.iter().map(|event| event.kind.name()).collect()
    }

    #[test]
    fn dropping_a_connection_records_disconnected_and_returns_the_permit() {
        let mut config = Config::new("unused");
        config.max_connections = 1;
        let server = Arc::new(Server::new(config, EventLog::memory()));
        for id in 1..=2 {
            let conn = connect(&server);
            assert_eq!(conn.id(), id);
            conn.record_sent(10);
            drop(conn);
        }
        let events = server.log.events();
        assert_eq!(names(&events), ["connected", "disconnected", "connected", "disconnected"]);
        assert_eq!(events[1].kind, EventKind::Disconnected { conn: 1, sent: 10, received: 0 });
    }

    #[test]
    fn data_events_are_limited_and_count_every_byte() {
        let server = Arc::new(Server::new(Config::new("unused"), EventLog::memory()));
        let conn = connect(&server);
        let started = Instant::now();
        for _ in 0..100_000 {
            conn.record_received(b"flood");
        }
        drop(conn);
        let mut reports = 0;
        let mut bytes_reported = 0;
        for event in server.log.events() {
            if let EventKind::Data { bytes, preview, .. } = event.kind {
                reports += 1;
                bytes_reported += bytes;
                assert_eq!(preview, "flood");
            }
        }
        assert_eq!(bytes_reported, 500_000);
        let intervals = started.elapsed().as_millis() / DATA_INTERVAL.as_millis();
        assert!(
            (2..=intervals + 2).contains(&reports),
            "expected 2 to {} `data` events, got {reports}",
            intervals + 2
        );
    }
}
