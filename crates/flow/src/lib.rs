//! Shows servers while they run: where each byte is (in the file, the send buffer, the receive
//! buffer, or read by the client), and what each thread does.
//!
//! - [`trace`] defines the lines of a trace. The program sends these lines to its page, records
//!   them in files, and replays them. Start reading there.
//! - [`hub`] keeps the most recent lines, and passes new lines to all pages.
//! - [`connections`] gives each connection a number, under which all sources report it.
//! - [`servers`] starts the servers and reads their logs.
//! - [`clients`] runs the clients, and [`scenarios`] are lists of clients and server
//!   options.
//! - [`sequential`] is a server that serves one client at a time, for one of the scenarios.
//! - [`sampler`] reads the kernel's values of sockets, threads and processes.
//! - [`session`] starts all of these modules.
//! - [`web`] serves the page.
//! - [`record`] records a scenario without a page, and [`replay`] reads a recorded trace.
//! - [`cli`] is the command line.

#![allow(missing_docs, reason = "the names of most fields and variants describe them")]

pub mod cli;
pub mod clients;
pub mod connections;
pub mod hub;
pub mod record;
pub mod replay;
pub mod sampler;
pub mod scenarios;
pub mod sequential;
pub mod servers;
pub mod session;
pub mod web;

pub use flow_trace as trace;
