//! The state that all connections of one server share.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::config::Config;
use crate::connection_limit::ConnectionLimit;
use crate::event::{ErrorKind, EventKind};
use crate::log::EventLog;
use crate::shutdown::Shutdown;
use crate::stall::REPORTS_ACKNOWLEDGEMENTS;

/// The pause before the server calls `accept` again after an error that is likely to persist
/// (clause 9 of the contract).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server with its settings, its event log, its connection limit and its shutdown request.
#[derive(Debug)]
pub struct Server {
    /// The settings.
    pub config: Config,
    /// The event log.
    pub log: EventLog,
    /// The shutdown request. To request the shutdown, call [`Server::shut_down`].
    pub shutdown: Shutdown,
    /// True if the operating system reports how much data has been acknowledged, which only Linux
    /// does. A test can set this field to false to run the code for other systems.
    pub reports_acknowledgements: bool,
    /// True if the server tries to read files from the page cache before it blocks a thread to read
    /// them. Only Linux supports such reads. A test or a benchmark can set this field to false to
    /// run the code for other systems.
    pub reads_page_cache: bool,
    pub(crate) limit: ConnectionLimit,
    /// The number of connections that have been accepted so far.
    pub(crate) connections: AtomicU64,
    is_disconnecting: AtomicBool,
}

impl Server {
    /// Returns a server without a listener, which is passed to [`crate::Approach::run`].
    #[must_use]
    pub fn new(config: Config, log: EventLog) -> Self {
        Self {
            limit: ConnectionLimit::new(config.max_connections),
            reports_acknowledgements: REPORTS_ACKNOWLEDGEMENTS,
            reads_page_cache: cfg!(target_os = "linux"),
            is_disconnecting: AtomicBool::new(false),
            shutdown: Shutdown::default(),
            connections: AtomicU64::new(0),
            config,
            log,
        }
    }

    /// Requests the shutdown. The server accepts no more connections, and the open connections have
    /// the grace period to complete.
    pub fn shut_down(&self) {
        // The event is recorded first, because a thread that waits for the request may finish the
        // log.
        self.shutdown.request(|| self.log.record(EventKind::Shutdown));
        self.limit.waiters.notify();
    }

    /// Blocks until no connection is open, but at most for `timeout`.
    pub fn wait_until_idle(&self, timeout: Duration) {
        self.limit.waiters.block_until(timeout, || self.limit.is_idle().then_some(()));
    }

    /// Records that the grace period is over. If a connection fails afterwards, the server itself
    /// has ended the connection, and logs no `error`. An approach calls this method before it shuts
    /// down the sockets of its connections.
    pub fn disconnect_all(&self) {
        self.is_disconnecting.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_disconnecting(&self) -> bool {
        self.is_disconnecting.load(Ordering::SeqCst)
    }

    // ANCHOR: accept_failed
    /// Decides how to continue after `accept` failed. Returns `None` if the error concerns one
    /// connection that is already gone, so that the next `accept` may follow immediately. Otherwise
    /// the error is likely to persist: logs it, and returns how long to wait before the next
    /// `accept`.
    pub fn accept_failed(&self, error: &io::Error) -> Option<Duration> {
        if is_connection_error(error) {
            return None;
        }
        let kind = ErrorKind::of(error);
        self.log.record(EventKind::Error { conn: None, kind, message: error.to_string() });
        Some(ACCEPT_PAUSE)
    }
    // ANCHOR_END: accept_failed
}

/// Returns whether an error of `accept` affects only the connection that `accept` would have
/// returned. Linux also reports network errors that were pending on that connection (accept(2),
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
