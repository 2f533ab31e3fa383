//! The description of a sibling.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use crate::server::Server;

/// A way to write the server, for example with Tokio.
#[derive(Debug)]
pub struct Approach {
    /// The name in events, tables and commands, for example `tokio` for the package `serve-tokio`.
    pub name: &'static str,
    /// A noun phrase that describes the approach, for the help text.
    pub summary: &'static str,
    /// Indicates whether the approach has worker threads. `--workers` sets the number of worker
    /// threads.
    pub has_workers: bool,
    /// The default of `--max-connections`.
    pub max_connections: usize,
    /// The memory that a non-reading client occupies in the process and in the kernel, in bytes,
    /// without the kernel's send buffer and without a buffer for the file. The server uses this
    /// value to find out how many connections fit into the memory.
    pub connection_bytes: usize,
    /// The number of file descriptors that each worker thread keeps open.
    pub worker_descriptors: usize,
    /// Starts all threads that do not belong to a single client, and completes one call on each
    /// thread of the blocking pool. Then calls [`Server::acquire`] for the first time, which logs
    /// `listening`, and serves the clients of a bound listener until the server's shutdown is
    /// requested. After the request, waits until all connections have ended or the grace period is
    /// over. Then disconnects the remaining clients, and returns.
    ///
    /// If this function does not return within 0.5 s after the grace period, the program ends.
    /// Therefore, the function may wait for a thread that hangs in a system call.
    ///
    /// # Errors
    ///
    /// Returns an error if a thread cannot be started or no file descriptor is left.
    pub run: fn(TcpListener, Arc<Server>) -> io::Result<()>,
}

/// An approach that does nothing, for tests of this crate.
#[cfg(test)]
pub(crate) const TEST: Approach = Approach {
    name: "test",
    summary: "a test",
    has_workers: true,
    max_connections: 2_000,
    connection_bytes: 8 * 1024,
    worker_descriptors: 0,
    run: |_, _| Ok(()),
};
