//! The state that all threads share.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serve_core::ErrorKind;

use crate::log::{Log, lock, quoted};
use crate::mutant::Mutant;
use crate::options::Options;

/// The sockets of the open connections, by connection number.
pub type Connections = HashMap<u64, Arc<TcpStream>>;

/// The state that all threads share.
pub struct Server {
    pub options: Options,
    pub log: Log,
    /// The content of the file at startup, used only by [`Mutant::FileReadOnce`].
    pub startup_content: Arc<[u8]>,
    /// Shutdown needs the sockets. All other code uses only the number of connections.
    pub connections: Mutex<Connections>,
    /// Notified when `connections` changes and when the shutdown begins.
    pub changed: Condvar,
    pub is_stopping: AtomicBool,
    pub has_disconnected_all: AtomicBool,
    /// Used only by [`Mutant::BlockingOnExecutor`].
    pub only_thread: Mutex<()>,
}

impl Server {
    pub fn new(options: Options, startup_content: Vec<u8>) -> io::Result<Self> {
        Ok(Self {
            log: Log::to_stdout(options.mutant)?,
            startup_content: startup_content.into(),
            connections: Mutex::default(),
            changed: Condvar::new(),
            is_stopping: AtomicBool::new(false),
            has_disconnected_all: AtomicBool::new(false),
            only_thread: Mutex::default(),
            options,
        })
    }

    pub fn is_mutant(&self, mutant: Mutant) -> bool {
        self.options.mutant == Some(mutant)
    }

    /// Begins the shutdown.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only signals call it"))]
    pub fn stop(&self) {
        // The lock ensures that no `connected` event follows `shutdown`, and that no waiting thread
        // misses the notification.
        let _connections = lock(&self.connections);
        self.is_stopping.store(true, SeqCst);
        self.log.record("shutdown", "");
        self.changed.notify_all();
    }

    /// Shuts down the sockets of all connections. Errors on them are not logged afterwards.
    pub fn disconnect_all(&self) {
        self.has_disconnected_all.store(true, SeqCst);
        for stream in lock(&self.connections).values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Waits until the connections meet a condition, or until the timeout expires.
    pub fn wait_until(&self, timeout: Duration, is_met: impl Fn(&Connections) -> bool) {
        let is_unmet = |connections: &mut Connections| !is_met(connections);
        let _ = self.changed.wait_timeout_while(lock(&self.connections), timeout, is_unmet);
    }

    /// Logs an error of a connection, or, without `id`, of the accept loop.
    pub fn record_error(&self, id: Option<u64>, error: &io::Error) {
        let conn = id.map(|conn| format!(r#","conn":{conn}"#)).unwrap_or_default();
        let (kind, message) = (ErrorKind::of(error).name(), quoted(&error.to_string()));
        self.log.record("error", &format!(r#"{conn},"kind":"{kind}","message":{message}"#));
    }
}
