//! The code that all Highwater servers share, so that a sibling contains only the code of its
//! approach.
//!
//! A server sends one file to every client. It sends a preamble, and then the file chunk by chunk,
//! while it reads and discards what the client sends. docs/CONTRACT.md specifies this behavior.
//! This crate implements the parts that need neither a thread nor a runtime, and it depends on no
//! async runtime. Waits ([`Server::acquire`], [`Shutdown`]) have a blocking and an async form.
//!
//! One connection passes through the types of this crate as follows:
//!
//! 1. [`Server::acquire`] waits for a [`Permit`], which the connection limit issues (clause 9 of
//!    the contract).
//! 2. The sibling accepts a connection, and [`Permit::connected`] turns the permit into a
//!    [`Connection`] (event `connected`).
//! 3. [`Reply::open`] opens the file. The sibling sends it and records its progress in the
//!    [`Connection`].
//! 4. Dropping the [`Connection`] records the event `disconnected`, exactly once, and returns the
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
mod listener;
mod log;
mod reply;
mod send;
mod server;
mod shutdown;
mod signals;
mod stall;
mod startup;
mod text;
mod time_slice;
mod waiters;

pub use approach::Approach;
pub use body::{Body, Chunks};
pub use chunk_reader::{ChunkReader, Piece};
pub use config::{Config, DRAIN_BUFFER_BYTES, LogFormat, Preamble};
pub use connection::{Connection, Permit};
pub use event::{ErrorKind, Event, EventKind};
pub use listener::bind;
pub use log::EventLog;
pub use reply::Reply;
#[doc(hidden)]
pub use send::SEND_LIMIT;
pub use send::send;
pub use server::Server;
pub use shutdown::Shutdown;
pub use startup::{main, main_with_args};
pub use time_slice::TimeSlice;
