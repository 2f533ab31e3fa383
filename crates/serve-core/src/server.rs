//! The state that all connections of one server share.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::client::Client;
use crate::config::Config;
use crate::event::{ErrorKind, What};
use crate::log::EventLog;
use crate::progress::SEES_ACKNOWLEDGEMENTS;
use crate::shutdown::Shutdown;
use crate::slots::Slots;

/// How long accepting rests after an error that will not go away at once (clause 9).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server: its settings, its log, its clients, and the wish to stop.
#[derive(Debug)]
pub struct Server {
    /// What it was told.
    pub config: Config,
    /// What it tells.
    pub log: EventLog,
    /// Whether it should stop. To ask for it: [`Server::shut_down`].
    pub shutdown: Shutdown,
    /// Whether the system tells how much of what was sent is acknowledged. Only Linux does; a test
    /// can say no, to see what is done elsewhere.
    pub sees_acknowledgements: bool,
    /// Whether a file is asked for what the page cache has before anything waits for it. Only Linux
    /// has an answer; a test or a bench can say no, to see what is done elsewhere.
    pub asks_page_cache: bool,
    cut_off: AtomicBool,
    slots: Slots,
    connections: AtomicU64,
}

impl Server {
    /// A server that has no listener yet; that goes to [`crate::Approach::run`].
    #[must_use]
    pub fn new(config: Config, log: EventLog) -> Self {
        Self {
            slots: Slots::new(config.max_connections),
            sees_acknowledgements: SEES_ACKNOWLEDGEMENTS,
            asks_page_cache: cfg!(target_os = "linux"),
            cut_off: AtomicBool::new(false),
            shutdown: Shutdown::default(),
            connections: AtomicU64::new(0),
            config,
            log,
        }
    }

    /// Asks the server to stop: no more connections, the clients have the grace.
    pub fn shut_down(&self) {
        // Told first: whoever waits for it may be the last to write to the log.
        self.shutdown.request(|| self.log.record(What::Shutdown));
        self.slots.wake();
    }

    /// Waits until one more client may come.
    pub async fn slot(self: &Arc<Self>) -> Slot {
        self.slots.when(|| self.take_slot()).await
    }

    /// [`slot`](Self::slot) for a thread; `None` once the server should stop.
    #[must_use]
    pub fn wait_for_slot(self: &Arc<Self>) -> Option<Slot> {
        let look = || match self.shutdown.is_requested() {
            true => Some(None),
            false => self.take_slot().map(Some),
        };
        self.slots.wait_for(Duration::MAX, look).flatten()
    }

    /// Waits until no client is left, and no longer than `timeout`.
    pub fn wait_for_idle(&self, timeout: Duration) {
        self.slots.wait_for(timeout, || self.slots.is_idle().then_some(()));
    }

    /// The grace is over: a connection that breaks from now on was cut off by us. For approaches
    /// that cut off by shutting sockets down.
    pub fn cut_off(&self) {
        self.cut_off.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_cut_off(&self) -> bool {
        self.cut_off.load(Ordering::SeqCst)
    }

    // ANCHOR: accept_failed
    /// What to do after `accept` failed: go on at once (`None`), since the error belongs to one
    /// connection that is gone already, or rest first, since the next `accept` would fail too.
    pub fn accept_failed(&self, error: &io::Error) -> Option<Duration> {
        if is_of_one_connection(error) {
            return None;
        }
        let kind = ErrorKind::of(error);
        self.log.record(What::Error { conn: None, kind, message: error.to_string() });
        Some(ACCEPT_PAUSE)
    }
    // ANCHOR_END: accept_failed

    fn take_slot(self: &Arc<Self>) -> Option<Slot> {
        self.slots.try_take().then(|| Slot { server: Arc::clone(self) })
    }
}

/// Whether an error of `accept` is about the connection that it would have returned. Linux hands
/// on network errors that were pending on it, too (accept(2), "Error handling").
#[must_use]
pub fn is_of_one_connection(error: &io::Error) -> bool {
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

/// The right to have one more client. It goes back when it is dropped, with or without a client.
#[derive(Debug)]
pub struct Slot {
    pub(crate) server: Arc<Server>,
}

impl Slot {
    /// A client came; from now on it will have its `disconnected`. `peer` is what `accept` said:
    /// after a reset the socket itself no longer knows.
    #[must_use]
    pub fn connected(self, peer: SocketAddr) -> Client {
        let conn = self.server.connections.fetch_add(1, Ordering::Relaxed) + 1;
        self.server.log.record(What::Connected { conn, peer });
        Client::new(conn, self)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.server.slots.release();
    }
}
