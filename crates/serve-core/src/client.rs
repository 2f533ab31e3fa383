//! One connection: its counts and its events.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::event::{ErrorKind, What};
use crate::listener::{self, reset_on_close};
use crate::progress::{self, Progress};
use crate::server::{Server, Slot};
use crate::text;

/// How far apart two `data` events of one connection are. Nine of them fit into a second, and the
/// sum that is told at the end makes ten, which clause 5 allows.
const DATA_INTERVAL: Duration = Duration::from_millis(120);

/// A client while it is connected. It tells what happens to it, and dropping it is its
/// `disconnected`: so drop the socket first. A function's parameters drop last to first, hence
/// the order in `serve_client(client, stream)`.
#[derive(Debug)]
pub struct Client {
    conn: u64,
    sent: AtomicU64,
    received: AtomicU64,
    /// What `received` was when the reply ended.
    received_in_time: AtomicU64,
    still_talks: AtomicBool,
    unreported: Mutex<Unreported>,
    progress: Mutex<Progress>,
    slot: Slot,
}

/// What the client sent since its last `data` event.
#[derive(Debug, Default)]
struct Unreported {
    bytes: u64,
    preview: String,
    reported_at: Option<Instant>,
}

impl Client {
    pub(crate) fn new(conn: u64, slot: Slot) -> Self {
        Self {
            conn,
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            received_in_time: AtomicU64::new(0),
            still_talks: AtomicBool::new(false),
            unreported: Mutex::default(),
            progress: Mutex::new(Progress::new()),
            slot,
        }
    }

    /// Its number, counted from 1.
    #[must_use]
    pub fn conn(&self) -> u64 {
        self.conn
    }

    /// The server it is connected to.
    #[must_use]
    pub fn server(&self) -> &Arc<Server> {
        &self.slot.server
    }

    /// The kernel took so many bytes.
    pub fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The client sent this, or nothing. Told at once if it is the first; else summed up, so that
    /// a flooder cannot fill the log.
    pub fn received(&self, bytes: &[u8]) {
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

    /// Hands the kernel what goes before the file, to leave together with its first chunk (Linux's
    /// `MSG_MORE`), and returns what it did not take. It took all, as a rule: a new socket has room,
    /// so this never waits.
    ///
    /// # Errors
    ///
    /// Those of a write.
    pub fn send_preamble<'p, 's>(
        &self,
        socket: impl Into<SockRef<'s>>,
        preamble: &'p [u8],
    ) -> io::Result<&'p [u8]> {
        if preamble.is_empty() {
            return Ok(preamble);
        }
        match listener::send_more(&socket.into(), preamble) {
            Ok(sent) => {
                self.sent(sent);
                Ok(&preamble[sent..])
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(preamble),
            Err(error) => Err(error),
        }
    }

    /// How long after one [`check_progress`](Self::check_progress) the next one is due, while the
    /// reply is under way.
    #[must_use]
    pub fn patience(&self) -> Duration {
        progress::look_after(self.server().config.stall_timeout)
    }

    /// Looks whether the client still takes what it is sent.
    ///
    /// # Errors
    ///
    /// `TimedOut` if it has acknowledged nothing within the stall timeout.
    pub fn check_progress<'s>(&self, socket: impl Into<SockRef<'s>>) -> io::Result<()> {
        let server = self.server();
        let sent = self.sent.load(Ordering::Relaxed);
        let unacknowledged = match server.sees_acknowledgements {
            true => Some(progress::unacknowledged_bytes(&socket.into())?),
            false => None,
        };
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        match progress.is_stalled(sent, unacknowledged, server.config.stall_timeout) {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => Ok(()),
        }
    }

    /// When a chunk's writing begins, if anybody wants to know.
    #[must_use]
    pub fn chunk_started(&self) -> Option<Instant> {
        let is_wanted = self.server().config.log_chunks && !self.server().log.is_off();
        is_wanted.then(Instant::now)
    }

    /// A chunk was wholly written.
    pub fn chunk_sent(&self, bytes: usize, started: Option<Instant>) {
        let Some(started) = started else { return };
        let wait_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let (conn, bytes) = (self.conn, bytes as u64);
        self.server().log.record(What::Chunk { conn, bytes, wait_us });
    }

    /// The kernel has every byte of the file.
    pub fn file_ended(&self, bytes: u64) {
        self.reply_ended();
        self.server().log.record(What::FileEnded { conn: self.conn, bytes });
    }

    /// There is no file for this client; the preamble is its whole reply.
    pub fn file_failed(&self, error: &io::Error) {
        self.reply_ended();
        self.failed(error);
    }

