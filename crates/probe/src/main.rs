//! `probe`: a test client that opens one connection and prints what it receives, with timestamps.
//!
//! Start a server, then run `cargo run -p probe -- 127.0.0.1:4000`.

mod cli;
mod compare;
mod connection;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

/// The exit code if the connection did not end as intended, or if the reply differs from the file.
const EXIT_FAILED: u8 = 1;
/// The exit code if the client could not connect or could not continue.
const EXIT_UNABLE: u8 = 2;

fn main() -> ExitCode {
    match connection::run(&cli::Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_FAILED),
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::from(EXIT_UNABLE)
        }
    }
}
