//! What every Highwater server shares, so that each sibling holds nothing but its approach.
//!
//! A server sends one file to whoever connects: a preamble, then the file chunk by chunk, while
//! it hears what the client says. The rules are docs/CONTRACT.md; this crate keeps those that
//! need neither a thread nor a runtime, and it knows no async runtime. Where something has to be
//! waited for ([`Server::slot`], [`Shutdown`]), it can be both awaited and blocked on.
//!
//! The way of one connection through the types here:
//!
//! 1. [`Server::slot`] waits until one more client may come (clause 9 of the contract).
//! 2. The sibling accepts, and [`Slot::connected`] makes the [`Client`] (event `connected`).
//! 3. [`Reply::open`] opens the file anew; the sibling sends it and tells the client's counts.
//! 4. Dropping the [`Client`] is its event `disconnected`: exactly one, however it ended.

mod approach;
mod body;
mod cli;
mod client;
mod config;
mod event;
mod limits;
mod listener;
mod log;
mod progress;
mod reply;
mod server;
mod shutdown;
mod signals;
mod slots;
mod startup;
mod text;
mod turn;

pub use approach::Approach;
pub use body::{Body, Chunks};
pub use client::Client;
pub use config::{Config, DRAIN_BYTES, LogFormat, Preamble};
pub use event::{ErrorKind, Event, What};
pub use listener::{AcceptWaker, bind, reset_on_close};
pub use log::EventLog;
pub use reply::Reply;
pub use server::{Server, Slot, is_of_one_connection};
pub use shutdown::Shutdown;
pub use startup::{main, main_with_args};
pub use turn::Turn;
