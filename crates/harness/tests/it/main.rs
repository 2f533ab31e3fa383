//! Tests the library.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod derived;
#[cfg(unix)]
mod exit_status;
mod fixture;
#[cfg(target_os = "linux")]
mod groups;
mod port;
mod properties;
mod record;
mod table;
mod text;
#[cfg(target_os = "linux")]
mod usage;
