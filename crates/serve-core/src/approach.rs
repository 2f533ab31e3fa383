//! What core has to know of a sibling.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use crate::server::Server;

/// One way to write the server.
#[derive(Debug)]
pub struct Approach {
    /// Its name in events, tables and commands: `tokio` for the package `serve-tokio`.
    pub name: &'static str,
    /// What it is, in one sentence.
    pub summary: &'static str,
    /// Whether it has executor threads that `--workers` can count.
    pub has_workers: bool,
    /// The most clients at once, unless `--max-connections` says otherwise.
    pub max_connections: usize,
    /// Serves clients of a listener that is already bound, until the server's shutdown; then waits for those who are still
    /// there as long as the grace says, cuts off the rest, and returns.
    ///
    /// # Errors
    ///
    /// When the approach cannot start: no thread or no descriptor for its runtime.
    pub run: fn(TcpListener, Arc<Server>) -> io::Result<()>,
}

/// One that does nothing, for tests of what core does around it.
#[cfg(test)]
pub(crate) const TEST: Approach = Approach {
    name: "test",
    summary: "A test.",
    has_workers: true,
    max_connections: 2_000,
    run: |_, _| Ok(()),
};
