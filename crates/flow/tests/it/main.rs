//! Tests of the program and the library with real servers, sockets and processes.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

mod bad_input;
mod clients;
mod program;
mod record;
mod replaying;
#[cfg(target_os = "linux")]
mod sampler;
#[cfg(target_os = "linux")]
mod sampler_load;
mod scenarios;
mod security;
mod servers;
mod streaming;
mod support;
