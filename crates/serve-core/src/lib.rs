//! The code that all Highwater servers share, so that a sibling contains only the code of its
//! approach.
//!
//! A server sends one file to every client. The server first sends a preamble, and then sends the
//! file chunk by chunk. At the same time, the server reads and discards the client's data.
//! docs/CONTRACT.md specifies this behavior. This crate does not depend on an async runtime. Each
//! function that waits has a blocking form and an async form, such as [`Server::acquire_blocking`]
//! and [`Server::acquire`].
//!
//! A sibling uses the types of this crate for each connection in the following order:
//!
//! 1. [`Server::acquire`] waits until the connection limit permits one more connection, and returns
//!    a [`Permit`] (clause 9 of the contract).
//! 2. The sibling accepts a connection, and [`Permit::connected`] turns the permit into a
//!    [`Connection`] (event `connected`).
//! 3. [`Reply::open`] opens the file. The sibling sends the reply, and records the number of bytes
//!    sent in the [`Connection`].
//! 4. [`Linger`] determines how long the sibling drains the connection after the reply.
//! 5. Dropping the [`Connection`] records the event `disconnected` exactly once, and returns the
//!    permit.

mod approach;
mod body;
mod chunk_reader;
mod cli;
mod config;
mod connection;
mod connection_limit;
mod event;
mod limits;
mod linger;
mod listener;
mod local_file;
mod log;
mod log_queue;
mod memory;
#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod properties;
mod reply;
mod send;
mod server;
mod shutdown;
mod signals;
mod stall;
mod startup;
mod sync;
mod system_call;
mod text;
mod threads;
mod time_slice;
mod waiters;

pub use approach::Approach;
pub use body::{Body, Chunks};
pub use chunk_reader::{ChunkReader, Piece};
pub use config::{Config, DRAIN_BUFFER_BYTES, LogFormat, Preamble};
pub use connection::{Connection, Permit};
pub use event::{ErrorKind, Event, EventKind};
pub use linger::Linger;
pub use listener::bind;
pub use local_file::ServedFile;
pub use log::EventLog;
pub use reply::Reply;
#[doc(hidden)]
pub use send::SEND_LIMIT;
pub use send::send;
pub use server::Server;
pub use shutdown::Shutdown;
pub use startup::{main, main_with_args};
pub use threads::{POOL_THREADS, PoolCall, no_thread, pool_calls, start_shared_pool};
pub use time_slice::TimeSlice;
