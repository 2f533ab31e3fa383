//! The state that all connections of one server share.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::connection_limit::ConnectionLimit;
use crate::event::{ErrorKind, EventKind};
use crate::log::EventLog;
use crate::shutdown::Shutdown;
use crate::stall::REPORTS_ACKNOWLEDGMENTS;

/// The pause before the server calls `accept` again after an error that is likely to persist
/// (clause 9 of the contract).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The number of consecutive errors from `accept` after which the server assumes that the cause
/// persists (clause 9 of the contract).
const ACCEPT_FAILURES_MAX: u32 = 16;

/// The minimum time between two `error` events of `accept` (clause 9 of the contract).
const ACCEPT_ERROR_INTERVAL: Duration = Duration::from_secs(1);
/// The value of [`Server::local_device`] if the file is not known to be on a local file system. No
/// device has this number.
pub(crate) const NO_DEVICE: u64 = 0;

/// A server with its settings, its event log, its connection limit and its shutdown request.
#[derive(Debug)]
pub struct Server {
    /// The settings.
    pub config: Config,
    /// The event log.
    pub log: EventLog,
    /// The shutdown request. To request the shutdown, call [`Server::shut_down`].
    pub shutdown: Shutdown,
    /// Indicates whether the operating system reports the number of acknowledged bytes. Only Linux
    /// reports this number. A test can set this field to `false` to run the code for other systems.
    pub reports_acknowledgments: bool,
    /// Indicates whether the server tries to read files from the page cache before it reads them on
    /// a thread that may block. Only Linux supports reads that return only cached data. A test or a
    /// benchmark can set this field to `false` to run the code for other systems.
    pub reads_page_cache: bool,
    /// The number of the device that contained the file when it was last opened, or [`NO_DEVICE`].
    /// On this device, a worker thread may open the file.
    pub(crate) local_device: AtomicU64,
    pub(crate) limit: ConnectionLimit,
    /// The number of connections that have been accepted so far.
    pub(crate) connections: AtomicU64,
    /// The number of errors from `accept` since the last connection.
    pub(crate) accept_failures: AtomicU32,
    /// The time of the last `error` event of `accept`.
    accept_error_logged_at: Mutex<Option<Instant>>,
    /// Requested when the grace period is over.
    disconnecting: Shutdown,
    announcement: Mutex<Option<Announcement>>,
}

/// The output of [`Server::announce`].
#[derive(Debug)]
pub(crate) struct Announcement {
    pub(crate) start_message: String,
    pub(crate) listening: EventKind,
}

impl Server {
    /// Returns a server without a listener. The listener is a separate argument of
    /// [`crate::Approach::run`].
    #[must_use]
    pub fn new(config: Config, log: EventLog) -> Self {
        Self {
            limit: ConnectionLimit::new(config.max_connections),
            reports_acknowledgments: REPORTS_ACKNOWLEDGMENTS,
            reads_page_cache: cfg!(target_os = "linux"),
            disconnecting: Shutdown::default(),
            shutdown: Shutdown::default(),
            local_device: AtomicU64::new(NO_DEVICE),
            connections: AtomicU64::new(0),
            accept_failures: AtomicU32::new(0),
            accept_error_logged_at: Mutex::default(),
            announcement: Mutex::new(None),
            config,
            log,
        }
    }

    pub(crate) fn with_announcement(self, announcement: Announcement) -> Self {
        Self { announcement: Mutex::new(Some(announcement)), ..self }
    }

    /// Prints the start message to stderr, and logs `listening`. Only the first call has an effect.
    /// The first call of [`Server::acquire`] calls this method. The method has no effect if the shutdown has been requested,
    /// or if the server was not started from a command line.
    pub fn announce(&self) {
        let announcement = self.announcement.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(announcement) = announcement else { return };
        if !self.shutdown.is_requested() {
            // An error is ignored, because stderr may be closed.
            let _ = io::stderr().write_all(announcement.start_message.as_bytes());
            self.log.record(announcement.listening);
        }
    }

    /// Requests the shutdown. After the request, the server accepts no more connections, and waits
    /// for the open connections until the grace period is over.
    pub fn shut_down(&self) {
        // The event is recorded before the request, because a thread that waits for the request may
        // finish the log.
        self.shutdown.request(|| self.log.record(EventKind::Shutdown));
        self.limit.waiters.notify();
    }