    // ANCHOR: let_go
    /// The linger timeout passed without the client's FIN. That is no error.
    ///
    /// # Errors
    ///
    /// None; it is a result so that it can stand for that of hearing the client.
    pub fn let_go(&self) -> io::Result<()> {
        let received = self.received.load(Ordering::Relaxed);
        let still_talks = received > self.received_in_time.load(Ordering::Relaxed);
        self.still_talks.store(still_talks, Ordering::Relaxed);
        Ok(())
    }
    // ANCHOR_END: let_go

    // ANCHOR: ended
    /// The connection ended like this: now drop the socket. It closes by a FIN, but by a reset for
    /// a client that stalled (the kernel would keep for minutes what it never took), and for one
    /// that has the whole reply and still talks when it is let go (its next word would be answered
    /// by a reset; but if it waits for room to say it, it might wait for minutes).
    pub fn ended<'s>(&self, how: io::Result<()>, socket: impl Into<SockRef<'s>>) {
        let socket = socket.into();
        let by_reset = match how {
            Ok(()) => self.still_talks.load(Ordering::Relaxed) && self.has_all(&socket),
            // We shut the socket down ourselves, and that is what it tells.
            Err(_) if self.server().is_cut_off() => false,
            Err(error) => {
                self.failed(&error);
                ErrorKind::of(&error) == ErrorKind::Stalled
            }
        };
        if by_reset {
            reset_on_close(socket);
        }
    }
    // ANCHOR_END: ended

    /// Whether nothing is under way to the client any more, as far as we are told.
    fn has_all(&self, socket: &SockRef<'_>) -> bool {
        self.server().sees_acknowledgements
            && progress::unacknowledged_bytes(socket).is_ok_and(|bytes| bytes == 0)
    }

    fn failed(&self, error: &io::Error) {
        let kind = ErrorKind::of(error);
        let message = match kind {
            // The system's words for these differ, and none says what to make of it.
            ErrorKind::FileShrank => "the file became shorter while it was sent".to_owned(),
            ErrorKind::Stalled => {
                let limit = humantime::format_duration(self.server().config.stall_timeout);
                format!("the client acknowledged no byte within {limit}")
            }
            _ => error.to_string(),
        };
        self.server().log.record(What::Error { conn: Some(self.conn), kind, message });
    }

    fn reply_ended(&self) {
        self.received_in_time.store(self.received.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn report(&self, unreported: &mut Unreported) {
        let preview = std::mem::take(&mut unreported.preview);
        let (conn, bytes) = (self.conn, std::mem::take(&mut unreported.bytes));
        unreported.reported_at = Some(Instant::now());
        self.server().log.record(What::Data { conn, bytes, preview });
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut unreported =
            std::mem::take(self.unreported.get_mut().unwrap_or_else(PoisonError::into_inner));
        if unreported.bytes > 0 {
            self.report(&mut unreported);
        }
        self.server().log.record(What::Disconnected {
            conn: self.conn,
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

    fn client_of(server: &Arc<Server>) -> Client {
        server.wait_for_slot().unwrap().connected("127.0.0.1:1".parse().unwrap())
    }

    fn names(events: &[Event]) -> Vec<&'static str> {
        events.iter().map(|event| event.what.name()).collect()
    }

    #[test]
    fn a_client_ends_with_one_disconnected_and_gives_its_slot_back() {
        let mut config = Config::new("unused");
        config.max_connections = 1;
        let server = Arc::new(Server::new(config, EventLog::memory()));
        for conn in 1..=2 {
            let client = client_of(&server);
            assert_eq!(client.conn(), conn);
            client.sent(10);
            drop(client);
        }
        let events = server.log.events();
        assert_eq!(names(&events), ["connected", "disconnected", "connected", "disconnected"]);
        assert_eq!(events[1].what, What::Disconnected { conn: 1, sent: 10, received: 0 });
    }

    #[test]
    fn a_flood_is_summed_up_and_no_byte_is_missing() {
        let server = Arc::new(Server::new(Config::new("unused"), EventLog::memory()));
        let client = client_of(&server);
        let started = Instant::now();
        for _ in 0..100_000 {
            client.received(b"flood");
        }
        drop(client);
        let mut reports = 0;
        let mut bytes_reported = 0;
        for event in server.log.events() {
            if let What::Data { bytes, preview, .. } = event.what {
                reports += 1;
                bytes_reported += bytes;
                assert_eq!(preview, "flood");
            }
        }
        assert_eq!(bytes_reported, 500_000);
        let intervals = started.elapsed().as_millis() / DATA_INTERVAL.as_millis();
        assert!((2..=intervals + 2).contains(&reports), "{reports} in {intervals} intervals");
    }
}