    /// Blocks until no connection is open, but at most for `timeout`.
    pub fn wait_until_idle(&self, timeout: Duration) {
        self.limit.waiters.block_until(timeout, || self.limit.is_idle().then_some(()));
    }

    /// Records that the grace period is over. If a connection fails after this call, the server
    /// itself has ended the connection. In that case, the server does not log an `error`. An
    /// approach calls this method before it shuts down the sockets of its connections.
    pub fn disconnect_all(&self) {
        self.disconnecting.request(|| {});
    }

    /// Blocks until `pause` has passed or the grace period is over. Returns whether the grace
    /// period is over.
    pub fn wait_for_disconnect(&self, pause: Duration) -> bool {
        self.disconnecting.wait_timeout(pause);
        self.is_disconnecting()
    }

    /// Waits until the grace period is over.
    pub async fn disconnect_requested(&self) {
        self.disconnecting.requested().await;
    }

    /// Returns whether the grace period is over (see [`disconnect_all`](Self::disconnect_all)).
    #[must_use]
    pub fn is_disconnecting(&self) -> bool {
        self.disconnecting.is_requested()
    }

    // ANCHOR: accept_failed
    /// Handles an error from `accept`. Returns `None` if the error affects only one connection, so
    /// that the caller can call `accept` again immediately. Any other error is likely to persist,
    /// and so is the cause of 16 consecutive errors. In these cases, logs the error at most once
    /// per second, and returns the pause before the next call of `accept`.
    pub fn accept_failed(&self, error: &io::Error) -> Option<Duration> {
        let failures = self.accept_failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if is_connection_error(error) && failures < ACCEPT_FAILURES_MAX {
            return None;
        }
        let mut logged_at =
            self.accept_error_logged_at.lock().unwrap_or_else(PoisonError::into_inner);
        if logged_at.is_none_or(|at| at.elapsed() >= ACCEPT_ERROR_INTERVAL) {
            *logged_at = Some(Instant::now());
            let kind = ErrorKind::of(error);
            self.log.record(EventKind::Error { conn: None, kind, message: error.to_string() });
        }
        Some(ACCEPT_PAUSE)
    }
    // ANCHOR_END: accept_failed
}

/// Returns whether an error from `accept` affects only the connection that `accept` would have
/// returned. On Linux, `accept` also reports pending network errors of that connection (accept(2),
/// "Error handling").
fn is_connection_error(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown,
        NetworkUnreachable, PermissionDenied,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | PermissionDenied
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn server() -> Arc<Server> {
        Arc::new(Server::new(Config::new("unused"), EventLog::memory()))
    }

    #[test]
    fn a_persistent_accept_error_causes_pauses_and_is_logged_once_per_second() {
        let server = server();
        let error = io::Error::from(io::ErrorKind::Unsupported);
        for _ in 0..100 {
            assert_eq!(server.accept_failed(&error), Some(ACCEPT_PAUSE));
        }
        assert_eq!(server.log.events().len(), 1);
        *server.accept_error_logged_at.lock().unwrap() =
            Some(Instant::now() - ACCEPT_ERROR_INTERVAL);
        assert_eq!(server.accept_failed(&error), Some(ACCEPT_PAUSE));
        assert_eq!(server.log.events().len(), 2);
    }

    #[test]
    fn sixteen_consecutive_errors_of_connections_cause_a_pause() {
        let server = server();
        let error = io::Error::from(io::ErrorKind::PermissionDenied);
        for _ in 0..2 {
            for _ in 1..ACCEPT_FAILURES_MAX {
                assert_eq!(server.accept_failed(&error), None);
            }
            let permit = server.acquire_blocking().unwrap();
            drop(permit.connected("127.0.0.1:1".parse().unwrap()));
        }
        for _ in 1..ACCEPT_FAILURES_MAX {
            assert_eq!(server.accept_failed(&error), None);
        }
        assert_eq!(server.accept_failed(&error), Some(ACCEPT_PAUSE));
        assert_eq!(server.accept_failed(&error), Some(ACCEPT_PAUSE));
    }
}
